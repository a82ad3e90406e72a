"""Writing OBJ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.corners import unit_normals, y_up
from gypsum.formats.options import WriteOptions
from gypsum.formats.texture import companion, encode_beside, plain_names
from gypsum.scene import Material, TexturedMesh

_ROWS_AT_ONCE = 50_000


def obj(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:
    """The geometry, its materials and their textures; vertices stay shared across seams."""
    known = tuple(replace(material, occlusion=None) for material in model.materials)
    maps, files = encode_beside(path, replace(model, materials=known), options.textures)
    library, names = companion(path, ".mtl"), plain_names(model.materials)
    lines = [
        f"# Gypsum {__version__}; Y up, metres",
        f"mtllib {library.name}",
        *_vertices(model),
        *_rows("vt %.7g %.7g", model.uvs),
        *_rows("vn %.4f %.4f %.4f", y_up(unit_normals(model.mesh))),
    ]
    for index, (name, material) in enumerate(zip(names, model.materials, strict=True)):
        lines += [f"usemtl {name}", *_faces(model, model.face_materials == index, material)]
    materials = [f"# Gypsum {__version__}"]
    for name, material, textures in zip(names, model.materials, maps, strict=True):
        materials += _material(name, material, textures)
    return files | {
        library: "\n".join([*materials, ""]).encode(),
        path: "\n".join([*lines, ""]).encode(),
    }


def _vertices(model: TexturedMesh) -> Iterator[str]:
    """Positions; with colours behind them where these are what the surface shows."""
    positions = y_up(model.mesh.vertices)
    colors = model.mesh.colors
    if colors is None or all(m.base_color is not None for m in model.materials):
        return _rows("v %.7g %.7g %.7g", positions)
    table = np.hstack([positions, colors.astype(np.float32) / 255])
    return _rows("v %.7g %.7g %.7g %.4f %.4f %.4f", table)


def _faces(model: TexturedMesh, chosen: NDArray[np.bool_], material: Material) -> Iterator[str]:
    vertices, uvs = model.mesh.faces[chosen] + 1, model.uv_faces[chosen] + 1
    if material.is_textured:
        indices, corner = np.stack([vertices, uvs, vertices], axis=2), "%d/%d/%d"
    else:
        indices, corner = np.stack([vertices, vertices], axis=2), "%d//%d"
    return _rows(f"f {corner} {corner} {corner}", indices.reshape(len(vertices), -1))


def _rows(template: str, table: NDArray[np.generic]) -> Iterator[str]:
    """The rows of a table as text, many at a time: formatting them one by one takes far longer."""
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = table[start : start + _ROWS_AT_ONCE]
        yield "\n".join([template] * len(rows)) % tuple(rows.ravel().tolist())


def _material(name: str, material: Material, textures: dict[str, Path]) -> list[str]:
    red, green, blue = material.color if material.base_color is None else (1, 1, 1)
    # Matt, so that the texture alone gives the colour; Pr and Pm say so to readers that know
    # physically based materials.
    lines = [
        f"newmtl {name}",
        f"Ka 0 0 0\nKd {red:.6g} {green:.6g} {blue:.6g}\nKs 0 0 0\nNs 0\nd 1\nillum 1\nPr 1\nPm 0",
    ]
    return lines + [f"{_KEYWORDS[kind]} {file.name}" for kind, file in textures.items()]


_KEYWORDS = {
    "base_color": "map_Kd",
    # Not map_Bump: it stands for heights, and Blender, which takes it for normals, for sRGB.
    "normal": "norm",
    "roughness": "map_Pr",
}
"""Of the material file, for each texture that it knows: the PBR extension's words."""
