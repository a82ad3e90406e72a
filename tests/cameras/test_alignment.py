"""The common frame: up, ground, origin, scale."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gypsum.cameras.alignment import align, east_north_up, find_up, robust_similarity
from gypsum.scene import Camera, Capture, Photo, SparseModel

from .scenes import FOCAL, HEIGHT, WIDTH, Ring, capture_of, look_at, ring


def model_of(scene: Ring, turn: Rotation, scale: float = 1.0) -> SparseModel:
    """The scene as a model in a frame that is turned, scaled and shifted."""
    camera = Camera(1, "SIMPLE_PINHOLE", WIDTH, HEIGHT, np.array([FOCAL, WIDTH / 2, HEIGHT / 2]))
    nothing = np.empty((0, 2)), np.empty(0, np.int64)
    photos = {
        i + 1: Photo(i + 1, name, 1, R, -R @ center, *nothing)
        for i, (name, R, center) in enumerate(zip(scene.names, scene.R, scene.centers, strict=True))
    }
    count = len(scene.points)
    model = SparseModel(
        {1: camera},
        photos,
        np.arange(count),
        scene.points,
        np.zeros((count, 3), np.uint8),
        np.zeros(count),
        [np.empty((0, 2), np.uint32)] * count,
    )
    return model.transformed(scale, turn.as_matrix(), np.array([5.0, -2.0, 1.0]))


def up_error(model: SparseModel, scene: Ring) -> float:
    """Degrees between the model's Z and the scene's."""
    number = min(model.photos)
    here = model.photos[number].R[:, 2]
    truth = scene.R[number - 1] @ (0.0, 0.0, 1.0)
    return math.degrees(math.acos(min(1.0, here @ truth)))


@pytest.mark.parametrize("seed", range(5))
def test_any_frame_becomes_upright(seed: int) -> None:
    scene = ring()
    model = model_of(scene, Rotation.random(rng=np.random.default_rng(seed)), 0.3 + seed)
    aligned, facts = align(model, capture_of(scene.names))
    assert up_error(aligned, scene) < 0.5
    assert facts["up"] == "plane"
    centers = np.array([photo.center for photo in aligned.photos.values()])
    spread = np.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert spread == pytest.approx(1.0)
    assert centers[:, 2].min() > 0
    assert np.percentile(np.abs(aligned.points[:, 2]), 40) < 0.01


def test_the_result_does_not_depend_on_the_frame() -> None:
    scene = ring()
    first, _ = align(model_of(scene, Rotation.identity()), capture_of(scene.names))
    turn = Rotation.from_euler("xyz", (50, -120, 200), degrees=True)
    second, _ = align(model_of(scene, turn, 7.0), capture_of(scene.names))
    for number, photo in first.photos.items():
        np.testing.assert_allclose(photo.center, second.photos[number].center, atol=0.02)


def test_without_a_plane_the_roll_tells() -> None:
    scene = ring()
    ball = Ring(scene.names, scene.R, scene.centers, scene.points[:450])
    turn = Rotation.from_euler("xyz", (80, 10, 0), degrees=True)
    aligned, facts = align(model_of(ball, turn), capture_of(scene.names))
    assert facts["up"] == "roll"
    assert up_error(aligned, scene) < 2.0


def test_a_camera_on_its_side_does_not_matter() -> None:
    scene = ring()
    R = scene.R.copy()
    R[3] = look_at(scene.centers[3], np.array([0.0, 0.0, 0.4]), math.pi / 2)
    lying = Ring(scene.names, R, scene.centers, scene.points[:450])
    axes = lying.R
    up, _ = find_up(model_of(lying, Rotation.identity()), axes, lying.centers)
    assert math.degrees(math.acos(up[2])) < 3.0


def test_photos_from_one_side_say_so() -> None:
    scene = ring(count=5, arc=0.05)
    narrow = Ring(scene.names, scene.R, scene.centers, scene.points[:450])
    _, facts = align(model_of(narrow, Rotation.identity()), capture_of(scene.names))
    assert facts["up"] == "guess"


def tagged(scene: Ring, size: float, noise: float, wild: bool = False, seed: int = 1) -> Capture:
    """The ring with GPS tags: ``size`` metres per unit, errors of ``noise`` metres."""
    rng = np.random.default_rng(seed)
    places = size * scene.centers + rng.normal(0, noise, scene.centers.shape)
    if wild:
        places[2] += (400, -300, 50)
    latitude = 47.0 + np.degrees(places[:, 1] / 6_367_000)
    longitude = 8.0 + np.degrees(places[:, 0] / (6_389_600 * math.cos(math.radians(47))))
    photos = capture_of(scene.names).photos
    return Capture(
        tuple(
            replace(photo, gps=(float(a), float(o), 500 + float(place[2])))
            for photo, a, o, place in zip(photos, latitude, longitude, places, strict=True)
        )
    )


@pytest.mark.parametrize("wild", [False, True])
def test_gps_gives_metres_and_north(wild: bool) -> None:
    scene = ring()
    model = model_of(scene, Rotation.from_euler("xyz", (40, 90, 20), degrees=True), 0.1)
    aligned, facts = align(model, tagged(scene, 20.0, 0.3, wild))
    assert facts["metric"] is True
    assert facts["gps_photos"] == 12
    centers = np.array([aligned.photos[i + 1].center for i in range(12)])
    truth = 20.0 * scene.centers
    moved = centers - centers.mean(axis=0) - (truth - truth.mean(axis=0))
    assert np.linalg.norm(moved, axis=1).max() < 1.5


def test_gps_says_how_sure_its_scale_is() -> None:
    scene = ring(count=24)
    spread = np.linalg.norm(np.std(scene.centers, axis=0))
    off, told = [], []
    for seed in range(12):
        capture = tagged(scene, 20.0, 1.0, seed=seed)
        aligned, facts = align(model_of(scene, Rotation.identity()), capture)
        found = np.std([photo.center for photo in aligned.photos.values()], axis=0)
        off.append(np.linalg.norm(found) / spread / 20 - 1)
        told.append(facts["scale_error"])
        assert facts["scale_observations"] == 24
    assert 0.4 < np.mean(told) / np.sqrt(np.mean(np.square(off))) < 2.5


def test_gps_on_one_spot_is_not_used() -> None:
    scene = ring()
    _, facts = align(model_of(scene, Rotation.identity()), tagged(scene, 0.3, 5.0))
    assert facts["metric"] is False


def test_east_north_up_is_metric() -> None:
    places = east_north_up([(47.0, 8.0, 100.0), (47.001, 8.0, 110.0), (47.0, 8.001, 90.0)])
    assert np.linalg.norm(places[1, :2] - places[0, :2]) == pytest.approx(111.17, abs=0.05)
    assert places[2, 0] - places[0, 0] == pytest.approx(76.06, abs=0.05)
    assert places[1, 2] - places[2, 2] == pytest.approx(20)


def test_similarity_withstands_outliers() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(20, 3))
    R = Rotation.random(rng=rng).as_matrix()
    target = 2.5 * source @ R.T + (1, 2, 3)
    target[:4] += rng.normal(0, 10, (4, 3))
    fit = robust_similarity(source, target)
    assert fit.scale == pytest.approx(2.5, rel=1e-3)
    np.testing.assert_allclose(fit.R, R, atol=1e-3)
    np.testing.assert_allclose(fit.t, (1, 2, 3), atol=1e-2)
