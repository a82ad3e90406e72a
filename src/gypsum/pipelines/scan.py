"""``gypsum.scan``: from what a person brings and asks for to a model where they want it."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from gypsum._version import __version__
from gypsum.capture import capture_digest, expected_photos, find_photos
from gypsum.capture.rgbd import is_rgbd, rgbd_digest
from gypsum.errors import InputError
from gypsum.formats import ALL_FORMATS, FORMATS, format_of, stem_of, usd
from gypsum.options import Device, Matcher, Mode, ScanOptions, Settings, Until, scan_options
from gypsum.pipelines import cloud, featureless, lidar, photo, splat
from gypsum.workspace import Limits, Listener, Pipeline, Source, Step, Workspace, plan, run_pipeline
from gypsum.workspace.devices import DEPTH_PACKAGE, KERNELS_PACKAGE, choose_device
from gypsum.workspace.events import RunFinished, ignore
from gypsum.workspace.failures import explained_at
from gypsum.workspace.folder import copy, read_json, write_json
from gypsum.workspace.resources import check_disk, check_memory, check_writable, cores

#: What a run was asked for, for ``gypsum stages``.
SCAN_FILE = "scan.json"

#: The model's name when no output is named, and its format.
_DEFAULT_NAME, _DEFAULT_FORMAT = "model", "glb"

#: What of a splat scan can be asked for, and which options only one of the modes has.
_SPLAT_UNTIL = (None, Until.CAMERAS)
_OF_SPLATS = ("splats", "minutes")
_OF_MESHES = (
    "faces", "texture", "textures", "texture_smoothing", "normal_map", "pbr", "box", "refine",
    "watertight",
)  # fmt: skip
#: Options of lidar scans alone.
_OF_LIDAR = ("register_scans", "plan", "dem", "contours", "voxel")
#: What is drawn as it was measured, and what changes a model afterwards.
_DRAWN, _CHANGED = ("plan", "dem"), ("up", "scale")
#: What a scan of frames with depth has no use for, and where it can stop.
_NOT_OF_FRAMES = (
    "refine", "watertight", "mask", "mask_model", "set", "marker_size", "distance", "points",
    "cameras", "matcher", "register_scans", "plan", "dem", "contours",
)  # fmt: skip
#: What a scan of a featureless object has no use for: its surface is closed, and fitted to photos.
_NOT_OF_FEATURELESS = ("refine", "watertight", "set", "box")
_FRAMES_UNTIL = (None, Until.CAMERAS, Until.SURFACE, Until.TEXTURE)

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class ScanResult:
    """Where a scan's results are. Parts that ``until`` left out are missing or empty."""

    models: tuple[Path, ...]
    """The model in every format asked for, the output's first."""
    workspace: Path
    """The folder with all that was made on the way."""
    previews: tuple[Path, ...]
    report_html: Path | None
    report: dict[str, Any]
    """The content of ``report.json``."""

    @property
    def model(self) -> Path | None:
        """The model that was asked for first."""
        return self.models[0] if self.models else None


@dataclass(frozen=True)
class Target:
    """Where the models go."""

    folder: Path | None
    """None: they stay in the workspace."""
    name: str
    formats: tuple[str, ...]


def scan(
    inputs: StrPath | Sequence[StrPath] = (),
    output: StrPath | None = None,
    *,
    progress: Listener | None = None,
    **options: Any,
) -> ScanResult:
    """Turn photos into a textured 3D model.

    Args:
        inputs: folders, photos, clips or zip files.
        output: the model to write, for example ``"vase.glb"``; its suffix chooses the format.
        progress: called with every :class:`gypsum.workspace.Event`; when it raises, the scan stops.
        options: see the signature; ``docs/options.md`` explains each.

    Returns:
        Where the model, its previews and the report are.

    Raises:
        InputError: the input or an option can't be used.
        ReconstructionError: no model could be made of the photos.
        ResourceError: disk or memory ended; the next call goes on from there.

    Stages run in processes of their own, so a script needs no ``__main__`` guard.
    """
    began = time.monotonic()
    listener = progress or ignore
    paths = [Path(inputs)] if isinstance(inputs, str | os.PathLike) else [*map(Path, inputs)]
    asked = scan_options({"output": output, **options})
    paths = _with_sets(paths, asked)
    workspace, target = locate(asked)
    kind = _kind(asked, paths)
    limits = _check(kind, paths, asked, workspace, target)
    source = Source(kind.digest(paths), tuple(paths))
    with explained_at(workspace.root):
        _remember(workspace, source, asked)
    settings = _settings(asked, target)
    stages = kind.pipeline.chosen(settings)
    run_pipeline(stages, workspace, source, settings, limits, asked.until, listener)
    result = _result(workspace, _deliver(workspace, target) if asked.until is None else ())
    listener(_finished(result, time.monotonic() - began))
    return result


def stage_keys(
    inputs: StrPath | Sequence[StrPath] = (), output: StrPath | None = None, **options: Any
) -> dict[str, str]:
    """Keys of the stages that `scan` would have for the same arguments, in their order.

    Who keeps stages' folders elsewhere finds them by these: a folder with the right key and its
    record, brought to ``stages/NAME`` of the workspace before the scan, is not made again.
    """
    paths = [Path(inputs)] if isinstance(inputs, str | os.PathLike) else [*map(Path, inputs)]
    asked = scan_options({"output": output, **options})
    paths = _with_sets(paths, asked)
    workspace, target = locate(asked)
    kind = _kind(asked, paths)
    source = Source(kind.digest(paths), tuple(paths))
    settings = _settings(asked, target)
    stages = kind.pipeline.chosen(settings).until(asked.until)
    return {step.stage.name: step.key for step in plan(stages, workspace, source, settings)}


def _signature() -> inspect.Signature:
    """The options as keyword arguments, from the one place where they are declared."""
    fixed = [p for p in inspect.signature(scan).parameters.values() if p.name != "options"]
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=info.default, annotation=_accepted(info)
        )
        for name, info in ScanOptions.model_fields.items()
        if name != "output"
    ]
    return inspect.Signature([*fixed, *keywords], return_annotation=ScanResult)


def _accepted(info: FieldInfo) -> Any:
    """The annotation for people: without the parsing, with the text that it parses."""
    text = str(info.annotation)
    if "BeforeValidator" in text:
        return int | str | None
    return info.annotation


scan.__signature__ = _signature()  # type: ignore[attr-defined]


def _with_sets(paths: Sequence[Path], options: ScanOptions) -> list[Path]:
    """What the photos are read from."""
    if not options.set:
        return list(paths)
    if paths:
        raise InputError(f"Give all photos with --set, also those in {paths[0]}, or none.")
    if len(options.set) < 2:
        raise InputError("Give --set twice or more: once for each way in which the object lies.")
    if len({folder.resolve() for folder in options.set}) < len(options.set):
        raise InputError(
            "The same folder is given to --set twice: each way in which the object lies needs a "
            "folder of its own."
        )
    return list(options.set)


def locate(options: ScanOptions) -> tuple[Workspace, Target]:
    """The workspace and the place of the models, from what was asked."""
    output = options.output
    if output is None and options.workspace is None:
        raise InputError("Say where the model goes, for example with -o vase.glb.")
    if output is not None and output.is_dir():
        raise InputError(f"{output} is a folder; name the model in it, like {output / 'vase.glb'}.")
    _check_mode(options)
    formats = list(options.format)
    if output is not None and (output.suffix or not formats):
        formats.insert(0, format_of(output))
    for name in formats:
        if name not in ALL_FORMATS:
            raise InputError(
                f"There is no format {name}; the formats are {', '.join(ALL_FORMATS)}."
            )
        if name not in FORMATS and options.mode is not Mode.SPLAT:
            raise InputError(f"The format {name} is for splats; add --mode splat.")
    default = splat.OF_SPLATS[0] if options.mode is Mode.SPLAT else _DEFAULT_FORMAT
    unique = tuple(dict.fromkeys(formats or [default]))
    target = Target(
        output.parent if output is not None else None,
        stem_of(output) if output is not None else _DEFAULT_NAME,
        unique,
    )
    folder = options.workspace or (output or Path()).with_suffix(".gypsum")
    return Workspace(folder), target


def _check_mode(options: ScanOptions) -> None:
    """Nothing is asked for that the mode does not have."""
    splats = options.mode is Mode.SPLAT
    for flag in _flags_set(options, () if options.mode is Mode.LIDAR else _OF_LIDAR):
        raise InputError(f"{flag} is for lidar scans; add --mode lidar, or leave it away.")
    for flag in _flags_set(options, () if splats else _OF_SPLATS):
        raise InputError(f"{flag} is for splats; add --mode splat, or leave it away.")
    if options.mode is Mode.FEATURELESS:
        for flag in _flags_set(options, _NOT_OF_FEATURELESS):
            raise InputError(f"{flag} is not for --mode featureless; leave it away.")
        if options.mask == "off":
            raise InputError(
                "A featureless object is told by its outlines: --mode featureless needs masks, so "
                "leave --mask off away."
            )
    for flag, drawn in product(_flags_set(options, _CHANGED), _flags_set(options, _DRAWN)):
        raise InputError(
            f"{flag} does not go with {drawn}, which is drawn as it was measured; leave one away."
        )
    for flag in _flags_set(options, () if options.mode is Mode.PHOTO else ("depth",)):
        raise InputError(
            f"{flag} is for the photo mode; captures with depth of their own are given as INPUT."
        )
    meshed = splats and bool(_mesh_formats(options))
    for flag in _flags_set(options, ("refine",) if meshed else ()):
        raise InputError(f"{flag} is for models of the photo mode; leave it away.")
    for flag in _flags_set(options, _OF_MESHES if splats and not meshed else ()):
        raise InputError(
            f"{flag} is for textured models; splats have no such thing. Name the output like "
            "garden.glb for a model made of them."
        )
    if splats and not meshed and options.until not in _SPLAT_UNTIL:
        raise InputError(f"A splat scan has no part {options.until}; use --until cameras.")
    if meshed and options.until is Until.DENSE:
        raise InputError("A splat scan has no part dense; use --until surface.")


def _flags_set(options: ScanOptions, names: Sequence[str]) -> Iterator[str]:
    """The flags, of the options named, that were given."""
    for name in names:
        if getattr(options, name) != ScanOptions.model_fields[name].default:
            yield "--" + name.replace("_", "-")


def _mesh_formats(options: ScanOptions) -> list[str]:
    """The formats asked for that hold no splats, in a splat scan."""
    formats = [*options.format]
    if options.output is not None and options.output.suffix:
        formats.append(format_of(options.output))
    return [name for name in formats if name not in splat.OF_SPLATS]


@dataclass(frozen=True)
class Kind:
    """What is scanned, and how."""

    pipeline: Pipeline
    digest: Callable[[Sequence[Path]], str]
    check: Callable[[Sequence[Path], ScanOptions, Settings], tuple[int, int]]
    """Raises InputError for what can't be scanned so; bytes of disk and of memory needed."""


def _kind(options: ScanOptions, paths: Sequence[Path]) -> Kind:
    if options.mode is Mode.LIDAR and is_rgbd(paths):
        return Kind(lidar.LIDAR_SCAN, rgbd_digest, _check_frames)
    if options.mode is Mode.LIDAR and cloud.cloud_files(paths):
        return Kind(cloud.CLOUD_SCAN, cloud.digest_of, _check_clouds)
    by_mode = {Mode.SPLAT: splat.SPLAT_SCAN, Mode.FEATURELESS: featureless.FEATURELESS_SCAN}
    stages = by_mode.get(options.mode, photo.PHOTO_SCAN)
    return Kind(stages, capture_digest, _check_photos)


def _check(
    kind: Kind, paths: Sequence[Path], options: ScanOptions, workspace: Workspace, target: Target
) -> Limits:
    """Everything that can be known to be wrong before the work begins, in the first seconds."""
    if not paths:
        raise InputError("Say which photos to use: a folder, photo files or a zip.")
    settings = _settings(options, target)
    disk, memory = kind.check(paths, options, settings)
    if target.folder is not None and options.until is None:
        check_writable(target.folder, "the output's folder")
        _check_not_among_photos(paths, target)
    check_writable(workspace.root, "the workspace")
    if "usdz" in target.formats:
        usd.check_installed()
    check_disk(workspace.root, disk)
    return Limits(cores(options.threads), check_memory(options.memory, memory))


def _check_frames(
    _paths: Sequence[Path], options: ScanOptions, settings: Settings
) -> tuple[int, int]:
    for flag in _flags_set(options, _NOT_OF_FRAMES):
        raise InputError(f"{flag} is not for captures with depth; leave it away.")
    if options.until not in _FRAMES_UNTIL:
        raise InputError(
            f"A scan of a capture with depth has no part {options.until}; use --until surface."
        )
    return lidar.disk_needed(settings), lidar.memory_needed()


def _check_clouds(
    paths: Sequence[Path], options: ScanOptions, settings: Settings
) -> tuple[int, int]:
    cloud.check_files(paths)
    cloud.check_standing(paths, settings)
    if options.until is Until.CAMERAS:
        raise InputError("A scan of point clouds has no cameras; use --until dense.")
    return cloud.disk_needed(settings), cloud.memory_needed(settings)


def _check_photos(
    paths: Sequence[Path], options: ScanOptions, settings: Settings
) -> tuple[int, int]:
    photos = find_photos(paths)
    if options.depth is not None:
        from gypsum.capture.given_depth import check_depth_maps

        if not any(file.is_clip for file in photos):
            check_depth_maps(options.depth, [file.source for file in photos])
    if options.matcher is Matcher.LEARNED:
        from gypsum.cameras import check_installed

        check_installed()
    if options.distance or options.points:
        from gypsum.cameras import check_lengths

        check_lengths(photo.known_lengths(settings), [file.source for file in photos])
    if options.cameras is not None:
        from gypsum.cameras import KnownCameras, check_names

        known = KnownCameras.from_json(settings["known_cameras"])
        clips = [file.source for file in photos if file.is_clip]
        stills = [file.source for file in photos if not file.is_clip]
        check_names(options.cameras, known, stills, clips)
    expected = expected_photos(photos, options.frames)
    if options.mode is Mode.FEATURELESS:
        memory = featureless.memory_needed(expected, settings)
        return featureless.disk_needed(expected, settings), memory
    needs = splat if options.mode is Mode.SPLAT else photo
    return needs.disk_needed(expected, settings), needs.memory_needed(settings)


def _check_not_among_photos(paths: Sequence[Path], target: Target) -> None:
    """A texture file beside the model would be taken for a photo in the next run."""
    assert target.folder is not None
    folder = target.folder.resolve()
    for path in paths:
        if path.is_dir() and folder.is_relative_to(path.resolve()) and _has_pictures(target):
            raise InputError(
                f"{target.name} would put its texture among the photos in {path}; "
                "choose another folder for it, or the format glb."
            )


def _has_pictures(target: Target) -> bool:
    return any(name in FORMATS and FORMATS[name].has_pictures for name in target.formats)


def _settings(options: ScanOptions, target: Target) -> Settings:
    return {
        **options.settings(),
        "points": _points(options),
        "known_cameras": _known_cameras(options),
        "mask_folder": _mask_folder(options),
        "mask_model": _mask_model(options),
        "depth_folder": _depth_folder(options),
        "name": target.name,
        "formats": list(target.formats),
        "splat_mesh": any(name not in splat.OF_SPLATS for name in target.formats),
        "until": options.until,
        **_devices(options),
    }


def _devices(options: ScanOptions) -> Settings:
    """Where depth maps are made or splats are trained, and where a surface is fitted.

    A featureless scan that is asked for a card needs it for the fit: depth maps are made there,
    too, when that is possible.
    """
    asked = options.device
    if options.mode is Mode.SPLAT:
        return {"device": choose_device(asked, KERNELS_PACKAGE).value}
    if options.mode is not Mode.FEATURELESS:
        return {"device": choose_device(asked, DEPTH_PACKAGE).value}
    fit = choose_device(asked, KERNELS_PACKAGE).value
    depth = choose_device(Device.CPU if asked is Device.CPU else Device.AUTO, DEPTH_PACKAGE).value
    return {"device": depth, "fit_device": fit}


def _mask_folder(options: ScanOptions) -> list[str] | None:
    """The folder of masks and the hash of what it holds."""
    if options.mask in (None, "auto", "off"):
        return None
    from gypsum.masking import digest_of

    folder = Path(str(options.mask))
    return [str(folder.absolute()), digest_of(folder)]


def _depth_folder(options: ScanOptions) -> list[str] | None:
    """The folder of depth maps and the hash of what it holds."""
    if options.depth is None:
        return None
    from gypsum.capture.given_depth import digest_of_depth

    return [str(options.depth.absolute()), digest_of_depth(options.depth)]


def _mask_model(options: ScanOptions) -> list[str] | None:
    """The network's file and its hash."""
    if options.mask_model is None:
        return None
    from gypsum.masking import check_model

    return [str(options.mask_model.absolute()), check_model(options.mask_model)]


def _points(options: ScanOptions) -> list[list[Any]]:
    """The marked points themselves: an edited file is another setting, a moved one is not."""
    if options.points is None:
        return []
    from gypsum.cameras import read_points

    return [list(astuple(point)) for point in read_points(options.points)]


def _known_cameras(options: ScanOptions) -> dict[str, Any] | None:
    """What the file of cameras says; for the same reason not its name."""
    if options.cameras is None:
        return None
    from gypsum.cameras import read_known_cameras

    return read_known_cameras(options.cameras).as_json()


def _remember(workspace: Workspace, source: Source, options: ScanOptions) -> None:
    write_json(
        workspace.root / SCAN_FILE,
        {
            "version": __version__,
            "inputs": [str(path.absolute()) for path in source.paths],
            "digest": source.digest,
            "options": options.model_dump(mode="json"),
        },
    )


def inspect_workspace(folder: StrPath, **options: Any) -> list[Step]:
    """What a workspace holds, and what would run again if the last scan were repeated.

    Args:
        folder: the workspace.
        options: options that would differ from the last scan's.
    """
    workspace = Workspace(Path(folder))
    scanned = read_json(workspace.root / SCAN_FILE)
    if scanned is None:
        raise InputError(f"{folder} is no workspace of Gypsum: it has no {SCAN_FILE}.")
    given = {name: value for name, value in options.items() if value is not None}
    asked = scan_options({**scanned["options"], "workspace": Path(folder), **given})
    _, target = locate(asked)
    source = Source(_digest_now(scanned, asked), tuple(map(Path, scanned["inputs"])))
    settings = _settings(asked, target)
    stages = _kind(asked, source.paths).pipeline.chosen(settings).until(asked.until)
    return plan(stages, workspace, source, settings)


def _digest_now(scanned: dict[str, Any], options: ScanOptions) -> str:
    """Of the photos as they are; of the last scan's when they are no longer there."""
    try:
        paths = [Path(path) for path in scanned["inputs"]]
        return _kind(options, paths).digest(paths)
    except InputError:
        return str(scanned["digest"])


def _deliver(workspace: Workspace, target: Target) -> tuple[Path, ...]:
    """Copy the models from the workspace to where they were asked for."""
    models = workspace.root / "models"
    folder = target.folder
    if folder is not None:
        with explained_at(folder):
            for path in sorted(models.iterdir()):
                copy(path, folder / path.name)
    return tuple((folder or models) / f"{target.name}.{name}" for name in target.formats)


def _result(workspace: Workspace, models: tuple[Path, ...]) -> ScanResult:
    root = workspace.root
    html = root / "report.html"
    previews = root / "previews"
    return ScanResult(
        models=models,
        workspace=root,
        previews=tuple(sorted(previews.iterdir())) if previews.is_dir() else (),
        report_html=html if html.exists() else None,
        report=read_json(root / "report.json") or {},
    )


def _finished(result: ScanResult, seconds: float) -> RunFinished:
    return RunFinished(
        seconds=round(seconds, 1),
        workspace=str(result.workspace),
        models=[str(path) for path in result.models],
        previews=[str(path) for path in result.previews],
        report=None if result.report_html is None else str(result.report_html),
    )
