"""Sets of photos in frames of their own, joined by what they show of one object."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gypsum.cameras import EstimatedCameras, estimate_cameras, match_features
from gypsum.cameras.joining import moved, similarity
from gypsum.cameras.known import Pose
from gypsum.scene import Camera, Photo, SparseModel
from gypsum.scene.sparse import rotation

from .scenes import (
    FOCAL,
    HEIGHT,
    WIDTH,
    Ring,
    capture_of,
    center_errors,
    ring,
    write_features,
    write_photos,
)


def turn(seed: int) -> np.ndarray:
    return rotation(np.random.default_rng(seed).normal(size=4))


def test_a_similarity_is_found_among_wrong_matches() -> None:
    rng = np.random.default_rng(1)
    R, shift = turn(2), np.array([3.0, -1.0, 0.5])
    source = rng.normal(size=(200, 3))
    target = 1.7 * source @ R.T + shift + rng.normal(0, 0.002, source.shape)
    target[60:] = rng.normal(0, 2, (140, 3))
    found, count = similarity(source, target, 0.02)
    assert found is not None
    assert 60 <= count < 70
    assert found[0] == pytest.approx(1.7, rel=2e-3)
    assert np.allclose(found[1], R, atol=3e-3)
    assert np.allclose(found[2], shift, atol=5e-3)


def test_chance_is_no_similarity() -> None:
    rng = np.random.default_rng(3)
    assert similarity(rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), 0.02)[0] is None
    assert similarity(np.zeros((2, 3)), np.zeros((2, 3)), 0.02) == (None, 0)


def test_a_point_with_many_partners_counts_once() -> None:
    source = np.repeat(np.random.default_rng(4).normal(size=(5, 3)), 20, axis=0)
    assert similarity(source, source, 0.02) == (None, 5)


def test_a_moved_pose_sees_the_moved_points_alike() -> None:
    points, R, shift = np.random.default_rng(5).normal(size=(10, 3)), turn(6), np.arange(3.0)
    pose = Pose(turn(7), np.array([0.1, 0.2, 4.0]))
    there = moved(pose, 2.5, R, shift)
    seen = (2.5 * points @ R.T + shift) @ there.R.T + there.t
    assert np.allclose(seen, 2.5 * (points @ pose.R.T + pose.t))


@pytest.fixture(scope="module")
def standing() -> Ring:
    """Photos of a ball alone."""
    scene = ring(10, points=1200)
    return replace(scene, points=scene.points[:600])


@pytest.fixture(scope="module")
def lying(standing: Ring) -> Ring:
    """Photos of the same ball turned over, in the frame of the ball as it stood."""
    over, middle = turn(8), np.array([0.0, 0.0, 0.5])
    return replace(
        standing,
        names=[f"lying{name}" for name in standing.names],
        R=standing.R @ over.T,
        centers=(standing.centers - middle) @ over.T + middle,
    )


@pytest.fixture(scope="module")
def inputs(standing: Ring, lying: Ring, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    both = together(standing, lying)
    write_features(both, folder / "features")
    write_photos(both.names, folder / "photos")
    match_features(
        capture_of(both.names, focal=FOCAL), folder / "features", folder / "matches", threads=2
    )
    return folder


def together(first: Ring, second: Ring) -> Ring:
    return replace(
        first,
        names=first.names + second.names,
        R=np.concatenate([first.R, second.R]),
        centers=np.concatenate([first.centers, second.centers]),
    )


def model_of(scene: Ring, seed: int) -> SparseModel:
    """The cameras of a set, in a frame of its own."""
    camera = Camera(
        1, "SIMPLE_RADIAL", WIDTH, HEIGHT, np.array([FOCAL, WIDTH / 2, HEIGHT / 2, 0.0])
    )
    empty = np.zeros((0, 2)), np.zeros(0, np.int64)
    photos = {
        i: Photo(i, name, 1, scene.R[i], -scene.R[i] @ scene.centers[i], *empty)
        for i, name in enumerate(scene.names)
    }
    nothing = np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0)
    model = SparseModel({1: camera}, photos, *nothing)
    return model.transformed(0.3 + seed, turn(seed), np.array([1.0, 2.0, seed]))


def estimate(inputs: Path, scene: Ring, sets: list[SparseModel], out: Path) -> EstimatedCameras:
    return estimate_cameras(
        capture_of(scene.names, focal=FOCAL),
        inputs / "photos",
        inputs / "matches",
        out,
        sets=sets,
        threads=2,
    )


def errors(found: EstimatedCameras, scene: Ring) -> np.ndarray:
    by_name = {photo.name: photo.center for photo in found.model.photos.values()}
    return center_errors(np.array([by_name[name] for name in scene.names]), scene.centers)


def test_sets_in_their_own_frames_become_one_model(
    standing: Ring, lying: Ring, inputs: Path, tmp_path: Path
) -> None:
    sets = [model_of(standing, 1), model_of(lying, 2)]
    found = estimate(inputs, together(standing, lying), sets, tmp_path)
    assert found.facts["thresholds"] == "each set by itself"
    assert found.facts["joined_by_points"][0] > 100
    # Up is that of the first set, whose frame has been turned here.
    turned = {photo.name: photo.R for photo in found.model.photos.values()}
    for photo in sets[0].photos.values():
        assert np.allclose(turned[photo.name][:, 2], photo.R[:, 2], atol=0.01)
    assert errors(found, together(standing, lying)).max() < 5e-3


def test_a_photo_that_its_set_did_not_place_is_placed_by_the_whole_object(
    standing: Ring, lying: Ring, inputs: Path, tmp_path: Path
) -> None:
    late = lying.names[3]
    part = [i for i, name in enumerate(lying.names) if name != late]
    rest = replace(
        lying, names=[lying.names[i] for i in part], R=lying.R[part], centers=lying.centers[part]
    )
    sets = [model_of(standing, 1), model_of(rest, 2)]
    found = estimate(inputs, together(standing, lying), sets, tmp_path)
    assert found.facts["thresholds"] == "each set by itself"
    assert found.facts["placed_late"] == [late]
    assert errors(found, together(standing, lying)).max() < 5e-3


def test_sets_whose_cameras_are_wrong_are_not_joined(
    standing: Ring, lying: Ring, inputs: Path, tmp_path: Path
) -> None:
    order = np.random.default_rng(9).permutation(len(lying.names))
    wrong = replace(lying, R=lying.R[order], centers=lying.centers[order])
    sets = [model_of(standing, 1), model_of(wrong, 2)]
    found = estimate(inputs, together(standing, lying), sets, tmp_path)
    assert found.facts["thresholds"] != "each set by itself"
    assert errors(found, together(standing, lying)).max() < 5e-3
