"""Depth maps to a surface by way of a truncated signed distance field.

Each voxel near the surface holds the weighted mean of its distances to the surface as the depth
maps tell them along their lines of sight (Curless and Levoy, SIGGRAPH 1996); the surface is where
that is zero. Voxels exist in blocks of 8 x 8 x 8, and only where some depth map saw a surface
(Niessner et al., SIGGRAPH Asia 2013). Behind the surface the weight falls to zero at the
truncation (Bylow et al., RSS 2013), so that the two sides of a thin thing do not erase each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ResourceError
from gypsum.native import _tsdf
from gypsum.scene import Mesh, View

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Truncation in voxels where none is given: noise of two voxels is averaged whole.
TRUNCATION = 4.0
#: Weight of a line of sight for voxels that it passes far before its surface. They are cleared of
#: what a single wrong depth left there, but thin things outlast a few slightly wrong cameras.
FREE_WEIGHT = 0.1
#: Memory where no other limit is given.
MEMORY = 4 * 2**30


class TsdfVolume:
    """A signed distance field that grows with the depth maps it is given.

    Deterministic: the result depends on the order of the depth maps, not on ``threads`` (0: all
    cores). World units are the caller's; the grid is aligned with the world's axes.
    """

    def __init__(
        self,
        voxel: float,
        *,
        truncation: float | None = None,
        free_weight: float = FREE_WEIGHT,
        memory: int = MEMORY,
        threads: int = 0,
    ) -> None:
        self.voxel = voxel
        self.truncation = TRUNCATION * voxel if truncation is None else truncation
        self.threads = threads
        most = memory // (_tsdf.BLOCK_BYTES + _tsdf.COLOR_BYTES)
        self._native = _tsdf.Volume(voxel, self.truncation, free_weight, most)

    def __len__(self) -> int:
        """How many blocks of voxels there are."""
        return len(self._native)

    def integrate(
        self,
        depth: Float32,
        view: View | Float64,
        rotation: Float64 | None = None,
        translation: Float64 | None = None,
        *,
        weights: Float32 | None = None,
        colors: NDArray[np.uint8] | None = None,
    ) -> None:
        """Add a depth map (h, w), along z, 0 where unknown.

        ``view`` is a :class:`View`, resized to the map's size where it differs, or intrinsics
        (3, 3) with the world-to-camera ``rotation`` and ``translation``. ``weights`` (h, w) say
        how much each pixel counts; 1 where not given. ``colors`` (h, w, 3) are sRGB.
        """
        height, width = depth.shape
        if isinstance(view, View):
            view = view.resized(width, height)
            K, rotation, translation = view.K, view.R, view.t
        else:
            K = view
        if rotation is None or translation is None:
            raise ValueError("intrinsics alone do not say where the camera is")
        fits = self._native.integrate(
            np.ascontiguousarray(depth, np.float32),
            np.ones_like(depth, np.float32)
            if weights is None
            else np.ascontiguousarray(weights, np.float32),
            np.empty((0, 0, 3), np.uint8)
            if colors is None
            else np.ascontiguousarray(colors, np.uint8),
            np.ascontiguousarray(K, np.float64),
            np.ascontiguousarray(rotation, np.float64),
            np.ascontiguousarray(translation, np.float64),
            self.threads,
        )
        if not fits:
            raise ResourceError(
                f"Voxels of {self.voxel:.3g} take more memory than there is; choose larger ones "
                "with --voxel."
            )

    def mesh(self, minimum_weight: float = 0.5) -> Mesh:
        """The surface, with colours if pictures were given.

        It has holes where voxels were seen with less than ``minimum_weight`` in all.
        """
        vertices, faces, colors = self._native.surface(minimum_weight, self.threads)
        return Mesh(vertices, faces, colors)
