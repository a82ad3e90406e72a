"""Splats with less in them."""

from __future__ import annotations

import numpy as np

from gypsum.conversion import centered, inside, limited, pruned, scaled
from gypsum.scene import Splats


def some(count: int = 200) -> Splats:
    rows = np.random.default_rng(0).normal(size=(count, 59)).astype(np.float32)
    rows[:, 3:6] = -4
    rows[:, 10] = 3
    return Splats.from_rows(rows, 3)


def test_what_shows_least_goes_first() -> None:
    splats = some()
    splats.opacities[:20] = -20
    splats.log_scales[20:40] = -9
    left = pruned(splats, 0.2)
    np.testing.assert_array_equal(left.rows(), splats.rows()[40:])


def test_a_share_of_none_leaves_out_what_no_one_sees() -> None:
    splats = some()
    splats.opacities[7] = -6
    left = pruned(splats, 0)
    np.testing.assert_array_equal(left.rows(), np.delete(splats.rows(), 7, axis=0))
    splats.opacities[:] = -20
    assert len(pruned(splats, 0)) == len(splats)


def test_far_splats_have_to_be_larger_to_stay() -> None:
    splats = some()
    splats.means[:50] *= 1000
    left = pruned(splats, 0.25)
    np.testing.assert_array_equal(left.means, splats.means[50:])


def test_a_box_by_any_two_opposite_corners() -> None:
    points = np.array([[0, 0, 0], [1, 1, 1], [0.5, 0.5, 1.1]])
    expected = [True, True, False]
    assert inside(points, (1, 0, 1, 0, 1, 0)).tolist() == expected
    assert inside(points, (0, 0, 0, 1, 1, 1)).tolist() == expected


def test_fewer_harmonics() -> None:
    for degree in range(4):
        assert limited(some(), degree).degree == degree
    assert limited(limited(some(), 1), 3).degree == 1


def test_placement() -> None:
    splats = some()
    larger = scaled(splats, 3)
    assert isinstance(larger, Splats)
    np.testing.assert_allclose(larger.means, 3 * splats.means, rtol=1e-5)
    np.testing.assert_allclose(larger.log_scales, splats.log_scales + np.log(3), rtol=1e-5)
    splats.means[0] = 1e4
    standing = centered(splats)
    assert isinstance(standing, Splats)
    low, high = np.quantile(standing.means, [0.01, 0.99], axis=0)
    np.testing.assert_allclose((low + high)[:2], 0, atol=1e-3)
    np.testing.assert_allclose(low[2], 0, atol=1e-3)
