"""A textured mesh between two stages: arrays in ``mesh.npz``, the atlas in ``texture.png``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Mesh, TexturedMesh

_MESH, _TEXTURE = "mesh.npz", "texture.png"


def write_textured(folder: Path, model: TexturedMesh) -> None:
    """Write ``model`` into ``folder``, without loss."""
    with atomic_write(folder / _TEXTURE) as file:
        # Level 1: a quarter of the time of the default for a few per cent of size.
        Image.fromarray(model.atlas).save(file, "PNG", compress_level=1)
    arrays: dict[str, NDArray[Any]] = {
        "vertices": model.mesh.vertices,
        "faces": model.mesh.faces,
        "uvs": model.uvs,
        "uv_faces": model.uv_faces,
    }
    if model.mesh.colors is not None:
        arrays["colors"] = model.mesh.colors
    with atomic_write(folder / _MESH) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_textured(folder: Path) -> TexturedMesh:
    """Read what :func:`write_textured` wrote."""
    with np.load(folder / _MESH) as arrays:
        colors = arrays.get("colors")
        mesh = Mesh(arrays["vertices"], arrays["faces"], colors)
        uvs, uv_faces = arrays["uvs"], arrays["uv_faces"]
    with Image.open(folder / _TEXTURE) as image:
        atlas = np.asarray(image.convert("RGB"))
    return TexturedMesh(mesh, uvs, uv_faces, atlas)
