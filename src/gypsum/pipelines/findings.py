"""The report of a Photo Scan, put together from what its stages left."""

from __future__ import annotations

from typing import Any

from gypsum.formats.ply import read_mesh
from gypsum.pipelines.standing import Standing
from gypsum.report import (
    Dense,
    ExportedFile,
    Featureless,
    LostPhoto,
    Photos,
    Points,
    Radiance,
    ReportData,
    Room,
    StageTiming,
    Terrain,
    Texture,
    describe_cameras,
    describe_frame,
    describe_machine,
    describe_surface,
    describe_versions,
    now,
)
from gypsum.scene import Capture, SparseModel
from gypsum.workspace import StageContext, StageRecord, Workspace


def collect(context: StageContext) -> ReportData:
    """The report on all stages that ``context`` names as its inputs."""
    made = _made(context)
    facts = {name: record.facts for name, record in made.items()}
    model = SparseModel.read(context.inputs["cameras"] / "sparse")
    return ReportData(
        title=context.settings["name"],
        created=now(),
        until=context.settings["until"],
        photos=_photos(context, model, facts["cameras"]),
        cameras=describe_cameras(model, facts["cameras"]),
        frame=describe_frame({**facts["cameras"], **_known_better(context)}),
        dense=_dense(facts),
        surface=_surface(context, facts),
        texture=_texture(facts),
        radiance=_radiance(facts),
        featureless=_featureless(facts),
        exports=tuple(ExportedFile(**file) for file in facts.get("export", {}).get("files", ())),
        **_run(made),
    )


def collect_cloud(context: StageContext) -> ReportData:
    """The same of a scan of point clouds."""
    made = _made(context)
    facts = {name: record.facts for name, record in made.items()}
    surface = None
    if "simplify" in made:
        mesh = read_mesh(context.inputs["simplify"] / "mesh.ply")
        surface = describe_surface(Standing.of(context.settings).mesh(mesh), metric=True)
    texture = None
    if "texture" in facts:
        baked = facts["texture"]
        texture = Texture(
            width=baked["size"], height=baked["size"], count=baked["textures"], coverage=1.0
        )
    return ReportData(
        title=context.settings["name"],
        created=now(),
        until=context.settings["until"],
        photos=Photos(given=0, usable=0, registered=0),
        points=_points(facts),
        room=Room(**facts["plan"]["room"]) if "plan" in facts else None,
        terrain=Terrain(**facts["terrain"]["terrain"]) if "terrain" in facts else None,
        surface=surface,
        texture=texture,
        exports=tuple(ExportedFile(**file) for file in facts.get("export", {}).get("files", ())),
        **_run(made),
    )


def _points(facts: dict[str, dict[str, Any]]) -> Points | None:
    if "clean" not in facts:
        return None
    read, cleaned = facts["points"], facts["clean"]
    place = read["place"] or {"origin": (0.0, 0.0, 0.0), "epsg": None, "name": ""}
    return Points(
        files=read["files"],
        scans=read["scans"],
        given=read["given"],
        kept=cleaned["points"],
        strays=cleaned["removed"],
        spacing=cleaned["spacing"],
        noise=cleaned["noise"],
        oriented=cleaned["oriented"],
        origin=place["origin"],
        crs=place["name"],
        epsg=place["epsg"],
        registered=tuple(facts.get("register", {}).get("errors", ())),
    )


def _made(context: StageContext) -> dict[str, StageRecord]:
    """What the stages that ``context`` names left, by their names."""
    workspace = Workspace(context.workspace)
    records = {name: workspace.last_record(name) for name in context.inputs}
    return {name: record for name, record in records.items() if record is not None}


def _run(made: dict[str, StageRecord]) -> dict[str, Any]:
    """The parts of every report that tell of the run."""
    return {
        "seconds": sum(record.seconds for record in made.values()),
        "cpu_seconds": sum(record.cpu_seconds for record in made.values()),
        "peak_bytes": max(record.peak_bytes for record in made.values()),
        "stages": tuple(_timing(record) for record in made.values()),
        "options": _options(made),
        "versions": describe_versions(),
        "machine": describe_machine(),
    }


def _photos(context: StageContext, model: SparseModel, facts: dict[str, Any]) -> Photos:
    capture = Capture.read(context.inputs["photos"])
    return Photos(
        given=len(capture.photos) + len(capture.skipped),
        usable=len(capture.photos),
        registered=len(model.photos),
        skipped=tuple(LostPhoto(name=p.name, reason=p.reason) for p in capture.skipped),
        unregistered=tuple(
            LostPhoto(name=name, reason=reason)
            for name, reason in facts.get("unregistered", {}).items()
        ),
    )


def _dense(facts: dict[str, dict[str, Any]]) -> Dense | None:
    if "fusion" not in facts:
        return None
    return Dense(depth_maps=facts["depth"]["depth_maps"], points=facts["fusion"]["points"])


def _surface(context: StageContext, facts: dict[str, dict[str, Any]]) -> Any:
    if "simplify" not in context.inputs:
        return None
    mesh = read_mesh(context.inputs["simplify"] / "mesh.ply")
    metric = bool({**facts["cameras"], **_known_better(context)}.get("metric", False))
    mesh = Standing.of(context.settings).mesh(mesh)
    return describe_surface(mesh, metric, facts["surface"].get("box"))


def _known_better(context: StageContext) -> dict[str, Any]:
    """What the user said of size and up in place of what the cameras' stage found."""
    known: dict[str, Any] = {}
    if context.settings["up"] != "auto":
        known.update(up="asked", up_note="what points up was given by --up")
    if context.settings["scale"] is not None:
        known.update(
            metric=True,
            scale="asked",
            scale_note=f"the size was multiplied by {context.settings['scale']:.6g} (--scale)",
            scale_error=None,
        )
    return known


def _radiance(facts: dict[str, dict[str, Any]]) -> Radiance | None:
    return Radiance(**facts["splats"]) if "splats" in facts else None


def _featureless(facts: dict[str, dict[str, Any]]) -> Featureless | None:
    if "hull" not in facts or "doubtful" not in facts.get("surface", {}):
        return None
    hull, surface = facts["hull"], facts["surface"]
    return Featureless(
        carried=hull["carried"],
        carried_note=hull["carried_note"],
        doubtful=surface["doubtful"],
        measured=surface["measured"],
        agreeing=surface.get("agreeing"),
        healed=hull["healed"],
        grounded=hull["grounded"],
    )


_TEXTURE_FACTS = (
    "coverage", "texels_per_pixel", "texels_per_unit", "unseen_faces", "photos_used", "rejected",
    "exposure_range", "seam_step", "worst_seam_step", "smoothing",
)  # fmt: skip


def _texture(facts: dict[str, dict[str, Any]]) -> Texture | None:
    if "texture" not in facts:
        return None
    baked = facts["texture"]
    return Texture(
        width=baked["size"],
        height=baked["size"],
        count=baked["textures"],
        used=baked["atlas_use"],
        **{name: baked[name] for name in _TEXTURE_FACTS},
        agreement_db=facts.get("previews", {}).get("agreement_db"),
    )


def _timing(record: StageRecord) -> StageTiming:
    return StageTiming(
        name=record.stage,
        label=record.label,
        seconds=record.seconds,
        cpu_seconds=record.cpu_seconds,
        peak_bytes=record.peak_bytes,
        continued=record.continued,
        warnings=tuple(record.warnings),
    )


def _options(records: dict[str, StageRecord]) -> dict[str, Any]:
    """The settings that the stages depended on, each once."""
    settings: dict[str, Any] = {}
    for record in records.values():
        settings |= record.ingredients["settings"]
    # Hundreds of poses are no option to read; the cameras' part of the report tells of them.
    if settings.get("known_cameras") is not None:
        settings["known_cameras"] = "given"
    return settings
