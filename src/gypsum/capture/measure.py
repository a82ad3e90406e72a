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

_FLAT_SIDE = 128
_FLAT_LEVELS = 8
_FLAT_SHARE = 0.005
"""Blank: on a picture of 128 pixels, where noise has averaged out, less than 0.5 % of the pixels
are more than 8 of 255 levels from the median colour."""

_PRINT_SIDE = 64
_COARSE_SIDE = 8
_COARSE_LEVELS = 4
_SAME_MEAN = 1.0
_SAME_MOST = 6.0
"""The same picture, stored again: fingerprints differ by at most 1 level on average and nowhere
(but in one cell of 200) by more than 6. A camera that moved makes more difference at every edge."""


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
    aspect: float
    """Width by height."""


def measure(picture: Image.Image) -> Measures:
    """All figures of an upright RGB picture, which may be a shrunk one."""
    scale = min(1.0, WORKING_SIDE / max(picture.size))
    size = (round(picture.width * scale), round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    luma = small.convert("L")
    values = np.asarray(luma)
    return Measures(
        sharpness=sharpness(values),
        brightness=float(values.mean()) / 255,
        blank=is_blank(small),
        fingerprint=_shrunk(luma, _PRINT_SIDE),
        aspect=picture.width / picture.height,
    )


def sharpness(luma: UInt8) -> float:
    """How crisp a picture (H, W) is, 0 to 1 (Crété et al., "The blur effect", 2007).

    Blurring once more takes much of the differences between neighbours away from a sharp picture
    and little from a blurred one; the share that is lost tells, whatever contrast and subject.
    """
    values = luma.astype(np.float32)
    return min(_sharpness_along_rows(values), _sharpness_along_rows(values.T))


def is_blank(picture: Image.Image) -> bool:
    """Whether an RGB picture shows nothing."""
    values = _shrunk(picture, _FLAT_SIDE).reshape(-1, 3).astype(np.int16)
    distance = np.abs(values - np.median(values, axis=0)).max(axis=1)
    return float((distance > _FLAT_LEVELS).mean()) < _FLAT_SHARE


def repeats(pictures: Sequence[Measures], pixels: Sequence[int]) -> dict[int, int]:
    """Which pictures are another one stored again: index to index of the one to keep.

    Of equal ones the largest (by ``pixels``), else the first, is kept.
    """
    if not pictures:
        return {}
    prints = np.stack([picture.fingerprint for picture in pictures]).astype(np.float32)
    step = _PRINT_SIDE // _COARSE_SIDE
    coarse = prints.reshape(-1, _COARSE_SIDE, step, _COARSE_SIDE, step).mean(axis=(2, 4))
    coarse = coarse.reshape(len(prints), -1)
    aspects = np.array([picture.aspect for picture in pictures])
    kept: list[int] = []
    same: dict[int, int] = {}
    for i in sorted(range(len(pictures)), key=lambda i: (-pixels[i], i)):
        near = np.abs(coarse[kept] - coarse[i]).max(axis=1, initial=0) <= _COARSE_LEVELS
        near &= np.abs(aspects[kept] / aspects[i] - 1) < 0.01
        twins = [k for k, close in zip(kept, near, strict=True) if close]
        twin = next((k for k in twins if _same(prints[k], prints[i])), None)
        if twin is None:
            kept.append(i)
        else:
            same[i] = twin
    return same


def _same(a: Float32, b: Float32) -> bool:
    difference = np.abs(a - b)
    return bool(difference.mean() <= _SAME_MEAN and np.quantile(difference, 0.995) <= _SAME_MOST)


def _sharpness_along_rows(values: Float32) -> float:
    sums = np.cumsum(np.pad(values, ((0, 0), (_BLUR // 2 + 1, _BLUR // 2)), "edge"), axis=1)
    blurred = (sums[:, _BLUR:] - sums[:, :-_BLUR]) / _BLUR
    before = np.abs(np.diff(values, axis=1))
    after = np.abs(np.diff(blurred, axis=1))
    total = float(before.sum())
    return float(np.maximum(before - after, 0).sum()) / total if total > 0 else 0.0


def _shrunk(picture: Image.Image, side: int) -> UInt8:
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))
