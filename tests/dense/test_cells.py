"""The grid in which fusion gathers points, against NumPy, and what photos say about its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native._fusion import Cells

EDGE = 0.05


@dataclass(frozen=True)
class Giving:
    """What a photo of one row of pixels gives."""

    chosen: NDArray[np.uint8]
    agree: NDArray[np.uint8]
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    colors: NDArray[np.uint8]
    radii: NDArray[np.float32]
    confidence: NDArray[np.float32]

    @classmethod
    def random(cls, count: int, seed: int = 0) -> Giving:
        rng = np.random.default_rng(seed)
        return cls(
            rng.integers(0, 2, (1, count), np.uint8),
            rng.integers(2, 8, (1, count), np.uint8),
            rng.uniform(-0.5, 0.5, (1, count, 3)).astype(np.float32),
            np.broadcast_to(np.float32([0, 0, 1]), (1, count, 3)).copy(),
            rng.integers(0, 256, (1, count, 3), np.uint8),
            rng.choice(np.float32([0.05, 0.09, 0.3]), (1, count)),
            rng.uniform(0.3, 1, (1, count)).astype(np.float32),
        )

    def to(self, cells: Cells) -> None:
        cells.add(
            self.chosen, self.agree, self.points, self.normals, self.colors, self.radii,
            self.confidence,
        )  # fmt: skip


NO_MASK = np.zeros((0, 0), np.uint8)


def look_down(
    cells: Cells,
    number: int,
    depth: float,
    height: float,
    width: int = 64,
    mask: NDArray[np.uint8] = NO_MASK,
) -> None:
    """A photo from ``height`` above the grid, straight down, that sees one depth everywhere."""
    shape = (width, width)
    K = np.array([[width / 2, 0, width / 2], [0, width / 2, width / 2], [0, 0, 1.0]])
    pose = np.array([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, height]])
    normal = np.broadcast_to(np.float32([0, 0, -1]), (*shape, 3)).copy()
    cells.judge(
        number, np.full(shape, depth, np.float32), normal, K, pose, np.ones(shape, np.uint8),
        mask, 0.02, 0.7, 0.05, 1,
    )  # fmt: skip


def twin(giving: Giving, edge: float) -> dict[tuple[int, ...], NDArray[np.float64]]:
    """Weighted mean position, colour, radius and confidence of each cell, in double precision."""
    sums: dict[tuple[int, ...], NDArray[np.float64]] = {}
    for i in np.flatnonzero(giving.chosen[0]):
        radius = float(giving.radii[0, i])
        level = max(0, int(np.ceil(np.log2(radius / EDGE) - 0.5)))
        level = max(level, round(np.log2(edge / EDGE)))
        place = np.floor(giving.points[0, i] / (EDGE * 2.0**level)).astype(int)
        weight = (giving.agree[0, i] + 1) / radius**2
        values = [*giving.points[0, i], *giving.colors[0, i], radius, giving.confidence[0, i], 1.0]
        key = (level, *(int(v) for v in place))
        sums[key] = sums.get(key, np.zeros(9)) + weight * np.array(values, float)
    return {key: value[:8] / value[8] for key, value in sums.items()}


def compare(cells: Cells, expected: dict[tuple[int, ...], NDArray[np.float64]]) -> None:
    for number in range(3):
        look_down(cells, number, depth=50.0, height=50.0)
    points, normals, colors, radii, confidence, support, starts, photos = cells.finish(3, 2.0)
    found = np.column_stack([points, colors, radii, confidence])
    wanted = np.array(list(expected.values()))
    assert len(found) == len(wanted)
    found, wanted = (rows[np.lexsort(rows[:, :3].round(4).T)] for rows in (found, wanted))
    np.testing.assert_allclose(found[:, :3], wanted[:, :3], atol=2e-6)
    np.testing.assert_allclose(found[:, 3:6], wanted[:, 3:6], atol=0.501)
    np.testing.assert_allclose(found[:, 6:], wanted[:, 6:], rtol=1e-5)
    np.testing.assert_allclose(normals, np.broadcast_to([0, 0, 1], normals.shape))
    assert np.all(support == 3)
    np.testing.assert_array_equal(np.diff(starts), 3)
    np.testing.assert_array_equal(photos.reshape(-1, 3), [[0, 1, 2]] * len(points))


def test_cells_hold_the_weighted_means_of_their_points() -> None:
    giving = Giving.random(4000)
    cells = Cells(EDGE, 1.0, 1_000_000)
    giving.to(cells)
    assert cells.merged == 0
    compare(cells, twin(giving, EDGE))


def test_too_many_cells_merge_into_cells_twice_as_large() -> None:
    giving = Giving.random(4000)
    cells = Cells(EDGE, 1.0, 1000)
    giving.to(cells)
    assert cells.merged == 1
    assert len(cells) <= 1000
    compare(cells, twin(giving, 2 * EDGE))


def test_the_two_sides_of_a_thin_sheet_stay_apart() -> None:
    giving = Giving.random(400)
    giving.normals[0, ::2] *= -1
    giving.points[..., 2] = np.where(giving.normals[..., 2] > 0, 0.011, 0.009)
    cells = Cells(EDGE, 1.0, 1_000_000)
    giving.to(cells)
    for number in range(3):
        look_down(cells, number, depth=50.0, height=50.0)
    points, normals, *_ = cells.finish(3, 2.0)
    # The photos only look from above, so only that side is confirmed.
    assert np.all(normals[:, 2] > 0.99)
    np.testing.assert_allclose(points[:, 2], 0.011, atol=1e-6)


def test_points_before_what_photos_see_are_dropped() -> None:
    giving = Giving.random(4000)
    giving.points[..., 2] = np.where(np.arange(4000) < 3000, 0, 0.3)
    giving.radii[:] = EDGE
    cells = Cells(EDGE, 1.0, 1_000_000)
    giving.to(cells)
    for number in range(5):
        look_down(cells, number, depth=2.0, height=2.0)
    for number in range(5, 10):  # these say that the hanging points are there
        look_down(cells, number, depth=1.7, height=2.0)
    assert np.all(cells.finish(3, 0.0)[0][:, 2] < 0.31)
    assert np.any(cells.finish(3, 0.0)[0][:, 2] > 0.29)
    assert np.all(np.abs(cells.finish(3, 1.0)[0][:, 2]) < 1e-6)


def test_points_that_few_of_the_photos_facing_them_see_are_dropped() -> None:
    """Seen by 4 photos of 10: the others know nothing there, or see a surface just before it."""
    for depth, share in ((0.0, 0.4), (1.93, 0.4), (1.5, 1.0)):  # the last is hidden from six
        giving = Giving.random(500)
        giving.points[..., 2] = 0
        cells = Cells(EDGE, 1.0, 1_000_000)
        giving.to(cells)
        for number in range(10):
            look_down(cells, number, depth=2.0 if number < 4 else depth, height=2.0)
        every = len(cells.finish(3, 2.0)[0])
        assert len(cells.finish(3, 2.0, 1.0, share - 0.01)[0]) == every > 0
        assert len(cells.finish(3, 2.0, 1.0, share + 0.01)[0]) == 0


def test_points_beside_the_masks_are_dropped_but_not_for_one_bad_mask() -> None:
    giving = Giving.random(4000)
    giving.points[..., 2] = 0
    cells = Cells(EDGE, 1.0, 1_000_000)
    giving.to(cells)
    mask = np.full((64, 64), 255, np.uint8)
    mask[:, :32] = 0
    for number in range(10):
        # The left half of the masks leaves out x < 0; the last leaves out all.
        look_down(cells, number, 2.0, 2.0, mask=mask if number < 9 else np.zeros_like(mask))
    points = cells.finish(3, 2.0, 0.15)[0]
    assert np.all(points[:, 0] >= 0)
    every = cells.finish(3, 2.0)[0]
    assert len(points) == np.sum(every[:, 0] >= 0)
    assert len(cells.finish(3, 2.0, 0.05)[0]) == 0


def test_view_lists_are_bounded() -> None:
    giving = Giving.random(500)
    giving.points[..., 2] = 0
    cells = Cells(EDGE, 1.0, 1_000_000)
    giving.to(cells)
    for number in range(40):
        look_down(cells, number, depth=2.0, height=2.0)
    *_, support, starts, photos = cells.finish(3, 2.0)
    assert np.all(support == 40)
    np.testing.assert_array_equal(photos.reshape(-1, 12), [range(12)] * (len(starts) - 1))
