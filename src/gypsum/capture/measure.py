"""What can be told of one picture alone, and which pictures are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

WORKING_SIDE = 1024
"""Longer side at which pictures are measured, so that the figures don't depend on resolution."""

_BLUR = 9
"""Pixels of the box that blurs once more, see `sharpness`."""

_EVERY = 4
"""Of the rows and columns, one in so many is looked at: plenty for a mean."""

_FLAT_SIDE = 128
_FLAT_LEVELS = 8
_FLAT_SHARE = 0.005
"""Blank: on a picture of 128 pixels, where noise has averaged out, less than 0.5 % of the pixels
are more than 8 of 255 levels from the median colour."""

_PRINT_SIDE = 64
_COARSE_SIDE = 8
_COARSE_LEVELS = 4
_STORED_AGAIN = (1.0, 3.0)
_RESIZED = (2.0, 14.0)
"""The same picture: the most that fingerprints differ, mean and 99.5 % quantile in levels, between
pictures of the same and of another size in pixels. JPEG at quality 30 makes 0.7 and 2, halving the
size 1.7 and 12. The two most alike of 363 real photos, within their captures, have 5.9 and 53."""


@dataclass(frozen=True)
class Measures:
    """Figures of one picture."""

    sharpness: float
    """See `sharpness`."""
    brightness: float
    """Mean luma, 0 to 1."""
    blank: bool
    """Nearly all pixels have the same colour."""
    fingerprint: UInt8
    """(64, 64) luma: the picture at a size where a new compression leaves no trace."""


def measure(picture: Image.Image) -> Measures:
    """All figures of an upright RGB picture, which may be a shrunk one."""
    luma = picture.convert("L")
    scale = min(1.0, WORKING_SIDE / max(luma.size))
    size = (round(luma.width * scale), round(luma.height * scale))
    values = np.asarray(luma.resize(size, Image.Resampling.BOX))
    return Measures(
        sharpness=sharpness(values),
        brightness=float(values.mean()) / 255,
        blank=is_blank(picture),
        fingerprint=_shrunk(luma, _PRINT_SIDE),
    )


def sharpness(luma: UInt8) -> float:
    """How crisp a picture (H, W) is, 0 to 1 (Crété et al., "The blur effect", 2007).

    Blurring once more takes much of the differences between neighbours away from a sharp picture
    and little from a blurred one; the share that is lost tells, whatever contrast and subject.
    """
    rows, columns = luma[::_EVERY], luma[:, ::_EVERY].T
    return min(_sharpness_along_rows(rows), _sharpness_along_rows(columns))


def is_blank(picture: Image.Image) -> bool:
    """Whether an RGB picture shows nothing."""
    values = _shrunk(picture, _FLAT_SIDE).reshape(-1, 3).astype(np.int16)
    distance = np.abs(values - np.median(values, axis=0)).max(axis=1)
    return float((distance > _FLAT_LEVELS).mean()) < _FLAT_SHARE


def repeats(fingerprints: Sequence[UInt8], sizes: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Which pictures are another one stored again: index to index of the one to keep.

    Of equal ones the largest (by ``sizes``, width and height), else the first, is kept.
    """
    if not fingerprints:
        return {}
    prints = np.stack(fingerprints).astype(np.float32)
    step = _PRINT_SIDE // _COARSE_SIDE
    coarse = prints.reshape(-1, _COARSE_SIDE, step, _COARSE_SIDE, step).mean(axis=(2, 4))
    coarse = coarse.reshape(len(prints), -1)
    kept: list[int] = []
    same: dict[int, int] = {}
    for i in sorted(range(len(prints)), key=lambda i: (-sizes[i][0] * sizes[i][1], i)):
        near = np.abs(coarse[kept] - coarse[i]).max(axis=1, initial=0) <= _COARSE_LEVELS
        candidates = (k for k, close in zip(kept, near, strict=True) if close)
        twin = next(
            (k for k in candidates if _is_same(prints[k], prints[i], sizes[k], sizes[i])), None
        )
        if twin is None:
            kept.append(i)
        else:
            same[i] = twin
    return dict(sorted(same.items()))


def _is_same(a: Float32, b: Float32, size_a: tuple[int, int], size_b: tuple[int, int]) -> bool:
    aspects = (size_a[0] * size_b[1]) / (size_a[1] * size_b[0])
    most_mean, most = _STORED_AGAIN if size_a == size_b else _RESIZED
    difference = np.abs(a - b)
    return (
        0.99 < aspects < 1.01
        and float(difference.mean()) <= most_mean
        and float(np.quantile(difference, 0.995)) <= most
    )


def _sharpness_along_rows(luma: UInt8) -> float:
    values = luma.astype(np.float32)
    ahead = np.pad(values, ((0, 0), (_BLUR // 2 + 1, _BLUR // 2)), "edge")
    before = np.abs(np.diff(values, axis=1))
    # Neighbours in a running mean differ by the value that enters and the one that leaves.
    after = np.abs(ahead[:, _BLUR + 1 :] - ahead[:, 1:-_BLUR]) / _BLUR
    total = float(before.sum())
    return float(np.maximum(before - after, 0).sum()) / total if total > 0 else 0.0


def _shrunk(picture: Image.Image, side: int) -> UInt8:
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))
