"""Lines of equal height: marching squares (Lorensen and Cline's idea in the plane)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LINES = 12
"""That a map has, about, where no interval is asked for."""


def interval_for(lowest: float, highest: float) -> float:
    """1, 2 or 5 times a power of ten, for about ``LINES`` lines."""
    wanted = max(highest - lowest, 1e-6) / LINES
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= wanted)


def contour_lines(heights: Float64, level: float) -> list[Float64]:
    """Lines (N, 2) as row and column, between the cells' centres; closed ones end as they begin.

    The higher side is on the same side of every line. Cells that are NaN interrupt them.
    """
    # A height that is the level itself would make lines of no length.
    z = np.where(heights == level, level + 1e-9 * max(1.0, abs(level)), heights) - level
    starts, ends = _segments(z)
    return [_places(z, chain) for chain in _chains(starts, ends)]


def _segments(z: Float64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the grid's edges where each segment begins and ends.

    Edge 2 i goes right from cell i, edge 2 i + 1 goes down from it.
    """
    rows, columns = z.shape
    if rows < 2 or columns < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    corner = np.stack([z[:-1, :-1], z[:-1, 1:], z[1:, 1:], z[1:, :-1]])
    high = corner > 0
    case = (high * np.array([1, 2, 4, 8]).reshape(4, 1, 1)).sum(axis=0)
    case[~np.isfinite(corner).all(axis=0)] = 0
    # Two opposite corners are high: the middle decides which way the lines go.
    middle = np.nan_to_num(corner.mean(axis=0)) > 0
    at = np.arange(rows * columns).reshape(rows, columns)[:-1, :-1]
    top, left = 2 * at, 2 * at + 1
    right, bottom = 2 * (at + 1) + 1, 2 * (at + columns)
    lines: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {
        1: [(left, top)], 2: [(top, right)], 3: [(left, right)], 4: [(right, bottom)],
        6: [(top, bottom)], 7: [(left, bottom)], 8: [(bottom, left)], 9: [(bottom, top)],
        11: [(bottom, right)], 12: [(right, left)], 13: [(right, top)], 14: [(top, left)],
    }  # fmt: skip
    starts, ends = [], []
    for number, drawn in lines.items():
        for begin, end in drawn:
            starts.append(begin[case == number])
            ends.append(end[case == number])
    for number, joined, apart in (
        (5, [(left, bottom), (right, top)], [(left, top), (right, bottom)]),
        (10, [(top, left), (bottom, right)], [(top, right), (bottom, left)]),
    ):
        for chosen, drawn in ((middle, joined), (~middle, apart)):
            for begin, end in drawn:
                here = (case == number) & chosen
                starts.append(begin[here])
                ends.append(end[here])
    return np.concatenate(starts), np.concatenate(ends)


def _chains(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[list[int]]:
    """Segments joined where one ends and another begins."""
    following = dict(zip(starts.tolist(), ends.tolist(), strict=True))
    reached = set(following.values())
    begun = [edge for edge in following if edge not in reached]
    chains = []
    for first in [*begun, *list(following)]:
        if first not in following:
            continue
        chain = [first]
        while chain[-1] in following:
            chain.append(following.pop(chain[-1]))
        chains.append(chain)
    return chains


def _places(z: Float64, chain: list[int]) -> Float64:
    """Where the height is zero along each edge."""
    edges = np.array(chain)
    rows, columns = np.divmod(edges // 2, z.shape[1])
    down = edges % 2
    here, there = z[rows, columns], z[rows + down, columns + (1 - down)]
    share = here / (here - there)
    return np.stack([rows + down * share, columns + (1 - down) * share], axis=1)
