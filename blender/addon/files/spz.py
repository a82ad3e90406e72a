# SPDX-License-Identifier: GPL-3.0-or-later
"""SPZ, Niantic's format: some 20 bytes a splat and one for each harmonic, compressed.

A header, then all places, opacities, colours, sizes, rotations and harmonics: in one gzip stream
(versions 1 to 3), or in a Zstandard stream each (version 4). Places are 24-bit fixed point,
logarithms of sizes 8 bits in steps of 1/16, rotations from version 3 on the smallest three
components in 10 bits each. Written is version 3, which all programs read.
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
_HEADER_4 = struct.Struct("<IIIBBBBI12x")
_STREAM = struct.Struct("<QQ")
"""Bytes of a stream as it is packed, and as it was."""
_GZIP = b"\x1f\x8b"
_WINDOW = 31
"""zlib's word for a gzip stream."""
_LARGEST_WINDOW = 2**27
_HAS_EXTENSIONS = 2
_EXTENSIONS = 2**16
"""Bytes that extensions may take."""
_COLOR = 0.15
"""Colours reach beyond what a screen shows; a byte spans 1 / 0.15 of the constant harmonic."""
_MOST_BITS = 23
_MOST_SPLATS = 50_000_000
_FILE_TERMS = (*TERMS, 25)
"""Version 4 knows a fourth degree, which is left out."""


def decode(path: Path) -> Splats:
    """The splats of any of the four versions."""
    data = path.read_bytes()
    if data[:2] == _GZIP:
        return _gzipped(path, data)
    if len(data) >= _HEADER_4.size and struct.unpack_from("<I", data)[0] == _MAGIC:
        return _streams(path, data)
    raise SplatError(f"{path.name} is no SPZ file.")


def _gzipped(path: Path, data: bytes) -> Splats:
    head = _inflated(path, data, _HEADER.size)
    if len(head) < _HEADER.size:
        raise SplatError(f"{path.name} is cut off; write it again.")
    magic, version, count, degree, bits, flags, _ = _HEADER.unpack(head)
    if magic != _MAGIC or not 1 <= version <= 3:
        raise SplatError(f"{path.name} is no SPZ file, or of a version that is not known here.")
    sizes = _sizes(path, count, degree, version)
    room = _EXTENSIONS if flags & _HAS_EXTENSIONS else 0
    whole = _inflated(path, data, _HEADER.size + sum(sizes) + room)
    start = _behind_extensions(path, whole) if room else _HEADER.size
    if len(whole) < start + sum(sizes):
        raise SplatError(f"{path.name} is cut off; write it again.")
    ends = start + np.cumsum([0, *sizes])
    return _splats([whole[a:b] for a, b in pairwise(ends)], degree, bits, version)


def _behind_extensions(path: Path, data: bytes) -> int:
    """Where the splats begin: a count, and for each extension its kind, its length and content."""
    at = _HEADER.size + 4
    try:
        (count,) = struct.unpack_from("<I", data, _HEADER.size)
        for _ in range(min(count, 2**10)):
            at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    except struct.error:
        raise SplatError(f"{path.name} has an extension that is cut off; it is damaged.") from None
    return at


def _streams(path: Path, data: bytes) -> Splats:
    """Version 4."""
    # Blender brings it along for its own files.
    import zstandard

    _, version, count, degree, bits, _, streams, table = _HEADER_4.unpack_from(data)
    if version != 4:
        raise SplatError(f"{path.name} is of SPZ's version {version}, which is not known here.")
    sizes = [size for size in _sizes(path, count, degree, version) if size]
    at = table + streams * _STREAM.size
    if streams != len(sizes) or table < _HEADER_4.size or at > len(data):
        raise SplatError(f"{path.name} has other streams than SPZ knows; it is damaged.")
    sections = []
    for number, size in enumerate(sizes):
        packed, _ = _STREAM.unpack_from(data, table + number * _STREAM.size)
        try:
            unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
            with unpacker.stream_reader(data[at : at + packed]) as reader:
                sections.append(reader.read(size))
        except zstandard.ZstdError:
            raise SplatError(f"{path.name} can't be unpacked; it is damaged.") from None
        if len(sections[-1]) < size:
            raise SplatError(f"{path.name} is cut off; write it again.")
        at += packed
    return _splats([*sections, b""][:6], degree, bits, version)


def _sizes(path: Path, count: int, degree: int, version: int) -> list[int]:
    """Bytes of places, opacities, colours, sizes, rotations and harmonics."""
    if degree >= len(_FILE_TERMS) or count > _MOST_SPLATS:
        raise SplatError(f"{path.name} has harmonics or more splats than are known here.")
    place, turn = (6 if version == 1 else 9), (4 if version >= 3 else 3)
    return [count * size for size in (place, 1, 3, 3, turn, 3 * (_FILE_TERMS[degree] - 1))]


def _splats(sections: list[bytes], degree: int, bits: int, version: int) -> Splats:
    places, opacities, tints, scales, turns, rest = (
        np.frombuffer(section, np.uint8) for section in sections
    )
    count, terms = len(opacities), TERMS[min(degree, 3)]
    harmonics = np.empty((count, terms, 3), np.float32)
    harmonics[:, 0] = (tints.reshape(count, 3) / 255.0 - 0.5) / _COLOR
    harmonics[:, 1:] = (rest.reshape(count, -1, 3)[:, : terms - 1].astype(np.float32) - 128) / 128
    return Splats(
        _placed(places, bits, version),
        (scales.reshape(count, 3) / 16.0 - 10).astype(np.float32),
        _smallest_three(turns) if version >= 3 else _first_three(turns),
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
