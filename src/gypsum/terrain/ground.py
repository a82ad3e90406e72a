"""The ground below trees, houses and cars.

A progressive morphological filter (Zhang et al. 2003, in the form of Pingel et al. 2013): the
lowest point of each cell of a grid is a first guess; what an opening with a disc takes away, and
more than the ground's slope explains, stands on the ground. The discs grow up to the largest
building's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import binary_dilation, distance_transform_edt, map_coordinates

from gypsum.errors import ReconstructionError
from gypsum.scene import PointCloud

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

GROUND = 2
"""ASPRS's number for ground."""
CELLS_PER_SPACING = 0.5
"""Cells for each distance between points, along one side."""
MOST_CELLS = 2_000_000
FEWEST_POINTS = 100
SLOPE = 0.2
"""Rise of the ground over a length: steeper steps are taken for objects."""
STEP = 0.2
"""Metres that an object at least rises above the ground."""
LARGEST = 20.0
"""Radius of the largest thing that stands on the ground, metres."""
LOW = 5.0
"""Slope of holes that no ground has: points below it are errors of the scanner."""
NEAR, NEAR_SLOPE = 0.2, 0.5
"""Points are ground within so many metres of it, and so much of a cell's rise more."""


@dataclass(frozen=True)
class HeightMap:
    """Heights of the ground on a grid, in the cloud's local frame."""

    heights: Float32
    """(H, W) metres at the cells' centres, northernmost row first; NaN beyond the points."""
    west: float
    north: float
    """The outer edges, metres."""
    cell: float
    ground: Bools
    """(N,) which points are ground."""

    def at(self, points: NDArray[np.floating]) -> Float64:
        """Heights (N,) below points (N, 2 or more), bilinear."""
        column = (points[:, 0] - self.west) / self.cell - 0.5
        row = (self.north - points[:, 1]) / self.cell - 0.5
        found = map_coordinates(self.heights, [row, column], order=1, mode="nearest")
        return np.asarray(found, np.float64)


def height_map(cloud: PointCloud, cell: float | None = None) -> HeightMap:
    """The bare ground under a cloud, Z up.

    ``cell`` is a side of the grid's cells, metres; None chooses it from the points' spacing. Points
    that the file calls ground are taken as such when there are enough of them.
    """
    points = cloud.points.astype(np.float64)
    if len(points) < FEWEST_POINTS:
        raise ReconstructionError(f"{len(points)} points are too few for a map of the ground.")
    low, high = points.min(axis=0), points.max(axis=0)
    width, depth = np.maximum(high[:2] - low[:2], 1e-6)
    if cell is None:
        cell = float(np.sqrt(width * depth / len(points)) / CELLS_PER_SPACING)
    cell = max(cell, float(np.sqrt(width * depth / MOST_CELLS)))
    grid = _Grid(float(low[0]), float(high[1]), cell, int(depth / cell) + 1, int(width / cell) + 1)
    called = None if cloud.classes is None else cloud.classes == GROUND
    if called is not None and called.sum() >= FEWEST_POINTS:
        ground: Bools = called
    else:
        ground = _ground(points, grid)
    heights = _between(grid.mean(points[ground]))
    return HeightMap(heights.astype(np.float32), grid.west, grid.north, cell, ground)


@dataclass(frozen=True)
class _Grid:
    west: float
    north: float
    cell: float
    rows: int
    columns: int

    def cells(self, points: Float64) -> NDArray[np.int64]:
        """The flat number (N,) of the cell below each point."""
        column = ((points[:, 0] - self.west) / self.cell).astype(np.int64)
        row = ((self.north - points[:, 1]) / self.cell).astype(np.int64)
        row, column = np.clip(row, 0, self.rows - 1), np.clip(column, 0, self.columns - 1)
        return np.asarray(row * self.columns + column)

    def lowest(self, points: Float64) -> Float64:
        """(H, W) of each cell; NaN without points."""
        found = np.full(self.rows * self.columns, np.inf)
        np.minimum.at(found, self.cells(points), points[:, 2])
        found[np.isinf(found)] = np.nan
        return found.reshape(self.rows, self.columns)

    def mean(self, points: Float64) -> Float64:
        """(H, W) height at each cell's centre, by a plane through its points' neighbourhood."""
        index, count = self.cells(points), self.rows * self.columns
        held = np.bincount(index, minlength=count)
        total = np.bincount(index, points[:, 2], count)
        mean = np.where(held > 0, total / np.maximum(held, 1), np.nan)
        mean = mean.reshape(self.rows, self.columns)
        # Points lie beside the centre: the slope there moves their mean height to it.
        filled = _nearest(mean)
        rise_y, rise_x = np.gradient(filled) if min(filled.shape) > 1 else (0 * filled, 0 * filled)
        x = (points[:, 0] - self.west) / self.cell % 1 - 0.5
        y = (self.north - points[:, 1]) / self.cell % 1 - 0.5
        safe = np.maximum(held, 1)
        off_x = (np.bincount(index, x, count) / safe).reshape(mean.shape)
        off_y = (np.bincount(index, y, count) / safe).reshape(mean.shape)
        return np.asarray(mean - off_x * rise_x - off_y * rise_y)


def _ground(points: Float64, grid: _Grid) -> Bools:
    """(N,) which points lie on the ground."""
    lowest = grid.lowest(points)
    known = np.isfinite(lowest)
    surface = _nearest(lowest).astype(np.float32)
    # Single points far below all others.
    pits = -_opened(-surface, 1) - surface > LOW * grid.cell
    object_ = pits.copy()
    surface = np.where(pits, -_opened(-surface, 1), surface).astype(np.float32)
    largest = max(1, min(int(LARGEST / grid.cell), min(grid.rows, grid.columns) // 3))
    for radius in _radii(largest):
        opened = _opened(surface, radius)
        object_ |= surface - opened > STEP + SLOPE * radius * grid.cell
        surface = opened
    bare = _between(np.where(known & ~object_, lowest, np.nan), everywhere=True)
    bare = cv2.GaussianBlur(bare.astype(np.float32), (3, 3), 0)
    rise_y, rise_x = np.gradient(bare) if min(bare.shape) > 1 else (0 * bare, 0 * bare)
    index = grid.cells(points)
    steep = np.hypot(rise_x, rise_y).ravel()[index]
    below = HeightMap(bare, grid.west, grid.north, grid.cell, known).at(points)
    near: Bools = np.abs(points[:, 2] - below) <= NEAR + NEAR_SLOPE * steep
    return near


def _radii(largest: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12 … up to ``largest``."""
    radii = [1, 2]
    while radii[-1] < largest:
        radii.append(radii[-2] * 2 if len(radii) > 2 else 3)
    return [radius for radius in radii if radius <= largest]


def _opened(surface: Float32, radius: int) -> Float32:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = cv2.copyMakeBorder(surface, radius, radius, radius, radius, cv2.BORDER_REFLECT)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)
    return np.asarray(opened[radius:-radius, radius:-radius], np.float32)


def _nearest(heights: Float64) -> Float64:
    """The map without gaps: each filled from the nearest known cell."""
    unknown = ~np.isfinite(heights)
    if not unknown.any():
        return heights
    rows, columns = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(heights[rows, columns])


def _between(heights: Float64, everywhere: bool = False) -> Float64:
    """Gaps filled by planes between the known cells around them; beyond all of them, NaN or near.

    Only cells on the borders of gaps count, so that a large map takes no longer than its gaps.
    """
    unknown = ~np.isfinite(heights)
    if not unknown.any():
        return heights
    border = binary_dilation(unknown, np.ones((3, 3))) & ~unknown
    filled = heights.copy()
    places = np.argwhere(border).astype(np.float64)
    if len(places) > 3 and np.linalg.matrix_rank(places - places[0]) == 2:
        planes = LinearNDInterpolator(places, heights[border])
        filled[unknown] = planes(np.argwhere(unknown).astype(np.float64))
    return _nearest(filled) if everywhere else filled
