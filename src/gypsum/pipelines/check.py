"""``gypsum.check``: what can be told of photos in a minute, before hours are spent on a scan."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gypsum._version import __version__
from gypsum.capture import capture_digest, find_photos
from gypsum.capture.rgbd import is_rgbd
from gypsum.checks import FEATURELESS, CheckedPhoto, Finding, Judgement, Measure
from gypsum.errors import InputError
from gypsum.options import (
    PRESETS,
    CheckOptions,
    Preset,
    Quality,
    check_options,
    format_bytes,
    scan_options,
)
from gypsum.pipelines.cloud import cloud_files
from gypsum.pipelines.photo import PHOTO_SCAN, memory_needed
from gypsum.report import Remark, Sheet, Tile, check_sheet, write_sheet
from gypsum.scene import Capture, SkippedPhoto
from gypsum.workspace import (
    Limits,
    Listener,
    Pipeline,
    Source,
    Stage,
    StageContext,
    Workspace,
    run_pipeline,
)
from gypsum.workspace.events import ignore
from gypsum.workspace.resources import check_memory, check_writable, cores

StrPath = str | os.PathLike[str]

#: What the stage leaves.
_FILE = "check.json"
#: Bytes that looking at small photos takes.
_MEMORY = 800 * 2**20

#: CPU-seconds of a scan, measured on open_statue (40 photos, quality normal, 781 in all):
#: features, matches and cameras for each photo; a pixel of a depth map and of its fusion; the
#: refinement of the surface for each of these; surface, texture and pictures at all.
_PER_PHOTO = 1.4
_PER_DEPTH_PIXEL = 10.8e-6
_PER_REFINED_PIXEL = 1.7e-6
_AT_ALL = 115.0
#: CPU-seconds that this check takes for a photo on the machine of those measurements.
_CHECK_PER_PHOTO = 0.4
#: Share of the time in which all cores work.
_PARALLEL = 0.85


@dataclass(frozen=True)
class Estimate:
    """What a scan of these photos would take on this machine, about."""

    quality: str
    seconds: float
    memory: int
    """Bytes."""


@dataclass(frozen=True)
class CheckResult:
    """What ``gypsum check`` found."""

    usable: bool
    """Whether nothing speaks against a scan."""
    recommendation: str
    """``"photo"``, ``"featureless"``, ``"lidar"``, or ``"retake"`` when other photos are needed
    first."""
    reason: str
    findings: tuple[Finding, ...]
    """What may be wrong, the most important first."""
    measures: tuple[Measure, ...]
    """Every figure beside its limit."""
    photos: tuple[CheckedPhoto, ...]
    skipped: tuple[SkippedPhoto, ...]
    """Files that can't be used."""
    estimates: tuple[Estimate, ...]
    seconds: float
    """That the check took."""
    sheet: Path | None
    """The contact sheet."""

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        values = asdict(self)
        return {"version": __version__, **values, "sheet": self.sheet and str(self.sheet)}


def look(context: StageContext) -> None:
    """Measure the photos and how they belong together, and judge them."""
    from gypsum.cameras import preview_cameras

    # The judge is loaded after the cameras' libraries, with the pictures' already there.
    from gypsum.checks import judge

    folder = context.inputs["photos"]
    capture = Capture.read(folder)
    pictures = _measured(capture, folder / "photos", context)
    preview = preview_cameras(
        capture,
        folder / "photos",
        threads=context.threads,
        progress=lambda done, doing="": context.progress(0.3 + 0.65 * done, doing),
    )
    context.progress(0.95, "judging")
    judgement = judge(capture, pictures, preview)
    text = TypeAdapter(Judgement).dump_json(judgement, indent=1)
    (context.folder / _FILE).write_bytes(text)
    context.facts["findings"] = [finding.code for finding in judgement.findings]


def _measured(capture: Capture, photos: Path, context: StageContext) -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor

    from gypsum.checks import measure_picture

    measured = []
    with ThreadPoolExecutor(context.threads) as pool:
        paths = [photos / photo.name for photo in capture.photos]
        for done, one in enumerate(pool.map(measure_picture, paths), start=1):
            measured.append(one)
            context.progress(0.3 * done / len(paths), f"measuring photo {done} of {len(paths)}")
    return measured


def warn_of_photos(capture: Capture, photos: Path, context: StageContext) -> None:
    """The cheap part of the check, as warnings of a scan: each photo taken by itself."""
    from gypsum.checks import photo_findings

    for finding in photo_findings(capture.photos, _measured(capture, photos, context)):
        context.warn(f"{finding.what} {finding.do}")


CHECK = Pipeline(
    "check",
    (
        next(stage for stage in PHOTO_SCAN.stages if stage.name == "photos"),
        Stage(
            "check",
            "Looking at the photos",
            "gypsum.pipelines.check:look",
            "check",
            needs=("photos",),
            cost=15,
        ),
    ),
)


def check(
    inputs: StrPath | Sequence[StrPath],
    output: StrPath | None = None,
    *,
    progress: Listener | None = None,
    **options: Any,
) -> CheckResult:
    """Tell whether photos will make a good model, and what to do if not.

    Args:
        inputs: folders, photos, clips or zip files, as for a scan.
        output: the contact sheet to write, ``.html``, ``.png`` or ``.jpg``; none without.
        progress: called with every :class:`gypsum.workspace.Event`.
        options: ``frames`` and ``threads``, as for a scan.

    Returns:
        The findings, every measurement with its limit, estimates of time and memory.

    Raises:
        InputError: the input or an option can't be used, or fewer than three photos are left.
    """
    began = time.monotonic()
    paths = [Path(inputs)] if isinstance(inputs, str | os.PathLike) else [*map(Path, inputs)]
    if not paths:
        raise InputError("Say which photos to check: a folder, photo files or a zip.")
    asked = check_options({"output": output, **options})
    if asked.output is not None:
        check_sheet(asked.output)
        check_writable(asked.output.parent, "the contact sheet's folder")
    measured = measured_already(paths)
    if measured is not None:
        if asked.output is not None:
            raise InputError(f"There are no photos for a contact sheet: {measured}")
        seconds = round(time.monotonic() - began, 1)
        return CheckResult(True, "lidar", measured, (), (), (), (), (), seconds, None)
    limits = Limits(cores(asked.threads), check_memory(None, _MEMORY))
    source = Source(capture_digest(paths), tuple(paths))
    with tempfile.TemporaryDirectory(prefix="gypsum-check-") as folder:
        workspace = Workspace(Path(folder))
        settings = {**scan_options({}).settings(), "frames": asked.frames}
        records = run_pipeline(
            CHECK, workspace, source, settings, limits, listener=progress or ignore
        )
        stage = workspace.stage("photos")
        capture = Capture.read(stage)
        text = (workspace.stage("check") / _FILE).read_bytes()
        judgement = TypeAdapter(Judgement).validate_json(text)
        # The check itself tells how fast this machine is.
        pace = records[-1].cpu_seconds / (_CHECK_PER_PHOTO * len(capture.photos))
        result = _result(judgement, capture, pace, limits.threads, asked, began)
        if asked.output is not None:
            write_sheet(asked.output, make_sheet(_title(paths[0]), result), stage / "photos")
    return result


def _result(
    judgement: Judgement,
    capture: Capture,
    pace: float,
    threads: int,
    asked: CheckOptions,
    began: float,
) -> CheckResult:
    method, reason = recommend(judgement)
    return CheckResult(
        usable=judgement.usable,
        recommendation=method,
        reason=reason,
        findings=judgement.findings,
        measures=judgement.measures,
        photos=judgement.photos,
        skipped=capture.skipped,
        estimates=tuple(estimate(capture, quality, pace, threads) for quality in Quality),
        seconds=round(time.monotonic() - began, 1),
        sheet=asked.output,
    )


def recommend(judgement: Judgement) -> tuple[str, str]:
    """The method that suits the object, and why."""
    problems = [f for f in judgement.findings if f.severity == "problem"]
    other = [f for f in problems if f.code not in FEATURELESS]
    if other:
        return "retake", (
            f"{other[0].what} Photo Scan would fail or disappoint on these photos: "
            "take others first."
        )
    featureless = [f for f in judgement.findings if f.code in FEATURELESS]
    if featureless:
        measured = "; ".join(
            f"{f.measure}: {f.value:.2f}, limit {f.limit:.2f}" for f in featureless
        )
        return "featureless", (
            f"--mode featureless: {' '.join(f.what for f in featureless)} It is told by its "
            f"outlines and by how it looks from all sides rather than by its detail ({measured})."
        )
    return "photo", "Photo Scan: the photos overlap, and their detail stays on the surface."


def measured_already(paths: Sequence[Path]) -> str | None:
    """Why ``--mode lidar`` is for these files, where they hold distances; None for photos."""
    if is_rgbd(paths):
        return (
            f"{paths[0]} is a capture with depth, whose sensor has measured distances: "
            "scan it with --mode lidar, in metres and also where it is plain."
        )
    clouds = cloud_files(paths)
    if not clouds:
        return None
    try:
        find_photos(paths)
    except InputError:
        return (
            f"{clouds[0]} is a cloud of points, which are measured already: make a surface of it "
            "with --mode lidar."
        )
    return None


def estimate(capture: Capture, quality: Quality, pace: float, threads: int) -> Estimate:
    """Time and memory of a Photo Scan, from its costs where they were measured."""
    preset = PRESETS[quality]
    pixels = sum(_depth_pixels(p.width, p.height, preset) for p in capture.photos)
    cost = _AT_ALL + _PER_PHOTO * len(capture.photos)
    cost += pixels * (_PER_DEPTH_PIXEL + _PER_REFINED_PIXEL * preset.refine)
    seconds = cost * pace / (1 + (threads - 1) * _PARALLEL)
    return Estimate(quality.value, round(seconds), memory_needed({"depth_side": preset.depth_side}))


def _depth_pixels(width: int, height: int, preset: Preset) -> float:
    scale = min(1.0, preset.depth_side / max(width, height))
    return width * height * scale**2


def _title(path: Path) -> str:
    """The capture's name: the folder's around a folder that is just called photos."""
    path = path.absolute()
    return path.parent.name if path.stem in ("photos", "images") else path.stem


def make_sheet(title: str, result: CheckResult) -> Sheet:
    """The contact sheet of a check."""
    verdict = "These photos can be scanned." if result.usable else "Better not scan these photos."
    estimates = "; ".join(
        f"{one.quality} {minutes(one.seconds)}, {format_bytes(one.memory)}"
        for one in result.estimates
    )
    return Sheet(
        title=title,
        verdict=verdict,
        good=result.usable,
        lines=(result.reason, f"A scan here takes about: {estimates}."),
        remarks=tuple(
            Remark(finding.severity.value, finding.what, finding.do) for finding in result.findings
        ),
        figures=tuple(
            (m.what, figure(m.value, m.unit), f"{m.bound} {figure(m.limit, m.unit)}", m.good)
            for m in result.measures
        ),
        tiles=tuple(
            Tile(
                photo.name,
                f"blur {photo.blur:.1f}, {photo.overlapping} neighbours",
                photo.marks,
            )
            for photo in result.photos
        ),
        skipped=tuple((file.name, file.reason) for file in result.skipped),
    )


def figure(value: float, unit: str) -> str:
    """``"0.25"``, ``"33 degrees"``."""
    number = f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{number} {unit}".strip()


def minutes(seconds: float) -> str:
    """``"40 s"``, ``"12 min"``, ``"2.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def to_json(result: CheckResult) -> str:
    """The result as one object."""
    return json.dumps(result.as_json(), ensure_ascii=False, indent=1)
