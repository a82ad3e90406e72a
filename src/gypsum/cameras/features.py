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
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: Contrast thresholds, tried in turn until a photo has enough features. The first is COLMAP's.
CONTRAST = (0.02, 0.007, 0.003)
#: A photo with fewer features than this is tried again at the next threshold.
ENOUGH_FEATURES = 2500
#: Cells along the longer side of the grid that spreads features over the photo.
GRID = 24
#: RootSIFT descriptors have this length; components above 255 are clipped, as in COLMAP.
DESCRIPTOR_LENGTH = 512.0
#: Bytes that SIFT needs per pixel of a photo: a doubled image, and 11 float images per octave.
_BYTES_PER_PIXEL = 4 * 4 * 11 * 4 // 3
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
    max_features: int = 8192,
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
    previous = cv2.getNumThreads()
    # One thread per photo wastes less than OpenCV's own threads, which wait for each other.
    cv2.setNumThreads(1 if at_once > 1 else threads or -1)
    try:
        done = total - len(missing)
        work = (
            lambda name=photo.name: extract(
                read_gray(photos_folder / name), long_side, max_features, read_mask(masks, name)
            ).save(features_path(folder, name))
            for photo in missing
        )
        for _ in in_parallel(work, max(at_once, 1)):
            done += 1
            progress(done / total, f"features, photo {done} of {total}")
    finally:
        cv2.setNumThreads(previous)


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


def extract(gray: UInt8, long_side: int, max_features: int, mask: UInt8 | None = None) -> Features:
    """The features of one photo: at most ``max_features``, sought at ``long_side``.

    Where ``mask``, of any size, is zero, there are none.
    """
    height, width = gray.shape
    scale = max(1.0, max(width, height) / long_side)
    if scale > 1.0:
        size = (round(width / scale), round(height / scale))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    if mask is not None and mask.shape != gray.shape:
        mask = cv2.resize(mask, gray.shape[::-1], interpolation=cv2.INTER_NEAREST)
    for contrast in CONTRAST:
        # The last argument centres the doubled image's pixels; without it all points are shifted.
        sift = cv2.SIFT_create(0, 3, contrast, 10, 1.6, cv2.CV_32F, True)
        points, sifts = sift.detectAndCompute(gray, mask)
        if len(points) >= min(ENOUGH_FEATURES, max_features):
            break
    if sifts is None or not len(points):
        return Features(np.empty((0, 4), np.float32), np.empty((0, 128), np.uint8))
    table = np.array([(*p.pt, p.size / 2, np.deg2rad(p.angle), p.response) for p in points])
    # OpenCV repeats a point for each dominant direction; a fixed order makes results repeatable.
    order = np.lexsort((table[:, 3], table[:, 2], table[:, 1], table[:, 0]))
    table, sifts = table[order], sifts[order]
    chosen = spread_evenly(table[:, :2], table[:, 4], gray.shape, max_features)
    chosen = chosen[np.argsort(-table[chosen, 2], kind="stable")]
    keypoints = table[chosen, :4]
    keypoints[:, :2] += 0.5
    keypoints[:, :2] *= (width / gray.shape[1], height / gray.shape[0])
    keypoints[:, 2] *= scale
    return Features(keypoints.astype(np.float32), root_sift(sifts[chosen]))


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


def root_sift(sifts: NDArray[np.floating]) -> UInt8:
    """SIFT (N, 128) to RootSIFT: Hellinger's distance becomes Euclid's, at 8 bits (length 512)."""
    total = np.abs(sifts).sum(axis=1, keepdims=True)
    root = np.sqrt(sifts / np.where(total > 0, total, 1))
    return np.clip(np.rint(DESCRIPTOR_LENGTH * root), 0, 255).astype(np.uint8)


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
