"""COLMAP's binary model: what is written comes back, and pycolmap reads the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gypsum.scene import Camera, Photo, SparseModel
from gypsum.scene.sparse import quaternion, rotation

unit = st.floats(-1, 1, allow_nan=False)


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


@pytest.fixture
def model() -> SparseModel:
    """Three photos by two cameras, forty points, each seen in every photo."""
    rng = np.random.default_rng(3)
    cameras = {
        1: Camera(1, "OPENCV", 640, 480, np.array([500, 510, 320, 240, 0.1, -0.02, 0.001, 0.002])),
        7: Camera(7, "SIMPLE_RADIAL", 300, 400, np.array([350.0, 150, 200, -0.05])),
    }
    points = rng.normal(size=(40, 3))
    numbers = np.arange(10, 50)
    photos = {
        number: Photo(
            number,
            f"folder/photo {number} é.jpg",
            camera,
            random_rotation(rng),
            rng.normal(size=3),
            rng.uniform(0, 300, (41, 2)),
            np.append(numbers, -1),
        )
        for number, camera in ((1, 1), (2, 7), (5, 7))
    }
    tracks = [np.array([[1, i], [2, i], [5, i]], np.uint32) for i in range(40)]
    colors = rng.integers(0, 255, (40, 3)).astype(np.uint8)
    return SparseModel(cameras, photos, numbers, points, colors, rng.uniform(0, 1, 40), tracks)


def test_round_trip(model: SparseModel, tmp_path: Path) -> None:
    model.write(tmp_path)
    back = SparseModel.read(tmp_path)
    assert back.cameras.keys() == model.cameras.keys()
    assert back.photos.keys() == model.photos.keys()
    for number, camera in model.cameras.items():
        assert back.cameras[number].model == camera.model
        np.testing.assert_array_equal(back.cameras[number].params, camera.params)
    for number, photo in model.photos.items():
        found = back.photos[number]
        assert found.name == photo.name
        assert back.camera_of(found).id == photo.camera_id
        np.testing.assert_allclose(found.R, photo.R, atol=1e-12)
        np.testing.assert_array_equal(found.t, photo.t)
        np.testing.assert_array_equal(found.xy, photo.xy)
        np.testing.assert_array_equal(found.point3d_ids, photo.point3d_ids)
    np.testing.assert_array_equal(back.point_ids, model.point_ids)
    np.testing.assert_array_equal(back.points, model.points)
    np.testing.assert_array_equal(back.colors, model.colors)
    np.testing.assert_array_equal(back.errors, model.errors)
    np.testing.assert_array_equal(back.tracks, model.tracks)


def test_pycolmap_reads_the_same(model: SparseModel, tmp_path: Path) -> None:
    model.write(tmp_path)
    code = (
        "import sys, PIL.Image, pycolmap\n"
        "m = pycolmap.Reconstruction(sys.argv[1])\n"
        "print(m.num_cameras(), m.num_reg_images(), m.num_points3D())\n"
        "for n in sorted(m.images):\n"
        "    print(*m.images[n].projection_center())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    counts, *centers = run.stdout.splitlines()
    assert counts == "2 3 40"
    for line, number in zip(centers, sorted(model.photos), strict=True):
        np.testing.assert_allclose(np.fromstring(line, sep=" "), model.photos[number].center)


def test_moving_the_frame_keeps_every_picture(model: SparseModel) -> None:
    """Points and cameras that move together project to the same pixels."""
    rng = np.random.default_rng(5)
    moved = model.transformed(2.5, random_rotation(rng), rng.normal(size=3))
    for number, photo in model.photos.items():
        before = model.points @ photo.R.T + photo.t
        other = moved.photos[number]
        after = moved.points @ other.R.T + other.t
        np.testing.assert_allclose(after, 2.5 * before, atol=1e-12)


@given(st.tuples(unit, unit, unit, unit).filter(lambda q: sum(v * v for v in q) > 1e-4))
def test_quaternion_and_rotation_are_inverse(values: tuple[float, float, float, float]) -> None:
    R = rotation(np.array(values))
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) > 0
    q = quaternion(R)
    assert q[0] >= 0
    np.testing.assert_allclose(rotation(q), R, atol=1e-9)


def test_a_truncated_model_is_an_error_not_a_smaller_model(
    model: SparseModel, tmp_path: Path
) -> None:
    model.write(tmp_path)
    points = tmp_path / "points3D.bin"
    points.write_bytes(points.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"."):
        SparseModel.read(tmp_path)
