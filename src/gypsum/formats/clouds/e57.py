"""E57 (ASTM E2807): several scans with their places, in a file of checked pages.

The XML part says what is there; each scan's points are *bytestreams*, one for each coordinate or
colour, cut into packets. A bytestream is a row of numbers of so many bits, packed without gaps.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.clouds.cloud_file import (
    CHUNK,
    MOST_POINTS,
    Chunk,
    CloudFile,
    Scan,
    color_bytes,
    finite,
)
from gypsum.formats.source import Source

Float64 = NDArray[np.float64]

_HEADER = struct.Struct("<8sIIQQQQ")
_SECTION = struct.Struct("<B7xQQQ")
_CHECKSUM = 4
_PAGE_SIZES = (64, 1 << 20)
_LONGEST_XML = 200 * 2**20
_MOST_SCANS, _MOST_FIELDS = 10_000, 200
_INDEX, _DATA, _EMPTY = 0, 1, 2
"""Kinds of packets."""
_POLYNOMIAL = 0x82F63B78
"""CRC-32C, reflected."""


class _Pages:
    """The file's bytes without the checksums, which are verified on the way."""

    def __init__(self, source: Source, file: BinaryIO, size: int) -> None:
        self._source, self._file, self._size = source, file, size
        self._held, self._first = b"", 0
        self._end = file.seek(0, 2)

    @property
    def _room(self) -> int:
        return self._size - _CHECKSUM

    def logical(self, physical: int) -> int:
        """The place among the bytes without checksums."""
        page, within = divmod(physical, self._size)
        if within >= self._room:
            raise self._source.fail("points into a checksum; it is damaged")
        return page * self._room + within

    def read(self, at: int, length: int) -> bytes:
        """``length`` bytes from the logical place ``at``."""
        end = at + length
        if not (self._first <= at and end <= self._first + len(self._held)):
            self._load(at // self._room, -(-end // self._room))
        data = self._held[at - self._first : end - self._first]
        if len(data) < length:
            raise self._source.fail("is cut off; copy it again")
        return data

    def _load(self, first: int, last: int) -> None:
        """Pages, and some after them that will soon be wanted."""
        if first * self._size >= self._end:  # Beyond 64 bits no file can even be asked for.
            raise self._source.fail("is cut off; copy it again")
        count = max(last - first, (4 << 20) // self._size)
        self._file.seek(first * self._size)
        data = self._file.read(count * self._size)
        pages = np.frombuffer(data, np.uint8, len(data) // self._size * self._size)
        pages = pages.reshape(-1, self._size)
        stored = np.ascontiguousarray(pages[:, self._room :]).view(">u4")[:, 0]
        if not np.array_equal(checksums(pages[:, : self._room]), stored):
            raise self._source.fail("is damaged: a part of it does not fit its checksum")
        self._held, self._first = pages[:, : self._room].tobytes(), first * self._room


def checksums(pages: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """CRC-32C (P,) of each row (P, N)."""
    crc = np.full(len(pages), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(pages.T):
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> 8)
    return ~crc


def _table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _table()


@dataclass(frozen=True)
class _Field:
    """One number of each point."""

    name: str
    kind: str
    """float, double, or integer."""
    bits: int
    low: int = 0
    scale: float = 1.0
    offset: float = 0.0
    top: float | None = None
    """The largest value that it can have; None for floating numbers."""


@dataclass(frozen=True)
class _Cloud:
    """The points of one scan."""

    scan: Scan
    start: int
    """Physical place of the points' section."""
    count: int
    fields: tuple[_Field, ...]
    turn: Float64
    shift: Float64
    """To the file's frame: ``turn @ x + shift``."""
    color_top: float | None


def open_e57(source: Source) -> CloudFile:
    """All scans in the file's common frame; pictures are left out."""
    with source.open() as file:
        size, xml = _xml(source, file)
    try:
        clouds = _described(source, xml)
    except (ValueError, OverflowError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise source.fail("describes its points in a way that can't be; it is damaged") from None

    def chunks() -> Iterator[Chunk]:
        with source.open() as file:
            for number, cloud in enumerate(clouds):
                pages = _Pages(source, file, size)
                for values in _values(source, pages, cloud):
                    yield _chunk(values, cloud, number)

    total = sum(cloud.count for cloud in clouds)
    return CloudFile(total, chunks, tuple(cloud.scan for cloud in clouds))


def _xml(source: Source, file: BinaryIO) -> tuple[int, ElementTree.Element]:
    """The size of a page, and the description of what the file holds."""
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or head[:8] != b"ASTM-E57":
        raise source.fail("is not an E57 file")
    _, major, _, _, start, length, size = _HEADER.unpack(head)
    if major != 1 or not _PAGE_SIZES[0] <= size <= _PAGE_SIZES[1] or length > _LONGEST_XML:
        raise source.fail("has a header that can't be; it is damaged")
    pages = _Pages(source, file, size)
    text = pages.read(pages.logical(start), length)
    # Declarations of a document's type can make a small text endless; E57 has none.
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise source.fail("has a description that E57 does not allow")
    try:
        return size, ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise source.fail("has a description that can't be read; it is damaged") from None


def _described(source: Source, root: ElementTree.Element) -> list[_Cloud]:
    scans = _children(_child(root, "data3D"))
    if len(scans) > _MOST_SCANS:
        raise source.fail("says that it holds more scans than can be; it is damaged")
    clouds = []
    for scan in scans:
        points = _child(scan, "points")
        if points is None:
            continue
        count, start = int(points.get("recordCount", "0")), int(points.get("fileOffset", "0"))
        fields = tuple(_field(entry) for entry in _children(_child(points, "prototype")))
        if not 0 <= count <= MOST_POINTS or len(fields) > _MOST_FIELDS or start < 0:
            raise source.fail("says that it holds more points than can be; it is damaged")
        if any(not 0 <= entry.bits <= 64 for entry in fields):
            raise source.fail("has numbers of more than 64 bits; it is damaged")
        clouds.append(_cloud(scan, start, count, fields))
    return clouds


def _cloud(scan: ElementTree.Element, start: int, count: int, fields: tuple[_Field, ...]) -> _Cloud:
    pose = _child(scan, "pose")
    w, x, y, z = _numbers(_child(pose, "rotation"), "wxyz")
    if w == x == y == z == 0:
        w = 1.0
    shift = np.array(_numbers(_child(pose, "translation"), "xyz"))
    name = _child(scan, "name")
    position = None if pose is None else (float(shift[0]), float(shift[1]), float(shift[2]))
    limits = _child(scan, "colorLimits")
    top = max(_numbers(limits, ["colorRedMaximum", "colorGreenMaximum", "colorBlueMaximum"]))
    return _Cloud(
        Scan((name.text or "").strip() if name is not None else "", position),
        start,
        count,
        fields,
        _rotation(w, x, y, z),
        shift,
        top or None,
    )


def _field(entry: ElementTree.Element) -> _Field:
    name = entry.tag.split("}")[-1]
    kind = entry.get("type")
    if kind == "Float":
        single = entry.get("precision", "double") == "single"
        return _Field(name, "float" if single else "double", 32 if single else 64)
    if kind not in ("Integer", "ScaledInteger"):
        raise ValueError("a text, or a list, in each point")
    low = int(entry.get("minimum", str(-(1 << 63))))
    high = int(entry.get("maximum", str((1 << 63) - 1)))
    scale, offset = float(entry.get("scale", "1")), float(entry.get("offset", "0"))
    if high < low or not math.isfinite(scale) or not math.isfinite(offset):
        raise ValueError("no numbers between these")
    bits = (high - low).bit_length()
    return _Field(name, "integer", bits, low, scale, offset, high * scale + offset)


def _values(source: Source, pages: _Pages, cloud: _Cloud) -> Iterator[dict[str, Float64]]:
    """The fields of some points at a time."""
    if cloud.count == 0:
        return
    at = pages.logical(cloud.start)
    kind, length, data, _ = _SECTION.unpack(pages.read(at, _SECTION.size))
    if kind != 1:
        raise source.fail("has no points where it says; it is damaged")
    end = at + length
    at = pages.logical(data)
    streams = [_Stream(entry) for entry in cloud.fields]
    left = cloud.count
    while left:
        while at < end and min(stream.ready for stream in streams) < min(left, CHUNK):
            at = _packet(source, pages, at, streams)
        count = min(min(stream.ready for stream in streams), left, CHUNK)
        if count == 0:
            raise source.fail("holds fewer points than it says; it is damaged")
        yield {stream.entry.name: stream.take(count) for stream in streams}
        left -= count


def _packet(source: Source, pages: _Pages, at: int, streams: list[_Stream]) -> int:
    """Hand a packet's bytes to the streams; returns where the next one begins."""
    kind, _, less = struct.unpack("<BBH", pages.read(at, 4))
    length = int(less) + 1
    if kind not in (_INDEX, _DATA, _EMPTY) or length % 4:
        raise source.fail("has a packet of points that can't be; it is damaged")
    if kind == _DATA:
        packet = pages.read(at, length)
        count = int(struct.unpack_from("<H", packet, 4)[0]) if length >= 6 else -1
        begin = 6 + 2 * count
        if count != len(streams) or begin > length:
            raise source.fail("has a packet of points that can't be; it is damaged")
        sizes = struct.unpack_from(f"<{count}H", packet, 6)
        if begin + sum(sizes) > length:
            raise source.fail("has a packet of points that can't be; it is damaged")
        for stream, size in zip(streams, sizes, strict=True):
            stream.give(packet[begin : begin + size])
            begin += size
    return at + length


@dataclass
class _Stream:
    """The numbers of one field, as they come out of packets."""

    entry: _Field
    _bytes: bytearray = field(default_factory=bytearray)
    _bit: int = 0
    """Of the first byte, where the next number begins."""

    @property
    def ready(self) -> int:
        """Numbers that are here."""
        if self.entry.bits == 0:
            return MOST_POINTS
        return (8 * len(self._bytes) - self._bit) // self.entry.bits

    def give(self, data: bytes) -> None:
        """More bytes."""
        self._bytes += data

    def take(self, count: int) -> Float64:
        """The next numbers (N,)."""
        entry = self.entry
        if entry.bits == 0:
            return np.full(count, entry.low * entry.scale + entry.offset)
        if entry.kind == "integer":
            raw = unpacked(bytes(self._bytes), self._bit, entry.bits, count)
            # Wraps as 64-bit integers do, so that numbers below zero come out right.
            whole = (raw + np.uint64(entry.low % (1 << 64))).view(np.int64)
            values: Float64 = np.asarray(whole * entry.scale + entry.offset, np.float64)
        else:
            kind = "<f4" if entry.kind == "float" else "<f8"
            values = np.asarray(np.frombuffer(bytes(self._bytes), kind, count), np.float64)
        used, self._bit = divmod(self._bit + count * entry.bits, 8)
        del self._bytes[:used]
        return values


def unpacked(data: bytes, bit: int, bits: int, count: int) -> NDArray[np.uint64]:
    """Numbers (N,) of 1 to 64 bits that lie without gaps from ``bit`` on, lowest bit first."""
    place = bit + np.arange(count, dtype=np.int64) * bits
    first, shift = place >> 3, (place & 7).astype(np.uint64)
    padded = np.frombuffer(data + bytes(9), np.uint8)
    words = np.lib.stride_tricks.sliding_window_view(padded, 8)[first]
    values = np.ascontiguousarray(words).view("<u8")[:, 0] >> shift
    if bits > 57:
        # They may reach into a ninth byte.
        above = padded[first + 8].astype(np.uint64) << ((np.uint64(64) - shift) & np.uint64(63))
        values = np.where(shift > 0, values | above, values)
    return values & np.uint64((1 << bits) - 1)


def _chunk(values: dict[str, Float64], cloud: _Cloud, number: int) -> Chunk:
    points = _positions(values)
    invalid = values.get("cartesianInvalidState", values.get("sphericalInvalidState"))
    if invalid is not None:
        points[invalid != 0] = np.nan
    normals = [values[name] for name in ("normalX", "normalY", "normalZ") if name in values]
    turned = np.stack(normals, axis=1) @ cloud.turn.T if len(normals) == 3 else None
    intensity = values.get("intensity")
    return finite(
        Chunk(
            points @ cloud.turn.T + cloud.shift,
            _colors(values, cloud),
            None if turned is None else np.nan_to_num(turned).astype(np.float32),
            None if intensity is None else intensity.astype(np.float32),
            None,
            number,
        )
    )


def _positions(values: dict[str, Float64]) -> Float64:
    if "cartesianX" in values:
        return np.stack([values[f"cartesian{axis}"] for axis in "XYZ"], axis=1)
    away, turn, rise = (values[f"spherical{name}"] for name in ("Range", "Azimuth", "Elevation"))
    level = away * np.cos(rise)
    return np.stack([level * np.cos(turn), level * np.sin(turn), away * np.sin(rise)], axis=1)


def _colors(values: dict[str, Float64], cloud: _Cloud) -> NDArray[np.uint8] | None:
    names = [f"color{name}" for name in ("Red", "Green", "Blue")]
    if not set(names) <= set(values):
        return None
    tops = [entry.top for entry in cloud.fields if entry.name in names]
    top = cloud.color_top or max((top for top in tops if top), default=None)
    return color_bytes([values[name] for name in names], top)


def _child(parent: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    """By its name without the namespace: programs differ in theirs."""
    return next((child for child in _children(parent) if child.tag.split("}")[-1] == name), None)


def _children(parent: ElementTree.Element | None) -> list[ElementTree.Element]:
    return [] if parent is None else [*parent]


def _numbers(parent: ElementTree.Element | None, names: str | list[str]) -> list[float]:
    """The numbers in some children; 0 where they are empty or missing."""
    found = [_child(parent, name) for name in names]
    values = [0.0 if child is None else float((child.text or "").strip() or 0) for child in found]
    if not all(map(math.isfinite, values)):
        raise ValueError("not a number")
    return values


def _rotation(w: float, x: float, y: float, z: float) -> Float64:
    """The matrix of a quaternion, which needs no unit length."""
    w, x, y, z = np.array([w, x, y, z]) / math.hypot(w, x, y, z)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
