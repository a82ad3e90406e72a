"""What a user of the service may ask for: derived from :mod:`gypsum.options`, for forms and checks.

Whether a mode has an option is asked of the scan itself (``gypsum.pipelines.scan.locate``), so
nothing is declared twice.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Field, JsonValue
from pydantic.fields import FieldInfo

from gypsum.errors import InputError
from gypsum.formats import FORMATS, SPLAT_FORMATS, Format
from gypsum.formats.splats.files import SplatFormat
from gypsum.options import Mode, ScanOptions, extra, limits, scan_options
from gypsum.pipelines.scan import locate
from gypsum.service.api.problems import Problem
from gypsum.service.settings import ServiceSettings
from gypsum.service.uploads import accepted

#: Options that name the server's files and machine, or that stop a scan before its model.
_NOT_FOR_USERS = frozenset(
    {"output", "mode", "mask_model", "set", "points", "cameras", "matcher", "until", "workspace",
     "device", "threads", "memory"}
)  # fmt: skip

Kind = Literal["boolean", "integer", "number", "choice", "text", "list"]

_MODES = {
    "photo": ("Photo Scan", "A textured 3D model of an object, a building or a place."),
    "featureless": (
        "Featureless Object Scan",
        "A model of something shiny, smooth or of one colour, by its outlines and its shading.",
    ),
    "splat": (
        "Splat Scan",
        "A radiance field to look at: reflections, hair and glass as they are.",
    ),
    "lidar": ("LiDAR Scan", "A model in metres of a capture with depth, or of a point cloud."),
}

#: What people at a form read, where the command line's words would not do.
_WORDS = {
    "quality": ("Quality", ""),
    "splats": ("Gaussians", ""),
    "minutes": (
        "Training time",
        "Train for so long; otherwise for as many steps as the quality says.",
    ),
    "faces": ("Triangles", ""),
    "texture": ("Texture size", ""),
    "textures": ("Number of textures", ""),
    "texture_smoothing": ("Mix photos", ""),
    "normal_map": ("Normal map", ""),
    "pbr": ("Maps for renderers", ""),
    "frames": ("Frames of clips", ""),
    "format": (
        "File formats",
        "What the model is written as. Others can be had later, without a new scan.",
    ),
    "voxel": (
        "Voxel size",
        "Of captures with depth, for example 5mm; else as fine as the depth maps.",
    ),
    "mask": (
        "Cut out the object",
        "Auto: a network sees what stands out. Off: everything stays. Otherwise objects are cut "
        "out where photos are transparent or were taken on a turntable.",
    ),
    "box": (
        "Crop box",
        "Auto finds what most photos look at, off takes everything; or two opposite corners as six "
        "numbers, X Y Z X Y Z, in the scan's frame.",
    ),
    "refine": ("Refine the surface", ""),
    "watertight": ("Solid for 3D printing", ""),
    "register_scans": ("Fit scans together", ""),
    "plan": (
        "Floor plan",
        "A plan of the room with dimensions, as SVG and DXF, and walls that are flat.",
    ),
    "dem": (
        "Bare ground",
        "The ground without what stands on it, as a height map (GeoTIFF) and contour lines.",
    ),
    "contours": ("Height between contour lines", ""),
    "marker_size": ("Size of the markers", ""),
    "up": (
        "What points up",
        "Auto, or a direction in the scan's frame as three numbers, X Y Z. It is easier by the "
        "tools of the viewer.",
    ),
    "scale": (
        "Scale",
        "Multiplies the model's size: a length that you know over the same length in the model. "
        "The model is in metres then.",
    ),
    "distance": (
        "Known distances",
        "The numbers of two markers and the length between them, such as 0 1 25cm.",
    ),
}

#: Where a form shows an option; others are under "more".
_GROUPS = {
    "result": ("quality", "faces", "texture", "format", "splats"),
    "surface": ("refine", "watertight", "normal_map", "pbr", "textures", "texture_smoothing",
                "voxel", "minutes"),
    "object": ("mask", "box", "frames"),
    "size": ("marker_size", "distance", "scale", "up"),
    "survey": ("plan", "dem", "contours", "register_scans"),
}  # fmt: skip
_BASIC = frozenset(
    {"quality", "faces", "texture", "format", "splats", "texture_smoothing", "mask", "plan",
     "watertight"}
)  # fmt: skip


class OptionOut(BaseModel):
    """One option, with all that a form needs."""

    name: str
    title: str
    help: str
    type: Kind
    default: JsonValue = None
    """Null: it depends on the quality, or on the photos."""
    choices: list[str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    group: str
    advanced: bool
    needs_format: list[str] | None = None
    """It goes together with these formats alone; null: with all."""


class ModeOut(BaseModel):
    """A kind of scan."""

    name: str
    title: str
    summary: str
    accepts: list[str] = Field(examples=[[".jpg", ".zip"]])
    formats: list[str]
    options: list[OptionOut]


class FormatOut(BaseModel):
    """What a model can be written as."""

    name: str
    title: str
    extension: str
    description: str


class LimitsOut(BaseModel):
    """How much the service takes."""

    file_bytes: int
    scan_bytes: int
    scan_files: int
    unpacked_bytes: int
    user_scans: int
    user_waiting: int


class FeaturesOut(BaseModel):
    """What this service does."""

    sign_up: bool
    mail: bool


class OptionsOut(BaseModel):
    """All that can be asked for."""

    modes: list[ModeOut]
    formats: list[FormatOut]
    limits: LimitsOut
    features: FeaturesOut


def described(settings: ServiceSettings) -> OptionsOut:
    """Everything for ``GET /api/v1/options``."""
    return OptionsOut(
        modes=[_mode(mode) for mode in Mode],
        formats=_formats(),
        limits=LimitsOut(**{name: getattr(settings, name) for name in LimitsOut.model_fields}),
        features=FeaturesOut(sign_up=not settings.closed, mail=bool(settings.smtp_url)),
    )


def checked(mode: Mode, given: dict[str, Any]) -> dict[str, Any]:
    """The options as they are stored: those that say something. Raises Problem 422."""
    asked = {name: value for name, value in given.items() if value is not None}
    known = allowed(mode)
    for name in asked:
        if name not in known:
            message = f"There is no option {name} for the mode {mode}; see /api/v1/options."
            raise Problem(422, "invalid", message, errors=[(f"options.{name}", message)])
    if asked.get("mask") not in (None, "auto", "off"):
        message = "Option mask should be auto or off."
        raise Problem(422, "invalid", message, errors=[("options.mask", message)])
    try:
        options = scan_options({**asked, "mode": mode})
        locate(options.model_copy(update={"workspace": Path("scan")}))
    except InputError as error:
        name = next((name for name in asked if f" {name} " in str(error)), "")
        field = f"options.{name}" if name else "options"
        raise Problem(422, "invalid", str(error), errors=[(field, str(error))]) from None
    stored = options.model_dump(mode="json", include=set(asked))
    return {name: stored[name] for name in asked}


@cache
def allowed(mode: Mode) -> tuple[str, ...]:
    """Names of the options that a mode has and a user may set, in the order of help."""
    return tuple(
        name
        for name in ScanOptions.model_fields
        if name not in _NOT_FOR_USERS and (_goes(mode, name, ()) or _needed_formats(mode, name))
    )


@cache
def _needed_formats(mode: Mode, name: str) -> tuple[str, ...]:
    """With which formats an option goes: a splat scan has more of them once it makes a mesh."""
    return tuple(known for known in _formats_of(mode) if _goes(mode, name, (known,)))


@cache
def _goes(mode: Mode, name: str, formats: tuple[str, ...]) -> bool:
    """Whether a scan of this mode and these formats takes another value than the usual one."""
    values = {"mode": mode, "workspace": "scan", "format": formats}
    try:
        locate(scan_options({**values, name: _another(name, ScanOptions.model_fields[name])}))
    except InputError:
        return False
    return True


def _another(name: str, info: FieldInfo) -> Any:
    """Some value that is allowed and not the default."""
    kind = _kind(name, info)
    match kind:
        case "boolean":
            return not info.default
        case "choice":
            return next(c for c in _choices(name, info) or () if c != info.default)
        case "integer" | "number":
            low, high = limits(info)
            return next(v for v in (low, high) if v is not None and v != info.default)
        case "list":
            return ("glb",) if name == "format" else (("0", "1", 0.5),)
        case "text":
            return {"box": (0, 0, 0, 1, 1, 1), "up": (1, 0, 0)}.get(name, 0.05)


def _mode(mode: Mode) -> ModeOut:
    title, summary = _MODES.get(mode.value, (mode.value.capitalize(), ""))
    return ModeOut(
        name=mode.value,
        title=title,
        summary=summary,
        accepts=list(accepted(mode)),
        formats=_formats_of(mode),
        options=[_option(mode, name, ScanOptions.model_fields[name]) for name in allowed(mode)],
    )


def _option(mode: Mode, name: str, info: FieldInfo) -> OptionOut:
    kind = _kind(name, info)
    low, high = limits(info) if kind in ("integer", "number") else (None, None)
    default = (_default_format(mode),) if name == "format" else info.default
    title, text = _WORDS.get(name, ("", ""))
    group = next((group for group, names in _GROUPS.items() if name in names), "more")
    return OptionOut(
        name=name,
        title=title or name.replace("_", " ").capitalize(),
        help=text or str(info.description),
        type=kind,
        default=list(default) if isinstance(default, tuple) else default,
        choices=_formats_of(mode) if name == "format" else _choices(name, info),
        minimum=low,
        maximum=high,
        unit=extra(info, "unit"),
        group=group,
        advanced=name not in _BASIC,
        needs_format=None if _goes(mode, name, ()) else list(_needed_formats(mode, name)),
    )


def _default_format(mode: Mode) -> str:
    """What is written where nothing else is asked for: a form shows it as chosen."""
    _, target = locate(scan_options({"mode": mode, "workspace": "scan"}))
    return target.formats[0]


def _kind(name: str, info: FieldInfo) -> Kind:
    if _choices(name, info):
        return "choice"
    if info.default == ():
        return "list"
    plain = set(_alternatives(info.annotation)) - {type(None)}
    parsed = any("BeforeValidator" in str(part) for part in (*info.metadata, info.annotation))
    if parsed or len(plain) != 1:
        return "text"
    kinds: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "number"}
    return kinds.get(plain.pop(), "text")


def _choices(name: str, info: FieldInfo) -> list[str] | None:
    if name == "mask":
        return ["auto", "off"]
    for part in _alternatives(info.annotation):
        if isinstance(part, type) and issubclass(part, StrEnum):
            return [value.value for value in part]
    return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


@cache
def _formats_of(mode: Mode) -> list[str]:
    """Names of the formats that a scan of this mode can write."""
    names = [*FORMATS, *(name for name in SPLAT_FORMATS if name not in FORMATS)]
    return [name for name in names if name in FORMATS or mode is Mode.SPLAT]


def _formats() -> list[FormatOut]:
    known: dict[str, Format | SplatFormat] = {**SPLAT_FORMATS, **FORMATS}
    return [
        FormatOut(name=name, title=f.name, extension=f.suffix, description=f.description)
        for name, f in known.items()
    ]
