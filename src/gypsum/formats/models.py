"""Exporting a textured model to any of the known formats."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError, ReconstructionError, ResourceError
from gypsum.formats import fbx, gltf, obj, ply, stl, usd, xyz
from gypsum.formats.atomic import atomic_write, write_together
from gypsum.formats.clouds.write_las import las, laz
from gypsum.formats.options import USUAL, WriteOptions
from gypsum.formats.reading import Asset, Model
from gypsum.formats.splats import files as splat_files
from gypsum.formats.splats.files import SPLAT_FORMATS
from gypsum.scene import Material, Mesh, PointCloud, Splats, TexturedMesh

Encoder = Callable[[Path, TexturedMesh, WriteOptions], dict[Path, bytes]]
PointEncoder = Callable[[Path, PointCloud, WriteOptions], dict[Path, bytes]]


@dataclass(frozen=True)
class Format:
    """What a model can be exported to."""

    name: str
    """What people call it."""
    suffix: str
    """Of its main file, with the dot."""
    description: str
    """One line on what is in it and who reads it."""
    has_pictures: bool
    """Whether its textures are files beside it."""
    encode: Encoder
    """Path of the main file and model to the bytes of each file, the main file last."""
    encode_points: PointEncoder | None = None
    """The same for points without faces, where the format has such."""


_ALL = (
    Format("glTF binary", ".glb", "one file with textures; web, phones, Blender", False, gltf.glb),
    Format("glTF", ".gltf", "text, with a .bin and texture files beside it", True, gltf.gltf),
    Format(
        "Wavefront OBJ", ".obj", "text, with .mtl and textures; opens everywhere", True, obj.obj
    ),
    Format("FBX", ".fbx", "one file with textures; Unity, Unreal, Maya, 3ds Max", False, fbx.fbx),
    Format("USDZ", ".usdz", "one file with textures; AR on iPhone and iPad", False, usd.usdz),
    Format(
        "PLY",
        ".ply",
        "normals, point colours and textures; MeshLab, CloudCompare",
        True,
        ply.model,
        ply.model,
    ),
    Format("STL", ".stl", "shape only, for 3D printing", False, stl.stl),
    Format("LAS", ".las", "coloured points for surveyors", False, las, las),
    Format("LAZ", ".laz", "the same, compressed", False, laz, laz),
    Format("XYZ", ".xyz", "text: coloured points on the surface", False, xyz.xyz, xyz.xyz),
)

FORMATS: dict[str, Format] = {known.suffix.removeprefix("."): known for known in _ALL}
"""Every export format by the name that ``--format`` takes."""


_MODELS = ", ".join(known.suffix for known in _ALL)

ALL_FORMATS = tuple(dict.fromkeys([*FORMATS, *SPLAT_FORMATS]))
"""The names of what models and splats can be written as; some are for both."""

_PACKED_PLY = ".compressed.ply"


def format_of(path: Path) -> str:
    """The name of the format that a file's suffix stands for."""
    suffix = _suffix(path)
    name = suffix.removeprefix(".")
    if name not in ALL_FORMATS:
        known = ", ".join(f".{name}" for name in ALL_FORMATS)
        raise InputError(f"{path.name}: no format ends in '{path.suffix}'; use one of {known}.")
    return name


def stem_of(path: Path) -> str:
    """A file's name without what its format is known by."""
    return path.name[: len(path.name) - len(_suffix(path))]


def _suffix(path: Path) -> str:
    return _PACKED_PLY if path.name.lower().endswith(_PACKED_PLY) else path.suffix.lower()


def write_asset(
    path: Path, asset: Asset, format_name: str, options: WriteOptions = USUAL
) -> list[Path]:
    """Write a model or splats; see :func:`write_model`."""
    if not isinstance(asset, Splats):
        return write_model(path, asset, format_name, options)
    if format_name not in SPLAT_FORMATS:
        able = ", ".join(known.suffix for known in SPLAT_FORMATS.values())
        raise InputError(f"{path.name}: splats can't be written as {format_name}; use {able}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(splat_files.encode(path, asset, format_name))
    except OSError as error:
        raise ResourceError(_explain(error, path)) from error
    return [path]


def write_model(
    path: Path, model: Model, format_name: str, options: WriteOptions = USUAL
) -> list[Path]:
    """Write ``model`` to ``path`` and, where the format wants them, companion files beside it.

    ``model`` is in the world frame (Z up, metres). Returns the files written, the main file first;
    when anything fails, the files that were there before are still there, unchanged.
    """
    if format_name not in FORMATS:
        raise InputError(f"{path.name}: {format_name} is no format of models; use {_MODELS}.")
    try:
        files = _encode(path, model, FORMATS[format_name], options)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_together(files)
    except OSError as error:
        raise ResourceError(_explain(error, path)) from error
    return list(reversed(files))


def _encode(path: Path, model: Model, known: Format, options: WriteOptions) -> dict[Path, bytes]:
    if isinstance(model, PointCloud):
        if known.encode_points is None:
            able = ", ".join(f.suffix for f in FORMATS.values() if f.encode_points is not None)
            raise InputError(
                f"{path.name}: {known.name} holds surfaces and the model is points; use {able}."
            )
        return known.encode_points(path, model, options)
    if len(model.faces if isinstance(model, Mesh) else model.mesh.faces) == 0:
        raise ReconstructionError(f"The model has no surface, so {path.name} was not written.")
    return known.encode(path, compact(with_materials(model)), options)


def with_materials(model: TexturedMesh | Mesh) -> TexturedMesh:
    """A plain mesh as one of a plain white material; its texture coordinates are all zero."""
    if isinstance(model, TexturedMesh):
        return model
    return TexturedMesh.of_one(
        model, np.zeros((1, 2), np.float32), np.zeros_like(model.faces), Material("surface")
    )


def compact(model: TexturedMesh) -> TexturedMesh:
    """The model without vertices, texture coordinates and materials that no face uses."""
    vertices, faces = np.unique(model.mesh.faces, return_inverse=True)
    uvs, uv_faces = np.unique(model.uv_faces, return_inverse=True)
    used, materials = np.unique(model.face_materials, return_inverse=True)
    colors = None if model.mesh.colors is None else model.mesh.colors[vertices]
    return TexturedMesh(
        Mesh(model.mesh.vertices[vertices], _rows(faces), colors),
        model.uvs[uvs],
        _rows(uv_faces),
        tuple(model.materials[index] for index in used),
        materials.astype(np.int32),
    )


def _rows(indices: NDArray[np.integer]) -> NDArray[np.int32]:
    return indices.reshape(-1, 3).astype(np.int32)


def _explain(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} was not written. Free some space and run again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path.parent} can't be written to. Choose another place for {path.name}."
    return f"{path} can't be written: {error.strerror or error}."
