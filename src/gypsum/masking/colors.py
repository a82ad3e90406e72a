"""Which colours are the object's and which its surroundings'."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]

#: Steps of CIELAB's lightness and of its two colour axes.
_SHAPE = (12, 32, 32)
#: Colours seen once count for a little everywhere.
_FLOOR = 1e-6
#: No colour alone is surer than this, as a logarithm of odds.
_SUREST = 4.0


def bins(picture: UInt8) -> NDArray[np.int32]:
    """(height, width) number of the colour of each pixel of (height, width, 3) sRGB."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.int32)
    light = lab[..., 0] * _SHAPE[0] // 256
    a, b = ((lab[..., i] - 128) // 4 + _SHAPE[i] // 2 for i in (1, 2))
    a, b = a.clip(0, _SHAPE[1] - 1), b.clip(0, _SHAPE[2] - 1)
    numbers: NDArray[np.int32] = (light * _SHAPE[1] + a) * _SHAPE[2] + b
    return numbers


def histogram(numbers: NDArray[np.int32]) -> Float64:
    """Shares of the colours; zeros for none at all."""
    counts = np.bincount(numbers, minlength=int(np.prod(_SHAPE))).astype(np.float64)
    shares: Float64 = counts.reshape(_SHAPE) / max(1.0, float(counts.sum()))
    return shares


def mean(histograms: Sequence[Float64]) -> Float64:
    """Of those that hold anything."""
    filled = [h for h in histograms if h.any()]
    average: Float64 = np.mean(filled, axis=0) if filled else np.zeros(_SHAPE)
    return average


def odds(inside: Float64, outside: Float64) -> Float32:
    """Logarithm of how much likelier each colour is inside than outside, by its number."""
    ratio = np.log(_smooth(inside) / _smooth(outside))
    return ratio.clip(-_SUREST, _SUREST).astype(np.float32).ravel()


def _smooth(shares: Float64) -> Float64:
    blurred: Float64 = ndimage.gaussian_filter(shares, (0.7, 0.8, 0.8))
    normalised: Float64 = blurred / max(float(blurred.sum()), _FLOOR) + _FLOOR
    return normalised
