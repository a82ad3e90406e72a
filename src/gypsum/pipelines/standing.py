"""How a finished model stands and how large it is, where the user knows better than the photos.

Everything before the files is worked out in the scan's own frame; what ``--up`` and ``--scale`` ask
for is done to what is written, so that another choice repeats nothing but the writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh, PointCloud, SparseModel, Splats, TexturedMesh, View

Float64 = NDArray[np.float64]

#: Settings of a stage that writes models, and of one that draws them: size is not to be seen.
WRITTEN, DRAWN = ("up", "scale"), ("up",)


@dataclass(frozen=True)
class Standing:
    """A turn and then a scaling, both about the origin of the scan's frame."""

    turn: Float64
    """(3, 3) rotation."""
    scale: float = 1.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Standing:
        """What was asked for."""
        up = settings["up"]
        turn = np.eye(3) if up == "auto" else upright(np.array(up, np.float64))
        return cls(turn, settings.get("scale") or 1.0)

    @property
    def is_plain(self) -> bool:
        """Whether it leaves everything as it is."""
        return self.scale == 1 and bool((self.turn == np.eye(3)).all())

    def drawn(self) -> Standing:
        """The turn alone."""
        return replace(self, scale=1.0)

    def mesh(self, mesh: Mesh) -> Mesh:
        """A mesh in the user's frame."""
        return mesh if self.is_plain else replace(mesh, vertices=self._moved(mesh.vertices))

    def model(self, model: TexturedMesh) -> TexturedMesh:
        """A textured mesh; normal maps are in tangent space and stay as they are."""
        return replace(model, mesh=self.mesh(model.mesh))

    def cloud(self, cloud: PointCloud) -> PointCloud:
        """A cloud; its radii are lengths, and its normals turn with it."""
        if self.is_plain:
            return cloud
        normals = np.asarray(cloud.normals @ self.turn.T, np.float32)
        radii = None if cloud.radii is None else (cloud.radii * np.float32(self.scale))
        return replace(cloud, points=self._moved(cloud.points), normals=normals, radii=radii)

    def splats(self, splats: Splats) -> Splats:
        """Gaussians with their colours."""
        return splats if self.is_plain else splats.moved(self.turn, self.scale)

    def sparse(self, model: SparseModel) -> SparseModel:
        """Cameras and points."""
        return model if self.is_plain else model.transformed(self.scale, self.turn, np.zeros(3))

    def views(self, views: Sequence[View]) -> list[View]:
        """Posed photos."""
        if self.is_plain:
            return list(views)
        return [replace(view, R=view.R @ self.turn.T, t=self.scale * view.t) for view in views]

    def _moved(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(points @ (self.scale * self.turn.T), np.float32)


def upright(up: Float64) -> Float64:
    """(3, 3) the smallest turn that takes a direction (3,) to +z; about x where it points down.

    Rodrigues' formula with the axis ``up × z``, of which sine and cosine are at hand.
    """
    x, y, z = up / np.linalg.norm(up)
    if z < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    shared = 1 / (1 + z)
    return np.array(
        [[1 - x * x * shared, -x * y * shared, -x], [-x * y * shared, 1 - y * y * shared, -y],
         [x, y, z]]
    )  # fmt: skip
