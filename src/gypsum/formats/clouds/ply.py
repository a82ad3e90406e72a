"""Points of PLY files, in pieces: of text, and binary in either byte order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.clouds.cloud_file import (
    CHUNK,
    MOST_POINTS,
    Chunk,
    CloudFile,
    color_bytes,
    finite,
    wide,
)
from gypsum.formats.clouds.text import tables
from gypsum.formats.ply.read import LONGEST_HEADER, TYPES, parse_header
from gypsum.formats.source import Source

Columns = dict[str, NDArray[Any]]


def open_ply(source: Source) -> CloudFile:
    """The vertices; faces are left out."""
    with source.open() as file:
        head = file.read(LONGEST_HEADER)
    order, elements, _, start = parse_header(source, head, MOST_POINTS)
    vertex = next((element for element in elements if element.name == "vertex"), None)
    if vertex is None or vertex.count == 0:
        raise source.fail("holds no points")
    if elements[0] is not vertex or any(words[0] == "list" for words in vertex.properties):
        raise source.fail("has its vertices where they can't be read in pieces")
    names = [words[-1] for words in vertex.properties]
    kinds = [TYPES[words[-2]] for words in vertex.properties]
    if not set("xyz") <= set(names) or len(set(names)) < len(names):
        raise source.fail("has vertices without x, y and z")
    count = vertex.count

    def text() -> Iterator[Columns]:
        seen = 0
        with source.open() as file:
            file.seek(start)
            for table in tables(source, file, len(names), count):
                seen += len(table)
                # Text holds all digits, also of what it calls single.
                yield {
                    name: values if "f" in kind else values.astype(kind)
                    for name, kind, values in zip(names, kinds, table.T, strict=True)
                }
        if seen < count:
            raise source.fail("is cut off; write it again")

    def binary() -> Iterator[Columns]:
        row = np.dtype([(name, order + kind) for name, kind in zip(names, kinds, strict=True)])
        with source.open() as file:
            file.seek(start)
            for begin in range(0, count, CHUNK):
                wanted = min(CHUNK, count - begin)
                data = file.read(wanted * row.itemsize)
                if len(data) < wanted * row.itemsize:
                    raise source.fail("is cut off; write it again")
                table = np.frombuffer(data, row)
                yield {name: table[name] for name in names}

    def chunks() -> Iterator[Chunk]:
        for columns in binary() if order else text():
            yield _chunk(columns)

    return CloudFile(count, chunks)


def _chunk(columns: Columns) -> Chunk:
    normals = [columns[name] for name in ("nx", "ny", "nz") if name in columns]
    names = ("red", "green", "blue") if "red" in columns else ("r", "g", "b")
    colors = [columns[name] for name in names] if set(names) <= set(columns) else None
    intensity = _first(columns, "intensity", "scalar_Intensity", "scalar_intensity")
    classes = _first(columns, "classification", "scalar_Classification", "class")
    return finite(
        Chunk(
            wide([columns[axis] for axis in "xyz"]),
            None if colors is None else color_bytes(colors),
            np.nan_to_num(np.stack(normals, axis=1)).astype("f4") if len(normals) == 3 else None,
            None if intensity is None else intensity.astype(np.float32),
            None if classes is None else np.clip(np.nan_to_num(classes), 0, 255).astype(np.uint8),
        )
    )


def _first(columns: Columns, *names: str) -> NDArray[Any] | None:
    return next((columns[name] for name in names if name in columns), None)
