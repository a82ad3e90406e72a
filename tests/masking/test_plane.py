"""A patterned plane seen from several sides, with a mirror-like thing on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gypsum.masking.plane import GroundOdds, Reference, onto_plane
from gypsum.scene import View

from .test_agreement import rays, ring

PLANE = np.array([0.0, 0, 1, 0.5])
"""0.5 below the point that all cameras look at."""
TURNED = np.array([0.2, -0.1, 1, 0.6]) / np.linalg.norm([0.2, -0.1, 1])


def on_plane(view: View, plane: np.ndarray) -> np.ndarray:
    """(H, W, 3) the point of the plane at every pixel, by rays: the slow, obvious way."""
    d = rays(view)
    depth = -(plane[:3] @ view.center + plane[3]) / (d @ plane[:3])
    return view.center + depth[..., None] * d


def pattern(points: np.ndarray) -> np.ndarray:
    """(…, 3) sRGB of the ground, with detail of many sizes."""
    x, y = points[..., 0], points[..., 1]
    waves = sum(np.sin(f * x + f) * np.sin(1.3 * f * y + 2 * f) for f in (4, 9, 19))
    base = np.array([140.0, 125, 110])
    return (base + 40 * waves[..., None]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("plane", [PLANE, TURNED])
def test_pixels_fall_on_the_plane_as_their_rays_do(plane: np.ndarray) -> None:
    for view in ring(3):
        expected = on_plane(view, plane)[40, 70]  # Its centre is at (70.5, 40.5).
        found = onto_plane(view, plane) @ (70, 40, 1)
        assert found[3] < 0
        np.testing.assert_allclose(found[:3] / found[3], expected, atol=1e-9)


def scene(tmp_path: Path, *, gain: float = 1.0, flat: bool = False) -> tuple[list[View], list]:
    """Photos of the ground with a disc in the middle of each that shows the ground of elsewhere, as
    a mirror would; the discs."""
    views, discs = [], []
    for n, view in enumerate(ring(8)):
        points = on_plane(view, PLANE)
        ground = pattern(points)
        mirrored = pattern(points * (1, -1, 1) + (0.7, 0.3 * n, 0))
        if flat:
            ground = np.full_like(ground, (150, 110, 60))
            mirrored = ground
        disc = np.zeros((view.height, view.width), np.uint8)
        cv2.circle(disc, (view.width // 2, view.height // 2), 35, 1, -1)
        picture = np.where(disc[..., None] > 0, mirrored, ground)
        noise = np.random.default_rng(n).normal(0, 2, picture.shape)
        light = gain if n == 0 else 1.0
        path = tmp_path / view.name
        Image.fromarray((picture * light + noise).clip(0, 255).astype(np.uint8)).save(path)
        views.append(dataclasses.replace(view, path=path))
        discs.append(disc > 0)
    return views, discs


def odds_of_first(views: list[View], discs: list[np.ndarray]) -> np.ndarray:
    references = [
        Reference.of(view, (~disc).astype(np.float32))
        for view, disc in zip(views, discs, strict=True)
    ]
    disc = discs[0].astype(np.uint8)
    core = cv2.erode(disc, np.ones((21, 21), np.uint8)) > 0
    around = cv2.dilate(disc, np.ones((21, 21), np.uint8)) == 0
    return GroundOdds(PLANE, references, 240)(views[0], views[0].read(), core, around)


@pytest.mark.parametrize("gain", [1.0, 0.85])
def test_mirror_images_of_the_ground_are_not_the_ground(tmp_path: Path, gain: float) -> None:
    """Also where the photo is darker than the others; colours alone can't tell them apart."""
    views, discs = scene(tmp_path, gain=gain)
    odds = odds_of_first(views, discs)
    inner = cv2.erode(discs[0].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    outer = cv2.dilate(discs[0].astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    known = odds != 0  # Ground below the disc that no other photo shows.
    assert known[inner].mean() > 0.7
    assert (odds[inner & known] > 0).mean() > 0.75  # By chance, some look like the ground.
    assert (odds[outer & known] < 0).mean() > 0.85


def test_plain_ground_has_no_say(tmp_path: Path) -> None:
    views, discs = scene(tmp_path, flat=True)
    assert np.abs(odds_of_first(views, discs)).max() < 0.5


def test_without_other_photos_nothing_is_known(tmp_path: Path) -> None:
    views, discs = scene(tmp_path)
    assert not odds_of_first(views[:1], discs[:1]).any()
    assert GroundOdds.choose(views[:1]) == views[:1]
    assert len(GroundOdds.choose(ring(200))) < 20
