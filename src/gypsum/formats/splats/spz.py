"""SPZ, Niantic's format: some 20 bytes a splat and one for each harmonic, compressed.

A header, then all places, opacities, colours, sizes, rotations and harmonics. Versions 1 to 3 are
one gzip stream; version 4 has a Zstandard stream for each. Places are 24-bit fixed point,
logarithms of sizes 8 bits in steps of 1/16, rotations from version 3 on the smallest three
components in 10 bits each. Y is up. Written is version 3, which all programs read.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import (
    TERMS,
    Float64,
    check_count,
    checked,
    from_smallest_three,
    logits,
    sigmoid,
    smallest_three,
    to_bytes,
    unit,
)
from gypsum.scene import Splats

_MAGIC = 0x5053474E
_HEADER = struct.Struct("<IIIBBBB")
_HEADER_4 = struct.Struct("<IIIBBBBI12x")
_STREAM = struct.Struct("<QQ")
_HAS_EXTENSIONS = 2

_GZIP = b"\x1f\x8b"
_WINDOW = 31
"""zlib's word for a gzip stream."""

_COLOR = 0.15
"""Colours reach beyond what a screen shows; a byte spans 1 / 0.15 of the constant harmonic."""

_MOST_BITS = 23

_FILE_TERMS = (1, 4, 9, 16, 25)
"""Version 4 knows a fourth degree, which is left out."""


def encode(_: Path, splats: Splats) -> bytes:
    """The file's bytes."""
    bits = _fraction_bits(splats.means)
    parts = [
        _HEADER.pack(_MAGIC, 3, len(splats), splats.degree, bits, 0, 0),
        _places(splats.means, bits),
        to_bytes(sigmoid(splats.opacities)).astype(np.uint8),
        to_bytes(splats.harmonics[:, 0].astype(np.float64) * _COLOR + 0.5).astype(np.uint8),
        np.rint(np.clip((splats.log_scales + 10.0) * 16, 0, 255)).astype(np.uint8),
        _rotations(unit(splats.quaternions)),
        np.rint(np.clip(splats.harmonics[:, 1:] * 128.0 + 128, 0, 255)).astype(np.uint8),
    ]
    data = b"".join(p if isinstance(p, bytes) else p.tobytes() for p in parts)
    return gzip.compress(data, mtime=0)


def _fraction_bits(means: NDArray[np.float32]) -> int:
    """As many as leave room for the farthest splat."""
    farthest = float(np.abs(means).max())
    bits = int(np.floor(np.log2((2**23 - 1) / max(farthest, 1e-6))))
    return int(np.clip(bits, 0, _MOST_BITS))


def _places(means: NDArray[np.float32], bits: int) -> bytes:
    fixed = np.rint(means.astype(np.float64) * 2.0**bits)
    whole = np.clip(fixed, -(2**23), 2**23 - 1).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def _rotations(units: Float64) -> NDArray[np.uint32]:
    """2 bits for the largest of (x, y, z, w), then a sign and 9 bits for each of the others."""
    largest, others = smallest_three(units[:, [1, 2, 3, 0]])
    small = np.rint(np.abs(others) * 511).astype(np.uint32) | ((others < 0).astype(np.uint32) << 9)
    packed = (largest.astype(np.uint32) << 30) | (small[:, 0] << 20) | (small[:, 1] << 10)
    return np.asarray(packed | small[:, 2], "<u4")


def decode(source: Source) -> Splats:
    """Any of the four versions."""
    return decode_bytes(source, source.read())


def decode_bytes(source: Source, data: bytes) -> Splats:
    """The same for what is inside of another file."""
    if data[:2] == _GZIP:
        return _gzipped(source, data)
    if len(data) >= _HEADER_4.size and struct.unpack_from("<I", data)[0] == _MAGIC:
        return _streams(source, data)
    raise source.fail("is no SPZ file")


def _gzipped(source: Source, data: bytes) -> Splats:
    head = _inflated(source, data, _HEADER.size)
    if len(head) < _HEADER.size:
        raise source.fail("is cut off; write it again")
    magic, version, count, degree, bits, flags, _ = _HEADER.unpack(head)
    if magic != _MAGIC or not 1 <= version <= 3:
        raise source.fail(f"is no SPZ file, or of version {version}, which is not known here")
    check_count(source, count, len(data))
    sizes = _sizes(source, count, degree, version)
    start = _HEADER.size
    # What extensions take is only known behind them.
    room = 2**16 if flags & _HAS_EXTENSIONS else 0
    whole = _inflated(source, data, start + sum(sizes) + room)
    if flags & _HAS_EXTENSIONS:
        start = _behind_extensions(source, whole, start)
    if len(whole) < start + sum(sizes):
        raise source.fail("is cut off; write it again")
    ends = start + np.cumsum([0, *sizes])
    sections = [whole[a:b] for a, b in pairwise(ends)]
    return _splats(source, sections, degree, bits, version)


def _inflated(source: Source, data: bytes, most: int) -> bytes:
    """The first bytes of a gzip stream, however much there would be."""
    try:
        return zlib.decompressobj(_WINDOW).decompress(data, most)
    except zlib.error:
        raise source.fail("can't be unpacked; it is damaged") from None


def _behind_extensions(source: Source, data: bytes, at: int) -> int:
    """Where the splats begin: a count, and for each extension its kind, its length and content."""
    try:
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
        for _ in range(min(count, 2**10)):
            at += 8 + struct.unpack_from("<I", data, at + 4)[0]
    except struct.error:
        raise source.fail("has an extension that is cut off; it is damaged") from None
    return at


def _streams(source: Source, data: bytes) -> Splats:
    """Version 4."""
    import zstandard

    fields = _HEADER_4.unpack_from(data)
    _, version, count, degree, bits, _, streams, table = fields
    if version != 4:
        raise source.fail(f"is of SPZ's version {version}, which is not known here")
    check_count(source, count, len(data))
    sizes = [size for size in _sizes(source, count, degree, version) if size]
    at = table + streams * _STREAM.size
    if streams != len(sizes) or table < _HEADER_4.size or at > len(data):
        raise source.fail("has other streams than SPZ knows; it is damaged")
    sections = []
    for number, size in enumerate(sizes):
        packed, _ = _STREAM.unpack_from(data, table + number * _STREAM.size)
        try:
            unpacker = zstandard.ZstdDecompressor(max_window_size=2**27)
            with unpacker.stream_reader(data[at : at + packed]) as reader:
                sections.append(reader.read(size))
        except zstandard.ZstdError:
            raise source.fail("can't be unpacked; it is damaged") from None
        if len(sections[-1]) < size:
            raise source.fail("is cut off; write it again")
        at += packed
    return _splats(source, [*sections, b""][:6], degree, bits, version)


def _sizes(source: Source, count: int, degree: int, version: int) -> list[int]:
    """Bytes of places, opacities, colours, sizes, rotations and harmonics."""
    if degree >= len(_FILE_TERMS):
        raise source.fail(f"has harmonics of degree {degree}; SPZ knows up to 4")
    place, rotation = (6 if version == 1 else 9), (4 if version >= 3 else 3)
    harmonics = 3 * (_FILE_TERMS[degree] - 1)
    return [count * size for size in (place, 1, 3, 3, rotation, harmonics)]


def _splats(source: Source, sections: list[bytes], degree: int, bits: int, version: int) -> Splats:
    places, opacities, colors, sizes, rotations, harmonics = (
        np.frombuffer(section, np.uint8) for section in sections
    )
    count = len(opacities)
    constant = (colors.reshape(count, 1, 3) / 255.0 - 0.5) / _COLOR
    rest = (harmonics.reshape(count, -1, 3)[:, : TERMS[min(degree, 3)] - 1] - 128.0) / 128
    turn: Callable[[NDArray[np.uint8]], Any] = _first_three if version < 3 else _turned_back
    return checked(
        source,
        Splats(
            _placed(places, bits, version),
            (sizes.reshape(count, 3) / 16.0 - 10).astype(np.float32),
            turn(rotations),
            logits(opacities / 255.0),
            np.concatenate([constant, rest], axis=1).astype(np.float32),
        ),
    )


def _placed(data: NDArray[np.uint8], bits: int, version: int) -> NDArray[np.float32]:
    if version == 1:
        return data.view("<f2").reshape(-1, 3).astype(np.float32)
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    # Into the upper bytes, so that the sign is where it belongs.
    wide[:, 1:] = data.reshape(-1, 3)
    whole = wide.view("<i4")[:, 0] >> 8
    return (whole.reshape(-1, 3) * 2.0**-bits).astype(np.float32)


def _first_three(data: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Versions 1 and 2: a byte each for x, y and z; w is positive."""
    parts = data.reshape(-1, 3) / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (parts**2).sum(axis=1, keepdims=True)))
    return unit(np.concatenate([w, parts], axis=1)).astype(np.float32)


def _turned_back(data: NDArray[np.uint8]) -> NDArray[np.float32]:
    packed = data.view("<u4")[:, None] >> np.array([20, 10, 0], np.uint32)
    others = (packed & 511) / 511.0 * np.where(packed & 512, -1, 1)
    return from_smallest_three(data.view("<u4") >> 30, others)[:, [3, 0, 1, 2]]
