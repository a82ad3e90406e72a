"""Photos for training, at several sizes, kept on disk and mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Progress, View, no_progress

UInt8 = NDArray[np.uint8]

#: How much smaller the photos of each level are: training begins with the last.
SHRINKS = (1, 2, 4)


@dataclass(frozen=True)
class TrainingPhoto:
    """One photo at one size."""

    view: View
    """Of this size."""
    pixels: UInt8
    """(height, width, 3) sRGB."""
    mask: UInt8 | None
    """(height, width), 255 on the object."""


class PhotoCache:
    """The photos of a scene by number and level.

    Pictures are written once as arrays and mapped from there: what memory can't hold stays on disk,
    and a hundred photos take no longer to open than one.
    """

    def __init__(
        self, views: Sequence[View], long_side: int, folder: Path, progress: Progress = no_progress
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._photos = []
        for number, view in enumerate(views):
            progress(number / len(views), f"photo {number + 1} of {len(views)}")
            self._photos.append(_levels(view.limited(long_side), folder / f"{number:05d}"))

    def __len__(self) -> int:
        return len(self._photos)

    def get(self, number: int, level: int) -> TrainingPhoto:
        """A photo; level 0 is the largest."""
        return self._photos[number][level]


def _levels(view: View, stem: Path) -> list[TrainingPhoto]:
    photo = mask = None
    levels = []
    for level, shrink in enumerate(SHRINKS):
        small = view.resized(max(1, view.width // shrink), max(1, view.height // shrink))
        size = (small.width, small.height)
        path = stem.with_name(f"{stem.name}-{level}.npy")
        masked = stem.with_name(f"{stem.name}-{level}-mask.npy")
        if not path.exists():
            photo = view.read() if photo is None else photo
            _save(path, cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
        if view.mask is not None and not masked.exists():
            mask = _mask(view) if mask is None else mask
            _save(masked, cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
        pixels = np.load(path, mmap_mode="r")
        inside = np.load(masked, mmap_mode="r") if view.mask is not None else None
        levels.append(TrainingPhoto(small, pixels, inside))
    return levels


def _mask(view: View) -> UInt8:
    mask = view.read_mask()
    assert mask is not None
    return np.where(mask, 255, 0).astype(np.uint8)


def _save(path: Path, pixels: NDArray[np.generic]) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, pixels)
    temporary.replace(path)
