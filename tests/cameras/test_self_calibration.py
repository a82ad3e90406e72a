"""Focal lengths from matches."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.cameras.self_calibration import find_focal_lengths, focal_share

from .scenes import FOCAL, WIDTH, Ring, capture_of, ring


def fundamental_matrices(scene: Ring, focal: float, noise: float, seed: int = 0) -> np.ndarray:
    """Of all pairs, in coordinates about the middle in units of the longer side."""
    rng = np.random.default_rng(seed)
    inverse = np.diag([WIDTH / focal, WIDTH / focal, 1.0])
    found = []
    for i in range(len(scene.names)):
        for j in range(i + 1, len(scene.names)):
            R = scene.R[j] @ scene.R[i].T
            x, y, z = scene.R[j] @ (scene.centers[i] - scene.centers[j])
            E = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ R
            F = inverse @ E @ inverse
            F /= np.linalg.norm(F)
            found.append(F + noise * rng.normal(size=(3, 3)))
    return np.array(found)


@pytest.mark.parametrize("share", [0.7, 0.94, 1.6])
def test_the_focal_length_of_exact_pairs_is_found(share: float) -> None:
    found = focal_share(fundamental_matrices(ring(), share * WIDTH, 0.0))
    assert found == pytest.approx(share, rel=0.03)


def test_some_wrong_pairs_do_not_matter() -> None:
    matrices = fundamental_matrices(ring(), FOCAL, 1e-3)
    rng = np.random.default_rng(3)
    wrong = rng.random(len(matrices)) < 0.3
    matrices[wrong] = rng.normal(size=(int(wrong.sum()), 3, 3))
    assert focal_share(matrices) == pytest.approx(FOCAL / WIDTH, rel=0.08)


def test_few_pairs_and_noise_tell_nothing() -> None:
    assert focal_share(fundamental_matrices(ring(6), FOCAL, 0.0)) is None
    assert focal_share(np.random.default_rng(0).normal(size=(80, 3, 3))) is None
    assert focal_share(np.empty((0, 3, 3))) is None


def test_matches_of_a_ring_tell_its_focal_length() -> None:
    scene = ring()
    photos = capture_of(scene.names).photos
    rng = np.random.default_rng(1)
    seen = [scene.project(i, scene.points) for i in range(len(scene.names))]
    points = [xy + rng.normal(0, 0.3, xy.shape) for xy, _ in seen]
    matches = {}
    for i in range(len(seen)):
        for j in range(i + 1, len(seen)):
            both = np.flatnonzero(seen[i][1] & seen[j][1])
            matches[i, j] = np.stack([both, both], axis=1).astype(np.uint32)
    found = find_focal_lengths(photos, points, matches)
    assert found["camera"] == pytest.approx(FOCAL, rel=0.05)
    known = capture_of(scene.names, focal=500.0).photos
    assert find_focal_lengths(known, points, matches) == {}
