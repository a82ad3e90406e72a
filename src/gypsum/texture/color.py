"""sRGB and linear light.

Exposure and white balance act on linear light, and so does averaging pixels when a photo is shrunk.
Seams are judged and corrected in sRGB-encoded colour, where equal steps look equally large: an
additive correction in linear light would crush the shadows beside a bright seam.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

CURVE_ENTRIES = 4096


def encoded(linear: NDArray[np.floating]) -> Float32:
    """Linear light to sRGB, both 0 to 1."""
    safe = np.maximum(linear, 0.0031308)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * safe ** (1 / 2.4) - 0.055).astype(
        np.float32
    )


def linear(encoded: NDArray[np.floating]) -> Float32:
    """sRGB to linear light, both 0 to 1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def gain_curves(gains: NDArray[np.floating]) -> Float32:
    """(3, 4096) sRGB-encoded colour to itself for linear gains (3,); the atlas may hold > 1."""
    positions = linear(np.linspace(0, 1, CURVE_ENTRIES))
    return np.ascontiguousarray(encoded(positions[None, :] * gains[:, None].astype(np.float64)))
