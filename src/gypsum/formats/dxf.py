"""DXF drawings, as AutoCAD R12 reads them (AC1009): the form that every program knows.

Lines, polylines and texts on layers, in the drawing's own unit, x right, y up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_Pair = tuple[int, float | int | str]
"""A group code and its value."""


@dataclass
class Drawing:
    """A drawing while it is made."""

    layers: dict[str, int] = field(default_factory=dict)
    """Names and their colours, as AutoCAD numbers them: 1 red, 3 green, 5 blue, 7 black."""
    _entities: list[str] = field(default_factory=list)

    def polyline(
        self, layer: str, points: Points, *, closed: bool = False, height: float = 0.0
    ) -> None:
        """A chain of lines through points (N, 2), all at one height."""
        self._begin("POLYLINE", layer)
        self._pairs((66, 1), (10, 0.0), (20, 0.0), (30, height), (70, int(closed)))
        for x, y in points:
            self._begin("VERTEX", layer)
            self._pairs((10, x), (20, y), (30, height))
        self._begin("SEQEND", layer)

    def line(self, layer: str, start: Points, end: Points) -> None:
        """From one point (2,) to another."""
        self._begin("LINE", layer)
        self._pairs((10, start[0]), (20, start[1]), (30, 0.0))
        self._pairs((11, end[0]), (21, end[1]), (31, 0.0))

    def text(self, layer: str, at: Points, size: float, words: str, angle: float = 0.0) -> None:
        """Words centred at a point (2,), ``size`` high, turned by degrees."""
        self._begin("TEXT", layer)
        self._pairs((10, at[0]), (20, at[1]), (30, 0.0), (40, size))
        # R12 knows ASCII; %%d and the like stand for signs, and squares have none.
        plain = words.replace("²", "2").encode("ascii", "replace").decode()
        self._pairs((1, plain), (50, angle), (72, 1), (73, 2), (11, at[0]), (21, at[1]), (31, 0.0))

    def encoded(self) -> bytes:
        """The file."""
        tables: list[_Pair] = [
            (0, "SECTION"),
            (2, "TABLES"),
            (0, "TABLE"),
            (2, "LAYER"),
            (70, len(self.layers)),
        ]
        for name, color in self.layers.items():
            tables += [(0, "LAYER"), (2, name), (70, 0), (62, color), (6, "CONTINUOUS")]
        tables += [(0, "ENDTAB"), (0, "ENDSEC"), (0, "SECTION"), (2, "ENTITIES")]
        head: list[_Pair] = [
            (0, "SECTION"),
            (2, "HEADER"),
            (9, "$ACADVER"),
            (1, "AC1009"),
            (0, "ENDSEC"),
        ]
        lines = [_pair(*pair) for pair in [*head, *tables]]
        lines += self._entities
        lines += [_pair(0, "ENDSEC"), _pair(0, "EOF")]
        return "".join(lines).encode("ascii")

    def _begin(self, kind: str, layer: str) -> None:
        self._pairs((0, kind), (8, layer))

    def _pairs(self, *pairs: _Pair) -> None:
        self._entities += [_pair(*pair) for pair in pairs]


def _pair(code: int, value: float | int | str) -> str:
    shown = (
        value
        if isinstance(value, str)
        else f"{value}"
        if isinstance(value, int)
        else (f"{float(value):.6f}")
    )
    return f"{code:3d}\n{shown}\n"
