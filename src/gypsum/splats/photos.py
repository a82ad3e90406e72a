"""Photos for training, at several sizes, kept on disk and mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.formats.atomic import atomic_write
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

    Pictures are written once as arrays and mapped from there one at a time: what memory can't hold
    stays on disk, and the number of open files does not grow with that of the photos.
    """

    def __init__(
        self, views: Sequence[View], long_side: int, folder: Path, progress: Progress = no_progress
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._views = [view.limited(long_side) for view in views]
        for number, view in enumerate(self._views):
            progress(number / len(views), f"photo {number + 1} of {len(views)}")
            self._keep(number, view)

    def __len__(self) -> int:
        return len(self._views)

    def get(self, number: int, level: int) -> TrainingPhoto:
        """A photo; level 0 is the largest."""
        view = self._views[number]
        pixels = np.load(self._path(number, level), mmap_mode="r")
        mask = None
        if view.mask is not None:
            mask = np.load(self._path(number, level, "-mask"), mmap_mode="r")
        return TrainingPhoto(_shrunk(view, level), pixels, mask)

    def _keep(self, number: int, view: View) -> None:
        if not self._path(number, len(SHRINKS) - 1).exists():
            self._write(number, view, view.read())
        masked = self._path(number, len(SHRINKS) - 1, "-mask").exists()
        mask = None if masked else view.read_mask()
        if mask is not None:
            self._write(number, view, np.where(mask, 255, 0).astype(np.uint8), "-mask")

    def _write(self, number: int, view: View, pixels: UInt8, what: str = "") -> None:
        for level in range(len(SHRINKS)):
            small = _shrunk(view, level)
            size = (small.width, small.height)
            with atomic_write(self._path(number, level, what)) as file:
                np.save(file, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))

    def _path(self, number: int, level: int, what: str = "") -> Path:
        return self._folder / f"{number:05d}-{level}{what}.npy"


def _shrunk(view: View, level: int) -> View:
    shrink = SHRINKS[level]
    return view.resized(max(1, view.width // shrink), max(1, view.height // shrink))
