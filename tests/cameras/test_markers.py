"""Markers in drawn photos, whose size and place are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.cameras.markers import Sighting, detect, find_markers, place_markers, triangulate
from gypsum.formats.markers import pattern
from gypsum.scene import Camera, Photo, SparseModel

from .scenes import look_at

Float64 = NDArray[np.float64]
WIDTH, HEIGHT, FOCAL, K1 = 640, 480, 700.0, -0.05
FINE = 4


def camera() -> Camera:
    return Camera(1, "SIMPLE_RADIAL", WIDTH, HEIGHT, np.array([FOCAL, WIDTH / 2, HEIGHT / 2, K1]))


def photographers(count: int = 6, arc: float = 2.2) -> dict[int, Photo]:
    """Cameras around the origin, half a metre away."""
    photos = {}
    for number in range(1, count + 1):
        turn = arc * number / count
        center = np.array([0.5 * np.cos(turn), 0.5 * np.sin(turn), 0.3 + 0.03 * (number % 3)])
        R = look_at(center, np.zeros(3), 0.1 * np.sin(5 * turn))
        photos[number] = Photo(
            number, f"{number:02}.png", 1, R, -R @ center, np.empty((0, 2)), np.empty(0, np.int64)
        )
    return photos


def model_of(photos: dict[int, Photo]) -> SparseModel:
    nothing = np.empty((0, 3))
    return SparseModel(
        {1: camera()}, photos, np.empty(0, np.int64), nothing, nothing.astype(np.uint8),
        np.empty(0),
    )  # fmt: skip


def project(photo: Photo, points: Float64) -> Float64:
    local = points @ photo.R.T + photo.t
    flat = local[:, :2] / local[:, 2:]
    flat = flat * (1 + K1 * (flat**2).sum(axis=1, keepdims=True))
    return flat * FOCAL + (WIDTH / 2, HEIGHT / 2)


def square_at(center: Float64, side: float) -> Float64:
    """(4, 3) of a marker lying flat: upper left, then clockwise seen from above."""
    half = side / 2
    return center + np.array(
        [[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]]
    )


def draw(photo: Photo, squares: dict[int, Float64]) -> NDArray[np.uint8]:
    """The photo of markers on grey: every fine pixel is traced back to the plane z = 0."""
    light = np.full((HEIGHT, WIDTH), 0.35)
    for number, corners in squares.items():
        around = project(photo, corners.mean(axis=0) + 1.8 * (corners - corners.mean(axis=0)))
        left, top = np.floor(around.min(axis=0)).astype(int).clip(0)
        right, bottom = np.ceil(around.max(axis=0)).astype(int)
        part = light[top:bottom, left:right]
        rows, columns = np.mgrid[: len(part) * FINE, : part.shape[1] * FINE]
        pixels = (np.stack([columns, rows], -1) + 0.5) / FINE + (left, top)
        fine = trace(photo, pixels, number, corners)
        part[:] = cv2.resize(fine, part.shape[::-1], interpolation=cv2.INTER_AREA)
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def trace(photo: Photo, pixels: Float64, number: int, corners: Float64) -> Float64:
    """Light at pixels (H, W, 2) from one marker and the grey around it."""
    flat = (pixels - (WIDTH / 2, HEIGHT / 2)) / FOCAL
    straight = flat
    for _ in range(6):
        straight = flat / (1 + K1 * (straight**2).sum(-1, keepdims=True))
    rays = np.concatenate([straight, np.ones((*straight.shape[:2], 1))], -1) @ photo.R
    place = photo.center + rays * (-photo.center[2] / rays[..., 2])[..., None]
    squares = np.pad(pattern("36h11", number), 1, constant_values=1)
    module = np.linalg.norm(corners[1] - corners[0]) / (len(squares) - 2)
    offset = (place - corners[0])[..., :2] / (module, -module) + 1
    inside = (offset >= 0).all(-1) & (offset < len(squares)).all(-1)
    x, y = offset[inside].astype(int).T
    light = np.full(pixels.shape[:2], 0.35)
    light[inside] = np.where(squares[y, x], 0.8, 0.03)
    return light


def photograph(photos: dict[int, Photo], squares: dict[int, Float64], folder: Path) -> None:
    for photo in photos.values():
        Image.fromarray(draw(photo, squares)).save(folder / photo.name)


SQUARES = {
    3: square_at(np.array([0.03, -0.02, 0.0]), 0.05),
    11: square_at(np.array([-0.06, 0.04, 0.0]), 0.05),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[SparseModel, Path, list[Sighting]]:
    folder = tmp_path_factory.mktemp("photos")
    model = model_of(photographers())
    photograph(model.photos, SQUARES, folder)
    return model, folder, find_markers(model, folder, threads=2)


def test_corners_are_exact_to_hundredths_of_a_pixel(
    seen: tuple[SparseModel, Path, list[Sighting]],
) -> None:
    model, _, sightings = seen
    assert {s.marker for s in sightings} == {"3", "11"}
    assert len(sightings) >= 11
    errors = [s.corners - project(model.photos[s.photo], SQUARES[int(s.marker)]) for s in sightings]
    assert np.abs(errors).max() < 0.12
    assert np.sqrt(np.mean(np.square(errors))) < 0.05


def test_size_place_and_direction(seen: tuple[SparseModel, Path, list[Sighting]]) -> None:
    model, _, sightings = seen
    placed, left_out = place_markers(model, sightings)
    assert left_out == {}
    for marker in placed:
        truth = SQUARES[int(marker.name)]
        assert marker.side == pytest.approx(0.05, rel=1e-3)
        assert marker.side_error < 2e-4
        assert np.linalg.norm(marker.corners - truth, axis=1).max() < 1e-4
        assert np.degrees(np.arccos(marker.normal[2])) < 0.3
        assert marker.photos >= 5


def test_the_model_may_have_any_scale(seen: tuple[SparseModel, Path, list[Sighting]]) -> None:
    model, _, sightings = seen
    turned = model.transformed(7.0, look_at(np.ones(3), np.zeros(3)), np.array([4.0, -2.0, 1.0]))
    placed, _ = place_markers(turned, sightings)
    assert [marker.side for marker in placed] == pytest.approx([0.35, 0.35], rel=1e-3)


def test_a_marker_that_moved_is_left_out(
    seen: tuple[SparseModel, Path, list[Sighting]],
) -> None:
    model, _, sightings = seen
    moved = [
        replace(s, corners=s.corners + (40.0 if s.photo % 2 else 0.0)) if s.marker == "3" else s
        for s in sightings
    ]
    placed, left_out = place_markers(model, moved)
    assert [marker.name for marker in placed] == ["11"]
    assert list(left_out) == ["3"]


def test_one_wrong_corner_does_not_matter(
    seen: tuple[SparseModel, Path, list[Sighting]],
) -> None:
    model, _, sightings = seen
    wrong = list(sightings)
    first = next(i for i, s in enumerate(wrong) if s.marker == "3")
    corners = wrong[first].corners.copy()
    corners[2] += (6, -5)
    wrong[first] = replace(wrong[first], corners=corners)
    placed, _ = place_markers(model, wrong)
    (marker,) = (marker for marker in placed if marker.name == "3")
    assert marker.side == pytest.approx(0.05, rel=2e-3)
    assert marker.photos < len([s for s in wrong if s.marker == "3"])


@pytest.mark.parametrize(("chosen", "reason"), [([1], "one photo only"), ([1, 1], "one direction")])
def test_what_too_few_photos_show(
    seen: tuple[SparseModel, Path, list[Sighting]], chosen: list[int], reason: str
) -> None:
    model, _, sightings = seen
    few = [s for s in sightings if s.marker == "3" and s.photo in chosen]
    twin = replace(model.photos[1], id=99)
    model = replace(model, photos={**model.photos, 99: twin})
    more = [replace(few[0], photo=99)] if len(chosen) > 1 else []
    _, left_out = place_markers(model, [*few, *more])
    assert reason in left_out["3"]


def test_the_same_marker_twice_in_a_photo_is_nothing() -> None:
    photo = photographers()[2]
    picture = draw(photo, {3: SQUARES[3]})
    assert [name for name, *_ in detect(picture)] == ["3"]
    both = np.hstack([picture, picture])
    assert detect(both) == []


def test_aruco_markers_have_their_family_in_their_name() -> None:
    squares = np.pad(pattern("4x4", 17), 2, constant_values=1)
    picture = np.pad(np.kron(255 * squares, np.ones((12, 12))), 60, constant_values=128)
    ((name, corners, side),) = detect(picture.astype(np.uint8))
    assert (name, side) == ("4x4:17", 6)
    assert corners[0] == pytest.approx([60 + 24, 60 + 24], abs=1.0)


def test_no_marker_in_noise() -> None:
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (600, 800)), (0, 0), 3)
    picture = np.clip(128 + 400 * noise, 0, 255).astype(np.uint8)
    assert detect(picture) == []


def test_triangulation_ignores_a_wrong_photo() -> None:
    photos = list(photographers().values())
    point = np.array([0.05, 0.02, 0.04])
    flat = []
    for photo in photos:
        local = photo.R @ point + photo.t
        flat.append(local[:2] / local[2])
    flat[3] = flat[3] + 0.05
    np.testing.assert_allclose(triangulate(photos, flat), point, atol=1e-9)
