"""Writing PLY, in its binary little-endian form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.atomic import atomic_write
from gypsum.formats.colors import plain_color, sample_texture
from gypsum.formats.corners import Part, split_at_seams
from gypsum.formats.options import WriteOptions
from gypsum.formats.texture import encode_beside
from gypsum.scene import Material, Mesh, PointCloud, TexturedMesh

_NAMES = {"f8": "double", "f4": "float", "u1": "uchar", "u2": "ushort", "i4": "int"}

_END = b"end_header\n"

Columns = dict[str, tuple[str, NDArray[Any]]]
"""Property name to its type and values (N,)."""


def write_cloud(path: Path, cloud: PointCloud) -> None:
    """Write points with normals, colours and, where known, radius, support and confidence."""
    with atomic_write(path) as file:
        file.write(_encode(_cloud_columns(cloud)))


def write_mesh(path: Path, mesh: Mesh, normals: bool = False) -> None:
    """Write a mesh, with vertex colours where it has them and vertex normals when asked."""
    columns = _vectors("x y z", "f4", mesh.vertices)
    if normals:
        columns |= _vectors("nx ny nz", "f4", mesh.vertex_normals())
    if mesh.colors is not None:
        columns |= _vectors("red green blue", "u1", mesh.colors)
    with atomic_write(path) as file:
        file.write(_encode(columns, mesh.faces))


def model(path: Path, model: TexturedMesh | PointCloud, options: WriteOptions) -> dict[Path, bytes]:
    """An export for others to read: normals, colours and texture coordinates at every vertex.

    Readers that know ``TextureFile`` (MeshLab, trimesh) show the texture that is written beside it,
    the others the colours. Where there are several textures, faces have the number of theirs and
    their own texture coordinates, as MeshLab wants them.
    """
    if isinstance(model, PointCloud):
        return {path: _encode(_exact_columns(model))}
    maps, files = encode_beside(path, _colors_only(model), options.textures)
    parts = split_at_seams(model)
    columns = _vectors("x y z", "f4", np.vstack([part.vertices for part in parts]))
    columns |= _vectors("nx ny nz", "f4", np.vstack([part.normals for part in parts]))
    images = [named["base_color"].name for named in maps if named]
    if images:
        columns |= _vectors("s t", "f4", np.vstack([_uvs(part) for part in parts]))
    columns |= _vectors("red green blue", "u1", np.vstack([_colors(part) for part in parts]))
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = [part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]
    comments = [f"TextureFile {image}" for image in images]
    textures = _face_textures(parts) if len(parts) > 1 and images else None
    return files | {path: _encode(columns, np.vstack(faces), comments, textures)}


def _colors_only(model: TexturedMesh) -> TexturedMesh:
    """PLY knows no other textures."""
    plain = [Material(m.name, m.base_color, m.color) for m in model.materials]
    return replace(model, materials=tuple(plain))


def _face_textures(parts: Sequence[Part]) -> NDArray[np.void]:
    """Per face: the texture coordinates of its corners, and which texture they are of."""
    rows = np.zeros(sum(len(part.faces) for part in parts), _FACE_TEXTURE)
    start = number = 0
    for part in parts:
        chosen = rows[start : start + len(part.faces)]
        chosen["n"] = 6
        chosen["uv"] = _uvs(part)[part.faces]
        # MeshLab takes -1 for no texture.
        chosen["texture"] = number if part.material.base_color is not None else -1
        number += part.material.base_color is not None
        start += len(part.faces)
    return rows


_FACE_TEXTURE = np.dtype([("n", "u1"), ("uv", "<f4", (3, 2)), ("texture", "<i4")])


def _uvs(part: Part) -> NDArray[np.float32]:
    if part.uvs is None:
        return np.zeros((len(part.vertices), 2), np.float32)
    return part.uvs


def _colors(part: Part) -> NDArray[np.uint8]:
    """sRGB (C, 3) of a part's vertices."""
    if part.material.base_color is not None and part.uvs is not None:
        return sample_texture(part.material.base_color, part.uvs)
    if part.colors is not None:
        return part.colors
    return np.tile(plain_color(part.material), (len(part.vertices), 1))


def _cloud_columns(cloud: PointCloud) -> Columns:
    columns = _vectors("x y z", "f4", cloud.points)
    columns |= _vectors("nx ny nz", "f4", cloud.normals)
    columns |= _vectors("red green blue", "u1", cloud.colors)
    if cloud.radii is not None:
        columns["radius"] = ("f4", cloud.radii)
    if cloud.support is not None:
        columns["support"] = ("u2", cloud.support)
    if cloud.confidence is not None:
        columns["confidence"] = ("f4", cloud.confidence)
    return columns


def _exact_columns(cloud: PointCloud) -> Columns:
    """Of a cloud in a larger frame, coordinates there, as numbers that hold them."""
    columns = _cloud_columns(cloud)
    if cloud.place is not None:
        columns |= _vectors("x y z", "f8", cloud.place.full(cloud.points))
    return columns


def _vectors(names: str, kind: str, values: NDArray[Any]) -> Columns:
    return {name: (kind, values[:, i]) for i, name in enumerate(names.split())}


def _encode(
    columns: Columns,
    faces: NDArray[np.int32] | None = None,
    comments: Sequence[str] = (),
    face_textures: NDArray[np.void] | None = None,
) -> bytes:
    table = np.empty(
        len(next(iter(columns.values()))[1]),
        np.dtype([(name, "<" + kind) for name, (kind, _) in columns.items()]),
    )
    lines = ["ply", "format binary_little_endian 1.0", "comment Gypsum"]
    lines += [f"comment {comment}" for comment in comments]
    lines.append(f"element vertex {len(table)}")
    for name, (kind, values) in columns.items():
        table[name] = values
        lines.append(f"property {_NAMES[kind]} {name}")
    body = table.tobytes()
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        if face_textures is not None:
            lines += ["property list uchar float texcoord", "property int texnumber"]
        body += _face_rows(faces, face_textures).tobytes()
    return "\n".join([*lines, ""]).encode() + _END + body


def _face_rows(faces: NDArray[np.int32], textures: NDArray[np.void] | None) -> NDArray[np.void]:
    fields: list[tuple[Any, ...]] = [("count", "u1"), ("vertices", "<i4", 3)]
    if textures is not None:
        fields.append(("texture", _FACE_TEXTURE))
    rows = np.empty(len(faces), np.dtype(fields))
    rows["count"] = 3
    rows["vertices"] = faces
    if textures is not None:
        rows["texture"] = textures
    return rows
