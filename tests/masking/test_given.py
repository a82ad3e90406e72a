"""Masks that people bring: names, sizes, transparency, turned pictures, and what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.errors import InputError
from gypsum.masking import digest_of, list_given, mask_photos, match_given
from gypsum.masking.given import read_given
from gypsum.scene.capture import Capture, PhotoFile


def photo(name: str = "a.jpg", width: int = 60, height: int = 40) -> PhotoFile:
    return PhotoFile(name, name, width, height, None, "", None, None, 1.0, 0.5, "")


def pattern(width: int = 60, height: int = 40) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[5:20, 10:50] = 255
    return mask


@pytest.mark.parametrize("name", ["a.png", "a.jpg.png", "a_mask.png", "A.PNG"])
def test_names(tmp_path: Path, name: str) -> None:
    Image.fromarray(pattern()).save(tmp_path / name)
    capture = Capture((photo(), photo("b.jpg")))
    assert match_given(capture, tmp_path) == {"a.jpg": tmp_path / name}


def test_round_trip(tmp_path: Path) -> None:
    Image.fromarray(pattern()).save(tmp_path / "a.png")
    capture = Capture((photo(), photo("b.jpg")))
    given = match_given(capture, tmp_path)
    made = mask_photos(capture, tmp_path, tmp_path / "out", given=given, network=None)
    assert made.given == ("a.jpg",)
    assert made.found == ()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a.jpg.png")), pattern())
    assert not (tmp_path / "out" / "b.jpg.png").exists()


def test_transparency_is_a_mask(tmp_path: Path) -> None:
    rgba = np.full((40, 60, 4), 200, np.uint8)
    rgba[..., 3] = pattern()
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert np.array_equal(read_given(tmp_path / "a.png", photo()), pattern())


def test_classes_and_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(pattern() // 255).save(tmp_path / "one.png")
    Image.fromarray(pattern().astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("one.png", "deep.png"):
        assert np.array_equal(read_given(tmp_path / name, photo()), pattern()), name


def test_a_smaller_mask_is_enlarged(tmp_path: Path) -> None:
    Image.fromarray(pattern()[::2, ::2]).save(tmp_path / "a.png")
    mask = read_given(tmp_path / "a.png", photo())
    assert mask.shape == (40, 60)
    assert np.mean(mask != pattern()) < 0.08


def test_exif_turns_a_mask(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Stored on its side: a quarter turn clockwise makes it upright.
    stored = Image.fromarray(pattern()).transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_given(tmp_path / "a.png", photo()), pattern())


def test_another_shape_is_refused_in_a_sentence(tmp_path: Path) -> None:
    Image.fromarray(pattern().T.copy()).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"40 x 60 pixels .* 60 x 40"):
        read_given(tmp_path / "a.png", photo())


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png can't be read"):
        read_given(tmp_path / "a.png", photo())


def test_no_masks_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no masks"):
        list_given(tmp_path)
    with pytest.raises(InputError, match="names no folder"):
        list_given(tmp_path / "none")
    Image.fromarray(pattern()).save(tmp_path / "other.png")
    with pytest.raises(InputError, match=r"like the photos, for example a\.png"):
        match_given(Capture((photo(),)), tmp_path)


def test_an_edited_mask_is_another_setting(tmp_path: Path) -> None:
    Image.fromarray(pattern()).save(tmp_path / "a.png")
    before = digest_of(tmp_path)
    assert digest_of(tmp_path) == before
    Image.fromarray(255 - pattern()).save(tmp_path / "a.png")
    assert digest_of(tmp_path) != before
