"""From where the photos look: gaps, steps, and whether the subject stands free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene.capture import PhotoFile
from gypsum.scene.preview import PairPreview, Preview

Float64 = NDArray[np.float64]

#: Photos that look down or up more steeply than this come from no side, degrees.
STEEP = 65.0
#: Rays of a point that meet at less than this angle (radians) tell no depth.
_LEAST_ANGLE = 0.03
_FEWEST_POINTS = 30
#: Trials for a plane, and how thick it may be, as a share of the distance.
_TRIALS = 60
_THICKNESS = 0.03


@dataclass(frozen=True)
class Directions:
    """How the photos of the largest group that holds together lie around the subject."""

    photos: int
    """In the group."""
    sides: int
    """Those that look from a side, not from straight above."""
    gap: float
    """Largest angle around the vertical that no photo looks from, degrees; 0 when too few tell."""
    step: float
    """Median angle from a photo to the second nearest that overlaps with it, degrees."""
    facing: float | None
    """Angle between the main plane in the photos and the picture's plane, degrees: near 0 for a
    wall or the ground seen by a drone, more for a table on which something stands."""


def find_directions(photos: Sequence[PhotoFile], preview: Preview) -> Directions:
    """Directions of the photos, without any scale or position."""
    group = np.flatnonzero(preview.group == 0)
    azimuths = _azimuths(preview.rotations[group])
    return Directions(
        photos=len(group),
        sides=len(azimuths),
        gap=_largest_gap(azimuths),
        step=_typical_step(preview, len(photos)),
        facing=_facing(photos, preview),
    )


def view_angles(preview: Preview) -> list[list[tuple[float, int]]]:
    """For each photo the angles (degrees) to those that overlap with it, least first."""
    angles: list[list[tuple[float, int]]] = [[] for _ in preview.points]
    forward = preview.rotations[:, 2]
    for pair in preview.pairs:
        i, j = pair.first, pair.second
        angle = float(np.degrees(np.arccos(np.clip(forward[i] @ forward[j], -1, 1))))
        angles[i].append((angle, j))
        angles[j].append((angle, i))
    return [sorted(found) for found in angles]


def _azimuths(rotations: Float64) -> Float64:
    """(K,) degrees around the vertical of those photos that look from a side.

    Photos are level: their horizontal axes lie in a plane, whose normal is up.
    """
    right, down, forward = rotations[:, 0], rotations[:, 1], rotations[:, 2]
    values, vectors = np.linalg.eigh(right.T @ right)
    up = vectors[:, 0]
    if len(rotations) < 3 or values[1] < 0.02 * values[2]:
        # All look the same way: their own vertical is as good.
        up = -down.mean(axis=0)
        up /= max(float(np.linalg.norm(up)), 1e-9)
    elif (down @ up).sum() > 0:
        up = -up
    steep = np.abs(forward @ up) > np.sin(np.radians(STEEP))
    across = np.cross(up, vectors[:, 2])
    along = np.cross(across, up)
    level = forward[~steep]
    azimuths: Float64 = np.degrees(np.arctan2(level @ across, level @ along)) % 360
    return azimuths


def _largest_gap(azimuths: Float64) -> float:
    if len(azimuths) < 3:
        return 0.0
    ordered = np.sort(azimuths)
    return float(np.diff(np.r_[ordered, ordered[0] + 360]).max())


def _typical_step(preview: Preview, count: int) -> float:
    """Photos with fewer than two neighbours count as turned the other way."""
    second = [found[1][0] if len(found) > 1 else 180.0 for found in view_angles(preview)]
    return float(np.median(second)) if count else 0.0


def _facing(photos: Sequence[PhotoFile], preview: Preview) -> float | None:
    """The angle at which the photos look at the main plane, median over the pairs."""
    rng = np.random.default_rng(0)
    found = []
    for pair in preview.pairs:
        points = triangulate(photos, preview, pair)
        if len(points) >= _FEWEST_POINTS:
            normal = _plane(points, rng)
            found.append(np.degrees(np.arccos(min(1.0, abs(float(normal[2]))))))
    return float(np.median(found)) if found else None


def triangulate(photos: Sequence[PhotoFile], preview: Preview, pair: PairPreview) -> Float64:
    """(K, 3) points that a pair tells well, in the first camera's frame, unit baseline."""
    if not pair.translation.any():
        return np.empty((0, 3))
    first, second = (
        _rays(photos[k], preview.focal_px[k], preview.points[k][pair.matched(k)])
        for k in (pair.first, pair.second)
    )
    turned = first @ pair.rotation.T
    # Depths z of both rays with the least distance between them: normal equations of 2 x 2.
    aa, ab, bb = (
        (p * q).sum(axis=1) for p, q in ((turned, turned), (turned, second), (second,) * 2)
    )
    at, bt = turned @ pair.translation, second @ pair.translation
    determinant = aa * bb - ab**2
    wide = determinant > _LEAST_ANGLE**2 * aa * bb
    depth = (ab[wide] * bt[wide] - bb[wide] * at[wide]) / determinant[wide]
    points = first[wide] * depth[:, None]
    ahead: Float64 = points[points[:, 2] > 0]
    if not len(ahead):
        return ahead
    near: Float64 = ahead[ahead[:, 2] < 4 * np.median(ahead[:, 2])]
    return near


def _rays(photo: PhotoFile, focal: float, xy: NDArray[np.floating]) -> Float64:
    """(N, 3) directions of pixels (N, 2), of depth one."""
    middle = (photo.width / 2, photo.height / 2)
    return np.column_stack([(xy - middle) / focal, np.ones(len(xy))])


def _plane(points: Float64, rng: np.random.Generator) -> Float64:
    """(3,) normal of the plane that holds most of the points (N, 3)."""
    thick = _THICKNESS * float(np.median(points[:, 2]))
    best, normal = -1, np.array([0.0, 0.0, 1.0])
    for _ in range(_TRIALS):
        a, b, c = points[rng.choice(len(points), 3, replace=False)]
        across = np.cross(b - a, c - a)
        length = float(np.linalg.norm(across))
        if length > 0:
            held = int((np.abs((points - a) @ (across / length)) < thick).sum())
            if held > best:
                best, normal = held, across / length
    return normal
