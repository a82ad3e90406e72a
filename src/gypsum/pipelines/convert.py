"""``gypsum.convert``: a model from one format into another."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gypsum.errors import InputError
from gypsum.formats import READABLE, Model, format_of, read_model, write_model
from gypsum.formats.models import with_materials
from gypsum.formats.options import Compression, WriteOptions
from gypsum.options import ConvertOptions, TextureFormat, convert_options
from gypsum.scene import Mesh, PointCloud, Progress, TexturedMesh, no_progress

StrPath = str | os.PathLike[str]

_GLTF = ("glb", "gltf")
_SHAPE_ONLY = ("stl",)
_OF_GLTF = {TextureFormat.WEBP: "WebP", TextureFormat.KTX2: "KTX2"}


@dataclass(frozen=True)
class ConvertResult:
    """What was written."""

    files: tuple[Path, ...]
    """The model, then what belongs to it."""
    triangles: int
    """0 for points."""
    points: int
    """Vertices, or points."""
    size: tuple[float, float, float]
    """Extent in x, y and z, Z up; metres where the model is in metres."""
    warnings: tuple[str, ...]
    """What was left out, in sentences."""
    baked: bool
    """Whether the textures were baked anew: so few triangles could not have kept the old ones."""


def convert(
    source: StrPath,
    target: StrPath,
    *,
    progress: Progress = no_progress,
    **options: Any,
) -> ConvertResult:
    """Convert a model into another format, and reduce, scale or compress it on the way.

    Args:
        source: an OBJ, FBX, glTF, GLB, USD, USDZ, PLY, STL or XYZ file.
        target: the file to write; its suffix chooses the format.
        progress: called with the share that is done and what is being done.
        options: see the signature; ``docs/options.md`` explains each.

    Raises:
        InputError: the file or an option can't be used.
        ResourceError: the file can't be written.
    """
    path, wanted = Path(target), convert_options(options)
    name = _check(Path(source), path, wanted)
    warnings: list[str] = []
    progress(0.0, f"reading {Path(source).name}")
    up_axis = None if wanted.up_axis is None else wanted.up_axis.value
    model = read_model(Path(source), up_axis=up_axis, warn=warnings.append)
    baked = False
    if isinstance(model, TexturedMesh) and name in _SHAPE_ONLY:
        model = replace(model.mesh, colors=None)
    if wanted.faces is not None:
        progress(0.2, "reducing its triangles")
        model, baked = _reduced(
            Path(source), model, wanted, lambda done, doing="": progress(0.2 + done / 2, doing)
        )
    model = _changed(model, wanted)
    progress(0.7, f"writing {path.name}")
    files = write_model(path, model, name, _write_options(wanted))
    progress(1.0, "converted")
    return _result(model, files, wanted, warnings, baked)


def _signature() -> inspect.Signature:
    """The options as keyword arguments, from the one place where they are declared."""
    fixed = [p for p in inspect.signature(convert).parameters.values() if p.name != "options"]
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=info.default, annotation=info.annotation
        )
        for name, info in ConvertOptions.model_fields.items()
    ]
    return inspect.Signature([*fixed, *keywords], return_annotation=ConvertResult)


convert.__signature__ = _signature()  # type: ignore[attr-defined]


def _check(source: Path, target: Path, options: ConvertOptions) -> str:
    """Everything that can be known to be wrong before the work begins; the target's format."""
    if source.suffix.lower() not in READABLE:
        raise InputError(f"{source.name} can't be converted: only {', '.join(READABLE)} are read.")
    if not source.is_file():
        raise InputError(f"There is no file {source}.")
    if target.is_dir():
        raise InputError(
            f"{target} is a folder; name the model in it, like {target / 'model.glb'}."
        )
    name = format_of(target)
    if options.draco and options.meshopt:
        raise InputError("A model is compressed with either --draco or --meshopt, not with both.")
    if (options.draco or options.meshopt) and name not in _GLTF:
        raise InputError(f"Only GLB and glTF can be compressed; {target.name} is neither.")
    if options.texture_format in _OF_GLTF and name not in _GLTF:
        raise InputError(
            f"{_OF_GLTF[options.texture_format]} textures are only for GLB and glTF; choose png or "
            f"jpeg for {target.name}."
        )
    return name


def _reduced(
    source: Path, model: Model, options: ConvertOptions, progress: Progress
) -> tuple[Model, bool]:
    """The model with fewer triangles, and whether its textures were baked anew for that."""
    from gypsum.conversion import recolored, reduce_faces, seams_bind
    from gypsum.pipelines.rebake import rebake
    from gypsum.surface import simplify

    faces = options.faces
    assert faces is not None
    if isinstance(model, PointCloud):
        raise InputError(f"{source.name} holds points, which have no triangles to reduce.")
    if isinstance(model, Mesh) and model.colors is None:
        # Without colours to keep, vertices may go where they fit best.
        return simplify(model, faces), False
    before = with_materials(model)
    reduced = reduce_faces(before, faces)
    if isinstance(model, Mesh):
        if len(reduced.mesh.faces) > faces:
            return recolored(simplify(model, faces), model), False
        return reduced.mesh, False
    if not seams_bind(before, reduced, faces):
        return reduced, False
    side = None if options.texture is None else options.texture.pixels
    return rebake(model, faces, side, progress), True


def _changed(model: Model, options: ConvertOptions) -> Model:
    from gypsum.conversion import centered, scaled, shrink_textures

    if options.texture is not None and isinstance(model, TexturedMesh):
        side = options.texture.pixels
        smaller = tuple(shrink_textures(material, side) for material in model.materials)
        model = replace(model, materials=smaller)
    if options.scale != 1:
        model = scaled(model, options.scale)
    return centered(model) if options.center else model


def _write_options(options: ConvertOptions) -> WriteOptions:
    compression = Compression.DRACO if options.draco else None
    compression = Compression.MESHOPT if options.meshopt else compression
    return WriteOptions(options.texture_format, compression)


def _result(
    model: Model, files: list[Path], options: ConvertOptions, warnings: list[str], baked: bool
) -> ConvertResult:
    mesh = model.mesh if isinstance(model, TexturedMesh) else model
    points = mesh.points if isinstance(mesh, PointCloud) else mesh.vertices
    triangles = 0 if isinstance(mesh, PointCloud) else len(mesh.faces)
    if options.faces is not None and triangles > options.faces:
        warnings.append(f"{files[0].name} keeps {triangles:,} triangles: its shape needs them.")
    used = points if triangles == 0 or isinstance(mesh, PointCloud) else points[mesh.faces.ravel()]
    x, y, z = (float(side) for side in np.ptp(used, axis=0))
    size = (x, y, z)
    return ConvertResult(tuple(files), triangles, len(points), size, tuple(warnings), baked)
