"""From features to cameras, on scenes whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.cameras import EstimatedCameras, estimate_cameras, match_features
from gypsum.cameras.features import Features, features_path
from gypsum.errors import ReconstructionError
from gypsum.scene import SparseModel

from .scenes import (
    FOCAL,
    Ring,
    capture_of,
    center_errors,
    random_descriptors,
    ring,
    write_features,
    write_photos,
)


def reconstruct(scene: Ring, folder: Path, focal: float | None) -> EstimatedCameras:
    capture = capture_of(scene.names, focal=focal)
    if not (folder / "features").exists():
        write_features(scene, folder / "features")
    write_photos(scene.names, folder / "photos")
    match_features(capture, folder / "features", folder / "matches", threads=2)
    return estimate_cameras(
        capture, folder / "photos", folder / "matches", folder / "out", threads=2
    )


@pytest.fixture(scope="module")
def scene() -> Ring:
    return ring()


@pytest.fixture(scope="module")
def known(scene: Ring, tmp_path_factory: pytest.TempPathFactory) -> EstimatedCameras:
    return reconstruct(scene, tmp_path_factory.mktemp("known"), FOCAL)


def centers(model: SparseModel, names: list[str]) -> np.ndarray:
    by_name = {photo.name: photo.center for photo in model.photos.values()}
    return np.array([by_name[name] for name in names])


def test_cameras_are_where_they_were(scene: Ring, known: EstimatedCameras) -> None:
    assert sorted(photo.name for photo in known.model.photos.values()) == scene.names
    errors = center_errors(centers(known.model, scene.names), scene.centers)
    assert errors.max() < 2e-3
    (camera,) = known.model.cameras.values()
    assert camera.K[0, 0] == pytest.approx(FOCAL, rel=5e-3)


def test_the_frame_is_upright_and_of_unit_size(scene: Ring, known: EstimatedCameras) -> None:
    model = known.model
    found = centers(model, scene.names)
    spread = np.sqrt(((found - found.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert spread == pytest.approx(1.0)
    assert known.facts["metric"] is False
    photo = next(photo for photo in model.photos.values() if photo.name == scene.names[0])
    up_in_camera = scene.R[0] @ (0, 0, 1)
    assert np.degrees(np.arccos(photo.R[:, 2] @ up_in_camera)) < 0.5
    # The floor is at zero, and the ball stands over the origin.
    assert abs(np.median(model.points[:, :2], axis=0)).max() < 0.05
    assert np.percentile(np.abs(model.points[:, 2]), 35) < 0.01


def test_facts_are_json_and_colours_are_the_photos(known: EstimatedCameras) -> None:
    assert json.loads(json.dumps(known.facts)) == known.facts
    assert known.facts["registered"] == 12
    assert known.facts["unregistered"] == {}
    assert known.facts["principal_point"] == "centre"
    assert (known.model.colors == (90, 120, 150)).all()


def test_pycolmap_reads_the_model(known: EstimatedCameras, tmp_path: Path) -> None:
    import pycolmap

    known.model.write(tmp_path)
    model = pycolmap.Reconstruction(tmp_path)
    assert model.num_reg_images() == 12
    assert model.num_points3D() == len(known.model.points)
    assert model.compute_mean_reprojection_error() < 1.0
    first = known.model.photos[1]
    np.testing.assert_allclose(model.image(1).projection_center(), first.center, atol=1e-9)


def test_same_photos_same_cameras(scene: Ring, known: EstimatedCameras, tmp_path: Path) -> None:
    again = reconstruct(scene, tmp_path, FOCAL)
    difference = centers(again.model, scene.names) - centers(known.model, scene.names)
    assert np.abs(difference).max() < 1e-4


def test_without_a_focal_length(scene: Ring, tmp_path: Path) -> None:
    found = reconstruct(scene, tmp_path, None)
    errors = center_errors(centers(found.model, scene.names), scene.centers)
    assert errors.max() < 3e-3


def test_a_photo_of_something_else_is_named(scene: Ring, tmp_path: Path) -> None:
    write_features(scene, tmp_path / "features")
    rng = np.random.default_rng(9)
    keypoints = np.c_[rng.uniform(0, 480, (400, 2)), np.full(400, 2.0), np.zeros(400)]
    Features(keypoints.astype(np.float32), random_descriptors(400, 77)).save(
        features_path(tmp_path / "features", "stranger.png")
    )
    more = Ring([*scene.names, "stranger.png"], scene.R, scene.centers, scene.points)
    found = reconstruct(more, tmp_path, FOCAL)
    assert found.facts["unregistered"] == {
        "stranger.png": "shows nothing that another photo shows too"
    }
    assert len(found.model.photos) == len(scene.names)


def test_photos_that_do_not_overlap(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    (tmp_path / "features").mkdir()
    rng = np.random.default_rng(1)
    for seed, name in enumerate(names):
        keypoints = np.c_[rng.uniform(0, 480, (300, 2)), np.full(300, 2.0), np.zeros(300)]
        Features(keypoints.astype(np.float32), random_descriptors(300, seed)).save(
            features_path(tmp_path / "features", name)
        )
    write_photos(names, tmp_path / "photos")
    capture = capture_of(names)
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    with pytest.raises(ReconstructionError, match="overlapping") as caught:
        estimate_cameras(capture, tmp_path / "photos", tmp_path / "matches", tmp_path / "out")
    assert caught.value.exit_code == 3


def test_one_repeated_sticker_does_not_move_a_photo(tmp_path: Path) -> None:
    """The same small picture hangs on two sides; a photo that sees one matches it to the other."""
    scene = ring(count=16)
    rng = np.random.default_rng(2)
    sticker = rng.uniform(-0.18, 0.18, (260, 2))
    places = []
    for angle in (0.3, 0.3 + np.pi / 2):
        side = np.array([-np.sin(angle), np.cos(angle), 0.0])
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        places.append(0.75 * out + sticker[:, :1] * side + (sticker[:, 1:] + 0.6) * (0, 0, 1))
    write_features(scene, tmp_path / "features")
    described = random_descriptors(len(sticker), seed=321)
    for i, name in enumerate(scene.names):
        path = features_path(tmp_path / "features", name)
        plain = Features.load(path)
        # Each photo sees the copy on its own side.
        facing = [float(scene.centers[i] @ place.mean(axis=0)) for place in places]
        if max(facing) < 0.5:
            continue
        xy, inside = scene.project(i, places[int(np.argmax(facing))])
        xy = xy[inside] + rng.normal(0, 0.3, (int(inside.sum()), 2))
        extra = np.c_[xy, np.full(len(xy), 2.0), np.zeros(len(xy))].astype(np.float32)
        Features(
            np.concatenate([plain.keypoints, extra]),
            np.concatenate([plain.descriptors, described[inside]]),
        ).save(path)
    found = reconstruct(scene, tmp_path, FOCAL)
    names = [photo.name for photo in found.model.photos.values()]
    assert len(names) == 16
    assert center_errors(centers(found.model, scene.names), scene.centers).max() < 0.01


def test_matching_continues_where_it_stopped(scene: Ring, tmp_path: Path) -> None:
    capture = capture_of(scene.names, focal=FOCAL)
    write_features(scene, tmp_path / "features")
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    parts = sorted((tmp_path / "matches" / "matches" / "near").iterdir())
    stamps = [part.stat().st_mtime_ns for part in parts]
    (tmp_path / "matches" / "database.db").unlink()
    parts[-1].unlink()
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    assert (tmp_path / "matches" / "database.db").exists()
    assert [part.stat().st_mtime_ns for part in parts[:-1]] == stamps[:-1]


def test_photos_may_be_of_any_mode(scene: Ring, tmp_path: Path) -> None:
    write_features(scene, tmp_path / "features")
    capture = capture_of(scene.names, focal=FOCAL)
    write_photos(scene.names, tmp_path / "photos")
    Image.new("L", (640, 480), 33).save(tmp_path / "photos" / scene.names[0])
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    found = estimate_cameras(capture, tmp_path / "photos", tmp_path / "matches", tmp_path / "out")
    assert len(found.model.photos) == 12


def test_a_wrong_exif_focal_length_is_corrected(scene: Ring, tmp_path: Path) -> None:
    found = reconstruct(scene, tmp_path, 0.8 * FOCAL)
    assert len(found.model.photos) == 12
    (camera,) = found.model.cameras.values()
    assert camera.K[0, 0] == pytest.approx(FOCAL, rel=1e-2)
    assert center_errors(centers(found.model, scene.names), scene.centers).max() < 5e-3


def test_journals_of_a_killed_run_do_no_harm(scene: Ring, tmp_path: Path) -> None:
    """And the database, another stage's result, is left as it was."""
    capture = capture_of(scene.names, focal=FOCAL)
    write_features(scene, tmp_path / "features")
    write_photos(scene.names, tmp_path / "photos")
    match_features(capture, tmp_path / "features", tmp_path / "matches")
    database = tmp_path / "matches" / "database.db"
    before = database.read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    for name in ("mapping.db", "database.db"):
        for suffix in ("", "-journal", "-wal", "-shm"):
            (out / f"{name}{suffix}").write_bytes(b"left over" * 1000)
    found = estimate_cameras(capture, tmp_path / "photos", tmp_path / "matches", out)
    assert len(found.model.photos) == 12
    assert database.read_bytes() == before
    assert list(out.iterdir()) == []
