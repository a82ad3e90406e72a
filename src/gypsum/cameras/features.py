"""SIFT features of every photo, spread evenly, with RootSIFT descriptors of 8 bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.native import _sift
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: Contrast thresholds, tried in turn until a photo has enough points. The first is COLMAP's.
CONTRAST = (0.02, 0.007, 0.003)
#: A photo with fewer points than this is tried again at the next threshold.
ENOUGH_POINTS = 2200
#: Cells along the longer side of the grid that spreads features over the photo.
GRID = 24
#: Bytes that SIFT needs per pixel of a photo: twice its size, and 6 float images per octave.
_BYTES_PER_PIXEL = 4 * 4 * 6 * 4 // 3
#: What all photos in work together may take.
_MEMORY = 2 << 30


@dataclass(frozen=True)
class Features:
    """The features of one photo, the largest first."""

    keypoints: Float32
    """(N, 4) x, y, scale, angle: pixels of the full-size photo (COLMAP's), radians."""
    descriptors: UInt8
    """(N, 128) RootSIFT of length 512."""

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def xy(self) -> Float32:
        """(N, 2) positions."""
        return self.keypoints[:, :2]

    def first(self, count: int) -> Features:
        """The ``count`` largest."""
        return Features(self.keypoints[:count], self.descriptors[:count])

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file."""
        with atomic_write(path) as file:
            np.savez(file, keypoints=self.keypoints, descriptors=self.descriptors)

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read what :meth:`save` wrote."""
        with np.load(path) as data:
            return cls(data["keypoints"], data["descriptors"])


def features_path(folder: Path, name: str) -> Path:
    """Where the features of the photo ``name`` are."""
    return folder / f"{name}.npz"


def detect_features(
    capture: Capture,
    photos_folder: Path,
    folder: Path,
    *,
    long_side: int = 2000,
    max_points: int = 7000,
    masks: Path | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Write the features of every photo into ``folder``; photos that have them already are kept.

    ``long_side`` bounds the size at which features are sought, pixels. ``masks`` is a folder of
    grey pictures of the photos' size, ``NAME.png`` for the photo NAME: features are sought where
    they are 128 or more, and everywhere on photos without one. Several photos are worked on at a
    time, as many as there are threads and as memory allows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [p for p in capture.photos if not features_path(folder, p.name).exists()]
    total = len(capture.photos)
    if not missing:
        progress(1.0, f"features of {total} photos")
        return
    largest = max(
        photo.width * photo.height * min(1.0, long_side / max(photo.width, photo.height)) ** 2
        for photo in missing
    )
    at_once = int(min(threads or os.cpu_count() or 1, _MEMORY / (largest * _BYTES_PER_PIXEL)))
    done = total - len(missing)
    work = (
        lambda name=photo.name: extract(
            read_gray(photos_folder / name), long_side, max_points, read_mask(masks, name)
        ).save(features_path(folder, name))
        for photo in missing
    )
    for _ in in_parallel(work, max(at_once, 1)):
        done += 1
        progress(done / total, f"features, photo {done} of {total}")


def read_gray(path: Path) -> UInt8:
    """A photo as (height, width) grey."""
    with Image.open(path) as file:
        return np.asarray(file.convert("L"))


def read_mask(folder: Path | None, name: str) -> UInt8 | None:
    """The mask (height, width) of the photo ``name``, 0 or 255; None where there is none."""
    path = None if folder is None else folder / f"{name}.png"
    if path is None or not path.exists():
        return None
    with Image.open(path) as file:
        return np.where(np.asarray(file.convert("L")) >= 128, 255, 0).astype(np.uint8)


def extract(gray: UInt8, long_side: int, max_points: int, mask: UInt8 | None = None) -> Features:
    """The features of one photo: of at most ``max_points`` points, sought at ``long_side``.

    A point has as many features as dominant directions. Where ``mask``, of any size, is zero, there
    are none.
    """
    height, width = gray.shape
    scale = max(1.0, max(width, height) / long_side)
    if scale > 1.0:
        size = (round(width / scale), round(height / scale))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)
    space = _sift.ScaleSpace(np.ascontiguousarray(gray))
    for contrast in CONTRAST:
        points = space.detect(contrast)
        if mask is not None:
            points = points[_inside(mask, points[:, :2], gray.shape)]
        if len(points) >= min(ENOUGH_POINTS, max_points):
            break
    chosen = spread_evenly(points[:, :2], points[:, 3], gray.shape, max_points)
    keypoints, descriptors = space.describe(points[chosen])
    order = np.argsort(-keypoints[:, 2], kind="stable")
    keypoints, descriptors = keypoints[order], descriptors[order]
    keypoints[:, :2] *= (width / gray.shape[1], height / gray.shape[0])
    keypoints[:, 2] *= scale
    return Features(keypoints, descriptors)


def _inside(mask: UInt8, xy: Float32, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(N,) which places on a picture (height, width) are where the mask, of any size, is set."""
    size = np.array(mask.shape[::-1]) / shape[::-1]
    columns, rows = np.floor(xy * size).astype(np.int64).T
    inside: NDArray[np.bool_] = mask[
        rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1)
    ].astype(bool)
    return inside


def spread_evenly(
    xy: NDArray[np.floating], strength: NDArray[np.floating], shape: tuple[int, ...], count: int
) -> NDArray[np.intp]:
    """Indices, in order, of at most ``count`` points, the strongest of every cell of a grid.

    Cells take turns: each gives its strongest point, then its second, until ``count`` are chosen,
    so that a busy corner can't take all of them. ``shape`` is (height, width).
    """
    if len(xy) <= count:
        return np.arange(len(xy))
    size = max(shape) / GRID
    cells = np.floor(xy / size).astype(np.int64)
    cell = cells[:, 1] * (GRID + 1) + cells[:, 0]
    order = np.lexsort((np.arange(len(xy)), -strength, cell))
    first = np.r_[True, np.diff(cell[order]) != 0]
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    turn = np.empty(len(xy), np.int64)
    turn[order] = np.arange(len(order)) - start
    return np.sort(np.lexsort((np.arange(len(xy)), -strength, turn))[:count])


Result = TypeVar("Result")


def in_parallel(work: Iterator[Callable[[], Result]], threads: int) -> Iterator[Result]:
    """Results of the calls in ``work`` as they finish; few are held at a time."""
    with ThreadPoolExecutor(threads) as pool:
        pending: set[Future[Result]] = set()
        try:
            for call in work:
                pending.add(pool.submit(call))
                if len(pending) >= 2 * threads:
                    finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
        finally:
            for future in pending:
                future.cancel()
