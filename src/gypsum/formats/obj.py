"""Wavefront OBJ with its material file: Y up, as Blender and most other readers take it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.corners import unit_normals, y_up
from gypsum.formats.texture import companion, encode_texture, only_texture, texture_path
from gypsum.scene import TexturedMesh

_ROWS_AT_ONCE = 50_000


def obj(path: Path, model: TexturedMesh) -> dict[Path, bytes]:
    """The geometry, its material and its texture; vertices stay shared across texture seams."""
    texture, materials = encode_texture(only_texture(model)), companion(path, ".mtl")
    image = texture_path(path, texture)
    vertices, uvs = model.mesh.faces + 1, model.uv_faces + 1
    indices = np.stack([vertices, uvs, vertices], axis=2).reshape(-1, 9)
    lines = [
        f"# Gypsum {__version__}; Y up, metres",
        f"mtllib {materials.name}",
        *_rows("v %.7g %.7g %.7g", y_up(model.mesh.vertices)),
        *_rows("vt %.7g %.7g", model.uvs),
        *_rows("vn %.4f %.4f %.4f", y_up(unit_normals(model.mesh))),
        "usemtl scan",
        *_rows("f %d/%d/%d %d/%d/%d %d/%d/%d", indices),
        "",
    ]
    return {
        image: texture.content,
        materials: _material(image.name).encode(),
        path: "\n".join(lines).encode(),
    }


def _rows(template: str, table: NDArray[np.generic]) -> Iterator[str]:
    """The rows of a table as text, many at a time: formatting them one by one takes far longer."""
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = table[start : start + _ROWS_AT_ONCE]
        yield "\n".join([template] * len(rows)) % tuple(rows.ravel().tolist())


def _material(texture: str) -> str:
    # Matt and white, so that the texture alone gives the colour; Pr and Pm say so to readers that
    # know physically based materials.
    return (
        f"# Gypsum {__version__}\n"
        "newmtl scan\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nNs 0\nd 1\nillum 1\nPr 1\nPm 0\n"
        f"map_Kd {texture}\n"
    )
