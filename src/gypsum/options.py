"""Every option that a user can set, declared once.

The command line, the Python signature, the documentation and later the web form derive from
:class:`ScanOptions`. What the stages see are *settings*: plain values, with the quality preset
filled in for everything that was not asked for (:meth:`ScanOptions.settings`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic.fields import FieldInfo

from gypsum.errors import InputError

Settings = dict[str, Any]
"""Option values as the stages see them: JSON only."""


class Quality(StrEnum):
    """Named presets, from a quick look to the most that the photos hold."""

    DRAFT = "draft"
    NORMAL = "normal"
    HIGH = "high"


class TextureSize(StrEnum):
    """Side of the square texture."""

    K1 = "1k"
    K2 = "2k"
    K4 = "4k"
    K8 = "8k"

    @property
    def pixels(self) -> int:
        """Side in pixels."""
        return int(self.value[0]) * 1024


class Switch(StrEnum):
    """A choice that is spelled out."""

    ON = "on"
    OFF = "off"


class TextureFormat(StrEnum):
    """Picture formats of a model's textures."""

    AUTO = "auto"
    """PNG for small textures, JPEG for large ones."""
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    KTX2 = "ktx2"


class UpAxis(StrEnum):
    """Which axis of a file points up."""

    Y = "y"
    Z = "z"
    Y_DOWN = "y-down"
    """Y points down, as in the photos that a splat trainer began with."""


class Until(StrEnum):
    """The parts of a scan after which it can stop."""

    CAMERAS = "cameras"
    DENSE = "dense"
    SURFACE = "surface"
    TEXTURE = "texture"


class Mode(StrEnum):
    """What a scan makes."""

    PHOTO = "photo"
    SPLAT = "splat"
    LIDAR = "lidar"
    FEATURELESS = "featureless"


class Device(StrEnum):
    """Where depth maps are made."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Matcher(StrEnum):
    """How the same points are found in several photos."""

    SIFT = "sift"
    LEARNED = "learned"


#: Points of a cloud that are kept for each triangle of a model.
_POINTS_PER_FACE = 20


@dataclass(frozen=True)
class Preset:
    """What a quality means."""

    feature_side: int
    """Long side of the photos in which features are sought, pixels."""
    depth_side: int
    """Long side of the depth maps, pixels."""
    depth_photos: int
    """Other photos with which each is compared to measure its depths."""
    faces: int
    texture: TextureSize
    refine: bool
    """Whether the photos refine the surface."""
    splats: int
    """3D Gaussians of a splat scan at most."""
    splat_side: int
    """Long side of the photos that they are trained on, pixels."""
    splat_steps: int
    """Steps of the training, a photo each."""
    field_side: int
    """Long side of the photos that a featureless object's surface is fitted to, pixels."""
    evidence_side: int
    """Long side of the depth maps that help there, pixels."""
    evidence_steps: int
    """Steps of the training of splats whose depths help there, a photo each."""


PRESETS = {
    Quality.DRAFT: Preset(
        1600, 800, 5, 50_000, TextureSize.K2, False, 30_000, 480, 3_000, 400, 640, 0
    ),
    Quality.NORMAL: Preset(
        2400, 1600, 8, 200_000, TextureSize.K4, True, 80_000, 640, 8_000, 640, 1280, 2_000
    ),
    Quality.HIGH: Preset(
        3200, 2400, 10, 500_000, TextureSize.K8, True, 150_000, 1280, 20_000, 960, 1920, 4_000
    ),
}

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse_bytes(text: object) -> object:
    """``"4GiB"``, ``"800 MB"``, ``"2g"`` or a number to bytes; units are powers of 1024."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)(i?b|bytes?)?\s*", text.lower())
    if match is None:
        raise ValueError("a size such as 4GiB or 800MiB")
    return int(float(match[1]) * _UNITS[match[2]])


def format_bytes(count: float) -> str:
    """``4294967296`` to ``"4.0 GiB"``."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(len(units) - 1, max(0, (int(count).bit_length() - 1) // 10))
    return f"{count / 1024**power:.{min(power, 1)}f} {units[power]}"


_LENGTHS = {"": 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
#: Metres; more than that is a mistake in the unit.
_LONGEST = 100_000.0


def parse_length(text: object) -> object:
    """``"5cm"``, ``"50 mm"``, ``"2in"`` or a number, which is metres, to metres."""
    number, unit = r"([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)", r"(m|cm|mm|in|ft)?"
    match = re.fullmatch(rf"\s*{number}\s*{unit}\s*", str(text).lower())
    length = float(match[1]) * _LENGTHS[match[2] or ""] if match else 0.0
    if not 0 < length <= _LONGEST:
        raise ValueError("a length such as 5cm, 50mm, 2in or 0.05 (metres)")
    return length


_DISTANCE = "two points and a length, such as 0 1 25cm"


def _distances(value: object) -> object:
    """One or several of ``(A, B, LENGTH)`` or ``"A B LENGTH"``."""
    one = isinstance(value, str) or (
        isinstance(value, list | tuple)
        and len(value) == 3
        and not all(isinstance(item, list | tuple) or len(str(item).split()) == 3 for item in value)
    )
    items = [value] if one else value
    if not isinstance(items, list | tuple):
        raise ValueError(_DISTANCE)
    triples = [item.split() if isinstance(item, str) else item for item in items]
    if any(not isinstance(item, list | tuple) or len(item) != 3 for item in triples):
        raise ValueError(_DISTANCE)
    return tuple((str(a), str(b), length) for a, b, length in triples)


#: What ``--mask`` takes besides a folder, as a setting.
_MASKED = {"auto": "auto", "off": ""}

#: What ``--box`` takes besides numbers.
BOX_WORDS = ("auto", "off")


def _numbers(value: object) -> tuple[float, ...]:
    """Numbers, or text of them; none where one of them isn't finite, or no number at all."""
    parts = re.findall(r"[^\s,;()\[\]]+", value) if isinstance(value, str) else value
    try:
        numbers = tuple(float(part) for part in parts)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return ()
    return numbers if all(math.isfinite(number) for number in numbers) else ()


def _box(value: object) -> object:
    """``auto``, ``off``, or the six coordinates of two corners as numbers or text."""
    if value in BOX_WORDS:
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[0], list | tuple):
        value = [*value[0], *value[1]]
    numbers = _numbers(value)
    sides = [abs(a - b) for a, b in zip(numbers[:3], numbers[3:], strict=False)]
    if len(numbers) != 6 or min(sides) == 0:
        raise ValueError("auto, off, or two opposite corners as six numbers: X Y Z X Y Z")
    return numbers


def _up(value: object) -> object:
    """``auto``, or a direction as three numbers or text, of length one."""
    if value == "auto":
        return value
    numbers = _numbers(value)
    length = math.hypot(*numbers)
    if len(numbers) != 3 or not math.isfinite(length) or length < 1e-9:
        raise ValueError("auto, or a direction as three numbers: X Y Z")
    return tuple(number / length for number in numbers)


def _crop(value: object) -> object:
    """The six coordinates of two corners."""
    corners = _box(value)
    if isinstance(corners, str):
        raise ValueError("two opposite corners as six numbers: X Y Z X Y Z")
    return corners


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


Bytes = Annotated[int, BeforeValidator(parse_bytes)]
Length = Annotated[float, BeforeValidator(parse_length)]
Distances = Annotated[tuple[tuple[str, str, Length], ...], BeforeValidator(_distances)]
Corners = Annotated[str | tuple[float, float, float, float, float, float], BeforeValidator(_box)]
Crop = Annotated[tuple[float, float, float, float, float, float], BeforeValidator(_crop)]
Direction = Annotated[str | tuple[float, float, float], BeforeValidator(_up)]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_one_or_many)]


def _option(
    default: Any,
    summary: str,
    *,
    unit: str = "",
    short: str = "",
    metavar: str = "",
    **limits: Any,
) -> Any:
    """One option: its default, one line of help, its unit, a one-letter flag, what help calls its
    value, and its range."""
    extra: dict[str, JsonValue] = {"unit": unit, "short": short, "metavar": metavar}
    return Field(default, description=summary, json_schema_extra=extra, **limits)


def _presets(pick: str) -> str:
    """``"default 50,000 (draft), …"``: what each quality means for one option."""
    values = {quality: getattr(preset, pick) for quality, preset in PRESETS.items()}
    texts = (f"{value:,} ({quality})" if isinstance(value, int) else f"{value} ({quality})"
             for quality, value in values.items())  # fmt: skip
    return "default " + ", ".join(texts)


class ScanOptions(BaseModel):
    """Options of ``gypsum scan`` and ``gypsum.scan``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path | None = _option(
        None, "The model to write, for example vase.glb; its suffix chooses the format.", short="-o"
    )
    quality: Quality = _option(
        Quality.NORMAL,
        "How much time to spend: draft for a quick look, high for the most detail.",
        short="-q",
    )
    mode: Mode = _option(
        Mode.PHOTO,
        "What to make: photo is a textured model, splat a radiance field of 3D Gaussians, for "
        "looking at, lidar a textured model of depth captures or point clouds, and featureless a "
        "textured model of a plain, glossy or metallic object.",
    )
    splats: int | None = _option(
        None,
        f"Gaussians of a splat scan at most; {_presets('splats')}.",
        unit="Gaussians",
        ge=1_000,
        le=5_000_000,
    )
    minutes: float | None = _option(
        None,
        "Train splats for so long; default: for as many steps as the quality says, however long "
        "that takes.",
        unit="minutes",
        ge=0.01,
        le=10_000,
    )
    faces: int | None = _option(
        None,
        f"Triangles of the model; {_presets('faces')}.",
        unit="triangles",
        short="-n",
        ge=100,
        le=20_000_000,
    )
    texture: TextureSize | None = _option(
        None,
        f"Side of the square texture, 4k is 4096 pixels; {_presets('texture')}, or less where "
        "that holds all that the photos show.",
    )
    textures: int = _option(
        1,
        "Textures at most; further ones are made where one can't hold all that the photos show.",
        unit="textures",
        ge=1,
        le=64,
    )
    texture_smoothing: Switch = _option(
        Switch.OFF,
        "On mixes several photos at every place, which evens out noise, reflections and changing "
        "light; off shows the best photo alone, for a single object in sharp photos.",
    )
    normal_map: bool = _option(
        False, "Keep the detail of the full surface as a normal map on the simplified model."
    )
    pbr: bool = _option(
        False,
        "Maps for renderers: a normal map, ambient occlusion, a guess at roughness, and colours "
        "with the light of the photos taken out.",
    )
    frames: int = _option(
        0,
        "At most so many frames are taken of clips, of all together; 0 takes 60 to 150 by their "
        "length.",
        unit="frames",
        ge=0,
        le=10_000,
    )
    format: Names = _option(
        (),
        "A further format to write (repeatable): glb, gltf, obj, fbx, usdz, ply, stl, xyz, las or "
        "laz; of splats ply, compressed.ply, spz, sog or splat.",
    )
    voxel: Length | None = _option(
        None,
        "Depth captures: edge of the voxels in which depth maps are joined, for example 5mm; "
        "default: as fine as the depth maps.",
        unit="metres",
    )
    mask: str | None = _option(
        None,
        "Cut out the object: auto by a network that sees what stands out, DIR by a folder of masks "
        "(PNG, white on the object, named like the photos), off not at all; default: where photos "
        "are transparent, on a turntable, and with --set.",
        metavar="auto|off|DIR",
    )
    mask_model: Path | None = _option(
        None,
        "Another network for that, such as U²-Net or BiRefNet, as an ONNX file.",
    )
    depth: Path | None = _option(
        None,
        "A folder of depth maps with the photos' names, from a sensor or a network: 16-bit PNG in "
        "millimetres, floats in TIFF or NPY; they help where photos tell nothing, and give the "
        "true size.",
        metavar="DIR",
    )
    set: Paths = _option(
        (),
        "Photos of the object lying in one way (repeatable, in place of INPUT): several sets, each "
        "lying differently, make one model with its underside.",
        metavar="INPUT",
    )
    box: Corners = _option(
        "auto",
        "What to measure and keep: auto finds what most photos look at, off takes everything; or "
        "two opposite corners of a box in the scan's frame, as the report gives them.",
        metavar="X Y Z X Y Z",
    )
    refine: bool | None = _option(
        None, "Move the surface to where the photos agree best; default except for drafts."
    )
    watertight: bool = _option(False, "Make a closed solid with a flat base, as 3D printing needs.")
    register_scans: Switch | None = _option(
        None,
        "Point clouds: find out how scans fit together; default: where their files don't say where "
        "they were taken from.",
    )
    plan: bool = _option(
        False,
        "Rooms: a floor plan with dimensions, as SVG and DXF, and walls that are flat; for lidar "
        "scans.",
    )
    dem: bool = _option(
        False,
        "Terrain: the bare ground as a height map (GeoTIFF) and contour lines (DXF, GeoJSON); for "
        "point clouds.",
    )
    contours: Length | None = _option(
        None,
        "Height between contour lines, for example 0.5m; default: chosen from the terrain.",
        unit="metres",
    )
    marker_size: Length | None = _option(
        None,
        "Side of the markers' black squares, for example 5cm, where AprilTags or ArUco markers "
        "are in the photos; gives the model its true size.",
        unit="metres",
    )
    distance: Distances = _option(
        (),
        "A known distance (repeatable); A and B are markers' numbers or names from --points.",
        metavar="A B LENGTH",
    )
    points: Path | None = _option(
        None, "A CSV file of points marked in photos: name, photo, x, y in pixels."
    )
    cameras: Path | None = _option(
        None,
        "Known cameras: a COLMAP model, a transforms.json, or intrinsics alone; poses in it are "
        "kept as they are.",
    )
    up: Direction = _option(
        "auto",
        "What is to point up in the model: a direction in the scan's frame; auto: as the photos "
        "or the sensor tell.",
        metavar="X Y Z",
    )
    scale: float | None = _option(
        None,
        "Multiply the model's size, for example by a length that you know over the same length in "
        "the model; it is in metres then.",
        ge=0.001,
        le=100_000,
    )
    matcher: Matcher = _option(
        Matcher.SIFT,
        "How photos are matched: learned for few photos far apart; needs gypsum[learned].",
    )
    until: Until | None = _option(None, "Stop after this part of the scan.")
    workspace: Path | None = _option(
        None,
        "Folder for all intermediate results; run again to go on from it. "
        "Default: OUT's name with .gypsum, beside OUT.",
        short="-w",
    )
    device: Device = _option(
        Device.AUTO,
        "Where depth maps are made, splats are trained and featureless surfaces are fitted: cuda "
        "is an NVIDIA card, with pycolmap-cuda12 for depth maps and gypsum[cuda] for the others; "
        "auto takes it when it is there.",
    )
    threads: int = _option(0, "Processor cores to use; 0 uses all.", unit="cores", ge=0, le=1024)
    memory: Bytes | None = _option(
        None,
        "Memory to stay within, for example 4GiB; default: most of what is free.",
        unit="bytes",
        ge=1,
    )

    def settings(self) -> Settings:
        """What the stages depend on, with the preset's values where nothing else was asked."""
        preset = PRESETS[self.quality]
        featureless = self.mode is Mode.FEATURELESS
        mask = self.mask or ("auto" if featureless else "")
        return {
            "quality": self.quality.value,
            "mode": self.mode.value,
            "splats": self.splats or preset.splats,
            "splat_side": preset.splat_side,
            "splat_steps": preset.splat_steps,
            "voxel": self.voxel,
            "minutes": self.minutes,
            "frames": self.frames,
            "feature_side": preset.feature_side,
            "depth_side": preset.evidence_side if featureless else preset.depth_side,
            "field_side": preset.field_side,
            "evidence_steps": preset.evidence_steps,
            "depth_photos": preset.depth_photos,
            "faces": self.faces or preset.faces,
            # Fewer triangles than usual take no other points: the cloud need not be read again.
            "points_kept": _POINTS_PER_FACE * max(self.faces or 0, preset.faces),
            "texture": (self.texture or preset.texture).pixels,
            "texture_spare": self.texture is None,
            "textures": self.textures,
            "texture_smoothing": self.texture_smoothing is Switch.ON,
            "normal_map": self.normal_map or self.pbr,
            "pbr": self.pbr,
            "refine": preset.refine if self.refine is None else self.refine,
            "watertight": self.watertight,
            "register_scans": None
            if self.register_scans is None
            else self.register_scans is Switch.ON,
            "plan": self.plan,
            "dem": self.dem,
            "contours": self.contours,
            "mask": _MASKED.get(mask, "given" if mask else "found"),
            "sets": bool(self.set),
            "box": self.box if isinstance(self.box, str) else list(self.box),
            "up": self.up if isinstance(self.up, str) else list(self.up),
            "scale": self.scale,
            "marker_size": self.marker_size,
            "distance": [list(item) for item in self.distance],
            "matcher": self.matcher.value,
        }


class CommandOptions(BaseModel):
    """Options that only make sense on the command line."""

    json_events: bool = Field(
        False,
        alias="json",
        description="Print progress and results as JSON lines, for programs.",
        json_schema_extra={"unit": "", "short": ""},
    )


class CheckOptions(BaseModel):
    """Options of ``gypsum check`` and ``gypsum.check``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path | None = _option(
        None,
        "A contact sheet to write: .html with all figures, or .png or .jpg; photos that something "
        "is wrong with are marked.",
        short="-o",
    )
    frames: int = ScanOptions.model_fields["frames"]  # type: ignore[assignment]
    threads: int = ScanOptions.model_fields["threads"]  # type: ignore[assignment]


class Fault(StrEnum):
    """Mistakes that a sample capture can be made with."""

    BLURRED = "blurred"
    DARK = "dark"
    BURNT = "burnt"
    FEW = "few"
    ONE_SIDED = "one-sided"
    MOVED = "moved"
    MOVING = "moving"
    UNFOCUSED = "unfocused"
    PLAIN = "plain"
    MIRROR = "mirror"
    DUPLICATES = "duplicates"
    SMALL = "small"


class SampleMode(StrEnum):
    """What a sample shows."""

    PHOTO = "photo"
    LIDAR = "lidar"


class PageSize(StrEnum):
    """Paper to print on."""

    A4 = "a4"
    LETTER = "letter"


class ConvertOptions(BaseModel):
    """Options of ``gypsum convert`` and ``gypsum.convert``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Names = _option(
        (),
        "A format to write into the folder OUT (repeatable): glb, gltf, obj, fbx, usdz, ply, stl, "
        "xyz, las or laz; of splats ply, compressed.ply, spz, sog, splat, glb or usdz.",
        short="-f",
    )
    faces: int | None = _option(
        None,
        "Reduce the model to this many triangles; its textures are kept, or baked anew where they "
        "would hold too many.",
        unit="triangles",
        short="-n",
        ge=4,
        le=200_000_000,
    )
    normal_map: bool = _option(
        False,
        "With --faces: a normal map that shows the shape as it was before. The textures are baked "
        "anew for it.",
    )
    texture: TextureSize | None = _option(
        None, "Reduce textures to this side; 2k is 2048 pixels. Smaller ones stay as they are."
    )
    texture_format: TextureFormat = _option(
        TextureFormat.AUTO,
        "Picture format of textures: auto is PNG for small ones and JPEG from 2k. For GLB and "
        "glTF alone: webp, the smallest file, and ktx2, the smallest in a graphics card.",
    )
    scale: float = _option(
        1.0, "Make the model this many times as large; 0.001 turns millimetres into metres.", gt=0
    )
    center: bool = _option(
        False, "Move the model to the origin: its middle sideways, its lowest point in height."
    )
    up_axis: UpAxis | None = _option(
        None,
        "Which axis points up in the input, where its format does not say; default: y in OBJ and "
        "SPZ, z in PLY, STL and XYZ, y-down in SOG, compressed PLY, .splat and KSPLAT. Splats in "
        "PLY of other programs are mostly y-down, too.",
    )
    prune: float | None = _option(
        None,
        "Splats: leave out this share of them, those that show least; 0.3 is 30 %, 0 leaves out "
        "only what no one can see.",
        metavar="SHARE",
        ge=0,
        lt=1,
    )
    crop: Crop | None = _option(
        None,
        "Splats and points: keep those in this box; two opposite corners in the world's frame, "
        "Z up.",
        metavar="X Y Z X Y Z",
    )
    sh: int | None = _option(
        None,
        "Splats: keep spherical harmonics up to this degree; 0 is the same colour from all sides.",
        unit="",
        ge=0,
        le=3,
    )
    draco: bool = _option(
        False, "Compress the triangles of GLB and glTF with Draco: smallest, slower to open."
    )
    meshopt: bool = _option(
        False, "Compress the triangles of GLB and glTF with meshopt: small, and fast to open."
    )


class ViewOptions(BaseModel):
    """Options of ``gypsum view``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = _option(
        0, "Where the page is on this machine; 0 takes any that is free.", unit="", ge=0, le=65_535
    )
    browser: bool | None = _option(None, "Open the page in the browser; default.")
    up_axis: UpAxis | None = ConvertOptions.model_fields["up_axis"]  # type: ignore[assignment]


class MeshOptions(BaseModel):
    """Options of ``gypsum mesh`` and ``gypsum.to_mesh``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: Path | None = _option(
        None,
        "The folder of photos that the splats were made of: the surface is measured from their "
        "places, and its texture is theirs. Default: from all around, and of the splats' own "
        "pictures.",
    )
    cameras: Path | None = _option(
        None,
        "Where the photos were taken, in the frame of the splats: a COLMAP model or a "
        "transforms.json. Needed with --photos.",
    )
    faces: int = _option(
        200_000, "Triangles of the model.", unit="triangles", short="-n", ge=100, le=20_000_000
    )
    texture: TextureSize = _option(
        TextureSize.K4,
        "Side of the square texture, 4k is 4096 pixels, or less where that holds all there is.",
    )
    box: Corners = ScanOptions.model_fields["box"]  # type: ignore[assignment]
    up_axis: UpAxis | None = _option(
        None,
        "Which axis points up in the file of splats; default: what most photos have at their top, "
        "and without photos what is usual for the format.",
    )
    threads: int = ScanOptions.model_fields["threads"]  # type: ignore[assignment]


class Backdrop(StrEnum):
    """What is behind a model."""

    WHITE = "white"
    BLACK = "black"
    GREY = "grey"
    NONE = "none"


class CameraPath(StrEnum):
    """Ways of a camera."""

    TURNTABLE = "turntable"
    FLY = "fly"
    CAMERAS = "cameras"


class Shown(StrEnum):
    """What pictures show."""

    COLOR = "color"
    DEPTH = "depth"
    NORMALS = "normals"


def _size(value: object) -> object:
    """``"1280x720"`` or two numbers."""
    parts = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", value) if isinstance(value, str) else None
    numbers = [int(part) for part in parts.groups()] if parts else value
    if not isinstance(numbers, list | tuple) or len(numbers) != 2:
        raise ValueError("width and height such as 1280x720")
    if not all(isinstance(number, int) and 16 <= number <= 8192 for number in numbers):
        raise ValueError("a width and a height of 16 to 8192 pixels, such as 1280x720")
    return tuple(numbers)


PictureSize = Annotated[tuple[int, int], BeforeValidator(_size)]


class RenderOptions(BaseModel):
    """Options of ``gypsum render`` and ``gypsum.render``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path = _option(
        Path("render.mp4"),
        "What to write: a film (.mp4), one picture (.png, the path's first), or a folder of "
        "pictures.",
        short="-o",
    )
    path: CameraPath = _option(
        CameraPath.TURNTABLE,
        "How the camera moves: turntable once around, fly smoothly past all places of --cameras, "
        "cameras from just these places.",
    )
    cameras: Path | None = _option(
        None,
        "Places for fly and cameras: a COLMAP model or a transforms.json, in the frame of the "
        "model, Z up.",
    )
    show: Shown = _option(
        Shown.COLOR,
        "What pictures show: color, depth (in PNG 16 bits of a thousandth of a unit, 0 is nothing; "
        "in films red is near and blue is far), or normals (right, up and towards the camera as "
        "red, green and blue).",
    )
    frames: int | None = _option(
        None,
        "Pictures along the path; default: 120, one for each camera with --path cameras.",
        unit="frames",
        ge=1,
        le=100_000,
    )
    fps: float = _option(30.0, "Frames of a film in a second.", unit="1/s", ge=1, le=240)
    size: PictureSize | None = _option(
        None,
        "Width and height; default 1280x720, and with --path cameras that of each camera.",
        unit="pixels",
        metavar="WxH",
    )
    elevation: float = _option(
        15.0,
        "How high the turntable's camera stands, as an angle.",
        unit="degrees",
        ge=-89,
        le=89,
    )
    background: Backdrop = _option(
        Backdrop.WHITE, "What is behind: white, black, grey, or in PNG of colour none."
    )
    up_axis: UpAxis | None = ConvertOptions.model_fields["up_axis"]  # type: ignore[assignment]
    threads: int = ScanOptions.model_fields["threads"]  # type: ignore[assignment]


class MarkersOptions(BaseModel):
    """Options of ``gypsum markers``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: Path = _option(
        Path("markers.pdf"), "The sheet to write: .pdf, or .png at 600 dots per inch.", short="-o"
    )
    size: Length = _option(
        0.05, "Side of the black squares, for example 5cm or 2in.", unit="metres"
    )
    page: PageSize = _option(PageSize.A4, "Paper.")
    count: int = _option(0, "Markers to print; 0 fills the page.", unit="markers", ge=0, le=500)
    first: int = _option(0, "Number of the first.", unit="", ge=0, le=586)


class SampleOptions(BaseModel):
    """Options of ``gypsum sample`` and ``gypsum.sample.make_sample``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: SampleMode = _option(
        SampleMode.PHOTO,
        "What to make: photo is photos of a sculpture, lidar a phone's capture with depth of a "
        "furnished corner of a room.",
    )
    photos: int = _option(30, "Photos to take.", unit="photos", ge=6, le=1000)
    width: int = _option(1024, "Width of the photos.", unit="pixels", ge=64, le=8192)
    height: int = _option(768, "Height of the photos.", unit="pixels", ge=64, le=8192)
    seed: int = _option(
        0, "Another number, other places of the camera and other noise.", unit="", ge=0, le=99_999
    )
    marker: bool = _option(
        False, "Lay two cards with AprilTags of 5 cm on the table, which tell the scale."
    )
    fault: Fault | None = _option(
        None, "Make a mistake while taking the photos, to see what gypsum check says to it."
    )
    video: float = _option(
        0.0,
        "Film as well, for so many seconds, walking three times around: DIR/video.mp4; 30 is a "
        "good length.",
        unit="seconds",
        ge=0,
        le=600,
    )
    turntable: bool = _option(
        False, "Turn the sculpture before a still camera, at three heights, as on a turntable."
    )
    flip: bool = _option(
        False,
        "Photograph the sculpture standing and then lying on its back: DIR/photos/standing and "
        "DIR/photos/lying, a set each.",
    )
    threads: int = _option(0, "Processor cores to use; 0 uses all.", unit="cores", ge=0, le=1024)


def scan_options(values: dict[str, Any]) -> ScanOptions:
    """Check values from any front end; an :class:`InputError` names the first that is wrong."""
    return _checked(ScanOptions, values)


def markers_options(values: dict[str, Any]) -> MarkersOptions:
    """The same for ``gypsum markers``."""
    return _checked(MarkersOptions, values)


def check_options(values: dict[str, Any]) -> CheckOptions:
    """The same for ``gypsum check``."""
    return _checked(CheckOptions, values)


def convert_options(values: dict[str, Any]) -> ConvertOptions:
    """The same for ``gypsum convert``."""
    return _checked(ConvertOptions, values)


def view_options(values: dict[str, Any]) -> ViewOptions:
    """The same for ``gypsum view``."""
    return _checked(ViewOptions, values)


def mesh_options(values: dict[str, Any]) -> MeshOptions:
    """The same for ``gypsum mesh``."""
    return _checked(MeshOptions, values)


def render_options(values: dict[str, Any]) -> RenderOptions:
    """The same for ``gypsum render``."""
    return _checked(RenderOptions, values)


Options = TypeVar("Options", bound=BaseModel)


def _checked(kind: type[Options], values: dict[str, Any]) -> Options:
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "option"
        text = _sentence(kind, name, first["type"], first["msg"], first["input"])
        raise InputError(text) from None


def _sentence(options: type[BaseModel], name: str, kind: str, message: str, value: object) -> str:
    if kind == "extra_forbidden":
        known = ", ".join(options.model_fields)
        return f"There is no option {name}; the options are {known}."
    reason = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return f"Option {name} can't be {value!r}: it should be {reason}."


def fields() -> dict[str, FieldInfo]:
    """All options of a scan by name, in the order in which help lists them."""
    command = {info.alias or name: info for name, info in CommandOptions.model_fields.items()}
    return {**ScanOptions.model_fields, **command}


def limits(info: FieldInfo) -> tuple[int | None, int | None]:
    """The smallest and the largest value allowed."""
    found = {type(rule).__name__: rule for rule in info.metadata}
    low, high = found.get("Ge"), found.get("Le")
    return (low.ge if low else None), (high.le if high else None)


def extra(info: FieldInfo, name: str) -> str:
    """``unit``, ``short`` or ``metavar`` of an option."""
    values = info.json_schema_extra
    return str(values.get(name, "")) if isinstance(values, dict) else ""


def reference() -> str:
    """All options as the Markdown page ``docs/options.md``."""
    lines = [
        "# Options",
        "",
        "Options of `gypsum scan INPUT... -o OUT` and, under the same names, of `gypsum.scan`.",
        "This page is made from `gypsum.options`.",
        "",
        *_table(fields()),
        "",
        "In Python, `format` takes one name or several, `memory` bytes or text, lengths metres or",
        "text, `distance` one `(A, B, length)` or several, and in place of `--json` there is",
        "`progress`, a function that is called with every event.",
        "",
        "## Quality",
        "",
        "What a quality means, for everything that is not asked for by its own option:",
        "",
        "| quality | features sought in | depth maps | compared with | surface refined "
        "| triangles | texture |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for quality, preset in PRESETS.items():
        lines.append(
            f"| `{quality}` | {preset.feature_side} pixels | {preset.depth_side} pixels "
            f"| {preset.depth_photos} photos | {'yes' if preset.refine else 'no'} "
            f"| {preset.faces:,} | {preset.texture} |"
        )
    lines += [
        "",
        "Pixels are along the longer side; smaller photos are taken as they are.",
        "",
        "## Check",
        "",
        "Options of `gypsum check INPUT...`, the same as of `gypsum.check`; `--json` prints all",
        "figures as one JSON object. [capturing.md](capturing.md) tells what they mean:",
        "",
        *_table(CheckOptions.model_fields),
        "",
        "## Convert",
        "",
        "Options of `gypsum convert IN OUT`, the same as of `gypsum.convert`;",
        "[formats.md](formats.md) tells what each format holds:",
        "",
        *_table(ConvertOptions.model_fields),
        "",
        "## View",
        "",
        "Options of `gypsum view FILE`, which shows any file that `gypsum convert` reads:",
        "",
        *_table(ViewOptions.model_fields),
        "",
        "## Mesh",
        "",
        "Options of `gypsum mesh SPLATS OUT`, the same as of `gypsum.to_mesh`;",
        "[splats.md](splats.md) tells when to use it:",
        "",
        *_table(MeshOptions.model_fields),
        "",
        "## Render",
        "",
        "Options of `gypsum render FILE`, the same as of `gypsum.render`:",
        "",
        *_table(RenderOptions.model_fields),
        "",
        "## Sample",
        "",
        "Options of `gypsum sample DIR`, the same as of `gypsum.sample.make_sample`:",
        "",
        *_table(SampleOptions.model_fields),
        "",
        "## Markers",
        "",
        "Options of `gypsum markers`, which makes a sheet to print:",
        "",
        *_table(MarkersOptions.model_fields),
    ]
    return "\n".join([*lines, ""])


def _table(options: Mapping[str, FieldInfo]) -> list[str]:
    lines = ["| option | values | default | meaning |", "| --- | --- | --- | --- |"]
    for name, info in options.items():
        spelled = ", ".join(
            f"`{flag}`" for flag in [*flags(name, info), denial(name, info)] if flag
        )
        default = _default(info.default)
        lines.append(f"| {spelled} | {_values(info)} | {default} | {info.description} |")
    return lines


def flags(name: str, info: FieldInfo) -> list[str]:
    """How the command line spells an option, ``["--faces", "-n"]``."""
    short = extra(info, "short")
    return ["--" + name.replace("_", "-"), *([short] if short else [])]


def denial(name: str, info: FieldInfo) -> str:
    """How the command line switches off what a quality may switch on; empty for other options."""
    return "--no-" + name.replace("_", "-") if info.annotation == (bool | None) else ""


def _default(value: object) -> str:
    return "" if value is None or value is False or value == () else f"`{value}`"


def _values(info: FieldInfo) -> str:
    """What an option takes, in words."""
    text = str(info.annotation)
    choices = (
        Quality, TextureSize, TextureFormat, UpAxis, Switch, Until, Device, Matcher, SampleMode,
        Mode, PageSize,
    )  # fmt: skip
    for choice in choices:
        if choice.__name__ in text:
            return ", ".join(f"`{value}`" for value in choice)
    low, high = limits(info)
    unit = extra(info, "unit")
    if high is not None:
        return f"{low:,} to {high:,} {unit}".strip()
    if unit:
        example = "5cm" if unit == "metres" else "4GiB"
        return f"{unit}, as a number or with a unit such as `{example}`"
    if extra(info, "metavar"):
        metavar = extra(info, "metavar")
        words = "`auto` or " if info.default == BOX_WORDS[0] else ""
        if words and len(metavar.split()) == 6:
            words = "`auto`, `off` or "
        return f"{words}`{metavar}`" + (", repeatable" if info.default == () else "")
    if info.annotation in (bool, bool | None):
        return "on or off"
    return "path" if "Path" in text else "name, repeatable"
