"""A surface as the zero of a field of signed distances, with colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gypsum.implicit.grid import TRUNCATION, Bool, Float32, Float64, Grid
from gypsum.implicit.meshing import surface_nets
from gypsum.implicit.parts import large_parts
from gypsum.native import _sdf
from gypsum.scene import Box, Mesh

UInt8 = NDArray[np.uint8]

#: Samples of a drawn ray are so far apart, voxels.
_STEP = 0.6
#: Where photos alone would tell a surface's place to so many voxels, evidence is one half.
_HALF_EVIDENCE = 0.5


@dataclass(frozen=True)
class Drawn:
    """What a camera would see."""

    color: UInt8
    """(h, w, 3) sRGB, black where nothing is."""
    depth: Float32
    """(h, w) along z, world units; 0 where nothing is."""
    normal: Float32
    """(h, w, 3) unit, world."""
    opacity: Float32
    """(h, w)"""


@dataclass
class Field:
    """Signed distances (positive outside) and colours at the nodes of a grid, in voxels."""

    grid: Grid
    distance: Float32
    """(rows,)"""
    color: Float32
    """(rows, 16): for red, green and blue the mean and three harmonics of degree 1."""
    sharpness: float
    """Of the density around the surface, per voxel."""
    information: Float32
    """(rows,) Fisher's, of the photos on a node's distance; the inverse of a variance, voxels²."""

    def sample(
        self, index: Float32, colors: bool = False, threads: int = 0
    ) -> tuple[Float32, Float32 | None]:
        """Distances, in voxels, and colours (N, 16) at index coordinates (N, 3)."""
        distances = np.empty(len(index), np.float32)
        found = np.empty((len(index), _sdf.CHANNELS), np.float32) if colors else None
        _sdf.sample(
            self.grid.table, self.distance, self.color if colors else None, TRUNCATION,
            np.ascontiguousarray(index, np.float32), distances, found, threads,
        )  # fmt: skip
        return distances, found

    def normals(self, index: Float32, threads: int = 0) -> Float32:
        """(N, 3) unit, along the box's axes, at index coordinates."""
        slope = np.stack(
            [
                self.sample(index + step, threads=threads)[0]
                - self.sample(index - step, threads=threads)[0]
                for step in 0.5 * np.eye(3, dtype=np.float32)
            ],
            1,
        )
        length = np.linalg.norm(slope, axis=1, keepdims=True)
        unit: Float32 = slope / np.maximum(length, 1e-6)
        return unit

    def distances(self, points: NDArray[np.floating], threads: int = 0) -> Float32:
        """Signed distances of world points (N, 3), world units, right near the surface."""
        found, _ = self.sample(self.grid.frame.to_index(points), threads=threads)
        return found * np.float32(self.grid.frame.voxel)

    def mesh(self, threads: int = 0) -> Mesh:
        """The surface in the world, closed, without small parts and bubbles, with mean colours."""
        inner = _solid(self.grid.dense(-self.distance, -TRUNCATION, TRUNCATION))
        frame = self.grid.frame
        size = np.array(inner.shape) * frame.voxel
        # Nodes are the centres of the voxels that `surface_nets` asks for.
        middle = frame.low - frame.voxel / 2 + size / 2
        box = Box(frame.box.center + middle @ frame.box.axes, frame.box.axes, size / 2)
        mesh = surface_nets(inner, box)
        _, colors = self.sample(frame.to_index(mesh.vertices), colors=True, threads=threads)
        assert colors is not None
        rgb = np.rint(np.clip(colors[:, 0:12:4], 0, 1) * 255).astype(np.uint8)
        return Mesh(mesh.vertices, mesh.faces, rgb)

    def evidence(self, vertices: NDArray[np.floating]) -> Float32:
        """(N,) how much photos, rather than smoothness, shaped the surface there, 0 to 1."""
        index = np.rint(self.grid.frame.to_index(vertices)).astype(np.int64)
        dense = self.grid.dense(self.information, 0.0, 0.0)
        # A piece of surface leans on the nodes around it together.
        near = 27 * ndimage.uniform_filter(dense, 3)
        index = np.clip(index, 0, np.array(near.shape) - 1)
        found = near[tuple(index.T)]
        share: Float32 = found / (found + 1 / _HALF_EVIDENCE**2)
        return share

    def render(
        self, K: Float64, R: Float64, t: Float64, width: int, height: int, threads: int = 0
    ) -> Drawn:
        """The surface as a pinhole camera sees it; conventions as those of an observation."""
        frame = self.grid.frame
        count = width * height
        y, x = np.divmod(np.arange(count, dtype=np.int32), np.int32(width))
        scene = _sdf.Scene(
            self.grid.table, self.distance, self.color, TRUNCATION, frame.camera(K, R, t)[None],
            np.zeros(count, np.int16), np.stack([x + 0.5, y + 0.5], 1).astype(np.float32),
            np.zeros((count, 4), np.float32), np.zeros(count, np.float32), None, threads,
        )  # fmt: skip
        drawn = np.empty((count, _sdf.DRAWN), np.float32)
        optics = np.array([self.sharpness, _STEP, 1, 1, 0, 0, 0], np.float32)
        scene.draw(optics, 0.0, np.arange(count, dtype=np.int32), drawn)
        seen = drawn.reshape(height, width, _sdf.DRAWN)
        return Drawn(
            np.rint(np.clip(seen[..., :3], 0, 1) * 255).astype(np.uint8),
            seen[..., 4] * np.float32(frame.voxel),
            (seen[..., 5:] @ frame.box.axes).astype(np.float32),
            seen[..., 3],
        )


def _solid(inner: Float32) -> Float32:
    """Values (nx, ny, nz), positive inside, without small parts and without bubbles."""
    inside = inner > 0
    keep = large_parts(inside)
    outside = ndimage.label(np.pad(~keep, 1, constant_values=True))[0]
    open_air: Bool = (outside == outside[0, 0, 0])[1:-1, 1:-1, 1:-1]
    result = np.where(inside & ~keep, -TRUNCATION, inner)
    return np.where(~open_air & ~keep, TRUNCATION, result).astype(np.float32)
