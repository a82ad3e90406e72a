"""Outlines before a plain backdrop, to a fraction of a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.masking.backdrop import mask_on_backdrop, plain_backdrop

UInt8 = NDArray[np.uint8]
SIDE = 200


def disc(
    radius: float, inside: float, outside: float, seed: int = 0, hole: float = 0.0
) -> tuple[UInt8, NDArray[np.float64]]:
    """A photo of a disc, and how much of each pixel it covers."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    distance = np.hypot(x, y)
    share = np.clip(radius - distance + 0.5, 0, 1) - np.clip(hole - distance + 0.5, 0, 1)
    picture = outside + share * (inside - outside) * (1 - 0.4 * x / SIDE)
    noise = np.random.default_rng(seed).normal(0, 2, (SIDE, SIDE, 3))
    return (picture[..., None] + noise).clip(0, 255).astype(np.uint8), share


@pytest.mark.parametrize(("inside", "outside"), [(180, 8), (40, 235), (200, 120)])
def test_an_outline_is_found_to_a_fraction_of_a_pixel(inside: float, outside: float) -> None:
    picture, share = disc(60, inside, outside)
    mask = mask_on_backdrop(picture) / 255
    assert abs(mask.sum() - share.sum()) < 0.01 * share.sum()
    assert np.abs(mask - share)[np.abs(share - 0.5) == 0.5].mean() < 0.002
    assert ((mask >= 0.5) != (share >= 0.5)).sum() < 0.01 * share.sum()


def test_a_hole_through_which_the_backdrop_shows_stays() -> None:
    picture, share = disc(70, 170, 10, hole=15)
    mask = mask_on_backdrop(picture) / 255
    assert ((mask >= 0.5) != (share >= 0.5)).sum() < 0.01 * share.sum()


def test_a_shadow_on_the_object_is_no_hole() -> None:
    picture, share = disc(70, 170, 4)
    picture[90:105, 90:120] = 18
    mask = mask_on_backdrop(picture) / 255
    assert ((mask >= 0.5) != (share >= 0.5)).sum() < 0.01 * share.sum()


def test_only_even_and_equal_borders_are_a_backdrop(tmp_path: Path) -> None:
    def written(name: str, pictures: list[UInt8]) -> list[Path]:
        paths = [tmp_path / f"{name}{n}.png" for n in range(len(pictures))]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path)
        return paths

    dark = [disc(50, 180, 8, seed)[0] for seed in range(4)]
    assert plain_backdrop(written("dark", dark))
    # Each photo has another one.
    mixed = [disc(50, 180, level)[0] for level in (8, 60, 120, 200)]
    assert not plain_backdrop(written("mixed", mixed))
    busy = []
    for picture in dark:
        copy = picture.copy()
        copy[150:] = np.random.default_rng(1).integers(0, 255, (50, SIDE, 3))
        busy.append(copy)
    assert not plain_backdrop(written("busy", busy))
