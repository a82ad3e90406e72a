"""The outline of rooms: wall lines cut the plan into cells, and floor and ceiling say which are
inside (a cell complex, as in Ochmann et al. 2016, with evidence in place of an optimisation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, label

from gypsum.errors import ReconstructionError
from gypsum.rooms.planes import CELL, LEVEL, NEAR, Plane, Planes

Float64 = NDArray[np.float64]

RASTER = 0.05
"""Metres of a pixel in which floor and ceiling are drawn."""
GAP = 0.3
"""Gaps up to this, metres, where floor or ceiling are hidden."""
COVERED = 0.5
"""Share of a cell that floor or ceiling cover where it is inside."""
LEAST_AREA = 0.5
"""Square metres of a room."""
SAME = 0.05
"""Walls whose lines differ by less, metres, over the whole plan, are one."""
_TINY = 1e-6


@dataclass(frozen=True)
class Room:
    """One room."""

    corners: Float64
    """(N, 2) counter-clockwise seen from above, metres."""
    height: float
    """From floor to ceiling, metres."""

    @property
    def walls(self) -> Float64:
        """(N,) lengths; wall i goes from corner i to the next."""
        steps = np.roll(self.corners, -1, axis=0) - self.corners
        return np.asarray(np.linalg.norm(steps, axis=1), np.float64)

    @property
    def area(self) -> float:
        """Of the floor, square metres."""
        return abs(_signed_area(self.corners))

    @property
    def perimeter(self) -> float:
        """Metres."""
        return float(self.walls.sum())

    @property
    def center(self) -> Float64:
        """(2,) the centre of the area."""
        x, y = self.corners.T
        u, v = np.roll(self.corners, -1, axis=0).T
        cross = x * v - u * y
        weight = 3 * cross.sum()
        return np.array([((x + u) * cross).sum() / weight, ((y + v) * cross).sum() / weight])


@dataclass(frozen=True)
class Plan:
    """All rooms, the largest first."""

    rooms: tuple[Room, ...]
    has_ceiling: bool
    """Whether heights are to a ceiling; else to the highest points of walls."""


def find_rooms(planes: Planes) -> Plan:
    """The outlines of rooms with these planes."""
    covered, origin = _covered(planes)
    low = origin - 2 * RASTER
    high = origin + np.array(covered.shape) * RASTER + 2 * RASTER
    cells = [np.array([low, (high[0], low[1]), high, (low[0], high[1])])]
    for wall in _distinct(planes.walls, low, high):
        cells = [part for cell in cells for part in _split(cell, wall)]
    inside = [cell for cell in cells if _share(cell, covered, origin) >= COVERED]
    height = planes.ceiling - planes.floor
    rooms = [Room(corners, height) for corners in _outlines(inside)]
    rooms = sorted((r for r in rooms if r.area >= LEAST_AREA), key=lambda room: -room.area)
    if not rooms:
        raise ReconstructionError(
            "No room was found between the walls: --plan needs floor or ceiling and walls."
        )
    return Plan(tuple(rooms), planes.has_ceiling)


def _covered(planes: Planes) -> tuple[NDArray[np.bool_], Float64]:
    """(X, Y) where floor or ceiling are, and the corner (2,) of the first pixel."""
    level = np.abs(planes.normals[:, 2]) > LEVEL
    heights = planes.points[:, 2]
    near = np.abs(heights - planes.floor) <= 2 * NEAR
    if planes.has_ceiling:
        near |= np.abs(heights - planes.ceiling) <= 2 * NEAR
    spots = planes.points[level & near, :2]
    origin = spots.min(axis=0) - GAP
    pixel = ((spots - origin) / RASTER).astype(np.int64)
    # Room around, so that closing works at the border.
    covered = np.zeros(pixel.max(axis=0) + 1 + round(GAP / RASTER), bool)
    covered[pixel[:, 0], pixel[:, 1]] = True
    side = 2 * round(GAP / RASTER / 2) + 1
    closed: NDArray[np.bool_] = binary_closing(covered, np.ones((side, side)))
    parts, count = label(closed)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        closed &= sizes[parts] * RASTER**2 >= LEAST_AREA
    return closed, origin


def _distinct(walls: tuple[Plane, ...], low: Float64, high: Float64) -> list[Plane]:
    """The walls without those that hardly differ from a larger one: they would leave slivers."""
    ends = np.array([[low[0], low[1]], [low[0], high[1]], [high[0], low[1]], [high[0], high[1]]])
    kept: list[Plane] = []
    for wall in walls:
        here = ends @ wall.normal[:2] - wall.distance
        same = False
        for other in kept:
            sign = 1 if wall.normal @ other.normal > 0 else -1
            there = sign * (ends @ other.normal[:2] - other.distance)
            same |= bool(np.abs(here - there).max() < SAME)
        if not same:
            kept.append(wall)
    return kept


def _split(cell: Float64, wall: Plane) -> list[Float64]:
    """A convex cell (N, 2) on both sides of a wall's line."""
    before = cell @ wall.normal[:2] - wall.distance
    if (before >= -_TINY).all() or (before <= _TINY).all():
        return [cell]
    parts: list[list[Float64]] = [[], []]
    for index, (point, side) in enumerate(zip(cell, before, strict=True)):
        for part, sign in zip(parts, (1, -1), strict=True):
            if sign * side >= 0:
                part.append(point)
        other = (index + 1) % len(cell)
        if side * before[other] < 0:
            # From the same end for both cells at this edge, so that they share the corner exactly.
            share = side / (side - before[other])
            crossing = point + share * (cell[other] - point)
            for part in parts:
                part.append(crossing)
    return [np.array(part) for part in parts]


def _share(cell: Float64, covered: NDArray[np.bool_], origin: Float64) -> float:
    """How much of a convex cell is covered."""
    low = np.maximum(((cell.min(axis=0) - origin) / RASTER).astype(int), 0)
    high = np.minimum(((cell.max(axis=0) - origin) / RASTER).astype(int) + 2, covered.shape)
    if (high <= low).any():
        return 0.0
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]), indexing="ij")
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    centers = origin + (places + 0.5) * RASTER
    inside = np.ones(len(centers), bool)
    for start, end in zip(cell, np.roll(cell, -1, axis=0), strict=True):
        edge = end - start
        inside &= edge[0] * (centers[:, 1] - start[1]) - edge[1] * (centers[:, 0] - start[0]) >= 0
    if not inside.any():
        return 0.0
    return float(covered[places[inside, 0], places[inside, 1]].mean())


def _outlines(cells: list[Float64]) -> list[Float64]:
    """The outer borders of connected cells, without corners on straight walls."""
    names: dict[tuple[int, int], int] = {}
    points: list[Float64] = []

    def name(point: Float64) -> int:
        key = (round(point[0] * 1e4), round(point[1] * 1e4))
        if key not in names:
            names[key] = len(points)
            points.append(point)
        return names[key]

    edges: set[tuple[int, int]] = set()
    for cell in cells:
        corners = [name(point) for point in cell]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            if start == end:
                continue
            if (end, start) in edges:
                edges.remove((end, start))
            else:
                edges.add((start, end))
    following: dict[int, list[int]] = {}
    for start, end in sorted(edges):
        following.setdefault(start, []).append(end)
    outlines = []
    while following:
        first = min(following)
        loop, at = [first], following[first].pop()
        while at != first and following.get(at):
            loop.append(at)
            at = following[at].pop()
        following = {start: ends for start, ends in following.items() if ends}
        border = _straightened(np.array([points[index] for index in loop]))
        # Inner borders, around pillars, run clockwise.
        if len(border) >= 3 and _signed_area(border) > 0:
            outlines.append(border)
    return outlines


def _straightened(corners: Float64) -> Float64:
    before = corners - np.roll(corners, 1, axis=0)
    after = np.roll(corners, -1, axis=0) - corners
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    scale = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    return np.asarray(corners[np.abs(turn) > 1e-3 * np.maximum(scale, CELL**2)])


def _signed_area(corners: Float64) -> float:
    x, y = corners.T
    u, v = np.roll(corners, -1, axis=0).T
    return float((x * v - u * y).sum() / 2)
