"""A view projects as its definition says, at every size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.scene import View


@pytest.fixture
def view(tmp_path: Path) -> View:
    """A 400 x 200 photo, red on the left half, taken from (0, -3, 0) along +y with z up."""
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[:, :200, 0] = 255
    pixels[:, 200:, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    K = np.array([[300.0, 0, 200], [0, 300, 100], [0, 0, 1]])
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    center = np.array([0.0, -3, 0])
    return View("photo.png", tmp_path / "photo.png", 400, 200, K, R, -R @ center)


def test_center_and_direction(view: View) -> None:
    np.testing.assert_allclose(view.center, [0, -3, 0])
    np.testing.assert_allclose(view.direction, [0, 1, 0])


def test_project(view: View) -> None:
    pixels, depth = view.project(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, -4, 0]], float))
    np.testing.assert_allclose(depth, [3, 3, 3, -1])
    np.testing.assert_allclose(pixels[:3], [[200, 100], [300, 100], [200, 0]])


def test_a_smaller_view_sees_the_same_share_of_the_picture(view: View) -> None:
    points = np.random.default_rng(1).normal(size=(50, 3)) * 0.3
    small = view.limited(100)
    assert (small.width, small.height) == (100, 50)
    np.testing.assert_allclose(small.project(points)[0] * 4, view.project(points)[0])


def test_limited_never_enlarges(view: View) -> None:
    same = view.limited(4000)
    assert (same.width, same.height) == (400, 200)


def test_read_resamples_to_the_size_of_the_view(view: View) -> None:
    image = view.limited(100).read()
    assert image.shape == (50, 100, 3)
    assert (image[:, :50] == (255, 0, 0)).all()
    assert (image[:, 50:] == (0, 0, 255)).all()


def test_a_mask_follows_the_size_of_the_view(view: View, tmp_path: Path) -> None:
    mask = np.zeros((view.height, view.width), np.uint8)
    mask[:, : view.width // 2] = 255
    path = tmp_path / "mask.png"
    Image.fromarray(mask).save(path)
    masked = replace(view, mask=path)
    for seen in (masked, masked.resized(view.width // 4, view.height // 4)):
        found = seen.read_mask()
        assert found is not None
        assert found.shape == (seen.height, seen.width)
        assert found[:, : seen.width // 2].all()
        assert not found[:, seen.width // 2 :].any()


def test_without_a_mask_every_pixel_counts(view: View) -> None:
    assert view.read_mask() is None
