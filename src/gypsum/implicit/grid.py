"""Blocks of nodes near a surface, and where they lie in the world."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gypsum.native import _sdf
from gypsum.scene import Box

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

SIDE = _sdf.SIDE
NODES = SIDE**3
#: Distances end here, voxels: what is further away only knows its side.
TRUNCATION = 8.0
#: Nodes around the box, so that the surface may touch its sides.
_PAD = 4
#: A node's place within its block (64, 3), x fastest.
_WITHIN = np.array([(x, y, z) for z, y, x in product(range(SIDE), repeat=3)], np.float32)


@dataclass(frozen=True)
class Frame:
    """Where nodes lie: node (0, 0, 0) at ``low`` of the box's own frame, ``voxel`` apart."""

    box: Box
    voxel: float
    """World units."""

    @property
    def low(self) -> Float64:
        """(3,) the first node in the box's frame (centre at zero, along its axes)."""
        low: Float64 = -self.box.half - _PAD * self.voxel
        return low

    @property
    def blocks(self) -> tuple[int, int, int]:
        """Of blocks along z, y and x."""
        nodes = np.ceil(2 * self.box.half / self.voxel).astype(int) + 2 * _PAD + 1
        x, y, z = (-(-nodes // SIDE)).tolist()
        return z, y, x

    def to_index(self, points: NDArray[np.floating]) -> Float32:
        """World points (N, 3) in voxels from the first node."""
        local = (points - self.box.center) @ self.box.axes.T
        return np.ascontiguousarray((local - self.low) / self.voxel, np.float32)

    def to_world(self, index: NDArray[np.floating]) -> Float64:
        """The reverse of :meth:`to_index`."""
        local = index * self.voxel + self.low
        world: Float64 = local @ self.box.axes + self.box.center
        return world

    def camera(self, K: Float64, R: Float64, t: Float64) -> Float32:
        """(16,) intrinsics, rotation and centre of a pinhole camera, in voxels."""
        row = np.empty(16, np.float32)
        row[:4] = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
        row[4:13] = (R @ self.box.axes.T).ravel()
        row[13:] = self.to_index((-R.T @ t)[None])[0]
        return row

    def block_centers(self) -> Float32:
        """(blocks, 3) of all blocks of the table in its order, in voxels."""
        z, y, x = np.indices(self.blocks).reshape(3, -1)
        return (np.stack([x, y, z], 1) * SIDE + (SIDE - 1) / 2).astype(np.float32)


@dataclass(frozen=True)
class Grid:
    """A frame with the blocks that there are."""

    frame: Frame
    table: Int32
    """(z, y, x) of blocks: its number, or -1 and below outside, ``_sdf.INSIDE`` inside."""

    @classmethod
    def of(cls, frame: Frame, active: Bool, inside: Bool) -> Grid:
        """The grid of the ``active`` blocks; ``inside`` says on which side all others are."""
        away = ndimage.distance_transform_cdt(~active, "chessboard")
        table = np.where(inside, _sdf.INSIDE, -away).astype(np.int32)
        table[active] = np.arange(np.count_nonzero(active), dtype=np.int32)
        return cls(frame, table)

    @cached_property
    def places(self) -> Int32:
        """(blocks, 3) x, y, z of each block that there is, counted in blocks."""
        z, y, x = np.nonzero(self.table >= 0)
        return np.stack([x, y, z], 1).astype(np.int32)

    @cached_property
    def around(self) -> Int32:
        """(blocks, 6) the blocks before and after each along x, y, z; negative: none."""
        padded = np.pad(self.table, 1, constant_values=-1)
        x, y, z = (self.places + 1).T
        steps = [(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)]
        return np.stack([padded[z + k, y + j, x + i] for i, j, k in steps], 1)

    @property
    def rows(self) -> int:
        """How many nodes there are."""
        return len(self.places) * NODES

    def nodes(self, blocks: NDArray[np.integer] | None = None) -> Float32:
        """(rows, 3) index coordinates of the nodes of some blocks, or all."""
        places = self.places if blocks is None else self.places[blocks]
        corners = places[:, None].astype(np.float32) * SIDE
        return np.ascontiguousarray((corners + _WITHIN).reshape(-1, 3))

    def dense(self, values: Float32, outside: float, inside: float) -> Float32:
        """(nx, ny, nz) the values (rows,) of all nodes; where no block is, that of the side."""
        whole = np.where(self.table == _sdf.INSIDE, inside, outside).astype(np.float32)
        z, y, x = self.table.shape
        out = np.empty((z, SIDE, y, SIDE, x, SIDE), np.float32)
        out[:] = whole[:, None, :, None, :, None]
        px, py, pz = self.places.T
        out[pz, :, py, :, px, :] = values.reshape(-1, SIDE, SIDE, SIDE)
        return np.ascontiguousarray(out.reshape(z * SIDE, y * SIDE, x * SIDE).transpose(2, 1, 0))


def around_surface(frame: Frame, surface: Bool, inside: Bool) -> Grid:
    """The grid of the blocks that the surface passes and those beside them."""
    return Grid.of(frame, ndimage.binary_dilation(surface, np.ones((3, 3, 3))), inside)
