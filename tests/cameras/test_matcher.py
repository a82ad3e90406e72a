"""The native matcher against an obvious NumPy twin, on every code path of this processor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.native import _match

UInt8 = NDArray[np.uint8]


def twin(a: UInt8, b: UInt8, ratio: float) -> NDArray[np.uint32]:
    """Mutual nearest neighbours that pass the ratio test both ways, from the table of distances."""
    x, y = a.astype(np.int64), b.astype(np.int64)
    table = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T

    def nearest(distances: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        first = distances.argmin(axis=1)
        if distances.shape[1] == 1:
            return first, np.ones(len(first), np.bool_)
        ordered = np.sort(distances, axis=1)
        return first, ordered[:, 0] < ratio**2 * ordered[:, 1]

    there, distinct = nearest(table)
    back, distinct_back = nearest(table.T)
    mine = np.arange(len(a))
    keep = (back[there] == mine) & distinct & distinct_back[there]
    return np.stack([mine[keep], there[keep]], axis=1).astype(np.uint32)


def pair(n: int, m: int, values: int, seed: int) -> tuple[UInt8, UInt8]:
    """Random descriptors of which half have a noisy partner, and some of them two equal ones."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, values, (n, 128), np.uint8)
    b = rng.integers(0, values, (m, 128), np.uint8)
    shared = min(n, m) // 2
    noise = rng.integers(-9, 10, (shared, 128))
    b[:shared] = np.clip(a[:shared].astype(np.int64) + noise, 0, 255)
    if shared > 2:
        b[shared] = b[0]
        a[shared] = a[1]
    return a, b


@pytest.mark.parametrize("path", ["auto", *_match.paths()])
@pytest.mark.parametrize(
    ("n", "m"), [(1, 1), (1, 9), (3, 1), (5, 7), (16, 16), (17, 33), (400, 301)]
)
@pytest.mark.parametrize("values", [2, 40, 256])
def test_equals_the_twin(path: str, n: int, m: int, values: int) -> None:
    a, b = pair(n, m, values, seed=n * 1000 + m)
    np.testing.assert_array_equal(_match.match_descriptors(a, b, 0.8, path), twin(a, b, 0.8))


@pytest.mark.parametrize("path", _match.paths())
def test_the_largest_values_do_not_overflow(path: str) -> None:
    a = np.full((3, 128), 255, np.uint8)
    a[1, :64] = 0
    a[2, 64:] = 0
    np.testing.assert_array_equal(
        _match.match_descriptors(a, a[::-1].copy(), 0.8, path), twin(a, a[::-1], 0.8)
    )
    assert len(_match.match_descriptors(a, a, 0.8, path)) == 3


@pytest.mark.parametrize("path", _match.paths())
def test_nothing_to_match(path: str) -> None:
    none = np.empty((0, 128), np.uint8)
    some = np.ones((4, 128), np.uint8)
    assert _match.match_descriptors(none, some, 0.8, path).shape == (0, 2)
    assert _match.match_descriptors(some, none, 0.8, path).shape == (0, 2)


def test_matching_is_symmetric() -> None:
    a, b = pair(200, 150, 256, seed=3)
    forth = {tuple(row) for row in _match.match_descriptors(a, b, 0.8)}
    back = {tuple(row[::-1]) for row in _match.match_descriptors(b, a, 0.8)}
    assert forth == back
    assert len(forth) > 50
