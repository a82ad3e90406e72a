# SPDX-License-Identifier: GPL-3.0-or-later
"""Other colours for splats, free of Blender.

What is linear in the colour changes all harmonics alike and is exact in all directions. Curves are
not: they change the mean colour exactly, and how it differs by direction by their slope there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .splats import SH_C0, Float64, Splats, colors

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""ITU-R BT.709."""
_STEP = 1 / 512
"""Over which a curve's slope is taken."""

Mask = NDArray[np.bool_]


def matrix(
    hue: float = 0.0,
    saturation: float = 1.0,
    value: float = 1.0,
    contrast: float = 1.0,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    strength: float = 0.0,
) -> tuple[Float64, Float64]:
    """(3, 3) and (3,): a colour c becomes M c + b.

    ``hue`` turns about grey by an angle; contrast is about middle grey; a tint of strength 1 leaves
    of the old colour its luminance only.
    """
    grey = np.ones(3) / np.sqrt(3)
    skew = np.array([[0, -grey[2], grey[1]], [grey[2], 0, -grey[0]], [-grey[1], grey[0], 0]])
    turn = np.eye(3) + np.sin(hue) * skew + (1 - np.cos(hue)) * skew @ skew
    flat = np.tile(LUMA, (3, 1))
    saturate = saturation * np.eye(3) + (1 - saturation) * flat
    tinted = (1 - strength) * np.eye(3) + strength * np.outer(tint, LUMA)
    linear = contrast * value * tinted @ saturate @ turn
    return linear, np.full(3, 0.5 * (1 - contrast))


def transformed(splats: Splats, chosen: Mask, linear: Float64, offset: Float64) -> Splats:
    """Colours c of those chosen become M c + b; the others keep theirs to the last bit."""
    harmonics = splats.harmonics.copy()
    part = harmonics[chosen].astype(np.float64)
    mean = 0.5 + SH_C0 * part[:, 0]
    part = part @ linear.T
    part[:, 0] = (mean @ linear.T + offset - 0.5) / SH_C0
    harmonics[chosen] = part
    return replace(splats, harmonics=harmonics)


def curved(splats: Splats, chosen: Mask, curves: Callable[[Float64], Float64]) -> Splats:
    """Colours of those chosen go through curves that take (N, 3) to (N, 3), each channel alone."""
    mean = colors(splats)[chosen]
    slope = (curves(mean + _STEP) - curves(mean - _STEP)) / (2 * _STEP)
    harmonics = splats.harmonics.copy()
    part = harmonics[chosen].astype(np.float64) * slope[:, None]
    part[:, 0] = (curves(mean) - 0.5) / SH_C0
    harmonics[chosen] = part
    return replace(splats, harmonics=harmonics)


def painted(splats: Splats, color: Float64, weights: Float64) -> Splats:
    """Mixed with one colour by weights (N,), 1 for nothing but it, from all sides."""
    touched = weights > 0
    share = weights[touched][:, None, None]
    part = splats.harmonics[touched] * (1 - share)
    part[:, 0] += share[:, 0] * (color - 0.5) / SH_C0
    harmonics = splats.harmonics.copy()
    harmonics[touched] = part
    return replace(splats, harmonics=harmonics)


def brush(distances: Float64, radius: float) -> Float64:
    """(N,) a brush's weight: 1 in the middle, smoothly 0 at its edge."""
    return np.asarray(np.maximum(0, 1 - (distances / radius) ** 2) ** 2)
