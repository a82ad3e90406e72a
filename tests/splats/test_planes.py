"""Planes of Gaussians, and the derivative of how well they agree with depths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.splats import TrainOptions, fit
from gypsum.splats.density import axes

from . import scenes, twin

WIDTH, HEIGHT = 44, 36
K, POSE = twin.camera(WIDTH, HEIGHT)


def plates(count: int = 60, seed: int = 2) -> NDArray[np.float32]:
    """Opaque plates on a rough ball in front of the camera, each about along it."""
    rng = np.random.default_rng(seed)
    rows = twin.random_rows(count, seed, size=0.25)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rows[:, :3] = directions * rng.uniform(0.55, 0.65, (count, 1))
    rows[:, 5] = np.log(0.03)
    x, y, z = directions.T
    turns = np.stack([1 + z, -y, x, 0 * z], 1) + rng.normal(0, 0.12, (count, 4))
    rows[:, 6:10] = turns
    rows[:, 10] = 1.5
    return rows


class Drawn:
    """Planes as the kernels draw them, with cut-offs that hardly cut."""

    def __init__(self, rows: NDArray[np.float32], portable: bool = False) -> None:
        self.rasterizer = _splats.Rasterizer(1e-6, 1e-8, 0.01, twin.BLUR, 1, portable)
        self.rows = rows
        color = np.empty((3, HEIGHT, WIDTH), np.float32)
        self.planes = np.empty_like(color)
        self.transmittance = np.empty((HEIGHT, WIDTH), np.float32)
        black = np.zeros(3, np.float32)
        self.rasterizer.draw(rows, 0, K, POSE, black, color, self.transmittance)
        self.rasterizer.draw_planes(rows, self.planes, self.transmittance)

    def pull(self, weight: float = 1.0) -> tuple[float, NDArray[np.float32]]:
        derivatives = np.zeros_like(self.rows)
        loss = self.rasterizer.pull_planes(
            self.rows, self.planes, self.transmittance, weight, derivatives
        )
        return loss, derivatives


def normals(planes: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit normals (3, h, w) of the planes and of their depths, the latter but at the border."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 - K[0, 2], np.arange(HEIGHT) + 0.5 - K[1, 2])
    q = planes[0] * x / K[0, 0] + planes[1] * y / K[1, 1] + planes[2]
    down, across = np.gradient(q)
    depth = np.stack([K[0, 0] * across, K[1, 1] * down, q - x * across - y * down])
    return planes / np.linalg.norm(planes, axis=0), depth / np.linalg.norm(depth, axis=0)


def disagreement(planes: NDArray[np.floating], transmittance: NDArray[np.floating]) -> float:
    """What the kernel measures, plainly."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 - K[0, 2], np.arange(HEIGHT) + 0.5 - K[1, 2])
    q = planes[0] * x / K[0, 0] + planes[1] * y / K[1, 1] + planes[2]
    down, across = np.gradient(q)
    counted = (transmittance <= 0.5) & (abs(across) + abs(down) < 0.05 * q)
    counted[[0, -1]] = counted[:, [0, -1]] = False
    own, depth = normals(planes)
    return float(((1 - (own * depth).sum(0)) * counted).sum() / counted.size)


def twin_planes(rows: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Planes and transmittance by the twin's blending, in double precision."""
    planes = np.zeros((3, HEIGHT, WIDTH))
    rotations = axes(rows[:, 6:10])
    for channel in range(3):
        colored = np.array(rows, np.float64)
        colored[:, 11:] = 0
        for row, rotation in zip(colored, rotations, strict=True):
            n = POSE[:, :3] @ rotation[:, np.argmin(row[3:6])]
            p = POSE[:, :3] @ row[:3] + POSE[:, 3]
            limit = 0.1 * np.linalg.norm(p)
            along = n @ p
            distance = along if abs(along) > limit else np.copysign(limit, along)
            # The twin adds a half and holds at zero: colours are moved by ten, and back below.
            row[11] = (n[channel] / distance + 9.5) / (0.5 / np.sqrt(np.pi))
        color, transmittance = twin.render(colored, K, POSE, WIDTH, HEIGHT, np.zeros(3), 0)
        planes[channel] = color[0] - 10 * (1 - transmittance)
    return planes, transmittance


@pytest.mark.parametrize("portable", [False, True])
def test_planes_are_blended_as_colours_are(portable: bool) -> None:
    rows = plates()
    drawn = Drawn(rows, portable)
    planes, transmittance = twin_planes(rows)
    np.testing.assert_allclose(drawn.planes, planes, atol=2e-4)
    np.testing.assert_allclose(drawn.transmittance, transmittance, atol=2e-4)
    loss, _ = drawn.pull()
    assert loss == pytest.approx(disagreement(planes, transmittance), rel=2e-2)
    assert loss > 0.01


def test_derivatives_are_those_of_finite_differences() -> None:
    rows = plates(14)
    # The numbers of pixels that count jump with what is seen through: all is opaque here.
    rows[:, 10] = 3
    drawn = Drawn(rows)
    shown = drawn.transmittance < 0.45
    assert shown.mean() > 0.1
    _, found = drawn.pull()
    rng = np.random.default_rng(0)
    checked = 0
    for column in range(11):
        direction = np.zeros(rows.shape)
        direction[:, column] = rng.choice([-1, 1], len(rows))
        step = 2e-5
        ends = []
        for sign in (1, -1):
            planes, transmittance = twin_planes(rows.astype(np.float64) + sign * step * direction)
            # Which pixels count is that of the middle.
            ends.append((planes, transmittance))
        expected = (same_pixels(ends[0], drawn) - same_pixels(ends[1], drawn)) / (2 * step)
        got = float((found * direction).sum())
        assert got == pytest.approx(expected, rel=0.03, abs=3e-4), column
        checked += abs(expected) > 1e-3
    assert checked >= 5


def same_pixels(drawn: tuple[NDArray[np.float64], NDArray[np.float64]], middle: Drawn) -> float:
    """The disagreement over the pixels that count in another picture."""
    own, depth = normals(drawn[0])
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5 - K[0, 2], np.arange(HEIGHT) + 0.5 - K[1, 2])
    planes = middle.planes
    q = planes[0] * x / K[0, 0] + planes[1] * y / K[1, 1] + planes[2]
    down, across = np.gradient(q)
    counted = (middle.transmittance <= 0.5) & (abs(across) + abs(down) < 0.05 * q)
    counted[[0, -1]] = counted[:, [0, -1]] = False
    return float(((1 - (own * depth).sum(0)) * counted).sum() / counted.size)


def test_a_plane_agrees_with_its_depths() -> None:
    rng = np.random.default_rng(5)
    rows = plates(400)
    rows[:, :3] = np.c_[rng.uniform(-2, 2, (400, 2)), np.zeros(400)]
    rows[:, 6:10] = (1, 0, 0, 0)
    rows[:, 3:5] = np.log(0.3)
    drawn = Drawn(rows)
    loss, _ = drawn.pull()
    assert loss < 1e-4
    normal = POSE[:, 2]
    np.testing.assert_allclose(
        np.abs(np.einsum("chw,c->hw", normals(drawn.planes)[0], normal)), 1, atol=1e-4
    )


def test_a_surface_is_flat_and_lies_along_itself(tmp_path: Path) -> None:
    model, views = scenes.capture(24, tmp_path)
    options = TrainOptions(splats=400, iterations=300, degree=0, seed=3, threads=1)
    ratios = []
    for surface in (False, True):
        found = fit(
            model, views, tmp_path / str(surface), replace(options, surface=surface),
            long_side=scenes.WIDTH,
        )  # fmt: skip
        sizes = np.sort(found.splats.log_scales, axis=1)
        ratios.append(float(np.exp(np.median(sizes[:, 0] - sizes[:, 1]))))
        assert found.mean is not None
        assert found.mean.psnr > 17
    assert ratios[1] < 0.6 * ratios[0]
