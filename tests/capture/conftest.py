"""Pictures made on the fly: no two of different seeds are alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image


def _scene(seed: int = 0, width: int = 320, height: int = 240) -> Image.Image:
    """A smooth coloured pattern with some hard edges, different in all four corners."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    for _ in range(12):
        x, y = int(random.integers(width)), int(random.integers(height))
        color = tuple(int(c) for c in random.integers(0, 256, 3))
        picture.paste(color, (x, y, x + width // 8, y + height // 8))
    return picture


@pytest.fixture(scope="session")
def scene() -> Callable[..., Image.Image]:
    """``scene(seed, width, height)`` makes a picture."""
    return _scene


def _save(picture: Image.Image, file: Path | BinaryIO, kind: str, exif: bytes = b"") -> None:
    tags = {"exif": exif} if exif else {}
    if kind == "HEIF":
        pillow_heif.encode(picture.mode, picture.size, picture.tobytes(), file, quality=98, **tags)
    else:
        picture.save(file, kind, quality=98, **tags)


@pytest.fixture(scope="session")
def save() -> Callable[..., None]:
    """``save(picture, file, kind, exif)`` writes every kind that is read.

    HEIC's writer isn't made known to Pillow, so that the reader that Gypsum chose is tested.
    """
    return _save


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with four good photos, 1.jpg to 4.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(1, 5):
        _scene(i).save(folder / f"{i}.jpg", quality=90)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the capture goes."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
