"""Blur is told from texture and exposure, and blurred photos count for less in the cloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum import dense
from gypsum.dense.colmap_workspace import map_path, write_map
from gypsum.dense.sharpness import coarseness
from gypsum.scene import View

from . import scenes


def photos(folder: Path, count: int = 7) -> list[View]:
    """Textures with detail at all scales and some noise, each different and of another contrast."""
    rng = np.random.default_rng(0)
    views = []
    for i in range(count):
        picture = np.full((240, 320), 128.0)
        for sigma in (1.0, 2.0, 4.0, 8.0, 16.0):
            layer = cv2.GaussianBlur(rng.normal(size=picture.shape), (0, 0), sigma)
            picture += (6 + 2 * i) * layer / layer.std()
        views.append(save(folder, f"{i}.png", picture + rng.normal(size=picture.shape)))
    return views


def save(folder: Path, name: str, picture: NDArray[np.float64]) -> View:
    path = folder / name
    Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8)).convert("RGB").save(path)
    return View(name, path, 320, 240, np.eye(3), np.eye(3), np.zeros(3))


def spoilt(view: View, folder: Path, sigma: float = 0, gain: float = 1) -> View:
    picture = view.read()[..., 0].astype(np.float64) * gain
    if sigma:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    return save(folder, f"spoilt-{view.name}", picture)


def test_only_blur_makes_a_photo_coarse(tmp_path: Path) -> None:
    views = photos(tmp_path)
    assert np.all(coarseness(views) == 1)
    views[2] = spoilt(views[2], tmp_path, sigma=3)
    views[4] = spoilt(views[4], tmp_path, gain=0.6)
    views[5] = spoilt(views[5], tmp_path, gain=1.4)
    found = coarseness(views)
    assert found[2] > 2
    assert np.all(np.delete(found, 2) < 1.2)


def test_more_blur_is_coarser(tmp_path: Path) -> None:
    views = photos(tmp_path)
    found = []
    for sigma in (1.0, 1.5, 2.0):
        views[3] = spoilt(photos(tmp_path)[3], tmp_path, sigma=sigma)
        found.append(coarseness(views)[3])
    assert 1 < found[0] < found[1] < found[2] <= 4


def test_photos_that_are_all_soft_lose_nothing(tmp_path: Path) -> None:
    views = [spoilt(view, tmp_path, sigma=2) for view in photos(tmp_path)]
    assert np.all(coarseness(views) < 1.1)


def test_no_photos_and_plain_photos(tmp_path: Path) -> None:
    assert coarseness([]).shape == (0,)
    plain = save(tmp_path, "plain.png", np.full((240, 320), 90.0))
    assert np.all(np.isfinite(coarseness([plain, plain])))


@pytest.mark.parametrize("blurred", [False, True])
def test_a_blurred_photo_weighs_less_in_the_cloud(tmp_path: Path, blurred: bool) -> None:
    textures = photos(tmp_path, 5)
    if blurred:
        textures[2] = spoilt(textures[2], tmp_path, sigma=4)
    views = scenes.plane_views(tmp_path)
    views = [replace(v, path=t.path) for v, t in zip(views, textures, strict=True)]
    for i, view in enumerate(views):  # the third photo is wrong by half a percent
        depth = (scenes.plane_depth(view) * (1.005 if i == 2 else 1)).astype(np.float32)
        normal = np.broadcast_to((view.R @ scenes.NORMAL).astype(np.float32), (*depth.shape, 3))
        write_map(map_path(tmp_path, "depth", view.name), depth)
        write_map(map_path(tmp_path, "normal", view.name), normal)
    sources = [[j for j in range(len(views)) if j != i] for i in range(len(views))]
    error = np.median(np.abs(dense.fuse(views, sources, tmp_path).points @ scenes.NORMAL))
    assert (error < 3e-4) == blurred
