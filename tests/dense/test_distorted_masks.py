"""Masks of undistorted photos, brought back to the photos as they were taken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gypsum.dense import distort_masks, undistort_masks
from gypsum.scene import Camera, Photo, SparseModel

WIDTH, HEIGHT = 320, 240


def model_of(distortion: float) -> SparseModel:
    params = np.array([260.0, WIDTH / 2 + 3, HEIGHT / 2 - 2, distortion])
    camera = Camera(7, "SIMPLE_RADIAL", WIDTH, HEIGHT, params)
    photo = Photo(1, "a.jpg", 7, np.eye(3), np.zeros(3), np.zeros((0, 2)), np.zeros(0, np.int64))
    nothing = np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0)
    return SparseModel({7: camera}, {1: photo}, *nothing)


@pytest.mark.parametrize("distortion", [-0.15, 0.0, 0.12])
def test_there_and_back_is_the_same_mask(tmp_path: Path, distortion: float) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (90, 130), (60, 45), 20, 0, 360, 255, -1)
    cv2.rectangle(mask, (200, 60), (270, 170), 255, -1)
    (tmp_path / "taken").mkdir()
    Image.fromarray(mask).save(tmp_path / "taken" / "a.jpg.png")
    model = model_of(distortion)
    undistort_masks(model, tmp_path / "taken", tmp_path / "flat")
    assert distort_masks(model, tmp_path / "flat", tmp_path / "back") == {"a.jpg"}
    back = np.asarray(Image.open(tmp_path / "back" / "a.jpg.png"))
    assert back.shape == mask.shape
    different = (back >= 128) != (mask >= 128)
    # Half a pixel along the outline, at most.
    outline = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    assert not (different & ~outline).any()
    assert np.count_nonzero(different) < 0.2 * np.count_nonzero(outline)


def test_a_photo_without_a_mask_has_none(tmp_path: Path) -> None:
    assert distort_masks(model_of(0.1), tmp_path / "flat", tmp_path / "back") == frozenset()
