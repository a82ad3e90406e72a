"""A textured mesh between two stages: arrays in ``mesh.npz``, textures as PNG files, without loss.

``materials.json`` lists the materials; the textures of material 0 are ``0-base_color.png``,
``0-normal.png`` and so on, as many as it has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Material, Mesh, TexturedMesh

_MESH, _MATERIALS = "mesh.npz", "materials.json"
_TEXTURES = ("base_color", "normal", "occlusion", "roughness")


def write_textured(folder: Path, model: TexturedMesh) -> None:
    """Write ``model`` into ``folder``."""
    entries = []
    for index, material in enumerate(model.materials):
        held = [name for name in _TEXTURES if getattr(material, name) is not None]
        for name in held:
            _write_texture(folder / f"{index}-{name}.png", getattr(material, name))
        entries.append({"name": material.name, "color": material.color, "textures": held})
    with atomic_write(folder / _MATERIALS) as file:
        file.write(json.dumps(entries).encode())
    arrays: dict[str, NDArray[Any]] = {
        "vertices": model.mesh.vertices,
        "faces": model.mesh.faces,
        "uvs": model.uvs,
        "uv_faces": model.uv_faces,
        "face_materials": model.face_materials,
    }
    if model.mesh.colors is not None:
        arrays["colors"] = model.mesh.colors
    with atomic_write(folder / _MESH) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_textured(folder: Path) -> TexturedMesh:
    """Read what :func:`write_textured` wrote."""
    with np.load(folder / _MESH) as arrays:
        mesh = Mesh(arrays["vertices"], arrays["faces"], arrays.get("colors"))
        rest = arrays["uvs"], arrays["uv_faces"], arrays["face_materials"]
    materials = tuple(
        _read_material(folder, index, entry)
        for index, entry in enumerate(json.loads((folder / _MATERIALS).read_text()))
    )
    uvs, uv_faces, face_materials = rest
    return TexturedMesh(mesh, uvs, uv_faces, materials, face_materials)


def _write_texture(path: Path, texture: NDArray[np.uint8]) -> None:
    with atomic_write(path) as file:
        # Level 1: a quarter of the time of the default for a few per cent of size.
        Image.fromarray(texture).save(file, "PNG", compress_level=1)


def _read_material(folder: Path, index: int, entry: dict[str, Any]) -> Material:
    textures = {}
    for name in entry["textures"]:
        with Image.open(folder / f"{index}-{name}.png") as image:
            textures[name] = np.asarray(image)
    return Material(entry["name"], color=tuple(entry["color"]), **textures)
