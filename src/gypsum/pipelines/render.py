"""``gypsum.render``: pictures and films of splats and models along a path."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.errors import InputError
from gypsum.formats import Asset, read_asset
from gypsum.formats.atomic import atomic_write
from gypsum.formats.film import Film
from gypsum.options import Backdrop, CameraPath, RenderOptions, Shown, render_options
from gypsum.scene import PointCloud, Progress, Splats, TexturedMesh, View, no_progress
from gypsum.splats.paths import Subject

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
StrPath = str | os.PathLike[str]

_FRAMES, _SIZE = 120, (1280, 720)
#: Levels of a depth PNG in a unit, and the most that it holds.
_LEVELS, _MOST = 1000.0, 65535
_COLORS = {
    Backdrop.WHITE: (255, 255, 255),
    Backdrop.BLACK: (0, 0, 0),
    Backdrop.GREY: (128, 128, 128),
    Backdrop.NONE: (0, 0, 0),
}


@dataclass(frozen=True)
class RenderResult:
    """What was written."""

    output: Path
    """The film, the picture, or the folder."""
    files: tuple[Path, ...]
    frames: int
    size: tuple[int, int]
    """Width and height of the first."""


@dataclass(frozen=True)
class Drawn:
    """One picture of whatever it is."""

    color: UInt8
    """(height, width, 3) sRGB, on black where nothing is; what shines through is added to it."""
    opacity: Float32
    """(height, width) 0 to 1."""
    depth: Float32
    """(height, width) along z, 0 where nothing is."""
    normals: Float32
    """(height, width, 3) camera frame (x right, y down, z forward), zero where nothing is."""


Draw = Callable[[View], Drawn]


def render(
    source: StrPath,
    output: StrPath | None = None,
    *,
    progress: Progress = no_progress,
    **options: Any,
) -> RenderResult:
    """Draw splats or a model: a picture, a folder of pictures or a film.

    Args:
        source: a file of any format that ``gypsum.convert`` reads.
        output: ``.mp4``, ``.png`` or a folder.
        progress: called with the share that is done and what is being done.
        options: see the signature; ``docs/options.md`` explains each.

    Raises:
        InputError: a file or an option can't be used.
        ResourceError: the output can't be written.
    """
    wanted = render_options({**options, **({} if output is None else {"output": output})})
    path = Path(source)
    _check(path, wanted)
    progress(0.0, f"reading {path.name}")
    up_axis = None if wanted.up_axis is None else wanted.up_axis.value
    asset = read_asset(path, up_axis=up_axis)
    if isinstance(asset, PointCloud):
        raise InputError(f"{path.name} holds points, which have no surface to draw.")
    views = _views(asset, wanted)
    draw = _drawing(asset, views, wanted)
    pictures = _pictures(draw, views, wanted, progress)
    files = _write(pictures, views, wanted)
    progress(1.0, "drawn")
    return RenderResult(wanted.output, tuple(files), len(views), (views[0].width, views[0].height))


def _signature() -> inspect.Signature:
    """The options as keyword arguments, from the one place where they are declared."""
    fixed = [p for p in inspect.signature(render).parameters.values() if p.name != "options"]
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=info.default, annotation=info.annotation
        )
        for name, info in RenderOptions.model_fields.items()
        if name != "output"
    ]
    return inspect.Signature([*fixed, *keywords], return_annotation=RenderResult)


render.__signature__ = _signature()  # type: ignore[attr-defined]


def _check(source: Path, options: RenderOptions) -> None:
    """Everything that can be known to be wrong before the work begins."""
    if not source.is_file():
        raise InputError(f"There is no file {source}.")
    kind = options.output.suffix.lower()
    if kind not in ("", ".mp4", ".png"):
        raise InputError(
            f"{options.output.name}: films are .mp4, pictures .png, and a name without an ending "
            "is a folder of pictures."
        )
    if kind and options.output.is_dir():
        raise InputError(f"{options.output} is a folder; name the file in it.")
    if options.path is not CameraPath.TURNTABLE and options.cameras is None:
        raise InputError(
            f"--path {options.path} needs --cameras: a COLMAP model or a transforms.json."
        )
    if options.path is CameraPath.TURNTABLE and options.cameras is not None:
        raise InputError("--cameras are for --path fly and --path cameras.")
    if options.background is Backdrop.NONE and (kind == ".mp4" or options.show is not Shown.COLOR):
        raise InputError("--background none is for PNG pictures of colour.")


def _views(asset: TexturedMesh | Any | Splats, options: RenderOptions) -> list[View]:
    """The places of the camera."""
    from gypsum.cameras import read_known_cameras
    from gypsum.pipelines.given_views import camera_path
    from gypsum.splats.paths import fly_through, turntable

    single = options.output.suffix.lower() == ".png"
    width, height = options.size or _SIZE
    if options.cameras is None:
        frames = 1 if single else options.frames or _FRAMES
        return turntable(_subject(asset), frames, width, height, options.elevation)
    given = camera_path(options.cameras, read_known_cameras(options.cameras))
    if options.path is CameraPath.FLY:
        return fly_through(given, 1 if single else options.frames or _FRAMES, width, height)
    chosen = given[: 1 if single else options.frames]
    if options.size is not None:
        chosen = [view.resized(width, height) for view in chosen]
    if options.output.suffix and len({(view.width, view.height) for view in chosen}) > 1:
        raise InputError("The cameras' pictures differ in size; say which with --size.")
    return chosen


def _subject(asset: Asset) -> Subject:
    from gypsum.splats.paths import subject_of_points, subject_of_splats

    if isinstance(asset, Splats):
        return subject_of_splats(asset)
    mesh = asset.mesh if isinstance(asset, TexturedMesh) else asset
    assert not isinstance(mesh, PointCloud)
    if not len(mesh.faces):
        raise InputError("The model has no surface to draw.")
    # Of a model all is shown, however its corners are spread.
    corners = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    found = subject_of_points(corners)
    center = (corners.min(axis=0) + corners.max(axis=0)) / 2
    radius = float(np.linalg.norm(corners - center, axis=1).max())
    return Subject(center, max(radius, found.radius))


def _drawing(asset: Asset, views: Sequence[View], options: RenderOptions) -> Draw:
    if isinstance(asset, Splats):
        return _drawing_splats(asset, views, options)
    return _drawing_model(asset, options)


def _drawing_splats(splats: Splats, views: Sequence[View], options: RenderOptions) -> Draw:
    from gypsum.splats import render as draw_splats
    from gypsum.splats.depths import draw_depths
    from gypsum.splats.fit import spread
    from gypsum.splats.paths import around, subject_of_splats

    extent = spread(views)
    if options.path is CameraPath.TURNTABLE:
        splats = around(splats, subject_of_splats(splats))

    def draw(view: View) -> Drawn:
        depths = draw_depths(splats, view, extent, threads=options.threads)
        color = np.zeros((view.height, view.width, 3), np.uint8)
        if options.show is Shown.COLOR:
            color, _ = draw_splats(splats, view, extent=extent, threads=options.threads)
        normals = np.where((depths.surface > 0)[..., None], depths.normals, np.float32(0))
        return Drawn(color, depths.opacity, depths.surface, normals)

    return draw


def _drawing_model(model: Any, options: RenderOptions) -> Draw:
    from gypsum.report import Eye, Renderer, Shading

    renderer = Renderer(model, options.threads)

    def draw(view: View) -> Drawn:
        eye = Eye.of(view)
        picture = renderer.render(eye)
        opacity: Float32 = np.asarray(picture[..., 3] / 255, np.float32)
        color = np.rint(picture[..., :3] * opacity[..., None]).astype(np.uint8)
        normals = np.zeros((*opacity.shape, 3), np.float32)
        if options.show is Shown.NORMALS:
            drawn = renderer.render(eye, Shading.NORMALS, 1)
            shown = drawn[..., :3].astype(np.float32) / 127.5 - 1
            shown *= np.array([1, -1, -1], np.float32) * (drawn[..., 3:] > 0)
            normals = np.asarray(shown, np.float32)
        return Drawn(color, opacity, renderer.depth(eye), normals)

    return draw


def _pictures(
    draw: Draw, views: Sequence[View], options: RenderOptions, progress: Progress
) -> Iterator[NDArray[Any]]:
    """Each view as it is written: (height, width, 3) or, of depth in PNG, (height, width)."""
    film = options.output.suffix.lower() == ".mp4"
    limits: tuple[float, float] | None = None
    for number, view in enumerate(views):
        progress(number / len(views), f"picture {number + 1} of {len(views)}")
        drawn = draw(view)
        if options.show is Shown.COLOR:
            yield _colored(drawn, options.background)
        elif options.show is Shown.NORMALS:
            yield _as_colors(drawn.normals)
        elif not film:
            yield np.rint(drawn.depth * _LEVELS).clip(0, _MOST).astype(np.uint16)
        else:
            # One scale for the film, or its colours would flicker.
            limits = limits or _limits(drawn.depth)
            yield _rainbow(drawn.depth, *limits)


def _colored(drawn: Drawn, background: Backdrop) -> UInt8:
    if background is Backdrop.NONE:
        solid = np.maximum(drawn.opacity, 1 / 255)[..., None]
        straight = np.rint(drawn.color / solid).clip(0, 255)
        alpha = np.rint(255 * drawn.opacity)[..., None]
        return np.asarray(np.concatenate([straight, alpha], axis=-1), np.uint8)
    behind = (1 - drawn.opacity)[..., None] * np.array(_COLORS[background], np.float32)
    return np.asarray(np.rint(drawn.color + behind).clip(0, 255), np.uint8)


def _as_colors(normals: Float32) -> UInt8:
    """(height, width, 3): right, up and towards the camera as red, green and blue."""
    toward = normals * np.array([1, -1, -1], np.float32)
    colors = np.rint((toward + 1) * 127.5)
    colors[~normals.any(axis=-1)] = 0
    return np.asarray(colors, np.uint8)


def _limits(depth: Float32) -> tuple[float, float]:
    """The nearest and the furthest, but for outliers."""
    seen = depth[depth > 0]
    if not len(seen):
        return 0.0, 1.0
    near, far = np.quantile(seen, (0.01, 0.99))
    return 0.95 * float(near), 1.05 * float(far)


def _rainbow(depth: Float32, near: float, far: float) -> UInt8:
    """Red is near, blue is far, black is nothing."""
    share = ((far - depth) / max(far - near, 1e-12)).clip(0, 1)
    colors = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)
    colors[depth <= 0] = 0
    return np.ascontiguousarray(colors[..., ::-1], np.uint8)


def _write(
    pictures: Iterator[NDArray[Any]], views: Sequence[View], options: RenderOptions
) -> list[Path]:
    output = options.output
    if output.suffix.lower() == ".mp4":
        with Film(output, views[0].width, views[0].height, options.fps) as film:
            for picture in pictures:
                film.add(picture)
        return [output]
    if output.suffix:
        return [_save(output, next(pictures))]
    names = [f"{number:05d}" for number in range(len(views))]
    if options.path is CameraPath.CAMERAS:
        stems = [Path(view.name).stem for view in views]
        names = stems if len(set(stems)) == len(stems) and all(stems) else names
    return [
        _save(output / f"{name}.png", picture)
        for name, picture in zip(names, pictures, strict=True)
    ]


def _save(path: Path, picture: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        Image.fromarray(picture).save(file, "PNG")
    return path
