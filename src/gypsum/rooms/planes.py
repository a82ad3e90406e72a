"""The floor, the ceiling and the walls of rooms, among points with normals.

The level planes are peaks in a histogram of heights; the upright ones are peaks in a Hough space of
direction and distance, taken one after the other with least squares in between. Points are thinned
to one a cell first, so that a vote is an area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

CELL = 0.03
"""Metres; one point stands for the square of this."""
LEVEL, UPRIGHT = 0.9, 0.25
"""Vertical part of normals: at least of level, at most of upright planes."""
NEAR = 0.04
"""Points this close to a plane, metres, belong to it ..."""
ALIKE = 0.92
"""... if the cosine of their normals' angle to its is this at least."""
LEAST_LEVEL = 0.25
"""Share of the largest level plane's area that floor and ceiling have at least."""
LEAST_WALL = 0.6
"""Square metres of a wall at least."""
LEAST_HEIGHT = 0.5
"""Share of the room's height that a wall spans at least."""
MOST_WALLS = 60
_TURN = np.radians(1.0)
_STEP = 0.02
"""Of the Hough space: angle, and distance in metres."""
_ROUNDS = 4


@dataclass(frozen=True)
class Plane:
    """Points x with ``normal @ x == distance``."""

    normal: Float64
    """(3,) unit, to the side that was seen."""
    distance: float
    area: float
    """Square metres that points cover."""

    def heights(self, points: NDArray[np.floating]) -> Float64:
        """(N,) how far points lie before the plane."""
        return np.asarray(points @ self.normal - self.distance, np.float64)


@dataclass(frozen=True)
class Planes:
    """What a room is made of."""

    floor: float
    """Height, metres."""
    ceiling: float
    """Height; of the highest points of walls where no ceiling was seen."""
    has_ceiling: bool
    walls: tuple[Plane, ...]
    level: tuple[Plane, ...]
    """Floor and, where there is one, ceiling."""
    points: Float64
    """(N, 3) one a cell."""
    normals: Float64
    """(N, 3) of them."""

    @property
    def all(self) -> tuple[Plane, ...]:
        """Walls, floor and ceiling."""
        return (*self.level, *self.walls)


def find_planes(points: NDArray[np.floating], normals: NDArray[np.floating]) -> Planes:
    """The planes of a room of which points (N, 3) and unit normals (N, 3) are known."""
    spots, facing = _thinned(points.astype(np.float64), normals.astype(np.float64))
    level = np.abs(facing[:, 2]) > LEVEL
    if level.sum() * CELL**2 < LEAST_WALL:
        raise ReconstructionError(
            "No floor was found, so there is no plan: --plan is for scans of rooms, Z up."
        )
    heights = spots[level, 2]
    peaks = _peaks(heights)
    floor = _middle(heights, peaks[0])
    ceiling, has_ceiling = float(np.quantile(spots[:, 2], 0.995)), False
    if len(peaks) > 1 and peaks[-1] - floor > 1.5:
        ceiling, has_ceiling = _middle(heights, peaks[-1]), True
    walls = _walls(spots, facing, floor, ceiling)
    planes = [_level_plane(spots, level, floor, 1.0)]
    if has_ceiling:
        planes.append(_level_plane(spots, level, ceiling, -1.0))
    return Planes(floor, ceiling, has_ceiling, tuple(walls), tuple(planes), spots, facing)


def _thinned(points: Float64, normals: Float64) -> tuple[Float64, Float64]:
    """The mean of each cell."""
    corner = np.floor((points - points.min(axis=0)) / CELL).astype(np.int64)
    size = corner.max(axis=0) + 1
    key = (corner[:, 0] * size[1] + corner[:, 1]) * size[2] + corner[:, 2]
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)

    def mean(values: Float64) -> Float64:
        sums = [np.bincount(group, values[:, axis], len(count)) for axis in range(3)]
        return np.stack(sums, axis=1) / count[:, None]

    facing = mean(normals)
    length = np.linalg.norm(facing, axis=1)
    good = length > 0.5
    return mean(points)[good], facing[good] / length[good, None]


def _peaks(heights: Float64) -> list[float]:
    """Heights of large level planes, from low to high."""
    edges = np.arange(heights.min() - CELL, heights.max() + 2 * CELL, CELL / 2)
    votes, _ = np.histogram(heights, edges)
    # A plane's points spread over a few bins.
    votes = np.convolve(votes, np.ones(4), "same")
    high = votes >= max(LEAST_LEVEL * votes.max(), LEAST_WALL / CELL**2)
    best = np.flatnonzero(high)
    if not len(best):
        best = np.array([votes.argmax()])
    groups = np.split(best, np.flatnonzero(np.diff(best) > 4) + 1)
    return [float(edges[group[votes[group].argmax()]] + CELL / 4) for group in groups]


def _middle(heights: Float64, near: float) -> float:
    for _ in range(_ROUNDS):
        near = float(np.median(heights[np.abs(heights - near) <= NEAR]))
    return near


def _level_plane(spots: Float64, level: Bools, height: float, sign: float) -> Plane:
    near = level & (np.abs(spots[:, 2] - height) <= NEAR)
    # Levels are level: a floor's tilt of millimetres would tilt the plan.
    return Plane(np.array([0, 0, sign]), sign * height, float(near.sum() * CELL**2))


def _walls(spots: Float64, facing: Float64, floor: float, ceiling: float) -> list[Plane]:
    """Upright planes, the largest first."""
    inner = (spots[:, 2] > floor + 2 * CELL) & (spots[:, 2] < ceiling - 2 * CELL)
    left = np.flatnonzero((np.abs(facing[:, 2]) < UPRIGHT) & inner)
    center = spots[:, :2].mean(axis=0)
    flat = facing[:, :2] / np.maximum(np.linalg.norm(facing[:, :2], axis=1, keepdims=True), 1e-9)
    walls: list[Plane] = []
    refused = 0
    while len(left) * CELL**2 >= LEAST_WALL and len(walls) < MOST_WALLS and refused < MOST_WALLS:
        normal, distance = _strongest(spots[left, :2] - center, flat[left])
        distance += float(normal @ center)
        for _ in range(_ROUNDS):
            near = _belonging(spots[left], flat[left], normal, distance)
            if near.sum() < 3:
                break
            normal, distance = _fitted(spots[left[near], :2], normal)
        near = _belonging(spots[left], flat[left], normal, distance)
        mine = left[near]
        area = len(mine) * CELL**2
        if area < LEAST_WALL:
            # Weaker ones follow.
            break
        spanned = len(np.unique((spots[mine, 2] / (3 * CELL)).astype(int))) * 3 * CELL
        if spanned >= LEAST_HEIGHT * (ceiling - floor):
            walls.append(Plane(np.array([*normal, 0.0]), distance, area))
        else:
            refused += 1
        left = left[~near]
    return walls


def _belonging(spots: Float64, flat: Float64, normal: Float64, distance: float) -> Bools:
    near = np.abs(spots[:, :2] @ normal - distance) <= NEAR
    return np.asarray(near & (flat @ normal >= ALIKE))


def _strongest(spots: Float64, flat: Float64) -> tuple[Float64, float]:
    """Direction (2,) and distance of the line that most points lie on."""
    turn = (np.arctan2(flat[:, 1], flat[:, 0]) / _TURN).astype(np.int64) % round(2 * np.pi / _TURN)
    # The distance by the binned direction: a wall's points share it wherever they lie.
    angle = (turn + 0.5) * _TURN
    along = spots[:, 0] * np.cos(angle) + spots[:, 1] * np.sin(angle)
    low = along.min()
    bin_ = ((along - low) / _STEP).astype(np.int64)
    width = int(bin_.max()) + 1
    turns = round(2 * np.pi / _TURN)
    votes = np.bincount(turn * width + bin_, minlength=turns * width).reshape(turns, width)
    smooth = votes.astype(np.float64)
    for shift in (-2, -1, 1, 2):
        smooth += np.roll(votes, shift, axis=0)
    smooth += np.roll(smooth, 1, axis=1) + np.roll(smooth, -1, axis=1)
    best = int(smooth.argmax())
    chosen = (best // width + 0.5) * _TURN
    return np.array([np.cos(chosen), np.sin(chosen)]), float(low + (best % width + 0.5) * _STEP)


def _fitted(spots: Float64, normal: Float64) -> tuple[Float64, float]:
    """The line through points (N, 2), by total least squares."""
    middle = spots.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov((spots - middle).T))
    found = directions[:, 0]
    found = found if found @ normal >= 0 else -found
    return found, float(found @ middle)
