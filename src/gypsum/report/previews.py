"""The pictures that show a finished scan, written into ``previews/``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.report import pictures
from gypsum.report.comparison import compare, show_depth, spread
from gypsum.report.framing import Focus, find_focus
from gypsum.report.render import Renderer, Shading, on_backdrop
from gypsum.report.scenery import draw_cameras
from gypsum.scene import PointCloud, Progress, SparseModel, TexturedMesh, View, no_progress

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

DepthOf = Callable[[View], Float32 | None]
"""The depth map (H, W) of a view, 0 where unknown; None where there is none."""

_FRAMES = 36
_FRAME_SIDE = 480
_FRAME_MILLISECONDS = 90
_STRIP = 8
_PORTRAIT = (1600, 1200)
_CLAY = (720, 720)
_COMPARED = 3


@dataclass(frozen=True)
class PreviewFacts:
    """What drawing the pictures found out."""

    files: tuple[Path, ...]
    agreement_db: float | None
    """Mean PSNR between some photos and the model from the same places, where it covers them."""


def write_previews(
    folder: Path,
    model: TexturedMesh,
    cloud: PointCloud,
    sparse: SparseModel,
    views: Sequence[View],
    *,
    depth_of: DepthOf | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> PreviewFacts:
    """Draw all pictures of a finished scan into ``folder``, which is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    progress(0.0, "finding the best view")
    renderer = Renderer(model, threads)
    focus = find_focus(model.mesh, views, renderer)
    written = []

    def save(picture: pictures.Picture, pixels: UInt8) -> None:
        written.append(_save(folder / picture.file, pixels))

    progress(0.05, "drawing the model")
    portrait = focus.portrait(*_PORTRAIT)
    save(pictures.MODEL, on_backdrop(renderer.render(portrait, ball=focus.ball)))
    clay = renderer.render(focus.portrait(*_CLAY), Shading.CLAY, ball=focus.ball)
    save(pictures.CLAY, on_backdrop(clay))
    progress(0.2, "drawing the cameras")
    save(pictures.CAMERAS, draw_cameras(cloud, sparse, focus.center, focus.radius))
    progress(0.3, "comparing with the photos")
    some = spread(views, focus, _COMPARED)
    comparison = compare(renderer, some)
    save(pictures.COMPARISON, comparison.picture)
    maps = {} if depth_of is None else {view.name: depth_of(view) for view in some}
    known = {name: depth for name, depth in maps.items() if depth is not None}
    if known:
        save(pictures.DEPTH, show_depth([view for view in some if view.name in known], known))
    written += _turn(folder, renderer, focus, progress)
    return PreviewFacts(tuple(written), comparison.agreement_db)


def write_model_previews(
    folder: Path,
    model: TexturedMesh,
    *,
    above: float,
    threads: int = 0,
    progress: Progress = no_progress,
) -> PreviewFacts:
    """Draw the pictures of a model of which there are no photos, from an elevation in radians."""
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(model, threads)
    focus = replace(find_focus(model.mesh, (), renderer), elevation=above)
    written = []
    for picture, size, shading in (
        (pictures.MODEL, _PORTRAIT, Shading.TEXTURE),
        (pictures.CLAY, _CLAY, Shading.CLAY),
    ):
        progress(0.1, "drawing the model")
        eye = focus.orbit(focus.first, *size).filled_by(focus.points, 0.85)
        drawn = renderer.render(eye, shading, ball=focus.ball)
        written.append(_save(folder / picture.file, on_backdrop(drawn)))
    return PreviewFacts((*written, *_turn(folder, renderer, focus, progress)), None)


def _turn(folder: Path, renderer: Renderer, focus: Focus, progress: Progress) -> list[Path]:
    """The looping turntable, and a strip of some of its frames."""
    frames = []
    for index, azimuth in enumerate(_azimuths(focus, _FRAMES, loop=True)):
        progress(0.4 + 0.5 * index / _FRAMES, "turning the model")
        eye = focus.orbit(azimuth, _FRAME_SIDE, _FRAME_SIDE)
        frames.append(Image.fromarray(on_backdrop(renderer.render(eye, ball=focus.ball))))
    progress(0.9, "turning the model")
    turntable = folder / pictures.TURNTABLE.file
    with atomic_write(turntable) as file:
        frames[0].save(
            file, "WEBP", save_all=True, append_images=frames[1:], loop=0, quality=80, method=3,
            duration=_FRAME_MILLISECONDS,
        )  # fmt: skip
    strip = []
    for azimuth in _azimuths(focus, _STRIP, loop=False):
        eye = focus.orbit(azimuth, _FRAME_SIDE, _FRAME_SIDE)
        strip.append(on_backdrop(renderer.render(eye, ball=focus.ball)))
    return [turntable, _save(folder / pictures.STRIP.file, np.concatenate(strip, axis=1))]


def _azimuths(focus: Focus, count: int, loop: bool) -> NDArray[np.float64]:
    """Where to look from: all around, or within what was photographed.

    A ``loop`` ends where it begins: on a partial circle it swings to and fro.
    """
    share = np.arange(count) / count
    if focus.all_around:
        return np.asarray(focus.first + 2 * np.pi * share)
    half = min(0.45 * focus.span, np.radians(60))
    if loop:
        return np.asarray(focus.middle + half * np.sin(2 * np.pi * share))
    return np.asarray(focus.middle + half * np.linspace(-1, 1, count))


def _save(path: Path, pixels: UInt8) -> Path:
    image = Image.fromarray(pixels)
    with atomic_write(path) as file:
        if path.suffix == ".jpg":
            image.save(file, "JPEG", quality=88)
        else:
            image.save(file, "PNG")
    return path
