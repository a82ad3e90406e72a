"""The zero level of a grid of values as triangles.

Surface nets (Gibson, MICCAI 1998): a vertex in each cell of eight neighbouring values that the
level passes, at the mean of where it crosses the cell's edges; and a quadrilateral, two triangles,
around each edge of the grid that it crosses.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Box, Mesh

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_CORNERS = np.array(list(product((0, 1), repeat=3)))
#: Pairs of a cell's corners that an edge joins.
_EDGES = [
    (a, b)
    for a in range(8)
    for b in range(a + 1, 8)
    if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1
]


def surface_nets(values: Float32, box: Box) -> Mesh:
    """The surface where ``values`` (nx, ny, nz) pass zero, closed within the box.

    Values are those at the centres of voxels that fill the box, positive inside; the surface is in
    the world frame, its faces counter-clockwise seen from outside.
    """
    # A shell of outside values closes what the box cuts, at its faces.
    padded = np.pad(values, 1, mode="edge").astype(np.float32)
    shell = np.ones(padded.shape, bool)
    shell[1:-1, 1:-1, 1:-1] = False
    padded[shell] = -np.maximum(np.abs(padded[shell]), 1e-6)
    cells, places = _vertices(padded)
    if not len(cells):
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    number = np.full(np.array(padded.shape) - 1, -1, np.int64)
    number[tuple(cells.T)] = np.arange(len(cells))
    quads = np.concatenate([_quads(padded, number, axis) for axis in range(3)])
    triangles = _split(quads, places)
    # Grid coordinates count voxels' centres; the pad shifts them by one.
    sides = 2 * box.half / np.array(values.shape)
    local = (places - 0.5) * sides - box.half
    world = local @ box.axes + box.center
    return Mesh(world.astype(np.float32), triangles.astype(np.int32))


def _vertices(values: Float32) -> tuple[Int64, Float64]:
    """Cells (N, 3) that the level passes and its place in each (N, 3), in voxels."""
    inside = values > 0
    x, y, z = (n - 1 for n in values.shape)
    count = np.zeros((x, y, z), np.uint8)
    for i, j, k in _CORNERS:
        count += inside[i : i + x, j : j + y, k : k + z]
    cells = np.argwhere((count > 0) & (count < 8))
    corners = np.stack([values[tuple((cells + c).T)] for c in _CORNERS], 1).astype(np.float64)
    total, crossings = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, b in _EDGES:
        va, vb = corners[:, a], corners[:, b]
        crossed = (va > 0) != (vb > 0)
        share = np.where(crossed, va / np.where(crossed, va - vb, 1), 0.0)
        place = _CORNERS[a] + share[:, None] * (_CORNERS[b] - _CORNERS[a])
        total += np.where(crossed[:, None], place, 0)
        crossings += crossed
    return cells, cells + total / np.maximum(crossings, 1)[:, None]


def _quads(values: Float32, number: Int64, axis: int) -> Int64:
    """(Q, 4) vertices around the edges along one axis that the level crosses, outside in front."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    first = np.take(values, range(values.shape[axis] - 1), axis) > 0
    second = np.take(values, range(1, values.shape[axis]), axis) > 0
    at = np.argwhere(first != second)
    # The edge's four cells; along the grid's own border lies the pad, which nothing crosses.
    step_u, step_v = np.eye(3, dtype=np.int64)[[u, v]]
    ring = [at - step_u - step_v, at - step_v, at, at - step_u]
    quads = np.stack([number[tuple(cell.T)] for cell in ring], 1)
    leaving = first[tuple(at.T)]
    return np.where(leaving[:, None], quads, quads[:, ::-1])


def _split(quads: Int64, places: Float64) -> Int64:
    """Two triangles of each quadrilateral (Q, 4), along its shorter diagonal."""
    a, b, c, d = quads.T
    short = np.linalg.norm(places[a] - places[c], axis=1) <= np.linalg.norm(
        places[b] - places[d], axis=1
    )
    one = np.where(short[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    two = np.where(short[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([one, two])
