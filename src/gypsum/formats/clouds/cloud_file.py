"""A file of points that is read in pieces, however large it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Crs

Float64 = NDArray[np.float64]

CHUNK = 1 << 19
"""Points that are read at a time: some 40 MB with all that belongs to them."""
MOST_POINTS = 20_000_000_000
"""That a file may announce; more is no scan but a trap."""


@dataclass(frozen=True)
class Chunk:
    """Some points of one scan, in the file's own coordinates."""

    points: Float64
    """(N, 3), all finite."""
    colors: NDArray[np.uint8] | None = None
    """(N, 3) sRGB."""
    normals: NDArray[np.float32] | None = None
    """(N, 3) as the file has them; zero where it has none."""
    intensity: NDArray[np.float32] | None = None
    """(N,) in the file's unit."""
    classes: NDArray[np.uint8] | None = None
    """(N,) ASPRS classes."""
    scan: int = 0
    """Which of the file's scans they are of."""

    def select(self, keep: NDArray[np.bool_]) -> Chunk:
        """The points chosen by a mask (N,)."""
        return replace(
            self,
            points=self.points[keep],
            colors=None if self.colors is None else self.colors[keep],
            normals=None if self.normals is None else self.normals[keep],
            intensity=None if self.intensity is None else self.intensity[keep],
            classes=None if self.classes is None else self.classes[keep],
        )


@dataclass(frozen=True)
class Scan:
    """What a scanner saw from one place."""

    name: str = ""
    position: tuple[float, float, float] | None = None
    """Where it stood, in the file's coordinates; None where the file doesn't say."""


@dataclass(frozen=True)
class CloudFile:
    """A file of points whose beginning was read and found good."""

    count: int | None
    """Points that it announces; None where only reading tells."""
    chunks: Callable[[], Iterator[Chunk]]
    """Begins to read the points; those without a place are left out."""
    scans: tuple[Scan, ...] = (Scan(),)
    crs: Crs | None = None


def finite(chunk: Chunk) -> Chunk:
    """The chunk without points that are nowhere: scanners write them where nothing came back."""
    good = np.asarray(np.isfinite(chunk.points).all(axis=1))
    return chunk if good.all() else chunk.select(good)


def wide(columns: list[NDArray[Any]]) -> Float64:
    """Points (N, 3) of columns (N,); what is no number in a damaged file is none here either."""
    with np.errstate(invalid="ignore"):
        return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def color_bytes(columns: list[NDArray[np.generic]], top: float | None = None) -> NDArray[np.uint8]:
    """sRGB (N, 3) of columns (N,) whose brightest value is ``top``; by their type where None.

    Of floating numbers that are nowhere above one, one is the brightest.
    """
    values = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    if top is None:
        kind = columns[0].dtype
        small = kind.kind == "f" and values.max(initial=0) <= 1
        wide = kind.kind != "f" and values.max(initial=0) > 255
        top = 1.0 if small else 65535.0 if wide else 255.0
    scaled = np.nan_to_num(values) * (255.0 / top)
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)
