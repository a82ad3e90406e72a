"""The LiDAR Scan: frames with depth to a textured model. It reads top to bottom as its stages.

It meets the Photo Scan again when there is a surface: simplifying, writing and reporting are the
same stages.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gypsum.options import Settings
from gypsum.pipelines.photo import PHOTO_SCAN
from gypsum.pipelines.standing import DRAWN, Standing
from gypsum.scene import (
    Box,
    Camera,
    Photo,
    PointCloud,
    RgbdFrame,
    SparseModel,
    View,
    read_frames,
    write_frames,
)
from gypsum.workspace import Pipeline, Stage, StageContext

if TYPE_CHECKING:
    from gypsum.cameras.depth_poses import PlacedFrames

#: Bytes a frame takes in the workspace: its picture and maps.
_DISK_PER_FRAME = 3 * 2**20
_DISK_FOR_RESULTS = 600 * 2**20
#: Frames that are taken at most where nothing else is asked for.
_FRAMES = 300
_MEMORY_NEEDED = 1200 * 2**20
#: Points of the cloud that pictures of the scan show, and of the sparse model.
_CLOUD_POINTS, _SPARSE_POINTS = 400_000, 4_000
#: Pictures that the texture is painted from, at most: the sharpest of each stretch of the way.
_PAINTED_FROM = 120
#: Pictures that are measured by stereo at most, spread likewise, and their long side, pixels; each
#: is compared with so many others. Voxels hold no more detail.
_MEASURED = {"draft": (24, 640), "normal": (30, 640), "high": (120, 960)}
_MEASURED_AGAINST = 4


def read_depth_capture(context: StageContext) -> None:
    """Decode and check the frames."""
    from gypsum.capture import sentences
    from gypsum.capture.rgbd import read_rgbd

    capture = read_rgbd(
        context.source,
        context.folder,
        context.progress,
        context.threads,
        context.settings["frames"],
    )
    for sentence in sentences(capture.skipped):
        context.warn(sentence)
    context.facts.update(
        app=capture.app,
        given=capture.given,
        photos=sum(frame.color is not None for frame in capture.frames),
        depth_maps=sum(frame.depth is not None for frame in capture.frames),
        skipped=len(capture.skipped),
        clips={},
        gravity=capture.gravity,
    )


def place_frames(context: StageContext) -> None:
    """Where each frame was taken: as the capture says, refined; or found without that."""
    from gypsum.cameras.depth_poses import place_depth_frames

    source = context.inputs["photos"]
    placed = place_depth_frames(
        read_frames(source), threads=context.threads, progress=context.progress
    )
    frames = placed.frames
    for name in placed.lost:
        context.warn(f"Frame {name} was left out: it shows too little of what others show.")
    _link(context.folder / "images", source / "photos")
    for name in ("photos", "depth", "confidence"):
        _link(context.folder / name, source / name)
    write_frames(context.folder, [_moved(frame, source, context.folder) for frame in frames])
    sparse_model(frames).write(context.folder / "sparse")
    context.facts.update(
        metric=True,
        up="given" if placed.drift is not None else "guess",
        up_note="up is as the capture says"
        if placed.drift is not None
        else "the capture does not say which way is up: the first picture is taken for level",
        scale="given",
        scale_note=f"the size is that of the depth maps, in metres; {_drift_in_words(placed)}",
        unregistered={},
        drift={
            "refined": placed.refined,
            "mean_m": placed.drift,
            "worst_m": placed.worst,
            "turn_degrees": placed.turn,
            "misfit_before_m": placed.before,
            "misfit_after_m": placed.after,
            "pairs": placed.pairs,
            "loops": placed.loops,
            "matches": placed.matches,
        },
    )


def _drift_in_words(placed: PlacedFrames) -> str:
    """What became of the poses, for the report."""
    if placed.drift is None or placed.worst is None or placed.turn is None:
        return "the camera was tracked from the frames alone"
    if not placed.refined:
        return "the poses given were kept, because no others fit the depth maps better"
    return (
        f"the poses given had drifted by {100 * placed.drift:.1f} cm and {placed.turn:.1f}° on "
        f"average ({100 * placed.worst:.1f} cm at most), which was corrected"
    )


def _moved(frame: RgbdFrame, source: Path, target: Path) -> RgbdFrame:
    """The frame with its files under another folder."""

    def at(path: Path | None) -> Path | None:
        return None if path is None else target / path.relative_to(source)

    return replace(
        frame, color=at(frame.color), depth=at(frame.depth), confidence=at(frame.confidence)
    )


def sparse_model(frames: list[RgbdFrame]) -> SparseModel:
    """The frames' pictures as a sparse model, with some points of their depth maps."""
    cameras, photos = {}, {}
    points, colors = [], []
    pictured = [frame for frame in frames if frame.color is not None and frame.R is not None]
    share = max(1, _SPARSE_POINTS // max(1, len(pictured)))
    rng = np.random.default_rng(0)
    for number, frame in enumerate(pictured, 1):
        K = frame.K
        params = np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
        cameras[number] = Camera(number, "PINHOLE", frame.width, frame.height, params)
        assert frame.color is not None
        assert frame.R is not None
        assert frame.t is not None
        photos[number] = Photo(
            number, frame.color.name, number, frame.R, frame.t, np.zeros((0, 2)),
            np.zeros(0, np.int64),
        )  # fmt: skip
        if frame.depth is not None:
            some, tones = _some_points(frame, share, rng)
            points.append(some)
            colors.append(tones)
    cloud = np.concatenate(points) if points else np.zeros((0, 3))
    return SparseModel(
        cameras,
        photos,
        np.arange(1, len(cloud) + 1),
        cloud,
        np.concatenate(colors) if colors else np.zeros((0, 3), np.uint8),
        np.zeros(len(cloud)),
    )


def _some_points(
    frame: RgbdFrame, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """World points (N, 3) of a frame's depth map and their colours."""
    depth = frame.read_depth()
    height, width = depth.shape
    rows, columns = np.nonzero(depth)
    some = rng.permutation(len(rows))[:count]
    rows, columns = rows[some], columns[some]
    K = frame.intrinsics(width, height)
    z = depth[rows, columns].astype(np.float64)
    x, y = (columns + 0.5 - K[0, 2]) / K[0, 0], (rows + 0.5 - K[1, 2]) / K[1, 1]
    assert frame.R is not None
    assert frame.t is not None
    points = (np.stack([x * z, y * z, z], axis=1) - frame.t) @ frame.R
    view = picture_view(frame).resized(width, height)
    return points, view.read()[rows, columns]


def picture_view(frame: RgbdFrame) -> View:
    """The frame's picture as a view."""
    assert frame.color is not None
    assert frame.R is not None
    assert frame.t is not None
    return View(frame.color.name, frame.color, frame.width, frame.height, frame.K, frame.R, frame.t)


def measure_in_pictures(context: StageContext) -> None:
    """Depths by stereo between the pictures, for what is too thin for the sensor."""
    from gypsum.dense import measure_pictures

    most, side = _MEASURED[context.settings["quality"]]
    measured = measure_pictures(
        [f for f in read_frames(context.inputs["cameras"]) if f.R is not None],
        sharpest_frames(context, most),
        context.folder,
        side=side,
        sources=_MEASURED_AGAINST,
        memory=context.memory,
        threads=context.threads,
        progress=context.progress,
    )
    write_frames(context.folder, measured.frames)
    context.facts.update(
        pictures=len(measured.frames), share=measured.share, left_out=measured.left_out
    )


def fuse_depth_maps(context: StageContext) -> None:
    """One surface of all depth maps."""
    from gypsum.formats.ply import write_cloud, write_mesh
    from gypsum.surface.depth_fusion import fuse_frames

    asked = context.settings["box"]
    box = None if isinstance(asked, str) else Box.between(asked[:3], asked[3:])
    fused = fuse_frames(
        read_frames(context.inputs["cameras"]),
        voxel=context.settings["voxel"],
        box=box,
        memory=context.memory,
        threads=context.threads,
        progress=context.progress,
        pictured=read_frames(context.inputs["stereo"]),
    )
    write_mesh(context.folder / "mesh.ply", fused.mesh)
    step = max(1, len(fused.mesh.vertices) // _CLOUD_POINTS)
    points = fused.mesh.vertices[::step]
    write_cloud(
        context.folder / "cloud.ply",
        PointCloud(
            points,
            fused.mesh.vertex_normals()[::step],
            np.full((len(points), 3), 170, np.uint8),
        ),
    )
    context.facts.update(
        faces=len(fused.mesh.faces),
        points=len(fused.mesh.vertices),
        depth_maps=fused.maps,
        voxel=fused.voxel,
        truncation=fused.truncation,
        noise=fused.noise,
    )


def paint_from_frames(context: StageContext) -> None:
    """The pictures' colours on the surface."""
    from gypsum.formats.ply import read_mesh
    from gypsum.formats.textured import write_textured
    from gypsum.texture import bake_texture

    settings = context.settings
    model, facts = bake_texture(
        read_mesh(context.inputs["simplify"] / "mesh.ply"),
        painting_views(context),
        settings["texture"],
        most_textures=settings["textures"],
        spare=settings["texture_spare"],
        smoothing=settings["texture_smoothing"],
        detail=read_mesh(context.inputs["surface"] / "mesh.ply")
        if settings["normal_map"]
        else None,
        pbr=settings["pbr"],
        threads=context.threads,
        memory=context.memory,
        progress=context.progress,
    )
    write_textured(context.folder, model)
    context.facts.update(facts.as_dict())


def painting_views(context: StageContext) -> list[View]:
    """The views that the texture is painted from."""
    frames = sharpest_frames(context, _PAINTED_FROM)
    if not frames:
        from gypsum.errors import InputError

        raise InputError("The capture has no colour pictures, so there is no texture; use --until.")
    return [picture_view(frame) for frame in frames]


def sharpest_frames(context: StageContext, most: int) -> list[RgbdFrame]:
    """At most so many placed frames with pictures: the sharpest of each stretch of the way."""
    from gypsum.scene import Capture

    sharpness = {
        photo.name: photo.sharpness for photo in Capture.read(context.inputs["photos"]).photos
    }
    frames = [
        frame
        for frame in read_frames(context.inputs["cameras"])
        if frame.color is not None and frame.R is not None
    ]
    if not frames:
        return []
    stretches = np.array_split(np.arange(len(frames)), min(most, len(frames)))
    best = [max(s, key=lambda n: (sharpness[f"{frames[n].name}.jpg"], -n)) for s in stretches]
    return [frames[n] for n in best]


def draw_previews(context: StageContext) -> None:
    """Pictures of the model from all around, and of the way around it."""
    from gypsum.formats.ply import read_cloud
    from gypsum.formats.textured import read_textured
    from gypsum.report import write_previews

    frames = {
        frame.color.name: frame
        for frame in read_frames(context.inputs["cameras"])
        if frame.color is not None and frame.depth is not None
    }

    def depth_of(view: View) -> np.ndarray | None:
        return frames[view.name].read_depth() if view.name in frames else None

    standing = Standing.of(context.settings).drawn()
    drawn = write_previews(
        context.folder / "previews",
        standing.model(read_textured(context.inputs["texture"])),
        standing.cloud(read_cloud(context.inputs["surface"] / "cloud.ply")),
        standing.sparse(SparseModel.read(context.inputs["cameras"] / "sparse")),
        standing.views(painting_views(context)),
        depth_of=depth_of,
        threads=context.threads,
        progress=context.progress,
    )
    context.facts["agreement_db"] = drawn.agreement_db


def _link(path: Path, target: Path) -> None:
    """A relative link, so that a workspace can be moved."""
    path.unlink(missing_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))


def disk_needed(settings: Settings) -> int:
    """Bytes that a scan's workspace may take."""
    return int(_DISK_FOR_RESULTS + (settings["frames"] or _FRAMES) * _DISK_PER_FRAME)


def memory_needed() -> int:
    """Bytes without which a scan does not get through."""
    return _MEMORY_NEEDED


_HERE = "gypsum.pipelines.lidar"


def _shared(name: str, needs: tuple[str, ...], cost: float) -> Stage:
    """A stage of the Photo Scan, on what there is here."""
    stage = next(stage for stage in PHOTO_SCAN.stages if stage.name == name)
    return replace(stage, needs=needs, cost=cost)


LIDAR_SCAN = Pipeline(
    "lidar",
    (
        Stage(
            "photos",
            "Reading the frames",
            f"{_HERE}:read_depth_capture",
            "cameras",
            settings=("frames",),
            cost=6,
        ),
        Stage(
            "cameras",
            "Finding where the frames were taken",
            f"{_HERE}:place_frames",
            "cameras",
            needs=("photos",),
            publishes=("sparse",),
            cost=40,
        ),
        Stage(
            "stereo",
            "Measuring depths in the pictures",
            f"{_HERE}:measure_in_pictures",
            "dense",
            needs=("photos", "cameras"),
            settings=("quality",),
            version=2,
            cost=50,
        ),
        Stage(
            "surface",
            "Joining the depth maps to a surface",
            f"{_HERE}:fuse_depth_maps",
            "surface",
            needs=("cameras", "stereo"),
            settings=("voxel", "box"),
            version=4,
            publishes=("cloud.ply",),
            cost=10,
        ),
        _shared("simplify", ("surface",), 10),
        Stage(
            "texture",
            "Painting the surface with the pictures",
            f"{_HERE}:paint_from_frames",
            "texture",
            needs=("photos", "cameras", "surface", "simplify"),
            settings=(
                "texture",
                "texture_spare",
                "textures",
                "texture_smoothing",
                "normal_map",
                "pbr",
            ),
            cost=50,
        ),
        _shared("export", ("texture",), 3),
        Stage(
            "previews",
            "Drawing pictures of the model",
            f"{_HERE}:draw_previews",
            "files",
            needs=("photos", "cameras", "surface", "texture"),
            settings=DRAWN,
            publishes=("previews",),
            cost=30,
        ),
        _shared(
            "report",
            ("photos", "cameras", "surface", "simplify", "texture", "export", "previews"),
            1,
        ),
    ),
)
