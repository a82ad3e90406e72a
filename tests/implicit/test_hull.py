"""The visual hull against shapes whose hull is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.implicit import Observation, carve
from gypsum.implicit.hull import find_box, heal_masks, without_strays
from gypsum.implicit.meshing import surface_nets
from gypsum.scene import Box, Mesh

RADIUS, DISTANCE, FOCAL, SIDE = 1.0, 6.0, 300.0, 160


def looking(azimuth: float, elevation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R and t of a camera that looks at the origin from ``DISTANCE``."""
    place = DISTANCE * np.array([
        np.cos(elevation) * np.cos(azimuth),
        np.cos(elevation) * np.sin(azimuth),
        np.sin(elevation),
    ])  # fmt: skip
    forward = -place / DISTANCE
    right = np.cross(forward, [0.0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ place


def ball(azimuth: float, elevation: float) -> Observation:
    """A photo of a ball at the origin."""
    R, t = looking(azimuth, elevation)
    K = np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])
    centers = np.arange(SIDE) + 0.5 - SIDE / 2
    # A ball's outline subtends the angle of its tangent cone.
    radius = FOCAL * np.tan(np.arcsin(RADIUS / DISTANCE))
    distance = radius - np.hypot(centers[:, None], centers)
    mask = np.clip(distance + 0.5, 0, 1).astype(np.float32)
    return Observation(np.zeros((SIDE, SIDE, 3), np.uint8), mask, K, R, t)


def around(count: int = 24) -> list[Observation]:
    return [ball(2 * np.pi * n / count, (0.15, 0.75, -0.6)[n % 3] + 0.01 * n) for n in range(count)]


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def test_a_ball_is_carved_to_a_fraction_of_a_voxel() -> None:
    observations = around()
    box = find_box(observations, np.array([0.2, -0.1, 0.1]), 3.0, contradictions=0)
    assert box is not None
    assert np.all(np.abs(box.center) < 0.15)
    assert np.all((box.half > 1.0) & (box.half < 1.35))
    hull = carve(observations, box, 0.06)
    mesh = surface_nets(hull.values, box)
    radii = np.linalg.norm(mesh.vertices, axis=1)
    # The hull holds the ball, and is a little larger where no outline touches it.
    assert radii.min() > RADIUS - 0.02
    assert np.quantile(radii, 0.9) < RADIUS + 0.06
    assert 4.1 < volume(mesh) < 4.75


def test_one_wrong_mask_is_outvoted() -> None:
    observations = around()
    wrong = observations[5]
    observations[5] = Observation(wrong.image, 0 * wrong.mask, wrong.K, wrong.R, wrong.t)
    box = Box.between([-1.4] * 3, [1.4] * 3)
    assert carve(observations, box, 0.1).is_empty
    hull = carve(observations, box, 0.1, contradictions=1)
    assert 3.9 < hull.occupied().mean() * 2.8**3 < 5.2


def test_threads_and_chunks_change_nothing() -> None:
    box = Box.between([-1.3, -1.2, -1.25], [1.3, 1.2, 1.25])
    one = carve(around(9), box, 0.05, threads=1)
    three = carve(around(9), box, 0.05, threads=3)
    assert np.array_equal(one.values, three.values)


def test_nothing_is_below_what_it_stands_on() -> None:
    box = Box.between([-1.4] * 3, [1.4] * 3)
    hull = carve(around(), box, 0.07, plane=np.array([0.0, 0, 1, 0.5]))
    mesh = surface_nets(hull.values, box)
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.5, abs=0.01)
    # The base is flat and closed.
    base = mesh.vertices[:, 2] < -0.49
    assert base.mean() > 0.05


def test_photos_that_do_not_show_a_place_say_nothing_of_it() -> None:
    observations = around(12)
    cut = []
    for one in observations:
        # The right half of each photo is lost: three fifths of the ball stay in sight somewhere.
        cut.append(Observation(one.image[:, :100], one.mask[:, :100].copy(), one.K, one.R, one.t))
    hull = carve(cut, Box.between([-1.3] * 3, [1.3] * 3), 0.06)
    assert hull.occupied().mean() * 2.6**3 > 4.0


def with_ear(one: Observation) -> Observation:
    """The same ball with a small one at its side."""
    camera = one.R @ np.array([1.15, 0.1, 0.35]) + one.t
    x, y = camera[:2] / camera[2] * FOCAL + SIDE / 2
    centers = np.arange(SIDE) + 0.5
    inside = 0.3 * FOCAL / camera[2] - np.hypot(centers - x, centers[:, None] - y)
    mask = np.maximum(one.mask, np.clip(inside + 0.5, 0, 1)).astype(np.float32)
    return Observation(one.image, mask, one.K, one.R, one.t)


def test_what_few_masks_lack_comes_back() -> None:
    bare = around(12)
    whole = [with_ear(one) for one in bare]
    # In photos from two sides the ear is as dark as what is behind it.
    wrong = [bare[n] if n in (3, 8) else one for n, one in enumerate(whole)]
    box = Box.between([-1.5] * 3, [1.5] * 3)
    ball, full, lacking, back = (
        carve(seen, box, 0.08).occupied().sum()
        for seen in (bare, whole, wrong, heal_masks(wrong, box))
    )
    assert lacking - ball < 0.4 * (full - ball)
    assert 0.8 < (back - ball) / (full - ball) < 1.3
    # Masks that lack nothing stay as they are.
    same = heal_masks(whole, box)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(same, whole, strict=True))


def test_what_most_photos_deny_does_not_come_back() -> None:
    bare = around(12)
    seen = [with_ear(one) if n % 4 == 0 else one for n, one in enumerate(bare)]
    box = Box.between([-1.5] * 3, [1.5] * 3)
    before, after = (carve(s, box, 0.08).occupied().sum() for s in (seen, heal_masks(seen, box)))
    assert after < 1.01 * before


def test_strays_are_left_out() -> None:
    box = Box.between([0, 0, 0], [10, 10, 10])
    values = np.full((20, 20, 20), -1, np.float32)
    values[2:12, 2:12, 2:12] = 1
    values[17, 17, 17] = 1
    hull = without_strays(type(carve(around(6), Box.between([-1] * 3, [1] * 3), 0.5))(box, values))
    assert hull.occupied().sum() == 1000


def test_surface_nets_close_a_tilted_ellipsoid() -> None:
    angle = 0.4
    axes = np.array([
        [np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1],
    ])  # fmt: skip
    box = Box(np.array([5.0, -2, 1]), axes, np.array([2.0, 1.5, 1.2]))
    shape = (60, 44, 36)
    centers = [((np.arange(n) + 0.5) / n * 2 - 1) * h for n, h in zip(shape, box.half, strict=True)]
    grid = np.stack(np.meshgrid(*centers, indexing="ij"), -1)
    scaled = grid / np.array([1.6, 1.0, 0.8])
    values = (1 - np.linalg.norm(scaled, axis=-1)).astype(np.float32)
    mesh = surface_nets(values, box)
    local = (mesh.vertices - box.center) @ axes.T / np.array([1.6, 1.0, 0.8])
    assert np.abs(np.linalg.norm(local, axis=1) - 1).max() < 0.01
    centered = Mesh(mesh.vertices - box.center.astype(np.float32), mesh.faces)
    assert volume(centered) == pytest.approx(4 / 3 * np.pi * 1.6 * 0.8, rel=0.01)
    sides = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(sides, axis=0, return_counts=True)
    assert np.all(uses == 2)


def test_surface_nets_close_what_the_box_cuts() -> None:
    box = Box.between([0, 0, 0], [1, 1, 1])
    mesh = surface_nets(np.ones((16, 16, 16), np.float32), box)
    assert volume(mesh) == pytest.approx(1.0, abs=0.05)
    empty = surface_nets(-np.ones((4, 4, 4), np.float32), box)
    assert len(empty.faces) == 0
