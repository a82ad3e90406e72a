"""The part of the world that a scan is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gypsum.scene.view import View

Bools = NDArray[np.bool_]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A box in the world that stands level: ``axes @ (x - center)`` lies in ± ``half``."""

    center: Float64
    """(3,) world."""
    axes: Float64
    """(3, 3) rows are the box's unit directions; the last is the world's Z."""
    half: Float64
    """(3,) half the edge lengths."""

    @classmethod
    def between(cls, low: Sequence[float] | Float64, high: Sequence[float] | Float64) -> Box:
        """The box along the world's axes with these two opposite corners (3,)."""
        corners = np.array([low, high], np.float64)
        return cls(corners.mean(axis=0), np.eye(3), np.abs(corners[1] - corners[0]) / 2)

    @property
    def diagonal(self) -> float:
        """Length of the space diagonal, world units."""
        return float(2 * np.linalg.norm(self.half))

    @property
    def bounds(self) -> tuple[Float64, Float64]:
        """The lowest and the highest corner (3,) of the box along the world's axes around it."""
        corners = self.center + np.array(list(product((-1, 1), repeat=3))) * self.half @ self.axes
        return corners.min(axis=0), corners.max(axis=0)

    def contains(self, points: NDArray[np.floating]) -> Bools:
        """(N,) which of the world points (N, 3) lie inside."""
        inside = np.ones(len(points), bool)
        for axis, half in zip(self.axes, self.half, strict=True):
            inside &= np.abs(points @ axis - self.center @ axis) <= half
        return inside

    def grown(self, factor: float) -> Box:
        """The box scaled about its centre."""
        return Box(self.center, self.axes, self.half * factor)

    def silhouette(self, view: View) -> Bools:
        """(height, width) the pixels whose line of sight meets the box (Kay and Kajiya's slabs)."""
        x = (np.arange(view.width) + 0.5 - view.K[0, 2]) / view.K[0, 0]
        y = (np.arange(view.height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
        start = self.axes @ (view.center - self.center)
        turn = self.axes @ view.R.T
        enter = np.zeros((view.height, view.width), np.float32)
        leave = np.full_like(enter, np.inf)
        for side in range(3):
            along = (turn[side, 0] * x + turn[side, 1] * y[:, None] + turn[side, 2]).astype("f4")
            # A line within the slab's plane never leaves it; the sign does not matter then.
            along[along == 0] = np.finfo(np.float32).tiny
            first = np.float32(-self.half[side] - start[side]) / along
            second = np.float32(self.half[side] - start[side]) / along
            np.maximum(enter, np.minimum(first, second), out=enter)
            np.minimum(leave, np.maximum(first, second), out=leave)
        met: Bools = leave >= enter
        return met

    def as_json(self) -> dict[str, list[float] | list[list[float]]]:
        """Plain values for a file."""
        return {name: getattr(self, name).tolist() for name in ("center", "axes", "half")}

    @classmethod
    def from_json(cls, values: dict[str, list[float] | list[list[float]]]) -> Box:
        """What :meth:`as_json` gave."""
        return cls(*(np.array(values[name], np.float64) for name in ("center", "axes", "half")))
