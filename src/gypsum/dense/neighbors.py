"""Which photos each photo is matched against, and between which depths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Photo, SparseModel, View

#: Triangulation angle that stereo likes best: wide enough for depth, narrow enough to look alike.
_BEST_ANGLE = np.radians(10.0)
#: Angles below and above the best fall off differently: too small is worse than too large.
_SPREAD_BELOW = np.radians(5.0)
_SPREAD_ABOVE = np.radians(14.0)
#: How far the depth range reaches beyond the sparse points, as factors.
_NEAR_MARGIN, _FAR_MARGIN = 0.75, 1.35
#: Points inside a photo's mask from which its depth range can be told.
_FEWEST_MASKED = 50


@dataclass(frozen=True)
class Neighborhood:
    """What stereo needs to know about one photo."""

    sources: tuple[int, ...]
    """Indices of the source views, best first."""
    near: float
    far: float
    """Depth range, world units."""


def choose_neighbors(model: SparseModel, views: Sequence[View], count: int) -> list[Neighborhood]:
    """Choose up to ``count`` source views for each view, and its depth range.

    A pair scores by its shared sparse points, each weighted by its triangulation angle and by how
    alike the two photos see it in size (after Goesele 2007, Furukawa 2010). Sources are then taken
    greedily, with less for those that stand close to one already taken, so that they look at the
    object from different sides. Views without any source come back with an empty tuple. Of a photo
    with a mask, only what it sees inside counts, unless hardly anything is there.
    """
    observed = _observations(model, views)
    centers = np.array([view.center for view in views])
    focal = np.array([np.sqrt(view.K[0, 0] * view.K[1, 1]) for view in views])
    result = []
    for i, view in enumerate(views):
        points = observed[i]
        if len(points) == 0:
            result.append(Neighborhood((), 0.0, 0.0))
            continue
        scores = np.zeros(len(views))
        for j in range(len(views)):
            if j != i:
                shared = np.intersect1d(points, observed[j], assume_unique=True)
                scores[j] = _pair_score(model.points[shared], centers, focal, i, j)
        depths = view.project(model.points[points])[1]
        near, far = _depth_range(depths)
        target = np.median(model.points[points], axis=0)
        sources = _spread(scores, centers, target, count)
        result.append(Neighborhood(sources, near, far))
    return result


def _observations(model: SparseModel, views: Sequence[View]) -> list[NDArray[np.int64]]:
    """For each view the sorted rows of ``model.points`` it sees."""
    row_of = {int(number): row for row, number in enumerate(model.point_ids)}
    by_name = {photo.name: photo for photo in model.photos.values()}
    result = []
    for view in views:
        photo = by_name[view.name]
        ids = photo.point3d_ids[_unmasked(view, photo)]
        rows = [row_of[int(number)] for number in ids if number >= 0 and int(number) in row_of]
        result.append(np.unique(np.array(rows, np.int64)))
    return result


def _unmasked(view: View, photo: Photo) -> NDArray[np.bool_]:
    """(M,) the keypoints on the object; all where the mask leaves too few with a point."""
    every = np.ones(len(photo.xy), bool)
    mask = view.read_mask()
    if mask is None:
        return every
    column, row = np.clip(photo.xy.T.astype(int), 0, [[view.width - 1], [view.height - 1]])
    inside: NDArray[np.bool_] = mask[row, column]
    return inside if (photo.point3d_ids[inside] >= 0).sum() >= _FEWEST_MASKED else every


def _pair_score(
    points: NDArray[np.float64],
    centers: NDArray[np.float64],
    focal: NDArray[np.float64],
    i: int,
    j: int,
) -> float:
    if len(points) == 0:
        return 0.0
    to_i, to_j = centers[i] - points, centers[j] - points
    distance_i, distance_j = np.linalg.norm(to_i, axis=1), np.linalg.norm(to_j, axis=1)
    cosine = np.sum(to_i * to_j, axis=1) / (distance_i * distance_j)
    angle = np.arccos(np.clip(cosine, -1, 1))
    off = (angle - _BEST_ANGLE) / np.where(angle < _BEST_ANGLE, _SPREAD_BELOW, _SPREAD_ABOVE)
    by_angle = np.exp(-0.5 * off**2)
    ratio = (focal[i] / distance_i) / (focal[j] / distance_j)
    by_size = np.minimum(ratio, 1 / ratio)
    return float(np.sum(by_angle * by_size))


def _depth_range(depths: NDArray[np.float64]) -> tuple[float, float]:
    depths = depths[depths > 0]
    near, far = np.percentile(depths, [0.5, 99.5])
    return float(near * _NEAR_MARGIN), float(far * _FAR_MARGIN)


def _spread(
    scores: NDArray[np.float64],
    centers: NDArray[np.float64],
    target: NDArray[np.float64],
    count: int,
) -> tuple[int, ...]:
    directions = centers - target
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    left = scores.copy()
    chosen: list[int] = []
    while len(chosen) < count and left.max() > 0:
        best = int(np.argmax(left))
        chosen.append(best)
        left[best] = 0
        angle = np.arccos(np.clip(directions @ directions[best], -1, 1))
        left *= 1 - 0.5 * np.exp(-((angle / np.radians(6.0)) ** 2))
    return tuple(chosen)
