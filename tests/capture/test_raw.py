"""Raw photos: a DNG made on the fly is developed, upright, in its colours; others are named."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from gypsum.capture import read_capture
from gypsum.capture.raw import developed
from gypsum.capture.sources import UnusableError

WIDTH, HEIGHT = 160, 120
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10


def dng(path: Path, rgb: Any, orientation: int = 1) -> Path:
    """Write linear light (H, W, 3), 0 to 1, as an uncompressed DNG with an RGGB mosaic."""
    mosaic = np.empty(rgb.shape[:2], "<u2")
    for y, x, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[y::2, x::2] = np.rint(rgb[y::2, x::2, channel] * 4000 + 64)
    matrix = [3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570]
    height, width = mosaic.shape
    tags: dict[int, tuple[int, Any]] = {
        254: (LONG, 0), 256: (LONG, width), 257: (LONG, height), 258: (SHORT, 16),
        259: (SHORT, 1), 262: (SHORT, 32803), 271: (ASCII, "Gypsum"), 272: (ASCII, "Test"),
        273: (LONG, 0), 274: (SHORT, orientation), 277: (SHORT, 1), 278: (LONG, height),
        279: (LONG, mosaic.nbytes), 284: (SHORT, 1), 33421: (SHORT, (2, 2)),
        33422: (BYTE, bytes([0, 1, 1, 2])), 50706: (BYTE, bytes([1, 4, 0, 0])),
        50708: (ASCII, "Gypsum Test"), 50714: (SHORT, 64), 50717: (SHORT, 4064),
        50721: (SRATIONAL, tuple(IFDRational(round(m * 10_000), 10_000) for m in matrix)),
        50728: (RATIONAL, (IFDRational(95, 100), IFDRational(1), IFDRational(109, 100))),
        50778: (SHORT, 21),
    }  # fmt: skip

    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag, (kind, value) in tags.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
    # Pillow adds the directory's end to the strip's offset, which is 0 above.
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory.tobytes(8) + mosaic.tobytes())
    return path


def light(seed: int) -> Any:
    """(H, W, 3) patches of linear light."""
    colors = np.random.default_rng(seed).uniform(0.05, 0.7, (3, 4, 3))
    return colors.repeat(HEIGHT // 3, axis=0).repeat(WIDTH // 4, axis=1)


def test_a_raw_photo_is_developed(tmp_path: Path) -> None:
    rgb = light(0)
    announced: list[int] = []
    picture, exif = developed(dng(tmp_path / "a.dng", rgb), announced.append)
    assert picture.size == (WIDTH, HEIGHT)
    assert announced == [WIDTH * HEIGHT]
    assert (exif.make, exif.model) == ("Gypsum", "Test")
    pixels = np.asarray(picture).astype(float)
    for y in range(3):
        for x in range(4):
            patch = pixels[40 * y + 10 : 40 * y + 30, 40 * x + 10 : 40 * x + 30]
            assert patch.std(axis=(0, 1)).max() < 3
            order = np.argsort(rgb[40 * y, 40 * x])
            assert (np.diff(patch.mean(axis=(0, 1))[order]) > -12).all()


def test_raw_photos_make_a_capture_and_stand_upright(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(4):
        dng(folder / f"{i}.dng", light(i), orientation=6 if i == 3 else 1)
    (folder / "4.nef").write_bytes(b"II*\0" + bytes(300))
    capture = read_capture([folder], tmp_path / "out")
    assert [photo.name for photo in capture.photos] == [f"{i}.jpg" for i in range(4)]
    assert [photo.width for photo in capture.photos] == [WIDTH, WIDTH, WIDTH, HEIGHT]
    assert capture.photos[0].camera == f"Gypsum | Test | {WIDTH}x{HEIGHT}"
    assert [item.name for item in capture.skipped] == ["4.nef"]
    assert "LibRaw" in capture.skipped[0].reason
    with Image.open(tmp_path / "out" / "photos" / "0.jpg") as image:
        assert image.mode == "RGB"


def test_damaged_raw_photos(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(b"II*\0" + bytes(5000))
    with pytest.raises(UnusableError, match="LibRaw"):
        developed(path, lambda _: None)
