"""The Photo Scan: overlapping photos to a textured model. It reads top to bottom as its stages.

Each function is one stage. It runs in a child process and only there loads what it needs: pycolmap
may end its process, and must come after Pillow.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gypsum.errors import InputError
from gypsum.options import Settings
from gypsum.pipelines.masks import (
    GROUND,
    MASKS,
    OBJECT,
    SETS,
    attached,
    draw_masks,
    feature_masks,
    set_models,
)
from gypsum.pipelines.standing import DRAWN, WRITTEN, Standing
from gypsum.scene import Box, Capture, SparseModel, View
from gypsum.workspace import Pipeline, Stage, StageContext

if TYPE_CHECKING:
    from gypsum.cameras import KnownCameras, KnownLengths
    from gypsum.dense import Neighborhood

#: Bytes a photo takes in the workspace besides its depth map: copies, features, matches.
_DISK_PER_PHOTO = 12 * 2**20
#: Bytes per pixel of the depth maps: depth, normals and confidence, of two passes, uncompressed.
_DISK_PER_DEPTH_PIXEL = 60
#: Cloud, meshes, models and previews.
_DISK_FOR_RESULTS = 300 * 2**20

#: The share of matching that is done when the learned part begins.
_LEARNED_FROM = 0.1

#: What the libraries take, and the stages that need most for each pixel of a depth map.
_MEMORY_BASE = 600 * 2**20
_MEMORY_PER_DEPTH_PIXEL = 400


def read_photos(context: StageContext) -> None:
    """Decode, check and copy the photos."""
    from gypsum.capture import read_capture, sentences

    capture = read_capture(
        context.source,
        context.folder,
        context.progress,
        context.threads,
        context.settings["frames"],
        sets=context.settings["sets"],
    )
    for sentence in sentences(capture.skipped):
        context.warn(sentence)
    clips = Counter(photo.clip for photo in capture.photos if photo.clip is not None)
    context.facts.update(
        photos=len(capture.photos), skipped=len(capture.skipped), clips=dict(clips)
    )


def read_given_depth(context: StageContext) -> None:
    """Decode and check the depth maps that people brought for their photos."""
    from gypsum.capture.given_depth import read_depth_maps

    made, unusable = read_depth_maps(
        Capture.read(context.inputs["photos"]),
        Path(context.settings["depth_folder"][0]),
        context.folder / "depth",
        threads=context.threads,
        progress=context.progress,
    )
    for name, why in unusable.items():
        context.warn(f"The depth map {name} was left out: it {why}.")
    context.facts.update(maps=len(made), unusable=len(unusable))


def add_given_depth(context: StageContext) -> None:
    """Depths that were given, where the photos alone are not sure."""
    from gypsum.dense import complete_depth_maps

    completed = complete_depth_maps(
        SparseModel.read(context.inputs["cameras"] / "sparse"),
        context.inputs["given_depth"] / "depth",
        posed_views(context),
        context.inputs["depth"],
        context.folder,
        progress=context.progress,
    )
    for name, why in completed.left_out.items():
        context.warn(f"The depth map of {name} was not used: {why}.")
    shares = list(completed.used.values())
    context.facts.update(
        used=len(completed.used),
        left_out=completed.left_out,
        kind=completed.kind,
        filled=float(np.mean(shares)) if shares else 0.0,
    )


def find_features(context: StageContext) -> None:
    """Distinctive points of every photo."""
    from gypsum.cameras import detect_features
    from gypsum.pipelines.check import warn_of_photos

    photos = context.inputs["photos"]
    warn_of_photos(Capture.read(photos), photos / "photos", context)
    detect_features(
        Capture.read(photos),
        photos / "photos",
        context.folder,
        masks=feature_masks(context),
        long_side=context.settings["feature_side"],
        threads=context.threads,
        progress=context.progress,
    )


def match_photos(context: StageContext) -> None:
    """Which points of two photos are the same."""
    from gypsum.cameras import add_learned_matches, match_features

    photos = context.inputs["photos"]
    capture = Capture.read(photos)
    learned = context.settings["matcher"] == "learned"
    first = _LEARNED_FROM if learned else 1.0
    match_features(
        capture,
        context.inputs["features"],
        context.folder,
        known=_known_cameras(context),
        threads=context.threads,
        progress=lambda done, doing="": context.progress(first * done, doing),
    )
    if learned:
        add_learned_matches(
            capture,
            photos / "photos",
            context.inputs["features"],
            context.folder,
            threads=context.threads,
            progress=lambda done, doing="": context.progress(first + (1 - first) * done, doing),
        )


def find_cameras(context: StageContext) -> None:
    """Where each photo was taken, in the scan's common frame."""
    from gypsum.cameras import estimate_cameras

    photos = context.inputs["photos"]
    found = estimate_cameras(
        Capture.read(photos),
        photos / "photos",
        context.inputs["matches"],
        context.folder / "mapping",
        known=_known_cameras(context),
        sets=set_models(context.inputs),
        lengths=known_lengths(context.settings),
        threads=context.threads,
        progress=context.progress,
    )
    model, facts = found.model, found.facts
    # Poses that were given stay as they are.
    if "given_depth" in context.inputs and not facts["metric"] and facts["scale"] != "given":
        model, facts = _metric_by_depth(model, facts, context.inputs["given_depth"])
    model.write(context.folder / "sparse")
    for name, reason in facts["unregistered"].items():
        context.warn(f"{name} was left out: it {reason}.")
    for sentence in found.warnings:
        context.warn(sentence)
    context.facts.update(facts)


def _metric_by_depth(
    model: SparseModel, facts: dict[str, Any], given: Path
) -> tuple[SparseModel, dict[str, Any]]:
    """The model in metres where the depth maps that were given tell its size."""
    from gypsum.dense import meanings, metric_scale

    scale = metric_scale(*meanings(model, given / "depth"))
    if scale is None:
        return model, facts
    metres, error, maps = scale
    note = f"metres from {maps} depth maps, which agree within {100 * error:.2g} %"
    return model.transformed(metres, np.eye(3), np.zeros(3)), facts | {
        "metric": True,
        "scale": "depth maps",
        "scale_note": note,
        "scale_error": error,
        "scale_observations": maps,
    }


def _known_cameras(context: StageContext) -> KnownCameras | None:
    from gypsum.cameras import KnownCameras

    given = context.settings["known_cameras"]
    return None if given is None else KnownCameras.from_json(given)


def known_lengths(settings: Mapping[str, Any]) -> KnownLengths:
    """What the settings say about the object's size."""
    from gypsum.cameras import KnownLengths, MarkedPoint

    return KnownLengths(
        settings["marker_size"],
        tuple((a, b, length) for a, b, length in settings["distance"]),
        tuple(MarkedPoint(*point) for point in settings["points"]),
    )


def undistort_photos(context: StageContext) -> None:
    """Photos without lens distortion, as a COLMAP dense workspace."""
    from gypsum.dense import undistort

    undistort(
        SparseModel.read(context.inputs["cameras"] / "sparse"),
        context.inputs["photos"] / "photos",
        context.folder,
        threads=context.threads,
        progress=context.progress,
    )


def estimate_depth(context: StageContext) -> None:
    """How far away every pixel is; the folder becomes a complete COLMAP dense workspace."""
    from gypsum.dense import estimate_depth_maps, estimate_depth_maps_cuda, write_box
    from gypsum.surface import subject_box

    for name in ("images", "sparse"):
        _link(context.folder / name, context.inputs["undistort"] / name)
    views = posed_views(context)
    neighborhoods = _neighborhoods(context, views)
    side = context.settings["depth_side"]
    box = given_box(context)
    if context.settings["device"] == "cuda":
        write_box(context.folder, box)
        estimate_depth_maps_cuda(
            views, neighborhoods, context.folder, long_side=side, progress=context.progress
        )
    else:
        masked = any(view.mask for view in views)
        automatic = context.settings["box"] == "auto" and not masked
        estimate_depth_maps(
            views,
            neighborhoods,
            context.folder,
            long_side=side,
            box=subject_box if automatic else box,
            memory=context.memory,
            threads=context.threads,
            progress=context.progress,
        )
    context.facts["depth_maps"] = len(views)


def fuse_depth(context: StageContext) -> None:
    """One cloud of all the depth maps."""
    from gypsum.dense import fuse, read_box
    from gypsum.formats.ply import write_cloud
    from gypsum.formats.visibility import visibility_path, write_visibility

    views = posed_views(context)
    cloud = fuse(
        views,
        [neighborhood.sources for neighborhood in _neighborhoods(context, views)],
        context.inputs.get("completed", context.inputs["depth"]),
        box=read_box(context.inputs["depth"]),
        memory=context.memory,
        threads=context.threads,
        progress=context.progress,
    )
    path = context.folder / "cloud.ply"
    write_cloud(path, cloud)
    if cloud.views is not None:
        write_visibility(visibility_path(path), cloud.views)
    context.facts["points"] = len(cloud)


def build_surface(context: StageContext) -> None:
    """A surface through the cloud, in full detail."""
    from gypsum.dense import read_box
    from gypsum.formats.ply import read_cloud, write_mesh
    from gypsum.surface import SurfaceOptions, choose_region, reconstruct_surface

    cloud, views = read_cloud(context.inputs["fusion"] / "cloud.ply"), posed_views(context)
    asked = context.settings["box"]
    # Where all was measured, the whole cloud tells better than the photos alone.
    box = read_box(context.inputs["depth"]) or choose_region(cloud, () if asked == "off" else views)
    mesh = reconstruct_surface(
        cloud,
        views,
        SurfaceOptions(watertight=context.settings["watertight"]),
        box,
        threads=context.threads,
        progress=context.progress,
    )
    write_mesh(context.folder / "mesh.ply", mesh)
    low, high = box.bounds
    context.facts["box"] = {"how": box_words(asked), "low": low.tolist(), "high": high.tolist()}
    context.facts["faces"] = len(mesh.faces)


def refine_surface(context: StageContext) -> None:
    """The surface where the photos agree best."""
    from gypsum.formats.ply import read_mesh, write_mesh
    from gypsum.surface import RefineOptions, refine

    views = posed_views(context)
    patient = RefineOptions(comparisons=math.inf)
    mesh = refine(
        read_mesh(context.inputs["surface"] / "mesh.ply"),
        [view.limited(context.settings["depth_side"]) for view in views],
        [neighborhood.sources for neighborhood in _neighborhoods(context, views)],
        patient if context.settings["quality"] == "high" else RefineOptions(),
        threads=context.threads,
        memory=context.memory,
        progress=context.progress,
    )
    write_mesh(context.folder / "mesh.ply", mesh)
    context.facts["faces"] = len(mesh.faces)


def _full_mesh(context: StageContext) -> Path:
    """The mesh in full detail: refined where that was asked for."""
    return context.inputs.get("refine", context.inputs["surface"]) / "mesh.ply"


def simplify_surface(context: StageContext) -> None:
    """The surface with as many triangles as asked for."""
    from gypsum.formats.ply import read_mesh, write_mesh
    from gypsum.surface import simplify

    full = read_mesh(_full_mesh(context))
    mesh = simplify(full, context.settings["faces"])
    write_mesh(context.folder / "mesh.ply", mesh, normals=True)
    # No more are made than the full surface has.
    context.facts.update(
        faces=len(mesh.faces), asked=context.settings["faces"], available=len(full.faces)
    )


def paint_texture(context: StageContext) -> None:
    """The photos' colours on the surface."""
    from gypsum.formats.ply import read_mesh
    from gypsum.formats.textured import write_textured
    from gypsum.texture import bake_texture

    model, facts = bake_texture(
        read_mesh(context.inputs["simplify"] / "mesh.ply"),
        posed_views(context),
        context.settings["texture"],
        most_textures=context.settings["textures"],
        spare=context.settings["texture_spare"],
        smoothing=context.settings["texture_smoothing"],
        detail=read_mesh(_full_mesh(context)) if context.settings["normal_map"] else None,
        pbr=context.settings["pbr"],
        threads=context.threads,
        memory=context.memory,
        progress=context.progress,
    )
    write_textured(context.folder, model)
    context.facts.update(facts.as_dict())


def export_models(context: StageContext) -> None:
    """The model in every format asked for."""
    from gypsum.formats import FORMATS, write_model
    from gypsum.formats.textured import read_textured

    model = Standing.of(context.settings).model(read_textured(context.inputs["texture"]))
    formats = context.settings["formats"]
    files = []
    for done, name in enumerate(formats):
        context.progress(done / len(formats), f"writing {FORMATS[name].name}")
        path = context.folder / "models" / f"{context.settings['name']}{FORMATS[name].suffix}"
        written = write_model(path, model, name)
        size = sum(file.stat().st_size for file in written)
        files.append({"name": f"models/{path.name}", "format": name, "bytes": size})
    context.facts["files"] = files


def draw_previews(context: StageContext) -> None:
    """Pictures of the model from all around, and of the cameras around the cloud."""
    from gypsum.dense.colmap_workspace import map_path, read_map
    from gypsum.formats.ply import read_cloud
    from gypsum.formats.textured import read_textured
    from gypsum.report import write_previews

    standing = Standing.of(context.settings).drawn()
    drawn = write_previews(
        context.folder / "previews",
        standing.model(read_textured(context.inputs["texture"])),
        standing.cloud(read_cloud(context.inputs["fusion"] / "cloud.ply")),
        standing.sparse(SparseModel.read(context.inputs["cameras"] / "sparse")),
        standing.views(posed_views(context)),
        depth_of=lambda view: read_map(map_path(context.inputs["depth"], "depth", view.name)),
        threads=context.threads,
        progress=context.progress,
    )
    context.facts["agreement_db"] = drawn.agreement_db
    draw_masks(context, posed_views(context), context.folder / "previews")


def write_scan_report(context: StageContext) -> None:
    """What the stages found out, for people and programs."""
    from gypsum.pipelines.findings import collect
    from gypsum.report import find_coverage, write_report

    coverage = find_coverage(SparseModel.read(context.inputs["cameras"] / "sparse"))
    write_report(context.folder, collect(context), _previews(context), coverage)


def _neighborhoods(context: StageContext, views: Sequence[View]) -> list[Neighborhood]:
    """The photos with which each is compared, and where its depths lie."""
    from gypsum.dense import choose_neighbors

    model = SparseModel.read(context.inputs["undistort"] / "sparse")
    return choose_neighbors(model, views, context.settings["depth_photos"])


def box_words(asked: object) -> str:
    """How the report calls what was asked for as a box."""
    return {"auto": "automatic", "off": "everything"}.get(str(asked), "given")


def given_box(context: StageContext) -> Box | None:
    """The box that was asked for by its corners."""
    asked = context.settings["box"]
    if isinstance(asked, str):
        return None
    box = Box.between(asked[:3], asked[3:])
    points = SparseModel.read(context.inputs["undistort"] / "sparse").points
    if not box.contains(points).any():
        low, high = (
            " ".join(f"{value:.3g}" for value in np.quantile(points, share, axis=0))
            for share in (0.02, 0.98)
        )
        raise InputError(
            f"Nothing of the scan lies in the box given with --box; most of it lies between {low} "
            f"and {high}."
        )
    return box


def _previews(context: StageContext) -> Path | None:
    previews = context.inputs.get("previews")
    return None if previews is None else previews / "previews"


def posed_views(context: StageContext) -> list[View]:
    """The undistorted photos with their cameras and masks."""
    from gypsum.dense import read_views

    return attached(read_views(context.inputs["undistort"]), context.inputs)


def _link(path: Path, target: Path) -> None:
    """A relative link, so that a workspace can be moved."""
    path.unlink(missing_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))


def disk_needed(photos: int, settings: Settings) -> int:
    """Bytes that a scan's workspace may take."""
    pixels = settings["depth_side"] ** 2 * 3 // 4
    return int(_DISK_FOR_RESULTS + photos * (_DISK_PER_PHOTO + pixels * _DISK_PER_DEPTH_PIXEL))


def memory_needed(settings: Settings) -> int:
    """Bytes without which a scan does not get through."""
    pixels = settings["depth_side"] ** 2 * 3 // 4
    return int(_MEMORY_BASE + pixels * _MEMORY_PER_DEPTH_PIXEL)


_HERE = "gypsum.pipelines.photo"

_EVERYTHING = (
    "photos", "masks", "sets", "given_depth", "features", "matches", "cameras", "undistort",
    "object", "depth", "ground", "completed", "fusion", "surface", "refine", "simplify", "texture",
    "export", "previews",
)  # fmt: skip

PHOTO_SCAN = Pipeline(
    "photo",
    (
        Stage(
            "photos",
            "Reading the photos",
            f"{_HERE}:read_photos",
            "cameras",
            settings=("frames", "sets"),
            version=4,
            cost=2,
        ),
        MASKS,
        SETS,
        Stage(
            "given_depth",
            "Reading the depth maps",
            f"{_HERE}:read_given_depth",
            "cameras",
            needs=("photos",),
            settings=("depth_folder",),
            cost=2,
            when="depth_folder",
        ),
        Stage(
            "features",
            "Finding details in the photos",
            f"{_HERE}:find_features",
            "cameras",
            needs=("photos", "masks", "sets"),
            settings=("feature_side",),
            cost=25,
            version=3,
        ),
        Stage(
            "matches",
            "Finding the same details in other photos",
            f"{_HERE}:match_photos",
            "cameras",
            needs=("photos", "features"),
            settings=("known_cameras", "matcher"),
            cost=20,
            version=3,
        ),
        Stage(
            "cameras",
            "Finding where the photos were taken",
            f"{_HERE}:find_cameras",
            "cameras",
            needs=("photos", "sets", "given_depth", "matches"),
            settings=("known_cameras", "marker_size", "distance", "points"),
            publishes=("sparse",),
            cost=20,
            version=4,
        ),
        Stage(
            "undistort",
            "Removing the lens's distortion",
            f"{_HERE}:undistort_photos",
            "dense",
            needs=("photos", "cameras"),
            cost=3,
        ),
        OBJECT,
        Stage(
            "depth",
            "Measuring distances in the photos",
            f"{_HERE}:estimate_depth",
            "dense",
            needs=("undistort", "object"),
            settings=("depth_side", "depth_photos", "device", "box"),
            version=3,
            cost=400,
        ),
        GROUND,
        Stage(
            "completed",
            "Adding the depths that were given",
            f"{_HERE}:add_given_depth",
            "dense",
            needs=("given_depth", "cameras", "undistort", "object", "ground", "depth"),
            cost=5,
            when="depth_folder",
        ),
        Stage(
            "fusion",
            "Joining the distances to points in space",
            f"{_HERE}:fuse_depth",
            "dense",
            needs=("undistort", "object", "ground", "depth", "completed"),
            settings=("depth_photos",),
            publishes=("cloud.ply",),
            version=6,
            cost=15,
        ),
        Stage(
            "surface",
            "Laying a surface through the points",
            f"{_HERE}:build_surface",
            "surface",
            needs=("undistort", "object", "ground", "depth", "fusion"),
            settings=("watertight", "box"),
            version=7,
            cost=80,
        ),
        Stage(
            "refine",
            "Refining the surface with the photos",
            f"{_HERE}:refine_surface",
            "surface",
            needs=("undistort", "object", "ground", "surface"),
            settings=("depth_side", "depth_photos", "quality"),
            version=3,
            cost=80,
            when="refine",
        ),
        Stage(
            "simplify",
            "Simplifying the surface",
            f"{_HERE}:simplify_surface",
            "surface",
            needs=("surface", "refine"),
            settings=("faces",),
            publishes=("mesh.ply",),
            version=2,
            cost=8,
        ),
        Stage(
            "texture",
            "Painting the surface with the photos",
            f"{_HERE}:paint_texture",
            "texture",
            needs=("undistort", "object", "ground", "surface", "refine", "simplify"),
            settings=(
                "texture",
                "texture_spare",
                "textures",
                "texture_smoothing",
                "normal_map",
                "pbr",
            ),
            version=4,
            cost=50,
        ),
        Stage(
            "export",
            "Writing the model",
            f"{_HERE}:export_models",
            "files",
            version=2,
            needs=("texture",),
            settings=("name", "formats", *WRITTEN),
            publishes=("models",),
            cost=3,
        ),
        Stage(
            "previews",
            "Drawing pictures of the model",
            f"{_HERE}:draw_previews",
            "files",
            needs=("cameras", "undistort", "object", "ground", "depth", "fusion", "texture"),
            settings=DRAWN,
            publishes=("previews",),
            version=2,
            cost=30,
        ),
        Stage(
            "report",
            "Writing the report",
            f"{_HERE}:write_scan_report",
            "files",
            needs=_EVERYTHING,
            settings=("name", "until", "quality", *WRITTEN),
            publishes=("report.json", "report.html"),
            cost=1,
            always=True,
        ),
    ),
)
