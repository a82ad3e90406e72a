"""A still camera is told from one that moves, by what stays at the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gypsum.masking.turntable import is_turntable, stands_still, still_surroundings

RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH = 120, 160


def room(shift: float = 0.0) -> np.ndarray:
    """A textured wall, seen from a camera that moved sideways."""
    wall = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, (HEIGHT, 600)), 1.5)
    wall = 128 + 200 * wall
    return ndimage.shift(wall, (0, -shift), order=1, mode="wrap")[:, :WIDTH].clip(0, 255)


def with_object(picture: np.ndarray, turn: float) -> np.ndarray:
    """A striped drum before it, turned."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (np.abs(x - 80) < 30) & (np.abs(y - 65) < 40)
    stripes = 128 + 100 * np.sin(np.arcsin(np.clip((x - 80) / 30, -1, 1)) * 6 + turn)
    return np.where(inside, stripes, picture)


def noisy(picture: np.ndarray) -> np.ndarray:
    return (picture + RANDOM.normal(0, 2, picture.shape)).clip(0, 255).astype(np.float32)


def test_a_turning_object_before_a_still_room() -> None:
    turns = np.arange(12) * 2.1
    assert stands_still(np.stack([noisy(with_object(room(), turn)) for turn in turns]))


def test_a_walk_around_it() -> None:
    turns = np.arange(12) * 2.1
    pictures = [noisy(with_object(room(9 * n), turn)) for n, turn in enumerate(turns)]
    assert not stands_still(np.stack(pictures))


def test_a_plain_background_says_nothing() -> None:
    plain = np.full((HEIGHT, WIDTH), 200.0)
    pictures = [noisy(with_object(plain, turn)) for turn in np.arange(12) * 2.1]
    assert not stands_still(np.stack([p[:, 52:108] for p in pictures]))


def test_photos_without_a_turn_are_no_turntable() -> None:
    assert not stands_still(np.stack([noisy(with_object(room(), 0)) for _ in range(12)]))


def test_what_stands_still_is_told_from_the_object(tmp_path: Path) -> None:
    """Two turns, the camera moved between them, and exposures that differ."""
    for n in range(16):
        picture = with_object(room(0 if n < 8 else 40), 2.1 * n) * (0.9 if n % 2 else 1.0)
        Image.fromarray(noisy(picture).astype(np.uint8)).save(tmp_path / f"{n:02d}.png")
    photos = sorted(tmp_path.iterdir())
    assert is_turntable(photos)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (np.abs(x - 80) < 30) & (np.abs(y - 65) < 40)
    for still in still_surroundings(photos):
        assert still is not None
        assert still[inside].mean() < 0.03
        assert still[~inside].mean() > 0.5
    assert still_surroundings(photos[6:10]) == [None] * 4, "too few from one place"
