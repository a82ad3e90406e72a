"""Mapping's second try, and how pairs are judged by a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.cameras import match_features
from gypsum.cameras.mapping import _Mapper, read_scene, sampson_errors
from gypsum.scene import no_progress

from .scenes import FOCAL, HEIGHT, WIDTH, capture_of, center_errors, ring, write_features


def test_all_photos_are_placed_at_once(tmp_path: Path) -> None:
    """With no first model, by the focal length of the photos."""
    pytest.importorskip("pycolmap")
    truth = ring(14, 600)
    capture = capture_of(truth.names, focal=FOCAL)
    write_features(truth, tmp_path / "features")
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    database = tmp_path / "matches" / "database.db"
    mapper = _Mapper(read_scene(database), database, tmp_path, 2, no_progress)
    found = [mapper.map_globally(None) for _ in range(2)]
    for mapped in found:
        assert mapped is not None
        assert mapped.doubtful == []
        assert sorted(mapped.model.reg_image_ids()) == list(range(1, 15))
    centers = [
        np.array([mapped.model.image(i).projection_center() for i in range(1, 15)])
        for mapped in found
        if mapped is not None
    ]
    assert center_errors(centers[0], truth.centers).max() < 0.01
    assert center_errors(centers[1], centers[0]).max() < 1e-4
    assert not (tmp_path / "mapping.db").exists()


def test_sampson_errors_are_distances_to_epipolar_lines() -> None:
    """Two cameras side by side: lines are rows, and a miss of d rows is shared by both photos."""
    rng = np.random.default_rng(0)
    truth = ring(2)
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    R = truth.R[1] @ truth.R[0].T
    t = truth.R[1] @ (truth.centers[0] - truth.centers[1])
    across = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    F = np.linalg.inv(K).T @ across @ R @ np.linalg.inv(K)
    first, second = (truth.project(i, truth.points)[0] for i in (0, 1))
    assert sampson_errors(F, first, second).max() < 1e-6
    rows = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    places = rng.uniform(0, 500, (20, 2))
    moved = places + np.c_[rng.uniform(-90, 90, 20), np.full(20, 3.0)]
    np.testing.assert_allclose(sampson_errors(rows, places, moved), 3 / np.sqrt(2))
