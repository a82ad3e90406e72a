"""LAS 1.0 to 1.4 (ASPRS), its compressed form LAZ, and COPC, which is LAZ in another order."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.clouds.cloud_file import CHUNK, MOST_POINTS, Chunk, CloudFile, finite
from gypsum.formats.clouds.laz import inflated
from gypsum.formats.source import Source
from gypsum.scene import Crs

#: Bytes of a record without extra ones, by format; where its RGB begins.
RECORDS = {0: 20, 1: 28, 2: 26, 3: 34, 4: 57, 5: 63, 6: 30, 7: 36, 8: 38, 9: 59, 10: 67}
RGB = {2: 20, 3: 28, 5: 28, 7: 30, 8: 30, 10: 30}
_CLASSES_ALONE = 6
"""From this format on, a byte is all the class's."""

_MOST_RECORDS, _MOST_RECORD_BYTES = 10_000, 10_000_000
"""Variable length records, and bytes of one that is read."""
_VLR, _EVLR = struct.Struct("<2x16sHH32x"), struct.Struct("<2x16sHQ32x")

GEO_KEYS, GEO_DOUBLES, GEO_TEXT, WKT, LASZIP = 34735, 34736, 34737, 2112, 22204
"""Numbers of records."""


@dataclass(frozen=True)
class _Header:
    format: int
    size: int
    """Bytes of a point."""
    count: int
    start: int
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    records: dict[int, bytes]
    compressed: bool


def open_las(source: Source) -> CloudFile:
    """Reads points of all formats; coordinates are exact as the file has them."""
    with source.open() as file:
        header = _header(source, file)
    if header.compressed and LASZIP not in header.records:
        raise source.fail("is compressed, but lacks the record that says how; it is damaged")

    def chunks() -> Iterator[Chunk]:
        top: float | None = None
        for data in _blocks(source, header):
            table = np.frombuffer(data, _row(header))
            if top is None:
                top = _brightest(table)
            yield _chunk(table, header, top)

    return CloudFile(header.count, chunks, crs=_crs(header.records))


def _header(source: Source, file: BinaryIO) -> _Header:
    head = file.read(375)
    if len(head) < 227 or head[:4] != b"LASF":
        raise source.fail("is not a LAS file, or is cut off")
    minor = head[25]
    size_of_header, start, records = struct.unpack_from("<HII", head, 94)
    kind, size, count = struct.unpack_from("<BHI", head, 104)
    numbers = struct.unpack_from("<6d", head, 131)
    later, many = 0, 0
    if head[24] == 1 and minor >= 4 and len(head) >= 375 and size_of_header >= 375:
        later, many, count_64 = struct.unpack_from("<QIQ", head, 235)
        count = count_64 or count
    compressed, kind = bool(kind & 0xC0), kind & 0x3F
    good = all(map(math.isfinite, numbers)) and all(0 < abs(s) < 1e6 for s in numbers[:3])
    if head[24] != 1 or kind not in RECORDS or size < RECORDS[kind] or not good:
        raise source.fail("is of a kind of LAS that is not known, or is damaged")
    if count > MOST_POINTS or start < size_of_header:
        raise source.fail("has a header that can't be; it is damaged")
    return _Header(
        kind,
        size,
        count,
        start,
        np.array(numbers[:3]),
        np.array(numbers[3:]),
        _records(file, size_of_header, records, _VLR) | _records(file, later, many, _EVLR),
        compressed,
    )


def _records(file: BinaryIO, at: int, count: int, form: struct.Struct) -> dict[int, bytes]:
    """Records of coordinate systems and of the compression; what is cut off is left out."""
    found: dict[int, bytes] = {}
    for _ in range(min(count, _MOST_RECORDS)):
        file.seek(at)
        head = file.read(form.size)
        if len(head) < form.size:
            break
        _, number, length = form.unpack(head)
        if number in (GEO_KEYS, GEO_DOUBLES, GEO_TEXT, WKT, LASZIP) and number not in found:
            data = file.read(min(length, _MOST_RECORD_BYTES))
            if len(data) == length:
                found[number] = data
        at += form.size + length
        if at >= 1 << 63:
            break
    return found


def _blocks(source: Source, header: _Header) -> Iterator[bytes]:
    """Records of points, uncompressed."""
    if header.compressed:
        record = header.records[LASZIP]
        with closing(inflated(source, header.start, record, header.size, header.count)) as blocks:
            yield from blocks
        return
    with source.open() as file:
        file.seek(header.start)
        for begin in range(0, header.count, CHUNK):
            wanted = min(CHUNK, header.count - begin) * header.size
            data = file.read(wanted)
            if len(data) < wanted:
                raise source.fail("is cut off; copy it again")
            yield data


def _row(header: _Header) -> np.dtype[np.void]:
    names, formats, offsets = ["xyz", "intensity"], [("<i4", 3), "<u2"], [0, 12]
    names.append("class")
    formats.append("u1")
    offsets.append(16 if header.format >= _CLASSES_ALONE else 15)
    if header.format in RGB:
        names.append("rgb")
        formats.append(("<u2", 3))
        offsets.append(RGB[header.format])
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": header.size}
    )  # type: ignore[call-overload, no-any-return, unused-ignore]


def _brightest(table: NDArray[np.void]) -> float | None:
    """Colours have 16 bits, but many programs fill only 8; None where there are none at all."""
    if "rgb" not in (table.dtype.names or ()) or not len(table):
        return None
    most = int(table["rgb"].max())
    return None if most == 0 else 255.0 if most <= 255 else 65535.0


def _chunk(table: NDArray[np.void], header: _Header, top: float | None) -> Chunk:
    kind = table["class"] if header.format >= _CLASSES_ALONE else table["class"] & 31
    intensity = table["intensity"].astype(np.float32)
    colors = None
    if top is not None:
        colors = np.clip(table["rgb"] * (255.0 / top) + 0.5, 0, 255).astype(np.uint8)
    return finite(
        Chunk(
            table["xyz"] * header.scale + header.offset,
            colors,
            None,
            intensity if intensity.any() else None,
            np.ascontiguousarray(kind),
        )
    )


def _crs(records: dict[int, bytes]) -> Crs | None:
    wkt = records.get(WKT, b"").split(b"\0")[0].decode("utf-8", "replace")
    keys = records.get(GEO_KEYS, b"")
    doubles = records.get(GEO_DOUBLES, b"")
    text = records.get(GEO_TEXT, b"").split(b"\0")[0].decode("ascii", "replace")
    if not wkt and not keys:
        return None
    return Crs(
        wkt,
        tuple(np.frombuffer(keys, "<u2", len(keys) // 2).tolist()),
        tuple(np.frombuffer(doubles, "<f8", len(doubles) // 8).tolist()),
        text,
    )
