"""Depths and normals of splats: against a plain twin, and on shapes that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.scene import Splats, View
from gypsum.splats.depths import draw_depths

from . import twin

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

WIDTH, HEIGHT = 44, 36


def drawn(rows: Float32, portable: bool = False) -> tuple[Float32, Float32, Float32, Float32]:
    K, pose = twin.camera(WIDTH, HEIGHT)
    median, expected, T = (np.empty((HEIGHT, WIDTH), np.float32) for _ in range(3))
    normal = np.empty((3, HEIGHT, WIDTH), np.float32)
    _splats.draw_depths(
        rows,
        K,
        pose,
        1e-9,
        1e-12,
        0.01,
        twin.BLUR,
        0.5,
        0.0,
        median,
        expected,
        normal,
        T,
        2,
        portable,
    )
    return median, expected, normal, T


def twin_depths(rows: Float32) -> tuple[Float64, Float64, Float64, Float64]:
    """The same, each ray's densest point found from the Gaussian's covariance."""
    K, pose = twin.camera(WIDTH, HEIGHT)
    R, t = pose[:, :3], pose[:, 3]
    px, py = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack([px, py, np.ones_like(px)], -1) @ np.linalg.inv(K).T
    median, mean, T = np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH))
    normal = np.zeros((3, HEIGHT, WIDTH))
    rows = rows.astype(np.float64)
    for row in rows[np.argsort(rows[:, :3] @ R[2] + t[2], kind="stable")]:
        one = row[None].copy()
        _, left = twin.render(one, K, pose, WIDTH, HEIGHT, np.zeros(3))
        alpha = 1 - left
        axes = R @ twin.rotation(row[6:10])
        center = R @ row[:3] + t
        covariance = axes @ np.diag(np.exp(2 * row[3:6])) @ axes.T
        inverse = np.linalg.inv(covariance)
        depth = rays @ inverse @ center / np.einsum("hwi,ij,hwj->hw", rays, inverse, rays)
        reach = 4 * np.sqrt(covariance[2, 2])
        depth = depth.clip(center[2] - reach, center[2] + reach)
        weight = alpha * T
        median += np.where((T > 0.5) & (T * (1 - alpha) <= 0.5), depth, 0)
        mean += weight * depth
        facing = axes[:, np.argmin(row[3:6])]
        facing = -facing if facing @ center > 0 else facing
        normal += weight * facing[:, None, None]
        T = T * (1 - alpha)
    return median, mean / (1 - T), normal / np.linalg.norm(normal, axis=0), T


@pytest.mark.parametrize("portable", [False, True])
def test_depths_are_the_twins(portable: bool) -> None:
    rows = twin.random_rows(60)
    rows[:, 5] -= 3  # flat ones
    median, expected, normal, T = drawn(rows, portable)
    median2, expected2, normal2, T2 = twin_depths(rows)
    np.testing.assert_allclose(T, T2, atol=5e-5)
    # Seen edge on, and far beside its middle, a flat one is met anywhere; where another Gaussian is
    # the one that stops half, by rounding, the median jumps.
    assert (np.abs(expected - expected2) > 1e-3 * expected2).mean() < 0.01
    assert (np.abs(normal - normal2) > 1e-3).mean() < 0.01
    assert (np.abs(median - median2) > 1e-3).mean() < 0.01
    assert (median2 > 0).mean() > 0.3


def test_result_does_not_depend_on_the_instruction_set() -> None:
    rows = twin.random_rows(40, seed=2)
    for plain, fast in zip(drawn(rows, True), drawn(rows, False), strict=True):
        assert (np.abs(plain - fast) > 1e-4).mean() < 5e-3


def flat_splats(points: Float64, normals: Float64, size: float) -> Splats:
    """Opaque discs (N) on a surface."""
    count = len(points)
    w = 1 + normals[:, 2]
    turns = np.stack([w, -normals[:, 1], normals[:, 0], 0 * w], 1)
    turns[w < 1e-6] = (0, 1, 0, 0)
    return Splats(
        points.astype(np.float32),
        np.tile(np.log([size, size, size * 1e-3]), (count, 1)).astype(np.float32),
        turns.astype(np.float32),
        np.full(count, 4, np.float32),
        np.zeros((count, 1, 3), np.float32),
    )


def view_from(place: Float64, size: int = 80) -> View:
    """A camera that looks at the origin."""
    z = -place / np.linalg.norm(place)
    x = np.cross(z, np.array([0.0, 0, 1]))
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    K = np.array([[1.2 * size, 0, size / 2], [0, 1.2 * size, size / 2], [0, 0, 1]])
    return View("", Path(), size, size, K, R, -R @ place)


def test_depth_of_a_plane_is_exact() -> None:
    rng = np.random.default_rng(0)
    points = np.c_[rng.uniform(-1, 1, (3000, 2)), np.zeros(3000)]
    splats = flat_splats(points, np.tile([0.0, 0, 1], (3000, 1)), 0.06)
    view = view_from(np.array([1.2, 0.5, 1.5]))
    depths = draw_depths(splats, view)
    px = np.arange(80) + 0.5
    rays = np.stack([*np.meshgrid(px, px), np.ones((80, 80))], -1) @ np.linalg.inv(view.K).T
    truth = -view.center[2] / (rays @ view.R)[..., 2]
    solid = depths.opacity > 0.95
    assert solid.mean() > 0.3
    # All flat splats agree on it, however obliquely they are seen.
    np.testing.assert_allclose(depths.surface[solid], truth[solid], rtol=2e-4)
    np.testing.assert_allclose(depths.expected[solid], truth[solid], rtol=2e-4)
    np.testing.assert_allclose(
        depths.normals[solid], np.tile(view.R[:, 2], (solid.sum(), 1)), atol=1e-4
    )


@pytest.mark.parametrize("front", [0.0, 1.5])
def test_the_front_of_a_gaussian_is_nearer(front: float) -> None:
    place = np.array([[0.0, 0.0, 0.0]])
    view = view_from(np.array([3.0, 0.0, 0.0]))
    for sizes, turned in (
        ((0.2, 0.2, 0.2), 0.2),
        ((0.3, 0.3, 0.05), 0.3),
        ((0.05, 0.3, 0.3), 0.05),
    ):
        one = flat_splats(place, np.array([[0.0, 0, 1]]), 1.0)
        one.log_scales[:] = np.log(sizes)
        depths = draw_depths(one, view, stopped=0.5, front=front, threads=1)
        # Looked at along x, its standard deviation there counts.
        assert abs(depths.surface[40, 40] - (3 - front * turned)) < 0.01
        assert abs(depths.expected[40, 40] - 3) < 0.01


def test_depth_of_a_sphere() -> None:
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    view = view_from(np.array([2.5, 0, 0.6]))
    depths = draw_depths(flat_splats(normals, normals, 0.04), view)
    solid = depths.surface > 0
    y, x = np.nonzero(solid)
    rays = np.c_[x + 0.5, y + 0.5, np.ones(len(x))] @ np.linalg.inv(view.K).T
    points = (rays * depths.surface[solid][:, None] - view.t) @ view.R
    radii = np.linalg.norm(points, axis=1)
    assert abs(np.median(radii) - 1) < 2e-3
    assert (np.abs(radii - 1) < 0.01).mean() > 0.95
    assert (np.einsum("ij,ij->i", depths.normals[solid] @ view.R, points) > 0.95).mean() > 0.9
