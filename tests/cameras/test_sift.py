"""The SIFT kernel: places, scales, directions and descriptors."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gypsum.native import _sift

from .scenes import textured

UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

#: Blur of level l of an octave, in its own pixels.
SIGMA = 1.6


def features(gray: UInt8, *, portable: bool = False) -> tuple[Float64, Float64]:
    """Places (N, 4) and descriptors (N, 128) of all points."""
    space = _sift.ScaleSpace(gray, portable)
    places, descriptors = space.describe(space.detect(0.02))
    return places.astype(float), descriptors.astype(float)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 11.0])
def test_a_blob_is_found_in_place_and_scale(sigma: float) -> None:
    """The difference of Gaussians of a Gaussian blob is largest near its own size."""
    y, x = np.mgrid[0:220, 0:260] + 0.5
    centre = np.array([121.3, 88.7])
    blob = 30 + 200 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma**2))
    points = _sift.ScaleSpace(np.rint(blob).astype(np.uint8)).detect(0.02)
    best = points[np.argmax(points[:, 3])]
    assert np.linalg.norm(best[:2] - centre) < 0.1
    # At blur s the difference peaks where s k = sigma^2 / s, with k from one level to the next.
    assert best[2] == pytest.approx(sigma / 2 ** (1 / 6), rel=0.05)


def test_points_are_where_opencv_finds_them() -> None:
    gray = textured(300, 400, seed=2)
    points = _sift.ScaleSpace(gray).detect(0.02)
    theirs = cv2.SIFT_create(0, 3, 0.02, 10, 1.6, cv2.CV_32F, True).detect(gray, None)
    places = np.unique([(p.pt[0] + 0.5, p.pt[1] + 0.5, p.size / 2) for p in theirs], axis=0)
    gaps = np.linalg.norm(places[:, None] - points[None, :, :3], axis=2).min(axis=1)
    assert np.mean(gaps < 0.3) > 0.85
    assert len(points) == pytest.approx(len(places), rel=0.05)


def test_descriptors_are_those_of_a_slow_description() -> None:
    gray = textured(160, 200, seed=4)
    space = _sift.ScaleSpace(gray)
    points = space.detect(0.02)
    points = points[points[:, 4] == 0][::20]
    levels = {int(np.round(level)) for level in points[:, 5]}
    blurred = {level: level_of(gray, level) for level in levels}
    for point in points:
        places, descriptors = space.describe(point[None])
        for place, found in zip(places, descriptors, strict=True):
            image = blurred[int(np.round(point[5]))]
            exact = slow_descriptor(image, point, float(place[3]))
            assert np.abs(found - exact).max() <= 4
            assert np.linalg.norm(found.astype(float)) == pytest.approx(512, rel=0.02)


def level_of(gray: UInt8, level: int) -> Float64:
    """A level of the first octave: the picture at twice its size, blurred at once."""
    height, width = gray.shape
    rows = np.clip((np.arange(2 * height) + 0.5) / 2 - 0.5, 0, height - 1)
    columns = np.clip((np.arange(2 * width) + 0.5) / 2 - 0.5, 0, width - 1)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).astype(np.float32)
    large = cv2.remap(gray.astype(np.float32), grid, None, cv2.INTER_LINEAR).astype(float)
    sigma = SIGMA * 2 ** (level / 3)
    return np.asarray(gaussian_filter(large / 255, np.sqrt(sigma**2 - 1), mode="reflect"))


def slow_descriptor(image: Float64, point: NDArray[np.float32], angle: float) -> Float64:
    """RootSIFT (128,) of a point of the first octave, pixel by pixel."""
    x0, y0 = 2 * point[0] - 0.5, 2 * point[1] - 0.5
    cell = 3 * SIGMA * 2 ** (point[5] / 3)
    histogram = np.zeros((4, 4, 8))
    for y in range(1, image.shape[0] - 1):
        for x in range(1, image.shape[1] - 1):
            dx, dy = x - x0, y - y0
            if np.hypot(dx, dy) > 4 * cell:
                continue
            column = (dx * np.cos(angle) + dy * np.sin(angle)) / cell + 1.5
            row = (dy * np.cos(angle) - dx * np.sin(angle)) / cell + 1.5
            gx = image[y, x + 1] - image[y, x - 1]
            gy = image[y + 1, x] - image[y - 1, x]
            turn = (np.arctan2(gy, gx) - angle) % (2 * np.pi) * 8 / (2 * np.pi)
            weight = np.hypot(gx, gy) * np.exp(-(dx**2 + dy**2) / (8 * cell**2))
            for r in range(4):
                for c in range(4):
                    near = max(0, 1 - abs(row - r)) * max(0, 1 - abs(column - c))
                    if near > 0:
                        part = turn - np.floor(turn)
                        histogram[r, c, int(turn) % 8] += weight * near * (1 - part)
                        histogram[r, c, (int(turn) + 1) % 8] += weight * near * part
    values = histogram.ravel()
    values = np.minimum(values, 0.2 * np.linalg.norm(values))
    return np.asarray(np.minimum(512 * np.sqrt(values / values.sum()), 255))


def test_a_quarter_turn_of_the_picture_turns_places_and_directions_alone() -> None:
    gray = textured(240, 240, seed=6)
    places, descriptors = features(gray)
    turned, others = features(np.ascontiguousarray(np.rot90(gray)))
    # A quarter turn against the clock: (x, y) goes to (y, width - x).
    moved = np.c_[places[:, 1], 240 - places[:, 0], places[:, 2]]
    gaps = np.linalg.norm(moved[:, None] - turned[None, :, :3], axis=2)
    angles = places[:, 3, None] - np.pi / 2 - turned[None, :, 3]
    gaps = gaps + np.abs((angles + np.pi) % (2 * np.pi) - np.pi)
    nearest = gaps.argmin(axis=1)
    same = gaps[np.arange(len(gaps)), nearest] < 0.1
    assert same.mean() > 0.8
    assert np.median(np.abs(descriptors[same] - others[nearest[same]]).max(axis=1)) < 12


def test_all_code_paths_agree() -> None:
    gray = textured(200, 320, seed=7)
    one, two = features(gray), features(gray, portable=True)
    gaps = np.linalg.norm(one[0][:, None] - two[0][None], axis=2)
    nearest = gaps.argmin(axis=1)
    same = gaps[np.arange(len(gaps)), nearest] < 1e-2
    assert same.mean() > 0.98
    assert np.abs(one[1][same] - two[1][nearest[same]]).max() <= 3


def test_the_same_picture_gives_the_same_features() -> None:
    gray = textured(150, 150, seed=8)
    one, two = features(gray), features(gray)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 3), (33, 500)])
def test_tiny_pictures_are_no_trouble(shape: tuple[int, int]) -> None:
    gray = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    places, descriptors = features(gray)
    assert places.shape == (len(descriptors), 4)


def test_points_of_another_picture_are_refused() -> None:
    space = _sift.ScaleSpace(np.zeros((40, 40), np.uint8))
    with pytest.raises(ValueError, match="points"):
        space.describe(np.full((1, 6), 50, np.float32))
