"""How near a rendered picture comes to a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats

UInt8 = NDArray[np.uint8]

_BEST_DB = 100.0


@dataclass(frozen=True)
class Score:
    """Of one picture, or the mean of several."""

    psnr: float
    """Peak signal-to-noise ratio, dB."""
    ssim: float
    """Structural similarity (Wang et al. 2004), Gaussian window of 11 pixels; 1 is equal."""


def score(picture: UInt8, photo: UInt8, mask: UInt8 | None = None, threads: int = 0) -> Score:
    """Compare pictures (height, width, 3); with a mask (height, width), only where it is 255."""
    difference = (picture.astype(np.float64) - photo) / 255
    counted = np.ones(photo.shape[:2], bool) if mask is None else mask >= 128
    error = float((difference[counted] ** 2).mean()) if counted.any() else 0.0
    psnr = _BEST_DB if error == 0 else min(_BEST_DB, -10 * np.log10(error))
    drawn = np.ascontiguousarray(picture.transpose(2, 0, 1) / np.float32(255), np.float32)
    black, structure = np.zeros(3, np.float32), np.empty(photo.shape[:2], np.float32)
    # Outside of the mask the photo is as black as the picture is where nothing is.
    _splats.Comparer(1.0, threads).compare(
        drawn, np.ascontiguousarray(photo), None if mask is None else np.ascontiguousarray(mask),
        black, np.eye(3, 4, dtype=np.float32), np.empty_like(drawn), structure, np.empty((3, 4)),
    )  # fmt: skip
    ssim = 1 - float(structure[counted].mean(dtype=np.float64)) if counted.any() else 1.0
    return Score(float(psnr), ssim)


def mean(scores: list[Score]) -> Score:
    """Of several pictures, each counting alike."""
    return Score(
        float(np.mean([score.psnr for score in scores])),
        float(np.mean([score.ssim for score in scores])),
    )
