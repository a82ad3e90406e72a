"""Cameras that markers on a table carry, against those that took the photos."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.cameras.flat_markers import SQUARE, model_of, solve_flat_markers
from gypsum.cameras.markers import detect
from gypsum.formats.markers import DEFAULT_FAMILY, pattern

Float64 = NDArray[np.float64]
WIDTH, HEIGHT, FOCAL, DISTORTION = 1280, 960, 1350.0, -0.05
#: Two sheets at an angle: x, y, turn and side.
PLACES = {
    "1": (0.0, 0.0, 0.0, 1.0), "2": (3.0, 0.2, 0.0, 1.0), "3": (0.0, -3.0, 0.1, 1.0),
    "4": (3.5, -3.0, 0.9, 1.4), "5": (-3.0, -2.0, 2.0, 0.8), "6": (-2.5, 2.0, -1.2, 1.0),
}  # fmt: skip


def corners(place: tuple[float, float, float, float]) -> Float64:
    x, y, turn, side = place
    c, s = np.cos(turn), np.sin(turn)
    flat = side * SQUARE @ np.array([[c, s], [-s, c]]) + (x, y)
    return np.column_stack([flat, np.zeros(4)])


def pose(azimuth: float, elevation: float) -> tuple[Float64, Float64]:
    place = 14 * np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    forward = -place / 14
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ place


def sighted(noise: float) -> tuple[list[dict[str, Float64]], list[tuple[Float64, Float64]]]:
    """What twelve photos show, each of four or five markers: the object hides others."""
    rng = np.random.default_rng(1)
    poses = [pose(0.52 * n, 0.5 + 0.35 * (n % 2)) for n in range(12)]
    seen = []
    for number, (R, t) in enumerate(poses):
        one = {}
        for place, (name, where) in enumerate(PLACES.items()):
            if (number + place) % 4 == 0:
                continue
            camera = corners(where) @ R.T + t
            flat = camera[:, :2] / camera[:, 2:]
            flat = flat * (1 + DISTORTION * np.square(flat).sum(1, keepdims=True))
            one[name] = FOCAL * flat + (WIDTH / 2, HEIGHT / 2) + rng.normal(0, noise, (4, 2))
        seen.append(one)
    return seen, poses


def test_cameras_and_lens_come_from_markers_alone() -> None:
    seen, poses = sighted(0.1)
    found = solve_flat_markers(seen, WIDTH, HEIGHT)
    assert found is not None
    assert len(found.photos) == len(poses)
    assert found.error_px < 0.3
    assert abs(found.focal / FOCAL - 1) < 0.005
    names = [f"{n}.jpg" for n in range(len(seen))]
    model = model_of(found, seen, names, WIDTH, HEIGHT)
    centers = np.array([-photo.R.T @ photo.t for photo in model.photos.values()])
    truth = np.array([-R.T @ t for R, t in poses])
    # Read from above: all cameras are above the plane of the markers.
    assert centers[:, 2].min() > 0
    apart, true = (np.linalg.norm(c[:, None] - c, axis=2) for c in (centers, truth))
    assert np.abs(apart / apart.max() - true / true.max()).max() < 0.003
    for number, track in enumerate(model.tracks):
        for photo, place in track:
            one = model.photos[int(photo)]
            camera = one.R @ model.points[number] + one.t
            pixel = model.cameras[1].K @ (camera / camera[2])
            assert np.hypot(*(pixel[:2] - one.xy[place])) < 8  # The lens' distortion left out.


def test_too_little_gives_nothing() -> None:
    seen, _ = sighted(0.1)
    assert solve_flat_markers([], WIDTH, HEIGHT) is None
    assert solve_flat_markers(seen[:3], WIDTH, HEIGHT) is None
    assert solve_flat_markers([{"1": one["1"]} for one in seen if "1" in one], 1280, 960) is None


def test_markers_on_no_plane_do_not_fit() -> None:
    seen, _ = sighted(0.1)
    rng = np.random.default_rng(2)
    for one in seen:
        for name in one:
            one[name] = one[name] + rng.normal(0, 60, 2)
    found = solve_flat_markers(seen, WIDTH, HEIGHT)
    assert found is None or found.error_px > 10


def photographed(R: Float64, t: Float64) -> NDArray[np.uint8]:
    """A plain table with the printed markers and nothing else on it."""
    picture = np.full((HEIGHT, WIDTH), 225, np.uint8)
    K = np.array([[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]])
    for name, place in PLACES.items():
        white = np.kron(pattern(DEFAULT_FAMILY, int(name)), np.ones((12, 12)))
        side = len(white)
        sheet = np.where(white > 0, 235, 20).astype(np.uint8)
        camera = corners(place) @ R.T + t
        pixels = camera @ K.T
        onto = (pixels[:, :2] / pixels[:, 2:]).astype(np.float32)
        square = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32) - 0.5
        turn = cv2.getPerspectiveTransform(square, onto)
        size = (WIDTH, HEIGHT)
        drawn = cv2.warpPerspective(sheet, turn, size, flags=cv2.INTER_AREA)
        there = cv2.warpPerspective(np.ones_like(sheet), turn, size, flags=cv2.INTER_NEAREST) > 0
        picture = np.where(there, drawn, picture)
    return np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.uint8)


def test_photos_of_printed_markers_on_a_plain_table_are_placed() -> None:
    poses = [pose(0.8 * n, 0.7 + 0.3 * (n % 2)) for n in range(8)]
    seen = [{name: at for name, at, _ in detect(photographed(*one))} for one in poses]
    found = solve_flat_markers(seen, WIDTH, HEIGHT)
    assert found is not None
    assert len(found.photos) == len(poses)
    assert found.error_px < 1
    assert abs(found.focal / FOCAL - 1) < 0.02
