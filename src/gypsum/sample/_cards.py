"""Cards with AprilTags on the sample's table, to find the scale by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.markers import DEFAULT_FAMILY, pattern
from gypsum.native import _sample

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class MarkerCard:
    """A square marker, printed on a white card that lies flat on the table."""

    number: int
    """Of the AprilTag, family 36h11."""
    x: float
    y: float
    """The marker's centre, metres."""
    turn: float
    """Radians, counter-clockwise seen from above."""
    size: float = 0.05
    """Side of the black square, metres."""

    @property
    def corners(self) -> Float64:
        """(4, 3) the black square's corners, world: upper left, then clockwise from above."""
        half = self.size / 2
        flat = np.array([[-half, half], [half, half], [half, -half], [-half, -half]])
        c, s = math.cos(self.turn), math.sin(self.turn)
        return np.column_stack([flat @ [[c, s], [-s, c]] + (self.x, self.y), np.zeros(4)])

    def drawn(self) -> _sample.Card:
        """The card as the renderer takes it, one square of white around the marker."""
        squares = np.pad(pattern(DEFAULT_FAMILY, self.number), 1, constant_values=1)
        module = self.size / (len(squares) - 2)
        return _sample.Card(self.x, self.y, self.turn, module, np.ascontiguousarray(squares))


#: Where the sculpture throws no shadow, and hides each from as few photos as can be.
CARDS = (MarkerCard(0, 0.150, -0.125, 0.35), MarkerCard(1, -0.155, 0.115, -0.61))
