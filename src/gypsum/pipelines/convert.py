"""``gypsum.convert``: a model from one format into another."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gypsum.errors import InputError
from gypsum.formats import (
    FORMATS,
    READABLE,
    SPLAT_FORMATS,
    Asset,
    Model,
    format_of,
    read_asset,
    stem_of,
    write_asset,
)
from gypsum.formats.models import with_materials
from gypsum.formats.options import Compression, WriteOptions
from gypsum.formats.texture import widely_read
from gypsum.options import ConvertOptions, TextureFormat, convert_options
from gypsum.scene import Mesh, PointCloud, Progress, Splats, TexturedMesh, no_progress

StrPath = str | os.PathLike[str]

_GLTF = ("glb", "gltf")
_SHAPE_ONLY = ("stl",)
_OF_SURFACES = ("faces", "normal_map", "texture", "draco", "meshopt")
_OF_SPLATS = ("prune", "sh")
_OF_GLTF = {TextureFormat.WEBP: "WebP", TextureFormat.KTX2: "KTX2"}


@dataclass(frozen=True)
class ConvertResult:
    """What was written."""

    files: tuple[Path, ...]
    """Each model, and after it what belongs to it."""
    triangles: int
    """0 for points and splats."""
    points: int
    """Vertices, points or splats."""
    size: tuple[float, float, float]
    """Extent in x, y and z, Z up; metres where the model is in metres."""
    warnings: tuple[str, ...]
    """What was left out, in sentences."""
    baked: bool
    """Whether the textures were baked anew: so few triangles could not have kept the old ones."""
    splats: bool = False
    """Whether it is a radiance field; ``points`` are its splats."""


def convert(
    source: StrPath,
    target: StrPath | Sequence[StrPath],
    *,
    progress: Progress = no_progress,
    **options: Any,
) -> ConvertResult:
    """Convert a model into other formats, and reduce, scale or compress it on the way.

    Args:
        source: an OBJ, FBX, glTF, GLB, USD, USDZ, PLY, STL or XYZ file; or splats as PLY, SPZ,
            SOG, .splat, KSPLAT, GLB or USDZ.
        target: the file to write, or several; their suffixes choose the formats. With ``format``,
            the folder to write into.
        progress: called with the share that is done and what is being done.
        options: see the signature; ``docs/options.md`` explains each.

    Raises:
        InputError: the file or an option can't be used.
        ResourceError: the file can't be written.
    """
    wanted = convert_options(options)
    targets = targets_of([Path(source)], _paths(target), wanted)[0][1]
    _check(Path(source), targets, wanted)
    warnings: list[str] = []
    progress(0.0, f"reading {Path(source).name}")
    up_axis = None if wanted.up_axis is None else wanted.up_axis.value
    model = read_asset(Path(source), up_axis=up_axis, warn=warnings.append)
    _check_kind(Path(source), model, targets, wanted)
    baked = False
    if isinstance(model, TexturedMesh) and all(format_of(t) in _SHAPE_ONLY for t in targets):
        model = replace(model.mesh, colors=None)
    if wanted.faces is not None and not isinstance(model, Splats):
        progress(0.2, "reducing its triangles")
        model, baked = _reduced(
            Path(source), model, wanted, lambda done, doing="": progress(0.2 + done / 2, doing)
        )
    model = _changed(Path(source), model, wanted)
    files: list[Path] = []
    for number, path in enumerate(targets):
        progress(0.7 + 0.3 * number / len(targets), f"writing {path.name}")
        name = format_of(path)
        files += write_asset(path, model, name, _write_options(wanted, name))
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


def targets_of(
    sources: Iterable[Path], targets: Sequence[Path], options: ConvertOptions
) -> list[tuple[Path, list[Path]]]:
    """What is to be written of each source.

    With ``format`` the only target is a folder, and sources may be folders of models.
    """
    if not options.format:
        return [(source, list(targets)) for source in sources]
    if len(targets) != 1 or targets[0].is_file():
        raise InputError(
            "With --format there is one output, the folder to write into, and it comes last."
        )
    pairs = []
    writer: dict[Path, Path] = {}
    for source in _models(sources):
        made = [targets[0] / f"{stem_of(source)}.{name}" for name in dict.fromkeys(options.format)]
        for path in made:
            format_of(path)
            if path in writer:
                raise InputError(f"Both {writer[path]} and {source} would become {path}.")
            writer[path] = source
        pairs.append((source, made))
    return pairs


def _models(sources: Iterable[Path]) -> list[Path]:
    """Files, and in the place of folders the models in them, by name."""
    found: list[Path] = []
    for source in sources:
        if not source.is_dir():
            found.append(source)
            continue
        inside = [path for path in source.iterdir() if path.suffix.lower() in READABLE]
        if not inside:
            raise InputError(f"There is no model in {source}: {', '.join(READABLE)} are read.")
        found += sorted(path for path in inside if path.is_file())
    return found


def _paths(target: StrPath | Sequence[StrPath]) -> list[Path]:
    if isinstance(target, str | os.PathLike):
        return [Path(target)]
    return [Path(path) for path in target]


def _check(source: Path, targets: Sequence[Path], options: ConvertOptions) -> None:
    """Everything that can be known to be wrong before the work begins."""
    if source.is_dir():
        raise InputError(f"{source} is a folder; name a model in it.")
    if source.suffix.lower() not in READABLE:
        raise InputError(f"{source.name} can't be converted: only {', '.join(READABLE)} are read.")
    if not source.is_file():
        raise InputError(f"There is no file {source}.")
    if not targets:
        raise InputError("There is no output; name the file to write, like model.glb.")
    for target in targets:
        if target.is_dir():
            raise InputError(
                f"{target} is a folder; name the model in it, like {target / 'model.glb'}, or say "
                "which --format to write."
            )
    names = [format_of(target) for target in targets]
    if options.normal_map and options.faces is None:
        raise InputError("--normal-map is for fewer triangles: say how many with --faces.")
    if options.draco and options.meshopt:
        raise InputError("A model is compressed with either --draco or --meshopt, not with both.")
    if any(name in _GLTF for name in names):
        return
    # Of several outputs, those that can't have it go without.
    if options.draco or options.meshopt:
        raise InputError(f"Only GLB and glTF can be compressed; {targets[0].name} is neither.")
    if options.texture_format in _OF_GLTF:
        raise InputError(
            f"{_OF_GLTF[options.texture_format]} textures are only for GLB and glTF; choose png or "
            f"jpeg for {targets[0].name}."
        )


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
    before = with_materials(model)
    if len(before.mesh.faces) <= faces:
        return model, False
    side = None if options.texture is None else options.texture.pixels
    if options.normal_map:
        return rebake(before, faces, side, normal_map=True, progress=progress), True
    if isinstance(model, Mesh) and model.colors is None:
        # Without colours to keep, vertices may go where they fit best.
        return simplify(model, faces), False
    reduced = reduce_faces(before, faces)
    if isinstance(model, Mesh):
        if len(reduced.mesh.faces) > faces:
            return recolored(simplify(model, faces), model), False
        return reduced.mesh, False
    if not seams_bind(before, reduced, faces):
        return reduced, False
    return rebake(before, faces, side, progress=progress), True


def _check_kind(
    source: Path, model: Asset, targets: Sequence[Path], options: ConvertOptions
) -> None:
    """Outputs and options have to be for what the file turned out to hold."""
    is_splats = isinstance(model, Splats)
    holds = "Gaussian splats" if is_splats else "no Gaussian splats"
    able = SPLAT_FORMATS if is_splats else FORMATS
    for target in targets:
        if format_of(target) not in able:
            raise InputError(
                f"{source.name} holds {holds}, which {target.name} can't be; use one of "
                f"{', '.join(known.suffix for known in able.values())}."
            )
    for name in _OF_SURFACES if is_splats else _OF_SPLATS:
        if getattr(options, name) != ConvertOptions.model_fields[name].default:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{source.name} holds {holds}, for which there is no {flag}.")


def _changed(source: Path, model: Asset, options: ConvertOptions) -> Asset:
    from gypsum.conversion import centered, limited, pruned, scaled, shrink_textures

    if options.crop is not None:
        model = _cropped(source, model, options.crop)
    if isinstance(model, Splats):
        if options.sh is not None:
            model = limited(model, options.sh)
        if options.prune is not None:
            model = pruned(model, options.prune)
    if options.texture is not None and isinstance(model, TexturedMesh):
        side = options.texture.pixels
        smaller = tuple(shrink_textures(material, side) for material in model.materials)
        model = replace(model, materials=smaller)
    if options.scale != 1:
        model = scaled(model, options.scale)
    return centered(model) if options.center else model


def _cropped(source: Path, model: Asset, corners: tuple[float, ...]) -> Asset:
    from gypsum.conversion import inside

    if not isinstance(model, Splats | PointCloud):
        raise InputError(f"{source.name} holds a surface; --crop is for splats and points.")
    kept = inside(model.means if isinstance(model, Splats) else model.points, corners)
    if not kept.any():
        raise InputError(f"Nothing of {source.name} is in the box of --crop.")
    return model.select(kept)


def _write_options(options: ConvertOptions, name: str) -> WriteOptions:
    if name not in _GLTF:
        return WriteOptions(widely_read(options.texture_format))
    compression = Compression.DRACO if options.draco else None
    compression = Compression.MESHOPT if options.meshopt else compression
    return WriteOptions(options.texture_format, compression)


def _result(
    model: Asset, files: list[Path], options: ConvertOptions, warnings: list[str], baked: bool
) -> ConvertResult:
    if isinstance(model, Splats):
        x, y, z = (float(side) for side in np.ptp(model.means, axis=0))
        size = (x, y, z)
        return ConvertResult(tuple(files), 0, len(model), size, tuple(warnings), False, True)
    mesh = model.mesh if isinstance(model, TexturedMesh) else model
    points = mesh.points if isinstance(mesh, PointCloud) else mesh.vertices
    triangles = 0 if isinstance(mesh, PointCloud) else len(mesh.faces)
    if options.faces is not None and triangles > options.faces:
        warnings.append(f"{files[0].name} keeps {triangles:,} triangles: its shape needs them.")
    used = points if triangles == 0 or isinstance(mesh, PointCloud) else points[mesh.faces.ravel()]
    x, y, z = (float(side) for side in np.ptp(used, axis=0))
    size = (x, y, z)
    return ConvertResult(tuple(files), triangles, len(points), size, tuple(warnings), baked)
