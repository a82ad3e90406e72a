"""Spherical harmonics, and splats that are turned with them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.scene import Splats, harmonics


def rotation(seed: int) -> NDArray[np.float64]:
    """(3, 3) a proper rotation drawn by chance."""
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return np.asarray(matrix * np.sign(np.linalg.det(matrix)))


def directions(count: int) -> NDArray[np.float64]:
    values = np.random.default_rng(9).normal(size=(count, 3))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


def test_the_terms_are_orthonormal() -> None:
    """Over the sphere, by Gauss's rule in z and even steps around it, which is exact here."""
    z, weights = np.polynomial.legendre.leggauss(8)
    angle = np.arange(16) * np.pi / 8
    z, angle, weights = (
        a.ravel() for a in np.broadcast_arrays(z[:, None], angle, weights[:, None])
    )
    radius = np.sqrt(1 - z * z)
    values = harmonics.basis(np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1))
    products = (values * weights[:, None]).T @ values * np.pi / 8
    np.testing.assert_allclose(products, np.eye(16), atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_turned_colours_are_those_seen_before_from_where_one_was(degree: int, seed: int) -> None:
    terms = (degree + 1) ** 2
    held = np.random.default_rng(seed).normal(size=(5, terms, 3)).astype(np.float32)
    turn, seen = rotation(seed), directions(40)
    after = np.einsum("dt,ntc->ndc", harmonics.basis(seen)[:, :terms], harmonics.turned(held, turn))
    before = np.einsum("dt,ntc->ndc", harmonics.basis(seen @ turn)[:, :terms], held)
    np.testing.assert_allclose(after, before, atol=2e-5)


@pytest.mark.parametrize("seed", [*range(5), None])
def test_moved_splats_cover_what_they_covered(seed: int | None) -> None:
    rng = np.random.default_rng(0)
    splats = Splats.from_rows(rng.normal(size=(20, 59)).astype(np.float32), 3)
    # Half a turn has the quaternion that formulas with a division miss.
    turn = np.diag([-1.0, 1, -1]) if seed is None else rotation(seed)
    moved = splats.moved(turn, 2.5)
    np.testing.assert_allclose(moved.means, 2.5 * splats.means @ turn.T, atol=1e-5)
    expected = 2.5**2 * turn @ covariances(splats) @ turn.T
    scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(covariances(moved) / scale, expected / scale, atol=1e-5)


def covariances(splats: Splats) -> NDArray[np.float64]:
    quaternions = splats.quaternions.astype(np.float64)
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    axes = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
    variances = np.exp(2 * splats.log_scales.astype(np.float64))
    return np.asarray((axes * variances[:, None]) @ axes.transpose(0, 2, 1))
