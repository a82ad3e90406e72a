"""Sharpness, blankness and sameness, on pictures of which they are known."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import uniform_filter1d

from gypsum.capture.measure import Measures, is_blank, measure, repeats, sharpness

Scene = Callable[..., Image.Image]


def noise(seed: int, width: int = 1024, height: int = 768) -> Image.Image:
    """Detail at all scales, like many real subjects: a 1/f spectrum."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.normal(size=(height, width)))
    f = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width)
    f[0, 0] = np.inf
    values = np.fft.irfft2(spectrum / f, (height, width))
    values = 127 + 50 * values / values.std()
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")


def slow_sharpness(luma: NDArray[np.uint8]) -> float:
    """The paper's formula, on all rows and columns."""
    values = luma.astype(np.float64)
    shares = []
    for axis in (0, 1):
        before = np.abs(np.diff(values, axis=axis))
        after = np.abs(np.diff(uniform_filter1d(values, 9, axis, mode="nearest"), axis=axis))
        shares.append(np.maximum(before - after, 0).sum() / before.sum())
    return float(min(shares))


def stored(picture: Image.Image, quality: int, scale: float = 1) -> Image.Image:
    size = (round(picture.width * scale), round(picture.height * scale))
    file = BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def same(*pictures: Image.Image) -> dict[int, int]:
    prints = [measure(picture).fingerprint for picture in pictures]
    return repeats(prints, [picture.size for picture in pictures])


def test_sharpness_is_the_papers():
    luma = np.asarray(noise(0).convert("L"))
    assert sharpness(luma) == pytest.approx(slow_sharpness(luma), abs=0.01)
    four_rows = np.repeat(luma[:, :4], 4, axis=1)
    assert sharpness(four_rows) == pytest.approx(slow_sharpness(four_rows), abs=0.01)


def test_sharpness_falls_with_blur_in_either_direction():
    picture = noise(1)
    figures = [measure(picture.filter(ImageFilter.GaussianBlur(r))).sharpness for r in range(5)]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] > figures[2] + 0.1
    for radius in ((6, 0), (0, 6)):
        assert measure(picture.filter(ImageFilter.BoxBlur(radius))).sharpness < figures[1]


def test_sharpness_depends_neither_on_resolution_nor_on_light():
    picture = noise(2, 4096, 3072)
    figures = [measure(picture.reduce(n)).sharpness for n in (1, 2, 4)]
    assert np.ptp(figures) < 0.05
    dim = picture.reduce(4).point(lambda level: level * 0.6)
    assert measure(dim).sharpness == pytest.approx(figures[2], abs=0.05)


def test_brightness():
    assert measure(Image.new("RGB", (100, 80), "white")).brightness == 1
    assert measure(Image.new("RGB", (100, 80), "black")).brightness == 0


@pytest.mark.parametrize("level", [0, 20, 128, 255])
def test_flat_pictures_are_blank_even_with_noise(level: int):
    random = np.random.default_rng(0)
    pixels = level + random.normal(0, 6, (480, 640, 3))
    assert is_blank(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    assert is_blank(Image.new("RGB", (4000, 3000), (level, 0, 30)))


def test_a_small_object_before_a_flat_background_is_not_blank(scene: Scene):
    picture = Image.new("RGB", (640, 480))
    picture.paste(scene(0, 64, 64), (300, 200))
    assert not is_blank(picture)


def test_nothing_of_a_flat_picture_is_sharp():
    assert measure(Image.new("RGB", (100, 80))).sharpness == 0


@pytest.mark.parametrize(("quality", "scale"), [(95, 1), (40, 1), (85, 0.5), (80, 0.77)])
def test_pictures_stored_again_are_the_same(scene: Scene, quality: int, scale: float):
    for picture in (scene(1, 1280, 960), noise(3)):
        assert same(picture, stored(picture, quality, scale)) == {1: 0}
        assert same(stored(picture, quality, scale), picture) == ({0: 1} if scale < 1 else {1: 0})


def test_a_camera_that_moved_a_little_takes_another_picture(scene: Scene):
    wide = scene(1, 1300, 960)
    first, second = wide.crop((0, 0, 1280, 960)), wide.crop((8, 0, 1288, 960))
    assert same(first, second) == {}


def test_different_pictures_are_different(scene: Scene):
    assert same(*(scene(i) for i in range(8))) == {}
    assert repeats([], []) == {}


def test_the_largest_of_many_is_kept(scene: Scene):
    picture, other = scene(1, 1280, 960), scene(2, 1280, 960)
    small = picture.reduce(2)
    assert same(small, other, picture, picture, small) == {0: 2, 3: 2, 4: 2}


def test_measures_are_of_the_whole_picture(scene: Scene):
    measures = measure(scene(1))
    assert isinstance(measures, Measures)
    assert not measures.blank
    assert measures.fingerprint.shape == (64, 64)
