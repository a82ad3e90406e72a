"""A fused cloud reduced to what the octree can use: one point per cell, fewer where it is flat.

Photos that overlap give many slightly different points for the same spot of the surface. Their mean
is less noisy than any of them, and the time and memory of Poisson reconstruction follow the number
of points. The size of the cells follows the local resolution, so detail seen from near is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.scene import PointCloud

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: A point is a stray when its NEIGHBOURS-th nearest point is further than REACH cells away.
NEIGHBOURS = 6
REACH = 4.0
#: Normals of one cell whose mean is shorter than this contradict each other.
COHERENT = 0.2
#: Samples are weak when those around them have this little of the support that is usual, and
#: less than so much. Where few photos agree, as in the dark between two legs, many are wrong.
WEAK, ENOUGH = 1 / 6, 6.0
#: Points lie in a plane when their RMS distance from it is at most this share of their cell ...
FLAT_DISTANCE = 0.2
#: ... and the mean of their unit normals is at least this long.
FLAT_NORMALS = 0.95


@dataclass(frozen=True)
class Samples:
    """What Poisson reconstruction gets: thinned points and the cell size at each."""

    cloud: PointCloud
    cells: Float32
    """(N,) edge of the cell that each point stands for, world units."""

    @cached_property
    def tree(self) -> cKDTree:
        """Over ``cloud.points``; made when it is first asked for, after the octree has gone."""
        return cKDTree(self.cloud.points)


def trusted(samples: Samples, workers: int = -1) -> Samples:
    """Those that are not weak; all of them where supports are not known.

    The support of a sample is that of all points of its cell: one photo may count twice.
    """
    support = samples.cloud.support
    if support is None or len(support) <= NEIGHBOURS:
        return samples
    _, near = samples.tree.query(samples.cloud.points, k=NEIGHBOURS + 1, workers=workers)
    around = np.median(support[near], axis=1)
    keep = around >= min(ENOUGH, WEAK * float(np.median(support)))
    return Samples(samples.cloud.select(keep), samples.cells[keep])


def merge_flat(samples: Samples) -> PointCloud:
    """The samples, with one for each cell twice as large where they lie in a plane.

    A table top then costs a quarter, and its noise is averaged away; edges keep every sample. Cells
    four times as large would show: the surface has a small step where the octree's depth jumps.
    """
    points = samples.cloud.points
    cell = samples.cells.astype(np.float64)
    level = np.round(np.log2(cell / cell.min())).astype(np.int64)
    group, _ = _group(points, 2 * cell, level)
    flat = _flat(samples, group)
    group, _ = _group(points, np.where(flat, 2 * cell, cell), 2 * level + flat)
    return _averaged(samples.cloud, group)


def _flat(samples: Samples, group: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(N,) whether the samples of each point's group lie in one plane."""
    count = np.bincount(group).astype(np.float64)
    ones = np.ones(len(group))
    mean = _means(samples.cloud.points, group, ones, count)
    offset = samples.cloud.points - mean[group]
    covariance = np.empty((len(count), 3, 3))
    for i in range(3):
        for j in range(3):
            covariance[:, i, j] = np.bincount(group, offset[:, i] * offset[:, j]) / count
    distance = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance)[:, 0], 0))
    coherence = np.linalg.norm(_means(samples.cloud.normals, group, ones, count), axis=1)
    flat = (distance[group] <= FLAT_DISTANCE * samples.cells) & (coherence[group] >= FLAT_NORMALS)
    return np.asarray(flat, bool)


def thin(cloud: PointCloud, cells_per_pixel: float, workers: int = -1) -> Samples:
    """Average the points of each cell, and drop strays.

    The edge of a cell is ``1 / cells_per_pixel`` photo pixels or the next power of two above it,
    so neighbouring points of equal resolution share one grid.
    """
    radii = spacing(cloud) if cloud.radii is None else cloud.radii
    finest = float(np.quantile(radii, 0.05)) / cells_per_pixel
    level = np.maximum(np.ceil(np.log2(radii / cells_per_pixel / finest) - 0.5), 0).astype(np.int64)
    cell = finest * 2.0**level
    group, first = _group(cloud.points, cell, level)
    thinned = _averaged(replace(cloud, radii=radii), group)
    cells = cell[first].astype(np.float32)
    keep = np.any(thinned.normals != 0, axis=1) & _crowded(thinned.points, cells, workers)
    thinned, cells = thinned.select(keep), cells[keep]
    return Samples(thinned, cells)


def _averaged(cloud: PointCloud, group: NDArray[np.intp]) -> PointCloud:
    """One point for each group; its normal is zero where the normals of the group contradict."""
    support = np.ones(len(cloud)) if cloud.support is None else cloud.support.astype(np.float64)
    radii = np.ones(len(cloud)) if cloud.radii is None else cloud.radii.astype(np.float64)
    # A point's error grows with its pixel size and falls with the number of photos that agree.
    weight: Float64 = np.maximum(support, 1) / radii**2
    total = np.bincount(group, weight).astype(np.float64)
    normals = _means(cloud.normals, group, weight, total)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    # They cancel out where the two sides of a thin sheet fall into one cell.
    normals = np.where(length > COHERENT, normals / np.maximum(length, COHERENT), 0)
    most = np.iinfo(np.uint16).max
    return PointCloud(
        _means(cloud.points, group, weight, total).astype(np.float32),
        normals.astype(np.float32),
        np.rint(_means(cloud.colors, group, weight, total)).astype(np.uint8),
        (np.bincount(group, weight * radii) / total).astype(np.float32),
        np.minimum(np.bincount(group, support), most).astype(np.uint16),
    )


def spacing(cloud: PointCloud, sample: int = 20_000) -> Float32:
    """(N,) one typical distance between neighbours, for clouds that don't know their resolution."""
    some = cloud.points[:: max(1, len(cloud) // sample)]
    distance, _ = cKDTree(cloud.points).query(some, k=2)
    typical = float(np.median(distance[:, 1]))
    return np.full(len(cloud), max(typical, 1e-9), np.float32)


def _group(
    points: Float32, cell: Float64, level: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cell each point falls into (N,), numbered from 0, and one member of each cell."""
    place = np.floor(points / cell[:, None]).astype(np.int64)
    place -= place.min(axis=0)
    extent = place.max(axis=0) + 1
    key = ((level * extent[0] + place[:, 0]) * extent[1] + place[:, 1]) * extent[2] + place[:, 2]
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return group, first


def _means(
    values: NDArray[np.generic], group: NDArray[np.intp], weight: Float64, total: Float64
) -> Float64:
    columns = [np.bincount(group, weight * column) / total for column in values.T]
    return np.stack(columns, axis=1)


def _crowded(points: Float32, cells: Float32, workers: int) -> NDArray[np.bool_]:
    """(N,) False for strays: points with too few others around them."""
    if len(points) <= NEIGHBOURS:
        return np.ones(len(points), bool)
    distance, _ = cKDTree(points).query(points, k=[NEIGHBOURS + 1], workers=workers)
    crowded: NDArray[np.bool_] = distance[:, 0] <= REACH * cells
    return crowded
