"""Learned matches join those of SIFT; the networks themselves are played by the scene's truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gypsum.cameras import estimate_cameras, learned, match_features
from gypsum.cameras.learned import LearnedFeatures, add_learned_matches, check_installed
from gypsum.cameras.mapping import read_scene
from gypsum.errors import InputError

from .scenes import FOCAL, Ring, capture_of, center_errors, ring, write_features, write_photos


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "_PACKAGES", ("numpy", "no_such_package"))
    with pytest.raises(InputError, match=r"gypsum\[learned\]"):
        check_installed()
    monkeypatch.setattr(learned, "_PACKAGES", ("numpy",))
    check_installed()


class Networks:
    """What perfect networks would find: points known by their rows, seen to within a pixel."""

    def __init__(self, scene: Ring) -> None:
        self.scene = scene
        self.detections = 0
        self.matchings = 0

    def detect(self, _network: Any, path: Path) -> LearnedFeatures:
        self.detections += 1
        i = self.scene.names.index(path.name)
        xy, inside = self.scene.project(i, self.scene.points)
        rows = np.flatnonzero(inside)[::2]
        noise = np.random.default_rng(i).normal(0, 0.4, (len(rows), 2))
        return LearnedFeatures((xy[rows] + noise).astype(np.float32), rows[:, None] / 2048)

    def match(self, _network: Any, _a: Any, one: Any, _b: Any, other: Any) -> np.ndarray:
        self.matchings += 1
        _, i, j = np.intersect1d(
            one.descriptors.ravel(), other.descriptors.ravel(), return_indices=True
        )
        return np.stack([i, j], axis=1).astype(np.uint32)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Networks:
    played = Networks(ring(count=8))
    monkeypatch.setattr(learned, "check_installed", lambda: None)
    monkeypatch.setattr(learned, "_set_up", lambda _: None)
    monkeypatch.setattr(learned, "_detector", lambda: "detector")
    monkeypatch.setattr(learned, "_matcher", lambda: "matcher")
    monkeypatch.setattr(learned, "_detect", played.detect)
    monkeypatch.setattr(learned, "_match", played.match)
    return played


def test_photos_that_sift_cannot_join_are_joined(networks: Networks, tmp_path: Path) -> None:
    scene = networks.scene
    capture = capture_of(scene.names, focal=FOCAL)
    write_features(scene, tmp_path / "features", noise=0.3)
    write_photos(scene.names, tmp_path / "photos")
    match_features(capture, tmp_path / "features", tmp_path / "matches", threads=2)
    before = read_scene(tmp_path / "matches" / "database.db")

    def add() -> None:
        add_learned_matches(
            capture, tmp_path / "photos", tmp_path / "features", tmp_path / "matches", threads=2
        )

    add()
    after = read_scene(tmp_path / "matches" / "database.db")
    assert set(before.geometries) <= set(after.geometries)
    for old, new in zip(before.points, after.points, strict=True):
        # SIFT's keypoints keep their numbers, the learned ones follow.
        np.testing.assert_array_equal(new[: len(old)], old)
        assert len(new) > len(old)
    pair = next(iter(before.geometries))
    gained = len(after.geometries[pair].inlier_matches)
    assert gained > len(before.geometries[pair].inlier_matches)

    found = estimate_cameras(
        capture, tmp_path / "photos", tmp_path / "matches", tmp_path / "out", threads=2
    )
    names = {photo.name: photo.center for photo in found.model.photos.values()}
    assert sorted(names) == scene.names
    centers = np.array([names[name] for name in scene.names])
    assert center_errors(centers, scene.centers).max() < 5e-3


def test_an_interrupted_run_goes_on(networks: Networks, tmp_path: Path) -> None:
    scene = networks.scene
    capture = capture_of(scene.names, focal=FOCAL)
    write_features(scene, tmp_path / "features")
    write_photos(scene.names, tmp_path / "photos")
    match_features(capture, tmp_path / "features", tmp_path / "matches", threads=2)
    kept = tmp_path / "matches" / "database.db"
    plain = kept.read_bytes()

    def add() -> None:
        add_learned_matches(
            capture, tmp_path / "photos", tmp_path / "features", tmp_path / "matches", threads=2
        )

    add()
    assert (networks.detections, networks.matchings) == (8, 28)
    first = read_scene(kept)
    kept.write_bytes(plain)
    (tmp_path / "matches" / "learned" / "pairs00002.npz").unlink()
    add()
    assert (networks.detections, networks.matchings) == (8, 28 + 5)
    second = read_scene(kept)
    assert {k: len(g.inlier_matches) for k, g in first.geometries.items()} == {
        k: len(g.inlier_matches) for k, g in second.geometries.items()
    }
