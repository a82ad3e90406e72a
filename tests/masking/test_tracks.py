"""Points that photos share tell wrong masks from wrong cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.masking import agree
from gypsum.masking.tracks import contradictions
from gypsum.scene import Camera, Photo, SparseModel, View

from .test_agreement import RADIUS, SIZE, capture, overlap, read, sphere_mask

__all__ = ["capture"]


def model_of(views: list[View]) -> SparseModel:
    """Points of the sphere that each view sees, and of the table around, with their tracks."""
    random = np.random.default_rng(0)
    ball = random.normal(size=(300, 3))
    ball *= RADIUS / np.linalg.norm(ball, axis=1, keepdims=True)
    table = np.c_[random.uniform(-1.2, 1.2, (300, 2)), np.full(300, -RADIUS)]
    points = np.concatenate([ball, table])
    photos = {}
    for number, view in enumerate(views):
        xy, depth = view.project(points)
        inside = (depth > 0) & (xy >= 0).all(1) & (xy < SIZE).all(1)
        outline = np.zeros(len(points), np.bool_)
        column, row = xy[inside].astype(int).T
        outline[inside] = sphere_mask(view)[row, column]
        front = ((view.center - points) * points).sum(1) > 0
        seen = np.flatnonzero(inside & np.where(np.arange(len(points)) < 300, front, ~outline))
        photos[number] = Photo(number, view.name, 1, view.R, view.t, xy[seen], seen)
    K = views[0].K
    camera = Camera(1, "PINHOLE", *SIZE, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
    count = len(points)
    numbers, colors = np.arange(count), np.zeros((count, 3), np.uint8)
    return SparseModel({1: camera}, photos, numbers, points, colors, np.zeros(count))


def test_a_mask_with_the_table_contradicts_the_others(capture: list[View]) -> None:
    maps = {view.name: sphere_mask(view).astype(np.uint8) * 255 for view in capture}
    right = contradictions(model_of(capture), maps)
    maps["05.png"][maps["05.png"].shape[0] // 2 :] = 255
    wrong = contradictions(model_of(capture), maps)
    assert max(right.values()) < 0.05  # Points on the outline may go either way.
    assert wrong["05.png"] > 0.2
    assert max(share for name, share in wrong.items() if name != "05.png") < 0.06


def test_few_points_tell_nothing(capture: list[View]) -> None:
    maps = {"05.png": np.full(SIZE[::-1], 255, np.uint8)}
    assert contradictions(model_of(capture), maps) == {"05.png": 0.0}


@pytest.mark.parametrize("known", [True, False])
def test_many_bad_masks_are_told_from_bad_cameras(
    capture: list[View], tmp_path: Path, *, known: bool
) -> None:
    """Four of twelve masks hold the table: with what points tell, they are mended; without, each
    photo keeps its own."""
    bad = [1, 4, 7, 10]
    for number, view in enumerate(capture):
        mask = sphere_mask(view)
        if number in bad:
            mask[view.height // 2 :] = True
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "singles" / f"{view.name}.png")
    model = model_of(capture) if known else None
    found = agree(capture, tmp_path / "singles", tmp_path / "out", model=model)
    assert found.consistent is known
    for number in bad:
        view = capture[number]
        share = overlap(read(found.masks[view.name]), sphere_mask(view))
        assert share > 0.9 if known else share < 0.6, view.name


def test_points_that_agree_leave_the_cameras_to_blame(capture: list[View], tmp_path: Path) -> None:
    """A quarter of the cameras stand elsewhere: masks fit the points they share, but no shape."""
    model = model_of(capture)
    views = []
    for number, view in enumerate(capture):
        mask = sphere_mask(view).astype(np.uint8) * 255
        Image.fromarray(mask).save(tmp_path / "singles" / f"{view.name}.png")
        shift = np.array([0.4, 0, 0]) if number % 4 == 0 else np.zeros(3)
        t = view.t + shift
        views.append(View(view.name, view.path, view.width, view.height, view.K, view.R, t))
    found = agree(views, tmp_path / "singles", tmp_path / "out", model=model)
    assert not found.consistent
    for view in capture:
        assert overlap(read(found.masks[view.name]), sphere_mask(view)) == 1
