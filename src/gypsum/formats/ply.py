"""PLY: clouds and meshes in binary little-endian form (Turk 1994)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Mesh, PointCloud

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_NAMES = {"f4": "float", "u1": "uchar", "u2": "ushort", "i4": "int"}


def _vertex_table(columns: dict[str, tuple[str, NDArray[np.generic]]]) -> tuple[bytes, str]:
    dtype = np.dtype([(name, "<" + kind) for name, (kind, _) in columns.items()])
    table = np.empty(len(next(iter(columns.values()))[1]), dtype)
    for name, (_, values) in columns.items():
        table[name] = values
    header = "".join(f"property {_NAMES[kind]} {name}\n" for name, (kind, _) in columns.items())
    return table.tobytes(), header


def _vectors(names: str, kind: str, values: NDArray[np.generic]) -> dict[str, tuple[str, NDArray[np.generic]]]:
    return {name: (kind, values[:, i]) for i, name in enumerate(names.split())}


def write_cloud(path: Path, cloud: PointCloud) -> None:
    """Write points with normals, colours and, where known, radius and support."""
    columns = _vectors("x y z", "f4", cloud.points)
    columns |= _vectors("nx ny nz", "f4", cloud.normals)
    columns |= _vectors("red green blue", "u1", cloud.colors)
    if cloud.radii is not None:
        columns["radius"] = ("f4", cloud.radii)
    if cloud.support is not None:
        columns["support"] = ("u2", cloud.support)
    data, header = _vertex_table(columns)
    with atomic_write(path) as file:
        file.write(_header(f"element vertex {len(cloud)}\n{header}"))
        file.write(data)


def write_mesh(path: Path, mesh: Mesh, normals: bool = False) -> None:
    """Write a mesh, with vertex colours where it has them and vertex normals when asked."""
    columns = _vectors("x y z", "f4", mesh.vertices)
    if normals:
        columns |= _vectors("nx ny nz", "f4", mesh.vertex_normals())
    if mesh.colors is not None:
        columns |= _vectors("red green blue", "u1", mesh.colors)
    data, header = _vertex_table(columns)
    faces = np.empty(len(mesh.faces), np.dtype([("n", "u1"), ("v", "<i4", 3)]))
    faces["n"] = 3
    faces["v"] = mesh.faces
    with atomic_write(path) as file:
        file.write(
            _header(
                f"element vertex {len(mesh.vertices)}\n{header}"
                f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\n"
            )
        )
        file.write(data)
        file.write(faces.tobytes())


def read_cloud(path: Path) -> PointCloud:
    """Read what ``write_cloud`` wrote."""
    vertices, _ = _read(path)
    return PointCloud(
        _stack(vertices, "x y z", np.float32),
        _stack(vertices, "nx ny nz", np.float32),
        _stack(vertices, "red green blue", np.uint8),
        vertices["radius"].astype(np.float32) if "radius" in (vertices.dtype.names or ()) else None,
        vertices["support"].astype(np.uint16) if "support" in (vertices.dtype.names or ()) else None,
    )


def read_mesh(path: Path) -> Mesh:
    """Read a binary triangle mesh, with its vertex colours where it has them."""
    vertices, faces = _read(path)
    if faces is None:
        raise ValueError(f"{path}: no faces")
    has_colors = "red" in (vertices.dtype.names or ())
    colors = _stack(vertices, "red green blue", np.uint8) if has_colors else None
    return Mesh(_stack(vertices, "x y z", np.float32), faces, colors)


def _stack(table: NDArray[np.void], names: str, dtype: type) -> NDArray[np.generic]:
    return np.stack([table[name].astype(dtype) for name in names.split()], axis=1)


def _header(elements: str) -> bytes:
    return f"ply\nformat binary_little_endian 1.0\ncomment Gypsum\n{elements}end_header\n".encode()


def _read(path: Path) -> tuple[NDArray[np.void], NDArray[np.int32] | None]:
    data = path.read_bytes()
    end = data.index(b"end_header\n") + len(b"end_header\n")
    elements: list[tuple[str, int, list[list[str]]]] = []
    for line in data[:end].decode().splitlines():
        words = line.split()
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append(words[1:])
        elif words[:1] == ["format"] and words[1] != "binary_little_endian":
            raise ValueError(f"{path}: only binary little-endian PLY is read")
    vertices, faces, offset = None, None, end
    for name, count, properties in elements:
        if any(p[0] == "list" for p in properties):
            size, index = (_TYPES[t] for t in properties[0][1:3])
            dtype = np.dtype([("n", "<" + size), ("v", "<" + index, 3)])
            table = np.frombuffer(data, dtype, count, offset)
            if count and not np.all(table["n"] == 3):
                raise ValueError(f"{path}: only triangles are read")
            faces = table["v"].astype(np.int32)
        else:
            dtype = np.dtype([(p[1], "<" + _TYPES[p[0]]) for p in properties])
            table = np.frombuffer(data, dtype, count, offset)
            if name == "vertex":
                vertices = table
        offset += dtype.itemsize * count
    if vertices is None:
        raise ValueError(f"{path}: no vertices")
    return vertices, faces
