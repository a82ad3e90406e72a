"""The Splat Scan: overlapping photos to a radiance field of 3D Gaussians, and to a mesh of that.

It begins as the Photo Scan does, with the same stages: both modes share what a workspace holds of
photos, cameras and undistorted photos. Where a mesh is wanted it also ends as that does.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gypsum.options import Settings
from gypsum.pipelines.masks import draw_masks
from gypsum.pipelines.photo import PHOTO_SCAN, box_words, given_box, posed_views
from gypsum.pipelines.standing import DRAWN, WRITTEN, Standing
from gypsum.scene import PointCloud, SparseModel
from gypsum.workspace import Pipeline, Stage, StageContext

#: The stages of the Photo Scan with which this one begins: all that come before the depth maps.
_SHARED = tuple(takewhile(lambda stage: stage.name != "depth", PHOTO_SCAN.stages))
#: Those of them that make views.
_VIEWS = tuple(stage.name for stage in _SHARED if stage.name in ("undistort", "object"))

#: Bytes a photo takes in the workspace besides what it is trained on, and of each pixel of that.
_DISK_PER_PHOTO = 12 * 2**20
_DISK_PER_PIXEL = 4
#: Of its depths and weights, while a mesh is made.
_DISK_PER_DEPTH = 8
#: The splats' file, pictures, and the state that an interrupted training goes on from.
_DISK_PER_SPLAT = 1200
_DISK_FOR_RESULTS = 100 * 2**20

#: What the libraries take; of a splat its numbers, their derivatives and their moments, and its
#: share of the lists; of a pixel all that is computed of it.
_MEMORY_BASE = 600 * 2**20
_MEMORY_PER_SPLAT = 2500
_MEMORY_PER_PIXEL = 150

_FILE = "splats.ply"

OF_SPLATS = ("ply", "compressed.ply", "spz", "sog", "splat")
"""Formats of a splat scan that hold splats; all others hold a mesh of them."""

#: Bytes that a mesh needs besides, and the share of the memory that its field may take.
_DISK_FOR_MESH = 300 * 2**20
_MEMORY_FOR_MESH = 900 * 2**20
_VOLUME_SHARE = 0.4

#: Steps that no one waits for.
_ENDLESS = 10**9

_PORTRAIT = (1200, 900)
_FRAMES, _FRAME, _FRAME_MILLISECONDS = 48, (640, 480), 90
_COMPARED = 3


def train_splats(context: StageContext) -> None:
    """Gaussians that look like the photos from their places."""
    from gypsum.formats.ply import write_splats
    from gypsum.splats import TrainOptions, fit

    settings = context.settings
    steps = settings["splat_steps"]
    fitted = fit(
        SparseModel.read(context.inputs["undistort"] / "sparse"),
        posed_views(context),
        context.folder,
        TrainOptions(
            splats=settings["splats"],
            # A time says alone when to stop.
            iterations=steps if settings["minutes"] is None else _ENDLESS,
            minutes=settings["minutes"],
            surface=settings["splat_mesh"],
            threads=context.threads,
            device=settings["device"],
        ),
        long_side=settings["splat_side"],
        progress=context.progress,
    )
    write_splats(context.folder / _FILE, fitted.splats)
    mean = fitted.mean
    context.facts.update(
        splats=len(fitted.splats),
        degree=fitted.splats.degree,
        steps=fitted.iterations,
        side=settings["splat_side"],
        psnr=None if mean is None else mean.psnr,
        ssim=None if mean is None else mean.ssim,
        held_out=[
            {"name": name, "psnr": score.psnr, "ssim": score.ssim}
            for name, score in fitted.scores.items()
        ],
    )


def export_splats(context: StageContext) -> None:
    """The splats in files of the output's name."""
    from gypsum.formats import SPLAT_FORMATS, read_splats, write_asset
    from gypsum.workspace.folder import copy

    trained = context.inputs["splats"] / _FILE
    standing = Standing.of(context.settings)
    folder = context.folder / "models"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, name in enumerate(context.settings["formats"]):
        if name not in OF_SPLATS:
            files += _export_mesh(context, folder, name)
            continue
        path = folder / f"{context.settings['name']}{SPLAT_FORMATS[name].suffix}"
        context.progress(number / len(context.settings["formats"]), f"writing {path.name}")
        if name == "ply" and standing.is_plain:
            copy(trained, path)
        else:
            write_asset(path, standing.splats(read_splats(trained)), name)
        size = path.stat().st_size
        files.append({"name": f"models/{path.name}", "format": name, "bytes": size})
    context.facts["files"] = files


def _export_mesh(context: StageContext, folder: Path, name: str) -> list[dict[str, Any]]:
    """The textured mesh in one format."""
    from gypsum.formats import FORMATS, write_model
    from gypsum.formats.textured import read_textured

    path = folder / f"{context.settings['name']}{FORMATS[name].suffix}"
    model = Standing.of(context.settings).model(read_textured(context.inputs["texture"]))
    written = write_model(path, model, name)
    size = sum(file.stat().st_size for file in written)
    return [{"name": f"models/{path.name}", "format": name, "bytes": size}]


def build_surface(context: StageContext) -> None:
    """The surface that the splats show to the photos' places."""
    from gypsum.formats import read_splats
    from gypsum.formats.ply import write_mesh
    from gypsum.pipelines.splat_surface import surface_of_splats
    from gypsum.splats.fit import spread

    views, asked = posed_views(context), context.settings["box"]
    found = surface_of_splats(
        read_splats(context.inputs["splats"] / _FILE),
        [view.limited(context.settings["splat_side"]) for view in views],
        context.folder / "depths",
        extent=spread(views),
        box=given_box(context),
        everything=asked == "off",
        watertight=context.settings["watertight"],
        threads=context.threads,
        memory=int(_VOLUME_SHARE * context.memory),
        progress=context.progress,
    )
    write_mesh(context.folder / "mesh.ply", found.mesh)
    low, high = found.box.bounds
    context.facts["box"] = {"how": box_words(asked), "low": low.tolist(), "high": high.tolist()}
    context.facts["faces"] = len(found.mesh.faces)


def draw_pictures(context: StageContext) -> None:
    """Pictures of the splats, and of the mesh where there is one."""
    if "texture" in context.inputs:
        from gypsum.formats.textured import read_textured
        from gypsum.report import write_previews

        standing = Standing.of(context.settings).drawn()
        sparse = standing.sparse(SparseModel.read(context.inputs["cameras"] / "sparse"))
        points = sparse.points.astype(np.float32)
        drawn = write_previews(
            context.folder / "previews",
            standing.model(read_textured(context.inputs["texture"])),
            PointCloud(points, np.zeros_like(points), sparse.colors),
            sparse,
            standing.views(posed_views(context)),
            threads=context.threads,
            progress=lambda done, doing="": context.progress(done / 2, doing),
        )
        context.facts["agreement_db"] = drawn.agreement_db
    _draw_splats(context)
    draw_masks(context, posed_views(context), context.folder / "previews")


def _draw_splats(context: StageContext) -> None:
    """Pictures of the splats from between the photos, and beside photos."""
    from gypsum.formats.atomic import atomic_write
    from gypsum.formats.ply import read_splats
    from gypsum.report import pictures
    from gypsum.splats import render
    from gypsum.splats.fit import held_out, spread
    from gypsum.splats.pictures import beside, loop

    splats = read_splats(context.inputs["splats"] / _FILE)
    views = posed_views(context)
    extent, threads = spread(views), context.threads
    folder = context.folder / "previews"
    folder.mkdir(parents=True, exist_ok=True)
    frames = []
    for number, view in enumerate(loop(views, _FRAMES, *_FRAME)):
        context.progress(number / (_FRAMES + 4), "flying around")
        drawn, _ = render(splats, view, extent=extent, threads=threads)
        frames.append(Image.fromarray(drawn))
    with atomic_write(folder / pictures.SPLATS_TURN.file) as file:
        frames[0].save(
            file, "WEBP", save_all=True, append_images=frames[1:], loop=0, quality=80, method=3,
            duration=_FRAME_MILLISECONDS,
        )  # fmt: skip
    context.progress(_FRAMES / (_FRAMES + 4), "drawing the splats")
    portrait, _ = render(splats, loop(views, 1, *_PORTRAIT)[0], extent=extent, threads=threads)
    with atomic_write(folder / pictures.SPLATS.file) as file:
        Image.fromarray(portrait).save(file, "PNG")
    numbers = held_out(len(views)) or list(range(len(views)))
    some = [views[n] for n in numbers[:: max(1, len(numbers) // _COMPARED)][:_COMPARED]]
    both = beside(splats, [view.limited(800) for view in some], extent, threads)
    with atomic_write(folder / pictures.SPLATS_COMPARISON.file) as file:
        Image.fromarray(np.ascontiguousarray(both)).save(file, "JPEG", quality=88)


def disk_needed(photos: int, settings: Settings) -> int:
    """Bytes that a scan's workspace may take."""
    pixels = settings["splat_side"] ** 2 * 3 // 4
    per_photo = _DISK_PER_PHOTO + pixels * _DISK_PER_PIXEL
    mesh = 0
    if settings["splat_mesh"]:
        mesh = _DISK_FOR_MESH + photos * pixels * _DISK_PER_DEPTH
    return int(_DISK_FOR_RESULTS + mesh + photos * per_photo + settings["splats"] * _DISK_PER_SPLAT)


def memory_needed(settings: Settings) -> int:
    """Bytes without which a scan does not get through."""
    pixels = settings["splat_side"] ** 2 * 3 // 4
    mesh = _MEMORY_FOR_MESH if settings["splat_mesh"] else 0
    splats = settings["splats"] * _MEMORY_PER_SPLAT
    return int(max(_MEMORY_BASE + splats + pixels * _MEMORY_PER_PIXEL, mesh))


def _as_in_photos(name: str, needs: tuple[str, ...], when: str = "") -> Stage:
    """A stage of the Photo Scan that is given other inputs."""
    stage = next(stage for stage in PHOTO_SCAN.stages if stage.name == name)
    return replace(stage, needs=needs, when=when)


_MESH = ("surface", "simplify", "texture")
_EVERYTHING = (*(stage.name for stage in _SHARED), "splats", *_MESH, "export", "previews")


_HERE = "gypsum.pipelines.splat"

SPLAT_SCAN = Pipeline(
    "splat",
    (
        *_SHARED,
        Stage(
            "splats",
            "Training the splats",
            f"{_HERE}:train_splats",
            "splats",
            needs=_VIEWS,
            settings=("splats", "splat_side", "splat_steps", "minutes", "splat_mesh", "device"),
            publishes=("preview.jpg",),
            cost=600,
            version=3,
        ),
        Stage(
            "surface",
            "Laying a surface through the splats",
            f"{_HERE}:build_surface",
            "surface",
            needs=(*_VIEWS, "splats"),
            settings=("splat_side", "watertight", "box"),
            cost=60,
            when="splat_mesh",
        ),
        _as_in_photos("simplify", ("surface",), "splat_mesh"),
        _as_in_photos("texture", (*_VIEWS, "surface", "simplify"), "splat_mesh"),
        Stage(
            "export",
            "Writing the splats",
            f"{_HERE}:export_splats",
            "files",
            needs=("splats", "texture"),
            settings=("name", "formats", *WRITTEN),
            publishes=("models",),
            cost=1,
        ),
        Stage(
            "previews",
            "Drawing pictures of the splats",
            f"{_HERE}:draw_pictures",
            "files",
            needs=("cameras", *_VIEWS, "splats", "texture"),
            settings=DRAWN,
            publishes=("previews",),
            cost=10,
            version=2,
        ),
        _as_in_photos("report", _EVERYTHING),
    ),
)
