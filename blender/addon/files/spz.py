# SPDX-License-Identifier: GPL-3.0-or-later
"""SPZ, Niantic's format: some 20 bytes a splat and one for each harmonic, compressed.

A header, then all places, opacities, colours, sizes, rotations and harmonics in one gzip stream
(versions 1 to 3). Places are 24-bit fixed point, logarithms of sizes 8 bits in steps of 1/16,
rotations from version 3 on the smallest three components in 10 bits each. Written is version 3.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..splats import TERMS, Float32, Float64, SplatError, Splats, sigmoid, unit

_MAGIC = 0x5053474E
_HEADER = struct.Struct("<IIIBBBB")
_GZIP = b"\x1f\x8b"
_WINDOW = 31
"""zlib's word for a gzip stream."""
_HAS_EXTENSIONS = 2
_COLOR = 0.15
"""Colours reach beyond what a screen shows; a byte spans 1 / 0.15 of the constant harmonic."""
_MOST_BITS = 23
_MOST_SPLATS = 50_000_000


def decode(path: Path) -> Splats:
    """The splats of versions 1 to 3."""
    data = path.read_bytes()
    if data[:2] != _GZIP:
        raise SplatError(f"{path.name} is no SPZ file of version 1 to 3.")
    head = _inflated(path, data, _HEADER.size)
    if len(head) < _HEADER.size:
        raise SplatError(f"{path.name} is cut off; write it again.")
    magic, version, count, degree, bits, flags, _ = _HEADER.unpack(head)
    if magic != _MAGIC or not 1 <= version <= 3 or degree >= len(TERMS):
        raise SplatError(f"{path.name} is no SPZ file, or of a kind that is not known here.")
    if flags & _HAS_EXTENSIONS or count > _MOST_SPLATS:
        raise SplatError(f"{path.name} has extensions or more splats than fit here.")
    place, turn = (6 if version == 1 else 9), (4 if version == 3 else 3)
    lengths = [count * n for n in (place, 1, 3, 3, turn, 3 * (TERMS[degree] - 1))]
    whole = _inflated(path, data, _HEADER.size + sum(lengths))
    if len(whole) < _HEADER.size + sum(lengths):
        raise SplatError(f"{path.name} is cut off; write it again.")
    ends = _HEADER.size + np.cumsum([0, *lengths])
    places, opacities, tints, scales, turns, rest = (
        np.frombuffer(whole, np.uint8, end - start, start) for start, end in pairwise(ends)
    )
    harmonics = np.empty((count, TERMS[degree], 3), np.float32)
    harmonics[:, 0] = (tints.reshape(count, 3) / 255.0 - 0.5) / _COLOR
    harmonics[:, 1:] = (rest.reshape(count, TERMS[degree] - 1, 3).astype(np.float32) - 128) / 128
    return Splats(
        _placed(places, bits, version),
        (scales.reshape(count, 3) / 16.0 - 10).astype(np.float32),
        _smallest_three(turns) if version == 3 else _first_three(turns),
        logits(opacities / 255.0),
        harmonics,
    )


def encode(splats: Splats) -> bytes:
    """The file's bytes."""
    farthest = float(np.abs(splats.means).max())
    bits = int(np.clip(np.floor(np.log2((2**23 - 1) / max(farthest, 1e-6))), 0, _MOST_BITS))
    fixed = np.rint(splats.means.astype(np.float64) * 2.0**bits).clip(-(2**23), 2**23 - 1)
    parts = [
        fixed.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3],
        np.rint(sigmoid(splats.opacities) * 255),
        np.rint((splats.harmonics[:, 0].astype(np.float64) * _COLOR + 0.5) * 255),
        np.rint((splats.log_scales + 10.0) * 16),
        _packed_rotations(unit(splats.quaternions)),
        np.rint(splats.harmonics[:, 1:] * 128.0 + 128),
    ]
    head = _HEADER.pack(_MAGIC, 3, len(splats), splats.degree, bits, 0, 0)
    body = b"".join(part.clip(0, 255).astype(np.uint8).tobytes() for part in parts)
    return gzip.compress(head + body, 6, mtime=0)


def logits(opacities: NDArray[np.floating]) -> Float32:
    """Of opacities in steps of 1/255; 0 and 1 are taken a quarter of a step further in."""
    inside = np.clip(np.asarray(opacities, np.float64), 0.25 / 255, 1 - 0.25 / 255)
    return np.log(inside / (1 - inside)).astype(np.float32)


def _inflated(path: Path, data: bytes, most: int) -> bytes:
    """The first bytes of a gzip stream, however much there would be."""
    try:
        return zlib.decompressobj(_WINDOW).decompress(data, most)
    except zlib.error:
        raise SplatError(f"{path.name} can't be unpacked; it is damaged.") from None


def _placed(data: NDArray[np.uint8], bits: int, version: int) -> Float32:
    if version == 1:
        return data.view("<f2").reshape(-1, 3).astype(np.float32)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    # Into the upper bytes, so that the sign is where it belongs.
    wide[:, 1:] = data.reshape(-1, 3)
    whole = wide.view("<i4")[:, 0] >> 8
    return (whole.reshape(-1, 3) * 2.0**-bits).astype(np.float32)


def _first_three(data: NDArray[np.uint8]) -> Float32:
    """Versions 1 and 2: a byte each for x, y and z; w is positive."""
    parts = data.reshape(-1, 3) / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (parts**2).sum(axis=1, keepdims=True)))
    return unit(np.concatenate([w, parts], axis=1)).astype(np.float32)


def _smallest_three(data: NDArray[np.uint8]) -> Float32:
    """Version 3: 2 bits for the largest of (x, y, z, w), a sign and 9 bits for each other."""
    packed = data.view("<u4")
    fields = packed[:, None] >> np.array([20, 10, 0], np.uint32)
    others = (fields & 511) / 511.0 * np.where(fields & 512, -1, 1) / np.sqrt(2)
    is_largest = np.arange(4) == (packed >> 30)[:, None]
    whole = np.empty((len(packed), 4))
    whole[~is_largest] = others.ravel()
    whole[is_largest] = np.sqrt(np.maximum(0, 1 - (others**2).sum(axis=1)))
    return unit(whole[:, [3, 0, 1, 2]]).astype(np.float32)


def _packed_rotations(units: Float64) -> NDArray[np.uint8]:
    """The reverse; of a rotation's two quaternions that whose largest component is positive."""
    ordered = units[:, [1, 2, 3, 0]]
    largest = np.argmax(np.abs(ordered), axis=1)
    is_largest = np.arange(4) == largest[:, None]
    others = (ordered * np.sign(ordered[is_largest])[:, None])[~is_largest].reshape(-1, 3)
    small = np.rint(np.clip(np.abs(others) * np.sqrt(2), 0, 1) * 511).astype(np.uint32)
    small |= (others < 0).astype(np.uint32) << 9
    packed = largest.astype(np.uint32) << 30 | small[:, 0] << 20 | small[:, 1] << 10 | small[:, 2]
    return np.asarray(packed, "<u4").view(np.uint8)
