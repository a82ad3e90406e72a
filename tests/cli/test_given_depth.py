"""What --depth refuses at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(4):
        pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"IMG_{n}.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        (None, {}, "names no folder"),
        ("note.txt", {}, "no depth maps in"),
        ("other.npy", {}, r"like the photos, for example IMG_0\.png"),
        ("IMG_0.npy", {"mode": "splat"}, "--depth is for the photo mode"),
        ("IMG_0.npy", {"mode": "lidar"}, "--depth is for the photo mode"),
    ],
)
def test_depth_maps_are_checked_at_once(
    photos: Path, tmp_path: Path, name: str | None, options: dict[str, str], match: str
) -> None:
    folder = tmp_path / "depth"
    if name is not None:
        folder.mkdir()
        np.save(folder / name, np.ones((24, 32))) if name.endswith(".npy") else (
            folder / name
        ).write_text("x")
    with pytest.raises(InputError, match=match):
        gypsum.scan(photos, tmp_path / "out.glb", depth=folder, **options)
    assert not (tmp_path / "out.gypsum").exists()
