"""Every kind of picture ends up upright, opaque, 8-bit, sRGB."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from gypsum.capture import limits
from gypsum.capture.decode import can_be_copied, check_size, decode_small, opened, upright_rgb
from gypsum.capture.exif import read_exif
from gypsum.capture.sources import UnusableError

Scene = Callable[..., Image.Image]
Save = Callable[..., None]


def levels_apart(a: Image.Image, b: Image.Image) -> float:
    """Mean difference in levels."""
    assert a.size == b.size
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).mean())


def read(path: Path) -> Image.Image:
    with opened(path) as image:
        return upright_rgb(image)


def copied(path: Path) -> bool:
    with opened(path) as image:
        return can_be_copied(image, read_exif(image))


def stored_turned(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels that a camera stores with this orientation, by their definition in EXIF: which
    side of the upright picture the stored row 0 and column 0 are."""
    pixels = np.asarray(upright)
    stored = {
        1: pixels,  # top, left
        2: pixels[:, ::-1],  # top, right
        3: pixels[::-1, ::-1],  # bottom, right
        4: pixels[::-1],  # bottom, left
        5: pixels.swapaxes(0, 1),  # left, top
        6: pixels[:, ::-1].swapaxes(0, 1),  # right, top
        7: pixels[::-1, ::-1].swapaxes(0, 1),  # right, bottom
        8: pixels[::-1].swapaxes(0, 1),  # left, bottom
    }[orientation]
    return Image.fromarray(np.ascontiguousarray(stored))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_give_the_same_upright_pixels(
    scene: Scene, save: Save, tmp_path: Path, orientation: int, kind: str
):
    picture = scene(3, 160, 120)
    path = tmp_path / "a"
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    save(stored_turned(picture, orientation), path, kind, tags.tobytes())
    assert levels_apart(read(path), picture) < 4
    assert copied(path) == (orientation == 1 and kind in ("JPEG", "PNG"))


def test_modes_become_rgb(scene: Scene, tmp_path: Path):
    picture = scene(5)
    grey = picture.convert("L").convert("RGB")
    sixteen = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    twelve = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 16)
    floats = Image.fromarray(np.asarray(picture.convert("L"), np.float32) / 255)
    cases = {
        "cmyk.jpg": (picture.convert("CMYK"), picture, 3),
        "cmyk.tif": (picture.convert("CMYK"), picture, 1),
        "grey.jpg": (picture.convert("L"), grey, 3),
        "palette.png": (picture.quantize(256), picture, 8),
        "rgba.png": (picture.convert("RGBA"), picture, 0),
        "la.png": (picture.convert("LA"), grey, 0),
        "sixteen.png": (sixteen, grey, 0.1),
        "sixteen.tif": (sixteen, grey, 0.1),
        "twelve.tif": (twelve, grey, 1),
        "float.tif": (floats, grey, 0.1),
        "lossy.webp": (picture, picture, 6),
    }
    for name, (stored, expected, most) in cases.items():
        stored.save(tmp_path / name, quality=98)
        got = read(tmp_path / name)
        assert got.mode == "RGB"
        assert levels_apart(got, expected) <= most, name
    assert {name for name in cases if copied(tmp_path / name)} == {"grey.jpg"}


def test_sixteen_bit_colour_keeps_its_high_bytes(scene: Scene, tmp_path: Path):
    import cv2

    picture = scene(5)
    pixels = np.asarray(picture)[..., ::-1].astype(np.uint16) * 257
    for name in ("a.tif", "a.png"):
        cv2.imwrite(str(tmp_path / name), pixels)
        assert levels_apart(read(tmp_path / name), picture) < 1


def test_what_is_transparent_becomes_black(scene: Scene, tmp_path: Path):
    picture = scene(1)
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    picture.save(tmp_path / "a.png")
    pixels = np.asarray(read(tmp_path / "a.png"))
    assert pixels[0].max() == 0
    assert pixels[-1].max() > 100
    assert not copied(tmp_path / "a.png")


def test_other_colour_spaces_are_converted(scene: Scene, tmp_path: Path):
    picture = scene(2)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    picture.save(tmp_path / "srgb.jpg", icc_profile=srgb.tobytes())
    picture.save(tmp_path / "broken.jpg", icc_profile=b"hello")
    assert copied(tmp_path / "srgb.jpg")
    assert copied(tmp_path / "broken.jpg")
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    in_lab = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    assert in_lab is not None
    foreign = bytearray(
        srgb.tobytes().replace(b"s\0R\0G\0B", b"o\0t\0h\0e").replace(b"sRGB", b"othe")
    )
    picture.save(tmp_path / "foreign.png", icc_profile=bytes(foreign))
    assert not copied(tmp_path / "foreign.png")
    assert levels_apart(read(tmp_path / "foreign.png"), picture) < 2


def test_small_decoding_keeps_the_picture(scene: Scene, tmp_path: Path):
    scene(1, 1600, 1200).save(tmp_path / "a.jpg", quality=95)
    with opened(tmp_path / "a.jpg") as image:
        small = decode_small(image, 400)
    assert small.size == (400, 300)
    assert levels_apart(small, read(tmp_path / "a.jpg").reduce(4)) < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("decode", [upright_rgb, lambda image: decode_small(image, 100)])
def test_files_cut_short_are_found(
    scene: Scene,
    save: Save,
    tmp_path: Path,
    kind: str,
    share: float,
    decode: Callable[[Image.Image], Image.Image],
):
    noise = np.random.default_rng(0).integers(0, 60, (240, 320, 3), dtype=np.uint8)
    picture = Image.fromarray(np.asarray(scene(1)) // 2 + noise)
    path = tmp_path / "a"
    save(picture, path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnusableError, match=r"cut short|damaged"), opened(path) as image:
        decode(image)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_cut_short_are_called_so(scene: Scene, tmp_path: Path, progressive: bool):
    path = tmp_path / "a.jpg"
    scene(1, 1600, 1200).save(path, progressive=progressive)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UnusableError, match="is cut short"), opened(path) as image:
        decode_small(image, 200)


def test_sizes():
    check_size(64, 64)
    check_size(14204, 10652)
    check_size(260, 100)
    for width, height, reason in (
        (63, 100, "too small"),
        (20_000, 10_000, "too large"),
        (261, 100, "panorama"),
        (100, 261, "panorama"),
    ):
        with pytest.raises(UnusableError, match=reason):
            check_size(width, height)


def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path):
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 20_000)).save(path)
    for filtering in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(filtering, Image.DecompressionBombWarning)  # type: ignore[arg-type]
            with pytest.raises(UnusableError, match=r"too large|more pixels"), opened(path):
                pass
    assert Image.MAX_IMAGE_PIXELS == limits.PIXELS_MAX


def test_formats_beyond_the_promised_are_not_even_tried(scene: Scene, tmp_path: Path):
    scene(1).save(tmp_path / "a.jpg", "GIF")
    with pytest.raises(UnusableError, match="can't be opened"), opened(tmp_path / "a.jpg"):
        pass
