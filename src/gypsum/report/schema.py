"""What ``report.json`` holds: declared once, for the file, its documentation and the HTML page.

The pipeline fills :class:`ReportData`; parts that a scan never came to stay ``None``. Raise
``SCHEMA_VERSION`` whenever a field changes its meaning or goes away.
"""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _without_folders(value: Any) -> Any:
    """Absolute paths shrink to their last part: a report is shared, the user's folders are not."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    if isinstance(value, str):
        for flavour in (PurePosixPath, PureWindowsPath):
            if flavour(value).is_absolute():
                return flavour(value).name
    return value


class LostPhoto(_Part):
    """A photo that the model was made without."""

    name: str = Field(description="The photo's file name, as it was given.")
    reason: str = Field(description="Why, as the rest of a sentence that starts with the name.")


class RegisteredPhoto(_Part):
    """A photo whose camera was found."""

    name: str = Field(description="The photo's name in the sparse model.")
    camera: int = Field(description="Number of the camera, lens and zoom it was taken with.")
    width: int = Field(description="Width of the upright photo, pixels.")
    height: int = Field(description="Height of the upright photo, pixels.")
    focal_px: float = Field(description="Focal length, pixels.")
    points: int = Field(description="Points of the sparse model seen in it.")
    error_px: float | None = Field(
        description="Mean reprojection error of those points, pixels; null without points."
    )
    matches: int | None = Field(
        None, description="Verified matches with other photos, all pairs together."
    )


class Calibration(_Part):
    """How the focal length that was found compares with what the camera noted."""

    camera: str = Field(description="Camera, lens, zoom and picture size.")
    photos: int = Field(description="Registered photos taken with it.")
    found_px: float = Field(description="Focal length found, pixels.")
    exif_px: float | None = Field(description="Focal length by EXIF, pixels; null without.")


class Measure(_Part):
    """A length that was known, as it is in the model."""

    name: str = Field(description="A marker or a distance.")
    given_m: float = Field(description="As it was given, metres.")
    found_m: float = Field(description="In the finished model, metres.")
    photos: int = Field(description="Photos that it was measured in.")
    used: bool = Field(description="Whether the scale rests on it; else it is a check.")


class Frame(_Part):
    """How up and scale were found, and how sure they are."""

    up: str = Field(description="plane, roll, markers, GPS, given, set, axis, asked, or guess.")
    up_note: str = Field(description="The same in words.")
    metric: bool = Field(description="Whether the unit is the metre.")
    scale: str = Field(
        description="distances, markers, GPS, depth maps, given, asked, or cameras (unknown)."
    )
    scale_note: str = Field(description="The same in words.")
    scale_error: float | None = Field(
        None, description="Relative standard error of the scale; null when it is unknown."
    )
    scale_observations: int = Field(0, description="Lengths or GPS tags that the scale rests on.")
    measures: tuple[Measure, ...] = Field((), description="Known lengths in the model.")


class Photos(_Part):
    """What became of the photos."""

    given: int = Field(description="Image files found in the input.")
    usable: int = Field(description="Files that could be read and passed the checks.")
    registered: int = Field(description="Photos whose camera was found.")
    skipped: tuple[LostPhoto, ...] = Field((), description="Files that could not be used.")
    unregistered: tuple[LostPhoto, ...] = Field(
        (), description="Usable photos whose camera was not found."
    )


class Cameras(_Part):
    """The cameras found, and the sparse points that carry them."""

    photos: tuple[RegisteredPhoto, ...] = Field(description="Registered photos, by name.")
    points: int = Field(description="Points of the sparse model.")
    observations: int = Field(description="Times a point was seen in a photo.")
    track_length: float = Field(description="Mean number of photos that see a point.")
    reprojection_error_px: float = Field(
        description="Mean distance between seen and predicted place of a point, pixels."
    )
    calibration: tuple[Calibration, ...] = Field((), description="Focal lengths found, by camera.")
    weak_directions: tuple[str, ...] = Field(
        (), description="Directions that few photos look from, in words; seen from the first photo."
    )


class Dense(_Part):
    """Depth maps and the cloud fused from them."""

    depth_maps: int = Field(description="Depth maps made.")
    points: int = Field(description="Points of the dense cloud.")


class Room(_Part):
    """A room that was measured."""

    area: float = Field(description="Of its floor, square metres.")
    height: float = Field(description="From floor to ceiling, metres.")
    perimeter: float = Field(description="Length of its walls, metres.")
    walls: tuple[float, ...] = Field(description="Lengths of its walls in order, metres.")


class Terrain(_Part):
    """The bare ground."""

    cell: float = Field(description="Side of a cell of the height map, metres.")
    width: int = Field(description="Cells from west to east.")
    height: int = Field(description="Cells from north to south.")
    lowest: float = Field(description="Lowest height, in the files' unit.")
    highest: float = Field(description="Highest height, in the files' unit.")
    ground: float = Field(description="Share of the points that are ground, 0 to 1.")
    contours: float = Field(description="Height between contour lines, in the files' unit.")


class Points(_Part):
    """The point clouds that a scan was made of."""

    files: int = Field(description="Files read.")
    scans: int = Field(description="Scans in them.")
    given: int = Field(description="Points read.")
    kept: int = Field(description="Points left after thinning and cleaning.")
    strays: int = Field(description="Points left out because they lie on no surface.")
    spacing: float = Field(description="Median distance between neighbouring points, metres.")
    noise: float = Field(
        description="Median distance of points from the plane of their neighbours, metres."
    )
    oriented: str = Field(description="What tells the surface's outside: scanners, or neighbours.")
    origin: tuple[float, float, float] = Field(
        description="Where the model's origin lies in the files' coordinates."
    )
    crs: str = Field("", description="Name of the coordinate reference system.")
    epsg: int | None = Field(None, description="Its EPSG code; null where none is stated.")
    registered: tuple[float, ...] = Field(
        (), description="Of scans that were registered, how far each lies from the others, metres."
    )


class KeptBox(_Part):
    """The part of the world that was kept."""

    how: str = Field(description="automatic, given (by --box), or everything.")
    low: tuple[float, float, float] = Field(description="Lowest corner, in the scan's frame.")
    high: tuple[float, float, float] = Field(description="Highest corner, in the scan's frame.")


class Surface(_Part):
    """The final mesh."""

    vertices: int = Field(description="Vertices of the model.")
    faces: int = Field(description="Triangles of the model.")
    size: tuple[float, float, float] = Field(
        description="Extent along x, y and z (up), in the model's unit."
    )
    metric: bool = Field(
        False, description="Whether the unit is the metre; else the scale is unknown."
    )
    box: KeptBox | None = Field(None, description="Where the surface was sought.")


class Texture(_Part):
    """The texture atlas."""

    width: int = Field(description="Width, pixels.")
    height: int = Field(description="Height, pixels.")
    count: int = Field(1, description="How many textures of this size there are.")
    coverage: float = Field(
        ge=0,
        le=1,
        description="Share of the surface's area that was coloured from a photo; the rest has "
        "colours that continue their surroundings.",
    )
    used: float | None = Field(
        None, description="Share of the textures' area that shows surface, 0 to 1."
    )
    texels_per_pixel: float | None = Field(
        None,
        description="Texture pixels for each photo pixel, along one side; from 1 on, all that the "
        "photos show is kept.",
    )
    texels_per_unit: float | None = Field(
        None, description="Texture pixels for each unit of length on the surface, on average."
    )
    unseen_faces: int | None = Field(None, description="Triangles that no photo shows.")
    photos_used: int | None = Field(None, description="Photos that the texture shows.")
    rejected: int | None = Field(
        None,
        description="Looks of a triangle that were left out because other photos disagree: people, "
        "things in front, reflections.",
    )
    exposure_range: float | None = Field(
        None, description="Stops between the brightest and the darkest photo, before equalising."
    )
    seam_step: float | None = Field(
        None,
        description="Mean colour step across the borders of the texture's pieces, share of the "
        "range.",
    )
    worst_seam_step: float | None = Field(
        None, description="The same for the border where it is largest."
    )
    smoothing: bool = Field(False, description="Whether photos were mixed at every place.")
    agreement_db: float | None = Field(
        None,
        description="Mean peak signal-to-noise ratio between some photos and the model drawn "
        "from the same place, where the model is, dB.",
    )


class HeldOutPhoto(_Part):
    """A photo that splats were not trained on, compared with what they show from its place."""

    name: str = Field(description="The photo's name in the sparse model.")
    psnr: float = Field(description="Peak signal-to-noise ratio, dB.")
    ssim: float = Field(description="Structural similarity; 1 is equal.")


class Radiance(_Part):
    """The radiance field of a splat scan."""

    splats: int = Field(description="3D Gaussians.")
    degree: int = Field(description="Degree of the spherical harmonics.")
    steps: int = Field(description="Steps of the training, a photo each.")
    side: int = Field(description="Long side of the photos trained on, pixels.")
    psnr: float | None = Field(
        None, description="Mean PSNR over the photos that were held out, dB; null without any."
    )
    ssim: float | None = Field(None, description="Mean structural similarity over them.")
    held_out: tuple[HeldOutPhoto, ...] = Field(
        (), description="Every tenth photo, which the training never saw."
    )


class Featureless(_Part):
    """How the surface of a featureless object was found."""

    carried: str = Field(
        description="What carried the cameras: table, background, object, everything, outlines, "
        "or given."
    )
    carried_note: str = Field(description="The same in words.")
    doubtful: float = Field(
        ge=0, le=1, description="Share of the surface that photos hardly shaped."
    )
    measured: float = Field(
        ge=0, le=1, description="Share of the object's pixels of which photos tell the depth."
    )
    agreeing: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of those whose depth is known by matching and by splats on which both "
        "agree: little on what mirrors; null without splats.",
    )
    healed: int = Field(description="Photos whose outline lacked what the others' show.")
    grounded: bool = Field(
        description="Whether the plane that the object stands on is known: its base lies in it."
    )


class ExportedFile(_Part):
    """A file of the model."""

    name: str = Field(description="Path relative to the workspace, or the name of the output.")
    format: str = Field(description="Its format, as --format names it.")
    bytes: int = Field(description="Size of the file with its companions, bytes.")


class StageTiming(_Part):
    """How one stage of the scan went."""

    name: str = Field(description="Short name, as `gypsum stages` lists it.")
    label: str = Field(description="What it does, in words.")
    seconds: float = Field(description="Wall time, when it was made, seconds.")
    cpu_seconds: float = Field(description="Processor time over all cores, seconds.")
    peak_bytes: int = Field(description="Largest resident memory, bytes.")
    continued: bool = Field(
        False,
        description="Whether it went on from an interrupted attempt, whose time is not counted.",
    )
    warnings: tuple[str, ...] = Field((), description="What the stage warned of.")


class Machine(_Part):
    """Where the scan ran; nothing that tells whose machine it was."""

    system: str = Field(description="Operating system and its version.")
    architecture: str = Field(description="Processor architecture.")
    cores: int = Field(description="Cores this process may run on.")
    memory_bytes: int = Field(description="Physical memory, bytes.")


class ReportData(_Part):
    """Everything that a scan tells about itself."""

    schema_version: int = Field(default=SCHEMA_VERSION, description="Version of this schema.")
    title: str = Field(description="What the model is called.")
    created: str = Field(description="When the report was written, ISO 8601, UTC.")
    until: str | None = Field(
        None, description="The part after which the scan was asked to stop; null for all of it."
    )
    photos: Photos = Field(description="Photos given, used and left out.")
    cameras: Cameras | None = Field(None, description="The cameras found.")
    frame: Frame | None = Field(None, description="How up and scale were found.")
    dense: Dense | None = Field(None, description="Depth maps and dense cloud.")
    points: Points | None = Field(None, description="The point clouds of a lidar scan.")
    room: Room | None = Field(None, description="The room, where a plan was asked for.")
    terrain: Terrain | None = Field(None, description="The ground, where it was asked for.")
    surface: Surface | None = Field(None, description="The final mesh.")
    texture: Texture | None = Field(None, description="The texture atlas.")
    radiance: Radiance | None = Field(None, description="The radiance field of a splat scan.")
    featureless: Featureless | None = Field(
        None, description="Outlines and evidence of a featureless object."
    )
    exports: tuple[ExportedFile, ...] = Field((), description="The model's files.")
    seconds: float = Field(description="Wall time of all stages, kept ones included, seconds.")
    cpu_seconds: float = Field(description="Processor time of all stages, seconds.")
    peak_bytes: int = Field(description="Largest memory of any stage, bytes.")
    stages: tuple[StageTiming, ...] = Field(description="The stages in the order they ran.")
    options: Annotated[dict[str, JsonValue], AfterValidator(_without_folders)] = Field(
        description="What was asked for, absolute paths shortened to their last part."
    )
    versions: dict[str, str] = Field(description="Versions of Gypsum, Python and libraries.")
    machine: Machine = Field(description="Where the scan ran.")


def reference() -> str:
    """The schema as the Markdown page ``docs/report.md``."""
    schema = ReportData.model_json_schema()
    parts = {"ReportData": schema, **schema["$defs"]}
    lines = [
        "# report.json",
        "",
        "Every scan leaves `report.json` in its workspace, and `report.html`, which shows the same",
        "with pictures. This page is made from `gypsum.report.schema`; the JSON Schema itself is",
        "`gypsum.report.ReportData.model_json_schema()`.",
        "",
        f"Schema version {SCHEMA_VERSION}. Fields are only added within a version.",
    ]
    for name, part in parts.items():
        if "properties" not in part:
            continue
        lines += ["", f"## {name}", "", part["description"], "", "| field | type | meaning |"]
        lines.append("| --- | --- | --- |")
        for field, details in part["properties"].items():
            lines.append(f"| `{field}` | {_type_of(details)} | {details['description']} |")
    return "\n".join([*lines, ""])


def _type_of(details: dict[str, Any]) -> str:
    """A field's type in words, with links to the parts of the schema."""
    if "anyOf" in details:
        return " or ".join(_type_of(option) for option in details["anyOf"])
    if "$ref" in details:
        name = details["$ref"].rsplit("/", 1)[1]
        return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "prefixItems" in details:
        return f"array of {len(details['prefixItems'])} {_type_of(details['prefixItems'][0])}s"
    if details.get("type") == "array":
        return f"array of {_type_of(details['items'])}"
    if details.get("additionalProperties"):
        return f"object of {_type_of(details['additionalProperties'])}"
    return str(details.get("type", "any JSON"))
