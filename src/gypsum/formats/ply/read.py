"""Reading PLY."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.scene import Mesh, PointCloud

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip

_END = b"end_header\n"


def read_cloud(path: Path) -> PointCloud:
    """Read what ``write_cloud`` wrote."""
    vertices = _read(path).vertices
    return PointCloud(
        _floats(path, vertices, "x y z"),
        _floats(path, vertices, "nx ny nz"),
        _bytes(path, vertices, "red green blue"),
        vertices["radius"].astype(np.float32) if _has(vertices, "radius") else None,
        vertices["support"].astype(np.uint16) if _has(vertices, "support") else None,
        vertices["confidence"].astype(np.float32) if _has(vertices, "confidence") else None,
    )


def read_mesh(path: Path) -> Mesh:
    """Read a binary triangle mesh, with its vertex colours where it has them."""
    content = _read(path)
    if content.faces is None:
        raise InputError(f"{path} holds no faces; a mesh is needed here.")
    colors = None
    if _has(content.vertices, "red"):
        colors = _bytes(path, content.vertices, "red green blue")
    return Mesh(_floats(path, content.vertices, "x y z"), content.faces, colors)


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: list[list[str]]
    """The words after ``property``."""

    @property
    def has_list(self) -> bool:
        return any(words[0] == "list" for words in self.properties)

    def dtype(self, path: Path) -> np.dtype[np.void]:
        """One row. Lists are taken to be the three corners of a triangle."""
        fields: list[tuple[Any, ...]] = []
        for words in self.properties:
            if words[0] == "list":
                if fields or len(self.properties) > 1:
                    raise InputError(f"{path}: faces with more than their corners are not read.")
                fields += [("n", "<" + _TYPES[words[1]]), ("v", "<" + _TYPES[words[2]], 3)]
            else:
                fields.append((words[1], "<" + _TYPES[words[0]]))
        return np.dtype(fields)


@dataclass(frozen=True)
class _Content:
    vertices: NDArray[np.void]
    faces: NDArray[np.int32] | None


def _read(path: Path) -> _Content:
    data = path.read_bytes()
    elements, offset = _read_header(path, data)
    vertices, faces = None, None
    for element in elements:
        dtype = element.dtype(path)
        if offset + dtype.itemsize * element.count > len(data):
            raise InputError(f"{path} is cut off; write it again.")
        table = np.frombuffer(data, dtype, element.count, offset)
        if element.has_list:
            if not np.all(table["n"] == 3):
                raise InputError(f"{path}: only triangles are read.")
            faces = table["v"].astype(np.int32)
        elif element.name == "vertex":
            vertices = table
        offset += dtype.itemsize * element.count
    if vertices is None:
        raise InputError(f"{path} holds no vertices.")
    return _Content(vertices, faces)


def _read_header(path: Path, data: bytes) -> tuple[list[_Element], int]:
    """The elements in order, and where the first begins."""
    end = data.find(_END)
    if not data.startswith(b"ply\n") or end < 0:
        raise InputError(f"{path} is not a PLY file.")
    elements: list[_Element] = []
    for line in data[:end].decode(errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["format"] and words[1:2] != ["binary_little_endian"]:
            raise InputError(f"{path}: only binary little-endian PLY is read.")
        if words[:1] == ["element"]:
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements:
            elements[-1].properties.append(words[1:])
    return elements, end + len(_END)


def _has(table: NDArray[np.void], name: str) -> bool:
    return name in (table.dtype.names or ())


def _stack(path: Path, table: NDArray[np.void], names: str) -> NDArray[Any]:
    missing = [name for name in names.split() if not _has(table, name)]
    if missing:
        raise InputError(f"{path} has no vertex property {missing[0]}.")
    return np.stack([table[name] for name in names.split()], axis=1)


def _floats(path: Path, table: NDArray[np.void], names: str) -> NDArray[np.float32]:
    return _stack(path, table, names).astype(np.float32)


def _bytes(path: Path, table: NDArray[np.void], names: str) -> NDArray[np.uint8]:
    return _stack(path, table, names).astype(np.uint8)
