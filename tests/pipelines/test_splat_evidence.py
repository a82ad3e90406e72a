"""Depths by splats as evidence: those of a ball in pictures, and joined with those of matching."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.splats import scenes

from gypsum.implicit import Hull, Observation
from gypsum.pipelines.splat_evidence import (
    Training,
    agreement,
    measure_splats,
    starting_points,
    with_splats,
)
from gypsum.scene import Box, Camera, Photo, PointCloud, SparseModel, View

RADIUS = 0.8


def ball_depths(view: View, radius: float) -> np.ndarray:
    """(h, w) along z to a ball around the origin, 0 where it is missed."""
    y, x = np.indices((view.height, view.width)) + 0.5
    rays = np.stack([(x - view.K[0, 2]) / view.K[0, 0], (y - view.K[1, 2]) / view.K[1, 1]], -1)
    along = np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ view.R
    a, b = (along**2).sum(-1), along @ view.center
    inside = b * b - a * (view.center @ view.center - radius**2)
    far = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.asarray(np.where(inside > 0, far, 0))


def spots(place: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of places (N, 3)."""
    shade = 255 * (0.5 + 0.3 * np.sin(9 * place + np.array([0, 1, 2])))
    return np.asarray(np.rint(shade), np.uint8)


def photograph(view: View) -> None:
    """A picture of a spotted ball."""
    depth = ball_depths(view, RADIUS)
    y, x = np.indices(depth.shape) + 0.5
    rays = np.stack([x * depth, y * depth, depth], -1) @ np.linalg.inv(view.K).T
    picture = np.where(depth[..., None] > 0, spots((rays - view.t) @ view.R), 30)
    Image.fromarray(picture.astype(np.uint8)).save(view.path)


def seen_points(views: list[View]) -> SparseModel:
    """Points of the ball as cameras are found with; each photo knows all of them."""
    points = np.random.default_rng(0).normal(size=(400, 3))
    points *= RADIUS / np.linalg.norm(points, axis=1, keepdims=True)
    ids, K = np.arange(len(points)), views[0].K
    photos = {
        number: Photo(number, view.name, 1, view.R, view.t, view.project(points)[0], ids)
        for number, view in enumerate(views)
    }
    lens = np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    cameras = {1: Camera(1, "PINHOLE", views[0].width, views[0].height, lens)}
    return SparseModel(cameras, photos, ids, points, spots(points), np.zeros(len(points)))


def ball_hull() -> Hull:
    """Of a ball with room around it."""
    box = Box.between([-1.0] * 3, [1.0] * 3)
    places = np.stack(np.meshgrid(*[np.linspace(-0.975, 0.975, 40)] * 3, indexing="ij"), -1)
    return Hull(box, (RADIUS - np.linalg.norm(places, axis=-1)).astype(np.float32))


def test_what_is_plain_begins_with_its_hull() -> None:
    """No point of the cloud is on the object, as nothing on it was matched."""
    away = np.full((5000, 3), 3.0, np.float32)
    cloud = PointCloud(away, away, away.astype(np.uint8))
    points = starting_points(cloud, ball_hull())
    assert len(points) > 1000
    distance = np.linalg.norm(points.points, axis=1)
    np.testing.assert_allclose(distance, RADIUS, atol=0.05)
    along = (points.normals * points.points).sum(axis=1) / distance
    assert along.min() > 0.9

    measured = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    cloud = PointCloud(np.concatenate([away, measured]), np.zeros((7000, 3), np.float32),
                       np.zeros((7000, 3), np.uint8))  # fmt: skip
    np.testing.assert_array_equal(starting_points(cloud, ball_hull()).points, measured)


def test_splats_tell_how_far_a_ball_is(tmp_path: Path) -> None:
    views = [view.resized(96, 72) for view in scenes.views(16, tmp_path)]
    for view in views:
        photograph(view)
    model = seen_points(views)
    Image.new("L", (96, 72)).save(tmp_path / "empty.png")
    # The mask in the file is not the one that counts, and a view without one has no part in it.
    views = [replace(view, mask=tmp_path / "empty.png") for view in views]
    views[3] = replace(views[3], mask=None)
    shown = [view for view in views if view.mask is not None]
    masks = [(ball_depths(view, RADIUS) > 0).astype(np.float32) for view in shown]
    nothing = np.zeros((0, 3), np.float32)
    cloud = PointCloud(nothing, nothing, nothing.astype(np.uint8))
    told: list[float] = []

    def progress(done: float, doing: str = "") -> None:
        assert isinstance(doing, str)
        told.append(done)

    count = measure_splats(
        model, views, masks, cloud, tmp_path / "found", Training(300, threads=2),
        side=96, progress=progress,
    )  # fmt: skip
    assert count > 50
    assert told == sorted(told)
    assert {path.suffix for path in (tmp_path / "found").iterdir()} == {".npz"}
    bare = [
        Observation(np.zeros((*mask.shape, 3), np.uint8), mask, view.K, view.R, view.t)
        for view, mask in zip(shown, masks, strict=True)
    ]
    for one, view in zip(with_splats(bare, tmp_path / "found"), shown, strict=True):
        assert one.depth is not None
        assert one.depth_weight is not None
        true = ball_depths(view, RADIUS)
        known = (one.depth > 0) & (true > 0)
        # Few of so large pixels agree to a hundredth.
        assert known.sum() > 0.2 * (true > 0).sum()
        assert (one.depth[one.mask < 0.5] == 0).all()
        assert ((one.depth_weight > 0) == (one.depth > 0)).all()
        assert np.median(np.abs(one.depth - true)[known]) < 0.04


def observation(depth: np.ndarray, weight: np.ndarray) -> Observation:
    shape = depth.shape
    return Observation(
        np.zeros((*shape, 3), np.uint8), np.ones(shape, np.float32), np.eye(3), np.eye(3),
        np.zeros(3), depth.astype(np.float32), weight.astype(np.float32),
    )  # fmt: skip


def test_they_go_before_those_of_matching(tmp_path: Path) -> None:
    one = observation(np.array([[2.0, 2, 0, 0]]), np.array([[0.5, 0.5, 0, 0]]))
    np.savez(tmp_path / "00000.npz", depth=np.array([[3.0, 0, 4, 0]], np.float32))
    (found,) = with_splats([one], tmp_path)
    assert found.depth is not None
    assert found.depth_weight is not None
    np.testing.assert_array_equal(found.depth, [[3, 2, 4, 0]])
    np.testing.assert_array_equal(found.depth_weight, [[1, 0.5, 1, 0]])


def test_agreement_is_that_where_both_are_known(tmp_path: Path) -> None:
    one = observation(np.array([[2.0, 2, 2, 0]]), np.ones((1, 4)))
    np.savez(tmp_path / "00000.npz", depth=np.array([[2.005, 2.05, 0, 2]], np.float32))
    assert agreement([one], tmp_path) == 0.5


def test_depths_of_another_size_are_refused(tmp_path: Path) -> None:
    one = observation(np.ones((1, 4)), np.ones((1, 4)))
    np.savez(tmp_path / "00000.npz", depth=np.ones((2, 4), np.float32))
    with pytest.raises(ValueError, match="another size"):
        with_splats([one], tmp_path)
