"""Frames of high dynamic range to ordinary sRGB pictures (ITU-R BT.2100, BT.2408).

Decoders give the coded values in 8 bits. Coarse as that is, it is far below what tells features or
colours of a texture apart, and dark and middle tones keep the steps that they had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.capture.container import BT2020, HLG, ColorTags
from gypsum.formats.colors import to_srgb

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

WHITE_NITS = 203.0
"""Candela per square metre of a white sheet of paper (BT.2408); it becomes SDR's near-white."""
_HLG_PEAK_NITS = 1000.0
_HLG_GAMMA = 1.2
"""System gamma of HLG for that peak (BT.2100, table 5)."""
_KNEE = 0.6
"""Share of paper white below which light stays as it is; above, it approaches 1 exponentially."""
_ROWS = 128
"""Rows converted at a time: a whole 8K frame in floating point would take gigabytes."""

_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear light (BT.2087)."""
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Of BT.2020 primaries."""


def to_sdr(picture: UInt8, tags: ColorTags) -> UInt8:
    """Tone-map a frame (H, W, 3), coded red, green, blue as ``tags`` say, to sRGB."""
    decode = _hlg_scene_light() if tags.transfer == HLG else _pq_light()
    result = np.empty_like(picture)
    for top in range(0, len(picture), _ROWS):
        rows = decode[picture[top : top + _ROWS]]
        if tags.transfer == HLG:  # From the scene's light to the display's.
            luminance = rows @ _LUMINANCE
            rows = rows * luminance[..., None] ** np.float32(_HLG_GAMMA - 1)
            rows = rows * np.float32(_HLG_PEAK_NITS / WHITE_NITS)
        if tags.primaries == BT2020:
            rows = np.maximum(rows @ _BT2020_TO_BT709.T, 0)
        result[top : top + _ROWS] = to_srgb(_tone_mapped(rows))
    return result


def _pq_light() -> Float32:
    """(256,) light relative to paper white, for each coded value."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = (np.arange(256) / 255) ** (1 / m2)
    nits = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return (nits / WHITE_NITS).astype(np.float32)


def _hlg_scene_light() -> Float32:
    """(256,) light of the scene, 1 at the most, for each coded value."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    coded = np.arange(256) / 255
    light = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    return light.astype(np.float32)


def _tone_mapped(light: Float32) -> Float32:
    """Below 1 everywhere; all three channels are scaled alike, so that hues stay."""
    most = light.max(axis=-1, keepdims=True)
    shoulder = _KNEE + (1 - _KNEE) * (1 - np.exp(-(most - _KNEE) / (1 - _KNEE)))
    scale = np.where(most > _KNEE, shoulder / np.maximum(most, _KNEE), 1)
    return (light * scale).astype(np.float32)
