"""What pictures tell beside a depth sensor that blurs a thin bar into what is behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.dense import measure_pictures
from gypsum.scene import RgbdFrame, View

from .scenes import NORMAL, plane_depth, plane_views, rays, texture

HEIGHT, WIDE = 0.25, 0.08
"""The bar's distance from the plane, and its half width along x."""


def bar_depth(view: View) -> NDArray[np.float64]:
    """(H, W) exact depth of the bar, infinite beside it."""
    depth = (HEIGHT - view.center @ NORMAL) / (rays(view) @ NORMAL)
    points = view.center + rays(view) * depth[..., None]
    return np.where(np.abs(points[..., 0]) < WIDE, depth, np.inf)


def capture(folder: Path, scale: float = 1.0) -> list[RgbdFrame]:
    """Pictures of the bar before the plane, and depth maps that blur the two."""
    (folder / "depth").mkdir()
    frames = []
    for view in plane_views(folder):
        depth = np.minimum(bar_depth(view), plane_depth(view))
        points = (view.center + rays(view) * depth[..., None]).reshape(-1, 3)
        gray = np.clip(np.rint(texture(points)), 0, 255).astype(np.uint8).reshape(depth.shape)
        Image.fromarray(np.stack([gray] * 3, -1)).save(view.path)
        coarse = view.resized(160, 120)
        small = cv2.blur(np.minimum(bar_depth(coarse), plane_depth(coarse)), (5, 5)) * scale
        path = folder / "depth" / view.name
        Image.fromarray(np.rint(small / 0.0005).astype(np.uint16)).save(path)
        frames.append(
            RgbdFrame(
                view.name[:-4], view.width, view.height, view.K, view.R, view.t, view.path, path,
                depth_unit=0.0005,
            )
        )  # fmt: skip
    return frames


def view_of(frame: RgbdFrame) -> View:
    assert frame.color is not None
    assert frame.R is not None
    assert frame.t is not None
    return View("", frame.color, frame.width, frame.height, frame.K, frame.R, frame.t)


def test_pictures_measure_what_the_sensor_blurs(tmp_path: Path) -> None:
    frames = capture(tmp_path)
    made = measure_pictures(frames, frames, tmp_path / "out", side=320, sources=4, threads=2)
    assert [frame.name for frame in made.frames] == [frame.name for frame in frames]
    assert not made.left_out
    assert not (tmp_path / "out" / "stereo-passes").exists()
    middle = made.frames[2]
    assert middle.color is None
    depth, truth = middle.read_depth(), bar_depth(view_of(frames[2]))
    bar = np.isfinite(truth)
    assert (depth[bar] > 0).mean() > 0.5
    off = np.abs(depth - truth)[bar & (depth > 0)]
    assert np.median(off) < 0.005
    # The plane beside it is the sensor's.
    assert not depth[:, :90].any()
    assert not depth[:, 230:].any()
    assert made.share == pytest.approx(
        np.mean([(frame.read_depth() > 0).mean() for frame in made.frames]), abs=1e-6
    )


def test_what_the_sensor_is_not_sure_of_is_measured(tmp_path: Path) -> None:
    frames = capture(tmp_path)
    unsure = tmp_path / "unsure.png"
    picture = np.full((120, 160), 255, np.uint8)
    picture[:, 120:] = 0
    Image.fromarray(picture).save(unsure)
    frames = [replace(frame, confidence=unsure) for frame in frames]
    made = measure_pictures(frames, frames, tmp_path / "out", side=320, sources=4, threads=2)
    depth = made.frames[2].read_depth()
    truth = plane_depth(view_of(frames[2]))
    known = depth[20:-20, 250:300] > 0
    assert known.mean() > 0.5
    assert np.median(np.abs(depth - truth)[20:-20, 250:300][known]) < 0.01


def test_pictures_that_measure_something_else_are_left_out(tmp_path: Path) -> None:
    frames = capture(tmp_path, scale=1.03)
    made = measure_pictures(frames, frames, tmp_path / "out", side=240, sources=4, threads=2)
    # Of the outermost, too little is sure of both to tell.
    assert {"1", "2", "3"} <= set(made.left_out)
    assert not {"1", "2", "3"} & {frame.name for frame in made.frames}


@pytest.mark.parametrize("some", [False, True])
def test_without_pictures_or_with_tiny_ones_nothing_is_measured(tmp_path: Path, some: bool) -> None:
    frames = capture(tmp_path)
    made = measure_pictures(frames, frames if some else [], tmp_path / "out", side=160, sources=4)
    assert made.frames == []
    assert made.share == 0
