"""Masks of a box on a table, one of them wrong: the photos agree on the box."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.masking import agree, clear_ground, find_ground
from gypsum.masking.ground import ground_of
from gypsum.masking.hull import Grid, largest_part, looked_at, silhouette, vote
from gypsum.scene import View

SIZE = 240, 180
RADIUS = 0.5
"""Of the sphere at the origin."""


def ring(count: int = 12, distance: float = 3.0) -> list[View]:
    """Cameras around the origin that look at it."""
    width, height = SIZE
    K = np.array([[260.0, 0, width / 2], [0, 260.0, height / 2], [0, 0, 1]])
    views = []
    for n in range(count):
        turn, lift = 2 * np.pi * n / count, 0.3 + 0.4 * (n % 2)
        center = distance * np.array(
            [np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)]
        )
        forward = -center / distance
        right = np.cross(forward, (0, 0, 1.0))
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        views.append(View(f"{n:02d}.png", Path(), width, height, K, R, -R @ center))
    return views


def rays(view: View) -> np.ndarray:
    """(H, W, 3) directions, world, of depth one."""
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    return np.stack([x, y, np.ones_like(x)], 2) @ np.linalg.inv(view.K).T @ view.R


def sphere_mask(view: View) -> np.ndarray:
    """(H, W) the exact silhouette of the sphere."""
    d = rays(view)
    c = view.center
    b, a = d @ c, (d * d).sum(2)
    return b * b - a * (c @ c - RADIUS**2) > 0


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


@pytest.fixture
def capture(tmp_path: Path) -> list[View]:
    """Grey-blue spheres before a brown room, with masks; that of photo 3 shows another place."""
    views = []
    for view in ring():
        noise = np.random.default_rng(len(views)).normal(0, 4, (view.height, view.width, 1))
        mask = sphere_mask(view)
        picture = np.where(mask[..., None], (90, 110, 160), (150, 110, 60)) + noise
        path = tmp_path / "images" / view.name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)
        views.append(View(view.name, path, view.width, view.height, view.K, view.R, view.t))
        if len(views) == 4:
            mask = np.zeros_like(mask)
            mask[:60, :80] = True
        (tmp_path / "singles").mkdir(exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "singles" / f"{view.name}.png")
    return views


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)) >= 128


def test_one_bad_mask_does_no_harm(capture: list[View], tmp_path: Path) -> None:
    found = agree(capture, tmp_path / "singles", tmp_path / "out")
    assert found.found
    assert min(found.agreement, key=found.agreement.__getitem__) == "03.png"
    for view in capture:
        assert overlap(read(found.masks[view.name]), sphere_mask(view)) > 0.96, view.name


def test_a_photo_without_a_mask_gets_the_others(capture: list[View], tmp_path: Path) -> None:
    (tmp_path / "singles" / "05.png.png").unlink()
    found = agree(capture, tmp_path / "singles", tmp_path / "out")
    assert overlap(read(found.masks["05.png"]), sphere_mask(capture[5])) > 0.95


def test_masks_that_people_made_stay(capture: list[View], tmp_path: Path) -> None:
    own = sphere_mask(capture[2])
    own[:, : own.shape[1] // 2] = False
    Image.fromarray(own.astype(np.uint8) * 255).save(tmp_path / "singles" / "02.png.png")
    found = agree(capture, tmp_path / "singles", tmp_path / "out", given=frozenset({"02.png"}))
    assert np.array_equal(read(found.masks["02.png"]), own)


def test_masks_that_contradict_each_other_make_no_object(
    capture: list[View], tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    for view in capture:
        mask = np.zeros((view.height, view.width), np.uint8)
        y, x = random.integers(0, (view.height - 40, view.width - 40))
        mask[y : y + 40, x : x + 40] = 255
        Image.fromarray(mask).save(tmp_path / "singles" / f"{view.name}.png")
    assert not agree(capture, tmp_path / "singles", tmp_path / "out").found


def test_cameras_look_at_the_origin() -> None:
    point, distance = looked_at(ring())
    assert np.abs(point).max() < 1e-3
    assert distance == pytest.approx(3.0, abs=1e-3)


def test_votes_are_shares_of_the_photos() -> None:
    views = ring(4)
    maps = [np.full((30, 40), 255 if n < 3 else 0, np.uint8) for n in range(4)]
    weights = np.array([1.0, 1.0, 1.0, 1.0])
    score, seen = vote(views, maps, weights, np.array([[0, 0, 0], [0, 0, 50]], np.float32))
    assert score[0] == pytest.approx(0.75)
    assert seen[0] == pytest.approx(1.0)
    assert seen[1] == 0


def test_silhouette_of_a_sphere_of_voxels() -> None:
    grid = Grid(np.zeros(3), 0.6, 80)
    points = grid.points()
    points = points[np.linalg.norm(points, axis=1) < RADIUS]
    for view in ring(3):
        assert overlap(silhouette(view, points, grid.voxel), sphere_mask(view)) > 0.93


def test_small_crumbs_are_no_object() -> None:
    occupied = np.zeros((20, 20, 20), np.bool_)
    occupied[2:10, 2:10, 2:10] = True
    occupied[15, 15, 15] = True
    assert np.count_nonzero(largest_part(occupied)) == 8**3


def heights_of(view: View) -> np.ndarray:
    """Depth (H, W) of the plane z = -0.5 where the sphere does not hide it, else the sphere's."""
    d, c = rays(view), view.center
    plane = np.where(d[..., 2] < -1e-3, (-RADIUS - c[2]) / np.minimum(d[..., 2], -1e-3), 0)
    a, b = (d * d).sum(2), d @ c
    root = np.sqrt(np.maximum(b * b - a * (c @ c - RADIUS**2), 0))
    return np.where(sphere_mask(view), (-b - root) / a, plane).astype(np.float32)


def test_ground_is_cleared(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table = np.c_[random.uniform(-1, 1, (300, 2)), np.full(300, -RADIUS)]
    ball = random.normal(size=(200, 3))
    ball *= RADIUS / np.linalg.norm(ball, axis=1, keepdims=True)
    views = []
    for view in ring():
        mask = sphere_mask(view)
        mask[view.height // 2 :, view.width // 3 : view.width // 2] = True  # Some of the table.
        path = tmp_path / f"{view.name}.png"
        Image.fromarray(mask.astype(np.uint8) * 255).save(path)
        views.append(View(view.name, Path(), view.width, view.height, view.K, view.R, view.t, path))
    plane = find_ground(views, np.concatenate([table, ball]))
    assert plane is not None
    assert np.abs(plane - (0, 0, 1, RADIUS)).max() < 1e-3
    written = clear_ground(views, plane, heights_of, tmp_path / "out")
    for view in views:
        assert overlap(read(written[view.name]), sphere_mask(view)) > 0.97, view.name


def test_unknown_depth_is_no_ground() -> None:
    view = ring(1)[0]
    unknown = np.zeros((view.height, view.width), np.float32)
    assert not ground_of(view, unknown, np.array([0, 0, 1, RADIUS]), 0.01).any()


def test_no_plane_no_ground() -> None:
    points = np.random.default_rng(0).normal(0, 0.5, (500, 3))
    assert find_ground(ring(), points) is None
