"""Features: where they are, how they are described, how they are spread."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gypsum.cameras.features import (
    Features,
    detect_features,
    extract,
    features_path,
    spread_evenly,
)

from .scenes import capture_of, textured


def test_a_blob_is_found_at_its_centre() -> None:
    """Pixels as COLMAP counts them: the centre of the top-left pixel is (0.5, 0.5)."""
    y, x = np.mgrid[0:200, 0:240] + 0.5
    centre = np.array([121.3, 88.7])
    blob = 40 + 180 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 6.0**2))
    features = extract(np.rint(blob).astype(np.uint8), 1000, 100)
    distance = np.linalg.norm(features.xy - centre, axis=1)
    assert distance.min() < 0.1


def test_features_of_a_shrunk_photo_are_in_full_size_pixels() -> None:
    gray = textured(400, 600, seed=1)
    large = cv2.resize(gray, (1200, 800), interpolation=cv2.INTER_CUBIC)
    small = extract(gray, 1000, 4000)
    shrunk = extract(large, 600, 4000)
    # Each of the strong features of one is near one of the other, at twice the place.
    gaps = np.linalg.norm(shrunk.xy[:, None] - 2 * small.xy[None], axis=2).min(axis=1)
    assert np.median(gaps) < 0.5


def test_spreading_keeps_the_strongest_of_every_cell() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.uniform(0, 50, (5000, 2))
    rest = rng.uniform((0, 0), (1000, 500), (300, 2))
    xy = np.concatenate([crowd, rest])
    strength = np.concatenate([np.full(5000, 9.0), np.ones(300)])
    chosen = spread_evenly(xy, strength, (500, 1000), 800)
    assert len(chosen) == 800
    assert (np.diff(chosen) > 0).all()
    outside = (rest > 84).any(axis=1)
    assert np.isin(5000 + np.flatnonzero(outside), chosen).all()


def test_features_come_largest_first() -> None:
    features = extract(textured(200, 300, seed=4), 1000, 300)
    assert len(features) > 100
    assert (np.diff(features.keypoints[:, 2]) <= 0).all()
    assert len(features.first(10)) == 10
    np.testing.assert_array_equal(features.first(10).descriptors, features.descriptors[:10])


def test_few_points_are_all_kept() -> None:
    xy = np.random.default_rng(0).uniform(0, 100, (30, 2))
    assert spread_evenly(xy, np.ones(30), (100, 100), 30).tolist() == list(range(30))


def test_low_contrast_is_tried_again() -> None:
    gray = textured(300, 400, seed=2)
    faint = (120 + (gray.astype(np.float64) - 128) / 24).round().astype(np.uint8)
    sift = cv2.SIFT_create(0, 3, 0.02, 10, 1.6)
    assert len(extract(faint, 1000, 4000)) > 1.5 * max(1, len(sift.detect(faint)))


def test_a_blank_photo_has_none() -> None:
    features = extract(np.full((100, 100), 7, np.uint8), 1000, 100)
    assert features.keypoints.shape == (0, 4)
    assert features.descriptors.shape == (0, 128)


def test_features_respect_the_mask_of_their_photo(tmp_path: Path) -> None:
    """Also when the photo is shrunk; a photo without a mask is searched everywhere."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(textured(400, 600, seed=3)).save(tmp_path / "photos" / name)
    mask = np.zeros((400, 600), np.uint8)
    mask[100:300, 50:250] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png.png")
    detect_features(
        capture_of(["a.png", "b.png"], 600, 400),
        tmp_path / "photos",
        tmp_path / "features",
        masks=tmp_path / "masks",
        long_side=450,
    )
    masked = Features.load(features_path(tmp_path / "features", "a.png")).xy
    everywhere = Features.load(features_path(tmp_path / "features", "b.png")).xy
    assert len(masked) > 50
    # One pixel of the shrunk photo is 1.33 of the photo.
    assert (masked > [48, 98]).all()
    assert (masked < [252, 302]).all()
    assert len(everywhere) > 3 * len(masked)


def test_features_are_kept_and_do_not_depend_on_threads(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    names = ["a.png", "b c.png", "d.png"]
    for seed, name in enumerate(names):
        Image.fromarray(textured(200, 300, seed)).save(photos / name)
    capture = capture_of(names, 300, 200)
    steps: list[float] = []
    detect_features(
        capture,
        photos,
        tmp_path / "one",
        threads=1,
        progress=lambda done, *_: steps.append(done),
    )
    detect_features(capture, photos, tmp_path / "two", threads=3)
    for name in names:
        one = Features.load(features_path(tmp_path / "one", name))
        two = Features.load(features_path(tmp_path / "two", name))
        np.testing.assert_array_equal(one.keypoints, two.keypoints)
        np.testing.assert_array_equal(one.descriptors, two.descriptors)
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(1.0)
    kept = features_path(tmp_path / "one", names[0]).stat().st_mtime_ns
    detect_features(capture, photos, tmp_path / "one")
    assert features_path(tmp_path / "one", names[0]).stat().st_mtime_ns == kept
