"""The kernels against their twin in NumPy and its finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.implicit.grid import NODES, TRUNCATION, Frame, Grid
from gypsum.native import _sdf
from gypsum.scene import Box

from . import twin

SHAPE = (12, 12, 12)
OPTICS = np.array([1.1, 0.8, 0.05, 0.2, 1.0, 0.5, 0.3], np.float32)


def whole_grid() -> Grid:
    frame = Frame(Box.between([0, 0, 0], [1, 1, 1]), 1 / 3)
    assert frame.blocks == (3, 3, 3)
    return Grid.of(frame, np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool))


def to_rows(grid: Grid, dense: np.ndarray) -> np.ndarray:
    index = grid.nodes().astype(int)
    return np.ascontiguousarray(dense[tuple(index.T)], np.float32)


class Case:
    """A bumpy ball of random colours, some rays, and what they should see."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.grid = whole_grid()
        ball = twin.truncated_sphere(SHAPE, np.array([5.3, 5.6, 5.4]), 3.2)
        self.distance = (ball + rng.normal(0, 0.1, SHAPE)).astype(np.float32).astype(float)
        self.color = rng.uniform(0, 1, (*SHAPE, 16)).astype(np.float32).astype(float)
        self.camera = np.empty(16)
        self.camera[:4] = 20, 21, 4, 4
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        self.camera[4:13] = turn.ravel()
        self.camera[13:] = np.array([5.5, 5.5, 5.5]) - 20 * turn[2]
        self.camera = self.camera.astype(np.float32).astype(float)
        count = 40
        self.pixel = rng.uniform(1.0, 7.0, (count, 2)).astype(np.float32)
        self.target = rng.uniform(0, 1, (count, 4)).astype(np.float32)
        self.trust = rng.uniform(0.2, 1, count).astype(np.float32)
        self.depth = np.stack([rng.uniform(15, 19, count), rng.uniform(0, 1, count)], 1)
        self.depth = self.depth.astype(np.float32)
        self.rows = to_rows(self.grid, self.distance)
        self.color_rows = to_rows(self.grid, self.color)
        self.phase = 0.37

    def scene(self, portable: bool) -> _sdf.Scene:
        return _sdf.Scene(
            self.grid.table, self.rows, self.color_rows, TRUNCATION,
            self.camera[None].astype(np.float32), np.zeros(len(self.pixel), np.int16),
            self.pixel, self.target, self.trust, self.depth, 1, portable,
        )  # fmt: skip

    def chosen(self) -> np.ndarray:
        return np.arange(len(self.pixel), dtype=np.int32)

    def lines(self) -> list[tuple[np.ndarray, np.ndarray, float, np.ndarray]]:
        found = []
        for number, pixel in enumerate(self.pixel.astype(float)):
            start, along, depth = twin.ray(self.camera, pixel)
            shift = (number * twin.GOLDEN + self.phase) % 1
            at = twin.places(self.distance, start, along, OPTICS[0], OPTICS[1], shift)
            found.append((start, along, depth, at))
        return found

    def loss(
        self, lines: list, distance: np.ndarray, color: np.ndarray, optics: np.ndarray = OPTICS
    ) -> float:
        total = 0.0
        for number, (start, along, depth, at) in enumerate(lines):
            if not len(at):
                continue
            seen = twin.seen(distance, color, start, along, depth, at, float(OPTICS[0]))
            total += twin.loss(
                *seen, self.target[number].astype(float), float(self.trust[number]),
                self.depth[number].astype(float), optics.astype(float),
            )  # fmt: skip
        return total


def descend(case: Case, portable: bool = False, parts: int = 1) -> tuple[np.ndarray, ...]:
    rows = case.grid.rows
    by_distance = np.zeros((parts, rows), np.float32)
    by_color = np.zeros((parts, rows, _sdf.CHANNELS), np.float32)
    seen = np.zeros((parts, rows // NODES), np.uint8)
    losses = case.scene(portable).descend(
        OPTICS, case.phase, case.chosen(), by_distance, by_color, seen
    )
    return np.array(losses), by_distance.sum(0), by_color.sum(0)


def differences(
    case: Case, optics: np.ndarray, by_distance: np.ndarray, by_color: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The strongest of some derivatives, each with the finite differences of the twin.

    By distances (rows,) first, by colours (rows, 16) then.
    """
    lines, index = case.lines(), case.grid.nodes().astype(int)

    def by(values: np.ndarray, place: tuple[int, ...], step: float) -> float:
        ends = []
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * step
            distance, color = (
                (moved, case.color) if values is case.distance else (case.distance, moved)
            )
            ends.append(case.loss(lines, distance, color, optics))
        return (ends[0] - ends[1]) / (2 * step)

    strong = np.argsort(-np.abs(by_distance))[:40]
    true = [by(case.distance, tuple(index[row]), 1e-5) for row in strong]
    colored = np.argsort(-np.abs(by_color).max(1))[:20]
    channels = np.random.default_rng(0).integers(12, size=len(colored))
    true_colors = [
        by(case.color, (*index[row], channel), 1e-4)
        for row, channel in zip(colored, channels, strict=True)
    ]
    return [
        (by_distance[strong], np.array(true)),
        (by_color[colored, channels], np.array(true_colors)),
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_derivatives_are_those_of_finite_differences(seed: int) -> None:
    case = Case(seed)
    losses, by_distance, by_color = descend(case)
    lines = case.lines()
    assert losses[3] == sum(len(line[3]) for line in lines)
    assert losses[:3].sum() == pytest.approx(case.loss(lines, case.distance, case.color), rel=1e-3)
    for found, true in differences(case, OPTICS, by_distance, by_color):
        assert np.linalg.norm(found - true) < 1e-3 * np.linalg.norm(true)


def test_both_instruction_sets_and_any_threads_agree() -> None:
    case = Case(3)
    first = descend(case)
    for other in (descend(case, portable=True), descend(case, parts=3)):
        for a, b in zip(first, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())


def test_drawn_rays_are_those_of_the_twin() -> None:
    case = Case(4)
    drawn = np.empty((len(case.pixel), _sdf.DRAWN), np.float32)
    case.scene(False).draw(OPTICS, case.phase, case.chosen(), drawn)
    for row, (start, along, depth, at) in zip(drawn, case.lines(), strict=True):
        rgb, opacity, far = twin.seen(
            case.distance, case.color, start, along, depth, at, float(OPTICS[0])
        )
        assert row[:3] == pytest.approx(rgb, abs=0.01)
        assert row[3] == pytest.approx(opacity, abs=1e-4)
        if opacity > 0.5:
            assert row[4] == pytest.approx(far / opacity, rel=1e-4)
            assert row[5:] @ along < 0


def test_smoothness_has_its_derivative() -> None:
    grid = whole_grid()
    rng = np.random.default_rng(5)
    dense = twin.truncated_sphere(SHAPE, np.array([5.5, 5.2, 5.8]), 3.0)
    dense += rng.normal(0, 0.2, SHAPE)
    terms = (0.3, 0.2, 0.5, 100.0)
    gradient = np.zeros(grid.rows, np.float32)
    _sdf.regularize(to_rows(grid, dense), grid.around, *terms, gradient)
    index = grid.nodes().astype(int)
    found, true = [], []
    for row in rng.choice(grid.rows, 80, replace=False):
        node = tuple(index[row])
        ends = []
        for step in (1e-5, -1e-5):
            moved = dense.copy()
            moved[node] += step
            ends.append(twin.smoothness(moved, *terms))
        found.append(gradient[row])
        true.append((ends[0] - ends[1]) / 2e-5)
    assert np.linalg.norm(np.subtract(found, true)) < 1e-3 * np.linalg.norm(true)


def test_redistancing_keeps_the_surface_and_mends_the_rest() -> None:
    grid = whole_grid()
    center, radius = np.array([5.5, 5.4, 5.6]), 3.3
    true = twin.truncated_sphere(SHAPE, center, radius)
    warped = to_rows(grid, np.sign(true) * true**2 * 0.5 + 0.3 * true)
    mended = np.empty_like(warped)
    _sdf.redistance(warped, grid.around, TRUNCATION, 12, mended)
    assert ((mended < 0) == (warped < 0)).all()
    assert np.abs(mended - to_rows(grid, true)).max() < 0.8
    beside = np.abs(to_rows(grid, true)) < 1
    assert np.abs(mended - to_rows(grid, true))[beside].mean() < 0.15


def test_where_no_block_is_rays_pass_or_end() -> None:
    frame = Frame(Box.between([0, 0, 0], [1, 1, 1]), 1 / 20)
    true = twin.truncated_sphere((32, 32, 32), np.array([15.5, 15.5, 15.5]), 9)
    blocks = true.reshape(8, 4, 8, 4, 8, 4).transpose(0, 2, 4, 1, 3, 5).reshape(8, 8, 8, 64)
    active = (np.abs(blocks).min(-1) < 2).transpose(2, 1, 0)
    grid = Grid.of(frame, active, (blocks.mean(-1) < 0).transpose(2, 1, 0))
    assert 0 < len(grid.places) < 512
    rows = to_rows(grid, true)
    camera = np.array([[40, 40, 20, 20, 1, 0, 0, 0, 1, 0, 0, 0, 1, 15.5, 15.5, -30]], np.float32)
    y, x = np.divmod(np.arange(1600), 40)
    scene = _sdf.Scene(
        grid.table, rows, np.zeros((grid.rows, 16), np.float32), TRUNCATION, camera,
        np.zeros(1600, np.int16), np.stack([x + 0.5, y + 0.5], 1).astype(np.float32),
        np.zeros((1600, 4), np.float32), np.zeros(1600, np.float32), None,
    )  # fmt: skip
    drawn = np.empty((1600, _sdf.DRAWN), np.float32)
    scene.draw(
        np.array([4, 0.5, 1, 1, 0, 0, 0], np.float32), 0.0, np.arange(1600, dtype=np.int32), drawn
    )
    assert drawn[20 * 40 + 20, 4] == pytest.approx(36.5, abs=0.15)
    inside = drawn[:, 3].reshape(40, 40) > 0.5
    # A sphere's outline: the cone that touches it.
    radius = 40 * 9 / np.sqrt(45.5**2 - 81)
    assert np.sqrt(inside.sum() / np.pi) == pytest.approx(radius, abs=0.25)
