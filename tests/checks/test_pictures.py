"""Figures of one photo, against pictures whose figures are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.checks.pictures import (
    blur_of_edges,
    burnt_detail,
    defocus,
    find_edges,
    plain_share,
)

UInt8 = NDArray[np.uint8]
SIDE = 400


def discs(levels: tuple[float, float] = (60, 190)) -> NDArray[np.float64]:
    """Sharp edges of all directions."""
    y, x = np.mgrid[:SIDE, :SIDE]
    picture = np.full((SIDE, SIDE), levels[0], float)
    for cx, cy in ((100, 110), (290, 120), (110, 290), (300, 300)):
        picture[np.hypot(x - cx, y - cy) < 60] = levels[1]
    return picture


def noisy(picture: NDArray[np.float64], sigma: float = 1.0) -> UInt8:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0, 4.0])
def test_the_blur_of_edges_is_found(sigma: float) -> None:
    blurred = cv2.GaussianBlur(discs(), (0, 0), sigma)
    assert blur_of_edges(find_edges(noisy(blurred))) == pytest.approx(sigma, abs=0.25)


def test_a_sharp_picture_has_no_blur() -> None:
    assert blur_of_edges(find_edges(noisy(discs()))) < 0.8


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_a_shake_in_one_direction_counts(angle: float) -> None:
    kernel = np.zeros((15, 15), np.float32)
    kernel[7] = 1
    turn = cv2.getRotationMatrix2D((7, 7), angle, 1)
    kernel = cv2.warpAffine(kernel, turn, (15, 15))
    shaken = cv2.filter2D(discs(), -1, kernel / kernel.sum())
    assert blur_of_edges(find_edges(noisy(shaken))) > 2.0


def test_contrast_does_not_matter_to_blur() -> None:
    found = [
        blur_of_edges(find_edges(noisy(cv2.GaussianBlur(discs((100, high)), (0, 0), 2.5), 0.3)))
        for high in (130, 220)
    ]
    assert found[0] == pytest.approx(found[1], rel=0.15)


def test_focus_on_the_subject_or_behind_it() -> None:
    """A slim thing before a pattern: one of the two is sharp, or both are, or neither."""
    rng = np.random.default_rng(4)
    patches = rng.integers(40, 220, (2, 20, 20)).astype(float)
    behind, before = (np.kron(patch, np.ones((20, 20))) for patch in patches)
    thing = np.zeros((SIDE, SIDE))
    thing[:, 150:250] = 1

    def taken(blur_before: float, blur_behind: float) -> float:
        back, front, mask = (
            cv2.GaussianBlur(layer, (0, 0), blur) if blur else layer
            for layer, blur in (
                (behind, blur_behind), (before * thing, blur_before), (thing, blur_before)
            )
        )  # fmt: skip
        return defocus(find_edges(noisy(front + (1 - mask) * back)))

    assert taken(3.0, 0.0) > 1.6
    assert taken(0.0, 3.0) < 0.5
    assert taken(0.0, 0.0) == pytest.approx(0.0, abs=0.5)
    assert taken(3.0, 3.0) == pytest.approx(0.0, abs=0.5)


def test_an_empty_picture_has_no_edges_and_no_detail() -> None:
    empty = np.full((90, 120), 128, np.uint8)
    assert blur_of_edges(find_edges(empty)) == 0.0
    assert burnt_detail(empty) == 0.0
    assert plain_share(empty) == 0.0


def texture(levels: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(2)
    return cv2.GaussianBlur(rng.normal(0, 8 * levels, (SIDE, SIDE)), (0, 0), 2.0)


def test_a_white_backdrop_is_not_burnt_but_a_burnt_thing_is() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    thing = np.hypot(x - 200, y - 200) < 120
    on_white = np.where(thing, 120 + 6 * texture(1), 255)
    assert burnt_detail(noisy(on_white, 0)) < 0.35
    burnt = np.where(thing, 245 + 6 * texture(1), 120 + 6 * texture(1))
    assert burnt_detail(noisy(burnt, 0)) > burnt_detail(noisy(on_white, 0))
    assert burnt_detail(noisy(245 + 6 * texture(1), 0)) > 0.8


def test_a_plain_thing_is_told_from_a_plain_backdrop() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    thing = np.hypot(x - 200, y - 200) < 90
    detailed = 120 + 8 * texture(1)
    assert plain_share(noisy(np.where(thing, 200, detailed))) > 0.3
    assert plain_share(noisy(np.where(thing, detailed, 200))) < 0.1
    assert plain_share(noisy(detailed)) < 0.05
