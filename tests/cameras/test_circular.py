"""Cameras of a turning object from its outlines alone, where they are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gypsum.cameras.circular import CircularMotion, model_of, solve_circular

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

WIDTH, HEIGHT, FOCAL, COUNT = 320, 240, 420.0, 12
STEP = 27.0


def thing() -> Float64:
    """(N, 3) points of which nothing is symmetric: some balls, Z up."""
    rng = np.random.default_rng(3)
    ball = rng.normal(size=(400, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    parts = [
        (0.10, (0.0, 0.02, 0.0)), (0.06, (0.13, 0.0, 0.04)), (0.04, (-0.05, 0.14, -0.05)),
        (0.05, (-0.03, -0.06, 0.16)),
    ]  # fmt: skip
    return np.concatenate([radius * ball + place for radius, place in parts])


def poses() -> tuple[Float64, Float64, Float64]:
    """Rotations (COUNT, 3, 3), the translation, and the axis in the camera's frame."""
    tilt = Rotation.from_euler("x", 90 + 22, degrees=True).as_matrix()
    lean = Rotation.from_euler("z", 35, degrees=True).as_matrix()
    base = lean @ tilt
    turns = Rotation.from_euler("z", STEP * np.arange(COUNT)[:, None], degrees=True).as_matrix()
    return base @ turns, np.array([0.01, -0.02, 1.0]), base[:, 2]


def outlines() -> list[Bool]:
    rotations, t, _ = poses()
    masks = []
    for R in rotations:
        camera = thing() @ R.T + t
        pixels = camera[:, :2] / camera[:, 2:] * FOCAL + (WIDTH / 2, HEIGHT / 2)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        # To a sixteenth of a pixel; OpenCV has the first pixel's centre at zero.
        corners = np.rint((cv2.convexHull(pixels.astype(np.float32)) - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, corners, 1, shift=4)
        masks.append(mask > 0)
    return masks


@pytest.fixture(scope="module")
def motion() -> CircularMotion:
    found = solve_circular(outlines())
    assert found is not None
    return found


def test_angles_come_from_outlines_alone(motion: CircularMotion) -> None:
    steps = np.degrees(np.diff(motion.angles))
    # A motion and its mirror image, seen from behind, are told apart by perspective alone.
    assert np.abs(steps - STEP).max() < 1.5
    assert motion.error_px < 1.0
    assert 0.6 < motion.focal / FOCAL < 1.7


def test_cameras_are_where_they_were(motion: CircularMotion) -> None:
    model = model_of(motion, [f"{n:02}.jpg" for n in range(COUNT)], WIDTH, HEIGHT)
    photos = list(model.photos.values())
    assert [photo.name for photo in photos] == [f"{n:02}.jpg" for n in range(COUNT)]
    rotations, _, _ = poses()
    for n in range(1, COUNT):
        true = rotations[n] @ rotations[0].T
        found = photos[n].R @ photos[0].R.T
        angle = np.degrees(Rotation.from_matrix(true.T @ found).magnitude())
        assert angle < 4.0
    centers = np.array([photo.center for photo in photos])
    assert np.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean()) == pytest.approx(1)
    # The camera looks down on it, so +Z is up.
    assert centers[:, 2].mean() > 0


def test_points_are_seen_where_they_are(motion: CircularMotion) -> None:
    model = model_of(motion, [f"{n:02}.jpg" for n in range(COUNT)], WIDTH, HEIGHT)
    assert len(model.points) > 3 * COUNT
    errors = []
    for photo in model.photos.values():
        K = model.camera_of(photo).K
        camera = model.points[photo.point3d_ids - 1] @ photo.R.T + photo.t
        pixels = camera[:, :2] / camera[:, 2:] * K[0, 0] + K[:2, 2]
        errors.append(np.linalg.norm(pixels - photo.xy, axis=1))
    assert np.median(np.concatenate(errors)) < 2.0
    assert all(len(track) == 2 for track in model.tracks)


def test_too_few_photos_tell_nothing() -> None:
    assert solve_circular(outlines()[:4]) is None
    empty = [np.zeros((HEIGHT, WIDTH), bool)] * 8
    assert solve_circular(empty) is None
