"""Exporting a textured model to any of the known formats."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gypsum.errors import InputError, ReconstructionError, ResourceError
from gypsum.formats import gltf, obj, ply, stl, xyz
from gypsum.formats.atomic import write_together
from gypsum.scene import Mesh, TexturedMesh

Encoder = Callable[[Path, TexturedMesh], dict[Path, bytes]]


@dataclass(frozen=True)
class Format:
    """What a model can be exported to."""

    name: str
    """What people call it."""
    suffix: str
    """Of its main file, with the dot."""
    description: str
    """One line on what is in it and who reads it."""
    has_texture: bool
    """Whether the texture goes along, as pixels rather than colours of points."""
    encode: Encoder
    """Path of the main file and model to the bytes of each file, the main file last."""


FORMATS: dict[str, Format] = {
    "glb": Format(
        "glTF binary",
        ".glb",
        "one file with texture; web, phones, Blender",
        True,
        gltf.glb,
    ),
    "gltf": Format(
        "glTF", ".gltf", "text, with a .bin and a texture file beside it", True, gltf.gltf
    ),
    "obj": Format(
        "Wavefront OBJ",
        ".obj",
        "text, with .mtl and texture; opens everywhere",
        True,
        obj.obj,
    ),
    "ply": Format(
        "PLY", ".ply", "normals, point colours and texture; MeshLab, CloudCompare", True, ply.model
    ),
    "stl": Format("STL", ".stl", "shape only, for 3D printing", False, stl.stl),
    "xyz": Format("XYZ", ".xyz", "text: coloured points on the surface", False, xyz.xyz),
}
"""Every export format by the name that ``--format`` takes."""


def format_of(path: Path) -> str:
    """The name of the format that a file's suffix stands for."""
    name = path.suffix.lower().removeprefix(".")
    if name not in FORMATS:
        known = ", ".join(known.suffix for known in FORMATS.values())
        raise InputError(f"{path.name}: no format ends in '{path.suffix}'; use one of {known}.")
    return name


def write_model(path: Path, model: TexturedMesh, format_name: str) -> list[Path]:
    """Write ``model`` to ``path`` and, where the format wants them, companion files beside it.

    ``model`` is in the world frame (Z up, metres). Returns the files written, the main file first;
    when anything fails, the files that were there before are still there, unchanged.
    """
    if format_name not in FORMATS:
        raise InputError(f"'{format_name}' is no known format; use one of {', '.join(FORMATS)}.")
    if len(model.mesh.faces) == 0:
        raise ReconstructionError(f"The model has no surface, so {path.name} was not written.")
    try:
        files = FORMATS[format_name].encode(path, compact(model))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_together(files)
    except OSError as error:
        raise ResourceError(_explain(error, path)) from error
    return list(reversed(files))


def compact(model: TexturedMesh) -> TexturedMesh:
    """The model without vertices and texture coordinates that no face uses."""
    vertices, faces = np.unique(model.mesh.faces, return_inverse=True)
    uvs, uv_faces = np.unique(model.uv_faces, return_inverse=True)
    colors = None if model.mesh.colors is None else model.mesh.colors[vertices]
    mesh = Mesh(
        model.mesh.vertices[vertices],
        faces.reshape(-1, 3).astype(np.int32),
        colors,
    )
    return replace(
        model, mesh=mesh, uvs=model.uvs[uvs], uv_faces=uv_faces.reshape(-1, 3).astype(np.int32)
    )


def _explain(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} was not written. Free some space and run again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path.parent} can't be written to. Choose another place for {path.name}."
    return f"{path} can't be written: {error.strerror or error}."
