"""What the formats of splats have in common: small numbers for rotations, opacities and places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.source import Source
from gypsum.scene import SH_C0, Splats

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bytes = NDArray[np.uint8]

TERMS = (1, 4, 9, 16)
"""Of the harmonics of each degree."""

SPLATS_PER_BYTE = 1
"""Formats that compress take eight bytes a splat and more; a file with less is made to harm."""
_ALWAYS = 2**20
"""So many may be in any file, however small."""

_SQRT2 = np.sqrt(2)

_MORTON_BITS = 10


def check_count(source: Source, count: int, size: int) -> None:
    """Refuse a file of ``size`` bytes that says that it holds more splats than it can."""
    if count == 0:
        raise source.fail("holds no splats")
    if count < 0 or count > max(_ALWAYS, SPLATS_PER_BYTE * size):
        raise source.fail(f"says that it holds {count} splats; it is damaged")


def checked(source: Source, splats: Splats) -> Splats:
    """The splats, if all of their numbers are numbers; opacities of 0 and 1 come as infinities."""
    rest = (splats.means, splats.log_scales, splats.quaternions, splats.harmonics)
    if not all(np.isfinite(values).all() for values in rest) or np.isnan(splats.opacities).any():
        raise source.fail("has splats whose place, size or colour is no number; it is damaged")
    if len(splats) == 0:
        raise source.fail("holds no splats")
    np.clip(splats.opacities, -30, 30, out=splats.opacities)
    return splats


def sigmoid(logits: Float32) -> Float64:
    """Opacities of 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def logits(opacities: NDArray[np.floating], step: float = 1 / 255) -> Float32:
    """The reverse; 0 and 1 are taken a quarter of a step further in, as they are rounded."""
    inside = np.clip(np.asarray(opacities, np.float64), step / 4, 1 - step / 4)
    return np.log(inside / (1 - inside)).astype(np.float32)


def to_bytes(fractions: NDArray[np.floating], levels: int = 255) -> NDArray[np.uint32]:
    """0 to 1 as integers of 0 to ``levels``, to the nearest."""
    return np.asarray(np.rint(np.clip(fractions, 0, 1) * levels), np.uint32)


def plain_colors(splats: Splats) -> Float64:
    """(N, 3) colours from all sides; 0 to 1 where a screen can show them."""
    return np.asarray(0.5 + SH_C0 * splats.harmonics[:, 0].astype(np.float64))


def constant_harmonics(colors: NDArray[np.floating]) -> Float32:
    """The reverse."""
    return ((np.asarray(colors, np.float64) - 0.5) / SH_C0).astype(np.float32)


def unit(quaternions: NDArray[np.floating]) -> Float64:
    """(N, 4) of length one; no turn where the length is zero."""
    values = np.asarray(quaternions, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    identity = np.array([1.0, 0, 0, 0])
    return np.where(lengths > 1e-12, values / np.maximum(lengths, 1e-12), identity)


def smallest_three(units: Float64) -> tuple[NDArray[np.int64], Float64]:
    """Which component is largest (N,), and the others (N, 3) times the root of two: -1 to 1.

    A rotation has two quaternions; it is that whose largest component is positive, which follows
    from the others.
    """
    largest = np.argmax(np.abs(units), axis=1)
    sign = np.where(np.take_along_axis(units, largest[:, None], axis=1) < 0, -1.0, 1.0)
    others = (units * sign)[np.arange(4) != largest[:, None]].reshape(-1, 3)
    return largest, np.clip(others * _SQRT2, -1, 1)


def from_smallest_three(largest: NDArray[np.integer], others: NDArray[np.floating]) -> Float32:
    """The reverse: (N, 4)."""
    parts = np.asarray(others, np.float64) / _SQRT2
    whole = np.empty((len(parts), 4))
    whole[np.arange(4) != largest[:, None]] = parts.ravel()
    rest = np.sqrt(np.maximum(0, 1 - (parts**2).sum(axis=1)))
    whole[np.arange(4) == largest[:, None]] = rest
    return unit(whole).astype(np.float32)


def morton_order(means: Float32) -> NDArray[np.int64]:
    """(N,) an order in which neighbours in space are mostly neighbours in the list."""
    low, high = means.min(axis=0).astype(np.float64), means.max(axis=0)
    cells = (means - low) / np.maximum(high - low, 1e-30) * (2**_MORTON_BITS - 1)
    code = np.zeros(len(means), np.uint32)
    whole = cells.astype(np.uint32)
    for bit in range(_MORTON_BITS):
        for axis in range(3):
            code |= ((whole[:, axis] >> np.uint32(bit)) & np.uint32(1)) << np.uint32(3 * bit + axis)
    return np.argsort(code, kind="stable")
