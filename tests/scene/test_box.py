"""The part of the world that a scan is about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gypsum.scene import Box, View


def turned(angle: float) -> Box:
    """A box of 2 x 1 x 0.6 about (0.3, -0.2, 0.5), turned about the vertical."""
    c, s = np.cos(angle), np.sin(angle)
    axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    return Box(np.array([0.3, -0.2, 0.5]), axes, np.array([1.0, 0.5, 0.3]))


def view_from(center: tuple[float, float, float]) -> View:
    """A view of 64 x 48 pixels from here towards the box of ``turned``."""
    z = np.array([0.3, -0.2, 0.5]) - center
    z /= np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    K = np.array([[50.0, 0, 32], [0, 50.0, 24], [0, 0, 1]])
    return View("v", Path("v"), 64, 48, K, R, -R @ np.array(center))


def test_corners_in_any_order_make_the_same_box() -> None:
    box = Box.between((1, -2, 3), (-1, 2, 0))
    np.testing.assert_allclose(box.bounds, [(-1, -2, 0), (1, 2, 3)])
    assert box.diagonal == pytest.approx(np.linalg.norm((2, 4, 3)))
    np.testing.assert_array_equal(
        box.contains(np.array([[0.9, 1.9, 2.9], [0, 0, -0.1], [1.1, 0, 1]])), [True, False, False]
    )


def test_bounds_hold_the_turned_box_tightly() -> None:
    box = turned(0.7)
    low, high = box.bounds
    rng = np.random.default_rng(0)
    inside = box.center + rng.uniform(-1, 1, (20_000, 3)) * box.half @ box.axes
    assert box.contains(inside).all()
    assert np.all((inside >= low) & (inside <= high))
    np.testing.assert_allclose(inside.min(axis=0), low, atol=0.05)
    np.testing.assert_allclose(inside.max(axis=0), high, atol=0.05)


@pytest.mark.parametrize("center", [(4.0, 1.0, 2.0), (1.0, 0.2, 1.2), (0.3, -4.0, 0.5)])
def test_a_pixel_is_in_the_silhouette_when_its_ray_meets_the_box(
    center: tuple[float, float, float],
) -> None:
    box, view = turned(0.4), view_from(center)
    y, x = np.mgrid[: view.height, : view.width]
    pixel = np.stack([x + 0.5, y + 0.5, np.ones_like(x)], axis=-1)
    rays = pixel @ np.linalg.inv(view.K).T @ view.R
    steps = np.linspace(0, 8, 1500)
    expected = np.zeros((view.height, view.width), bool)
    for step in steps:
        points = (view.center + step * rays).reshape(-1, 3)
        expected |= box.contains(points).reshape(expected.shape)
    assert 0 < expected.sum() < expected.size
    # Sampled rays may miss a corner that they only touch.
    assert np.mean(box.silhouette(view) != expected) < 0.003
    assert not np.any(expected & ~box.silhouette(view))


def test_inside_the_box_every_pixel_shows_it_and_behind_it_none() -> None:
    box = turned(0.4)
    assert box.silhouette(view_from((0.5, -0.1, 0.6))).all()
    view = view_from((4.0, 1.0, 2.0))
    away = View("v", view.path, 64, 48, view.K, -view.R * ((1,), (-1,), (1,)), np.zeros(3))
    away = View("v", view.path, 64, 48, view.K, away.R, -away.R @ view.center)
    assert not box.silhouette(away).any()


def test_json_gives_the_same_box_again() -> None:
    box = turned(1.1)
    again = Box.from_json(json.loads(json.dumps(box.as_json())))
    for name in ("center", "axes", "half"):
        np.testing.assert_array_equal(getattr(again, name), getattr(box, name))
    np.testing.assert_allclose(box.grown(2).half, 2 * box.half)
