"""The first Gaussians, from points that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.scene import SH_C0, PointCloud, SparseModel, Splats, View
from gypsum.splats.density import Clearings

Float32 = NDArray[np.float32]

#: Opacity to begin with.
_OPACITY = 0.5
#: Sizes are the mean distance to this many neighbours.
_NEIGHBOURS = 3
#: Thickness of a Gaussian whose surface's direction is known, by its width.
_FLATNESS = 0.3
#: Cells of the grid that finds empty places, along a photo's longer side; a place is empty when no
#: point is within so many cells; so many points around it tell its depth.
_GRID, _EMPTY, _AROUND = 24, 1.5, 8
#: Side of the masks that tell which points are the object's, pixels.
_MASK_SIDE = 480
#: A point is behind another when it is so many times further away.
_BEHIND = 1.15
#: Standard deviation of a Gaussian put there, in cells, and its opacity.
_OVERLAP, _GUESSED = 0.7, 0.3
#: Around a camera nothing is within this part of the distance of the nearest of its points but for
#: some outliers, percent of them.
_CLEAR, _OUTLIERS = 0.5, 2.0
#: A point is kept when at least this many photos saw it.
_SEEN = 3


def from_sparse(model: SparseModel) -> Splats:
    """A Gaussian at each point that the cameras were found with."""
    keep = np.ones(len(model.points), bool)
    if model.tracks:
        keep = np.array([len(track) >= _SEEN for track in model.tracks])
    points = model.points[keep].astype(np.float32)
    return _round(points, model.colors[keep])


def from_cloud(cloud: PointCloud, count: int, seed: int = 0) -> Splats:
    """Flat Gaussians at ``count`` points of a dense cloud, chosen at random."""
    rng = np.random.default_rng(seed)
    if len(cloud) > count:
        cloud = cloud.select(np.sort(rng.choice(len(cloud), count, replace=False)))
    splats = _round(cloud.points, cloud.colors)
    splats.log_scales[:, 2] += np.log(_FLATNESS)
    splats.quaternions[:] = _turned_to(cloud.normals)
    return splats


def fill(model: SparseModel, views: Sequence[View]) -> Splats:
    """Gaussians where photos show what no known point is near: walls, floors, the sky.

    A coarse grid is laid over each photo. Its empty places get the photo's colour and the largest
    depth that the points around them have in that photo: what has no points is mostly a background.
    Those that would stand before known points in other photos are left out.
    """
    points, colors, sizes = [], [], []
    landmarks = _landmarks(model, views)
    for view, seen in zip(views, landmarks, strict=True):
        if len(seen.depths) < _AROUND:
            continue
        step = max(view.width, view.height) / _GRID
        x, y = np.meshgrid(np.arange(0.5, view.width / step), np.arange(0.5, view.height / step))
        grid = np.stack([x.ravel(), y.ravel()], 1) * step
        distances, nearest = seen.tree.query(grid, _AROUND)
        small = view.resized(round(view.width / step), round(view.height / step))
        column, row = np.minimum((grid / step).astype(int), (small.width - 1, small.height - 1)).T
        empty = distances[:, 0] > _EMPTY * step
        mask = small.read_mask()
        if mask is not None:
            empty &= mask[row, column]
        depths = seen.depths[nearest[empty]].max(1)
        rays = np.c_[grid[empty], np.ones(empty.sum())] @ np.linalg.inv(view.K).T
        points.append((rays * depths[:, None] - view.t) @ view.R)
        colors.append(small.read()[row[empty], column[empty]])
        sizes.append(step / view.K[0, 0] * depths * _OVERLAP)
    if not points:
        return _round(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8))
    splats = _round(np.concatenate(points).astype(np.float32), np.concatenate(colors))
    splats.log_scales[:] = np.log(np.concatenate(sizes))[:, None]
    splats.opacities[:] = np.log(_GUESSED / (1 - _GUESSED))
    return splats.select(~_before(splats.means, views, landmarks))


def find_masked(means: Float32, views: Sequence[View]) -> NDArray[np.bool_]:
    """(N,) what is outside of most photos' masks, or in no photo, where there are masks."""
    inside, seen = np.zeros(len(means)), np.zeros(len(means))
    for view in views:
        small = view.limited(_MASK_SIDE)
        mask = small.read_mask()
        if mask is None:
            continue
        pixels, depths = small.project(means)
        size = (small.width, small.height)
        here = np.flatnonzero((depths > 0) & (pixels >= 0).all(1) & (pixels < size).all(1))
        column, row = pixels[here].astype(int).T
        seen[here] += 1
        inside[here] += mask[row, column]
    if not seen.any():
        return np.zeros(len(means), bool)
    return np.asarray((seen == 0) | (inside < 0.5 * seen))


def clearings(model: SparseModel, views: Sequence[View]) -> Clearings:
    """Where nothing can be, as the photos' points tell."""
    radii = [
        _CLEAR * float(np.percentile(seen.depths, _OUTLIERS)) if len(seen.depths) >= _AROUND else 0
        for seen in _landmarks(model, views)
    ]
    return Clearings(np.array([view.center for view in views]), np.array(radii, np.float64))


@dataclass(frozen=True)
class _Landmarks:
    """Known points that a photo sees."""

    tree: cKDTree
    """Of their pixels."""
    depths: NDArray[np.float64]


def _landmarks(model: SparseModel, views: Sequence[View]) -> list[_Landmarks]:
    ids = {photo.name: number for number, photo in model.photos.items()}
    place = np.full(int(model.point_ids.max(initial=-1)) + 1, -1)
    place[model.point_ids] = np.arange(len(model.points))
    found = []
    for view in views:
        seen = model.photos[ids[view.name]].point3d_ids
        pixels, depths = view.project(model.points[place[seen[seen >= 0]]])
        front = depths > 0
        found.append(_Landmarks(cKDTree(pixels[front]), depths[front]))
    return found


def _before(
    points: Float32, views: Sequence[View], landmarks: Sequence[_Landmarks]
) -> NDArray[np.bool_]:
    """(N,) what is before known points that a photo sees near it, and so is no more than air."""
    air = np.zeros(len(points), bool)
    for view, seen in zip(views, landmarks, strict=True):
        pixels, depths = view.project(points)
        inside = (depths > 0) & (pixels >= 0).all(1) & (pixels < (view.width, view.height)).all(1)
        here = np.flatnonzero(inside & ~air)
        if not len(here) or not len(seen.depths):
            continue
        reach = _EMPTY * max(view.width, view.height) / _GRID
        distances, nearest = seen.tree.query(pixels[here])
        behind = _BEHIND * depths[here] < seen.depths[nearest]
        air[here[(distances < reach) & behind]] = True
    return air


def together(first: Splats, second: Splats) -> Splats:
    """All of both."""
    return Splats.from_rows(np.concatenate([first.rows(), second.rows()]), 0)


def _round(points: Float32, colors: NDArray[np.uint8]) -> Splats:
    count = len(points)
    distances = _spacing(points) if count else np.empty(0)
    opacity = np.log(_OPACITY / (1 - _OPACITY))
    return Splats(
        points.astype(np.float32),
        np.repeat(np.log(distances)[:, None], 3, 1).astype(np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.full(count, opacity, np.float32),
        ((colors / 255 - 0.5) / SH_C0).astype(np.float32)[:, None],
    )


def _spacing(points: Float32) -> NDArray[np.float64]:
    """(N,) root mean square distance to the nearest neighbours."""
    near = min(_NEIGHBOURS + 1, len(points))
    distances, _ = cKDTree(points).query(points, near)
    distances = np.atleast_2d(distances)[:, 1:]
    typical = np.sqrt((distances**2).mean(1)) if distances.shape[1] else np.ones(len(points))
    return np.asarray(np.maximum(typical, 1e-7))


def _turned_to(normals: Float32) -> Float32:
    """Quaternions (N, 4) that turn the third axis to the normals (N, 3)."""
    w = 1 + normals[:, 2]
    turns = np.stack([w, -normals[:, 1], normals[:, 0], np.zeros_like(w)], 1)
    turns[w < 1e-4] = (0, 1, 0, 0)
    return np.asarray(turns / np.linalg.norm(turns, axis=1, keepdims=True), np.float32)
