"""PCD, the Point Cloud Library's format: text, binary, and binary compressed by LZF."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.clouds.cloud_file import (
    CHUNK,
    MOST_POINTS,
    Chunk,
    CloudFile,
    Scan,
    color_bytes,
    finite,
    wide,
)
from gypsum.formats.clouds.text import open_text, tables
from gypsum.formats.limits import MOST_BYTES
from gypsum.formats.source import Source
from gypsum.native import _cloud

Fields = dict[str, NDArray[Any]]
"""Name in small letters to values (N,), or (N, C) of fields with several."""

_LONGEST_HEADER = 20_000
_MOST_FIELDS, _MOST_VALUES = 500, 5_000
_TYPES = {"F": "f", "U": "u", "I": "i"}
_SIZES = {"F": (4, 8), "U": (1, 2, 4, 8), "I": (1, 2, 4, 8)}


@dataclass(frozen=True)
class _Header:
    row: np.dtype[np.void]
    count: int
    kind: str
    start: int
    viewpoint: tuple[float, float, float] | None


def open_pcd(source: Source) -> CloudFile:
    """Reads versions 0.5 to 0.7."""
    if _lost_its_header(source):
        return open_text(source)
    header = _header(source)
    read = {"ascii": _text, "binary": _binary, "binary_compressed": _compressed}[header.kind]

    def chunks() -> Iterator[Chunk]:
        for fields in read(source, header):
            yield _chunk(fields)

    return CloudFile(header.count, chunks, (Scan(position=header.viewpoint),))


def _lost_its_header(source: Source) -> bool:
    """Points as text may go without."""
    with source.open() as file:
        return file.read(1).isdigit()


def _header(source: Source) -> _Header:
    with source.open() as file:
        head = file.read(_LONGEST_HEADER)
    words: dict[str, list[str]] = {}
    at = 0
    while "data" not in words:
        end = head.find(b"\n", at) + 1
        if end == 0:
            raise source.fail("is not a PCD file, or has lost its header")
        line = head[at:end].decode(errors="replace").split("#")[0].split()
        if line:
            words[line[0].lower()] = line[1:]
        at = end
    try:
        return _understood(words, at)
    except (LookupError, ValueError):
        raise source.fail("has a header that can't be understood; it is damaged") from None


def _understood(words: dict[str, list[str]], start: int) -> _Header:
    names = [name.lower() for name in words.get("fields", words.get("columns", []))]
    sizes, types = [int(size) for size in words["size"]], [t.upper() for t in words["type"]]
    counts = [int(count) for count in words.get("count", ["1"] * len(names))]
    if not len(names) == len(sizes) == len(types) == len(counts) <= _MOST_FIELDS:
        raise ValueError("as many of each as there are fields")
    if any(size not in _SIZES[kind] for size, kind in zip(sizes, types, strict=True)):
        raise ValueError("a size that the type does not have")
    if min(counts) < 1 or sum(counts) > _MOST_VALUES:
        raise ValueError("fields without values, or far too many")
    # Padding, "_", may come several times.
    row = np.dtype(
        [
            (name, f"<{_TYPES[kind]}{size}", (count,))
            for name, kind, size, count in zip(_unique(names), types, sizes, counts, strict=True)
        ]
    )
    width, height = int(words.get("width", ["0"])[0]), int(words.get("height", ["1"])[0])
    count = int(words["points"][0]) if "points" in words else width * height
    kind = words["data"][0].lower()
    if not 0 <= count <= MOST_POINTS or kind not in ("ascii", "binary", "binary_compressed"):
        raise ValueError("a count or a kind of data that is none")
    if not {"x", "y", "z"} <= set(names):
        raise ValueError("no positions")
    return _Header(row, count, kind, start, _viewpoint(words.get("viewpoint", [])))


def _unique(names: list[str]) -> list[str]:
    return [
        name if name not in names[:number] and name != "_" else f"_{number}"
        for number, name in enumerate(names)
    ]


def _viewpoint(words: list[str]) -> tuple[float, float, float] | None:
    """The origin is what programs write when they know none."""
    values = [float(word) for word in words]
    if len(values) != 7 or not any(values[:3]) or not all(map(math.isfinite, values)):
        return None
    return (values[0], values[1], values[2])


def _text(source: Source, header: _Header) -> Iterator[Fields]:
    names = header.row.names or ()
    sizes = [int(np.prod(header.row[name].shape)) for name in names]
    starts = np.cumsum([0, *sizes])
    seen = 0
    with source.open() as file:
        file.seek(header.start)
        for table in tables(source, file, int(starts[-1]), header.count):
            seen += len(table)
            yield {
                name: table[:, start : start + size].astype(_kept(name, header.row[name]))
                for name, start, size in zip(names, starts, sizes, strict=False)
            }
    if seen < header.count:
        raise source.fail("is cut off; write it again")


def _kept(name: str, kind: np.dtype[Any]) -> np.dtype[Any]:
    """Text holds all digits of coordinates, also where it calls them single."""
    return np.dtype("f8") if kind.base.kind == "f" and name not in ("rgb", "rgba") else kind.base


def _binary(source: Source, header: _Header) -> Iterator[Fields]:
    with source.open() as file:
        file.seek(header.start)
        for begin in range(0, header.count, CHUNK):
            wanted = min(CHUNK, header.count - begin)
            data = file.read(wanted * header.row.itemsize)
            if len(data) < wanted * header.row.itemsize:
                raise source.fail("is cut off; write it again")
            rows = np.frombuffer(data, header.row)
            yield {name: rows[name] for name in header.row.names or ()}


def _compressed(source: Source, header: _Header) -> Iterator[Fields]:
    """All at once, field by field: that is how the compression is laid out."""
    size = header.count * header.row.itemsize
    with source.open() as file:
        file.seek(header.start)
        sizes = np.frombuffer(file.read(8).ljust(8, b"\0"), "<u4")
        packed = file.read(min(int(sizes[0]), MOST_BYTES))
    # LZF makes at most 264 bytes of 3.
    if len(packed) < sizes[0] or sizes[1] != size or size > 100 * len(packed) + 1000:
        raise source.fail("is cut off or damaged; write it again")
    try:
        data = _cloud.lzf_expand(packed, size)
    except ValueError:
        raise source.fail("holds compressed points that are damaged") from None
    columns: Fields = {}
    at = 0
    for name in header.row.names or ():
        kind = header.row[name]
        columns[name] = np.frombuffer(data, kind, header.count, at)
        at += kind.itemsize * header.count
    for begin in range(0, header.count, CHUNK):
        yield {name: values[begin : begin + CHUNK] for name, values in columns.items()}


def _chunk(fields: Fields) -> Chunk:
    single = {name: values.reshape(len(values), -1)[:, 0] for name, values in fields.items()}
    points = wide([single[axis] for axis in "xyz"])
    normals = [single[name] for name in ("normal_x", "normal_y", "normal_z") if name in single]
    intensity, classes = single.get("intensity"), single.get("classification", single.get("label"))
    return finite(
        Chunk(
            points,
            _colors(single),
            np.nan_to_num(np.stack(normals, axis=1)).astype("f4") if len(normals) == 3 else None,
            None if intensity is None else intensity.astype(np.float32),
            None if classes is None else np.clip(classes, 0, 255).astype(np.uint8),
        )
    )


def _colors(single: Fields) -> NDArray[np.uint8] | None:
    """Packed into four bytes, blue first, whatever the type says; or in three fields."""
    packed = single.get("rgb", single.get("rgba"))
    if packed is not None and packed.dtype.itemsize == 4:
        four = np.ascontiguousarray(packed).view(np.uint8).reshape(-1, 4)
        return np.ascontiguousarray(four[:, 2::-1])
    for names in (("r", "g", "b"), ("red", "green", "blue")):
        if set(names) <= set(single):
            return color_bytes([single[name] for name in names])
    return None
