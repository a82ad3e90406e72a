"""Folders of depth maps: what is read, what is refused, and in which words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.capture import read_capture
from gypsum.capture.given_depth import (
    check_depth_maps,
    digest_of_depth,
    list_depth_maps,
    match_depth_maps,
    read_depth_maps,
)
from gypsum.errors import InputError
from gypsum.scene.capture import Capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c", "d", "e"):
        picture = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((320, 240)).save(folder / f"{name}.jpg")
    return read_capture([folder], tmp_path_factory.mktemp("read"))


def metres() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return (1.0 + 0.01 * x + 0.005 * y).astype(np.float32)


def test_every_kind_of_file_is_read(capture: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    (folder / "confidence").mkdir(parents=True)
    depth = metres()
    steps = np.rint(1000 * depth).astype(np.uint16)
    Image.fromarray(steps).save(folder / "a.png")
    Image.fromarray(depth).save(folder / "b_depth.tiff")
    np.save(folder / "c.jpg.npy", depth[..., None].astype(np.float64))
    holes = depth.copy()
    holes[0, :3] = [np.nan, np.inf, -1]
    np.save(folder / "D.npy", holes)
    sure = np.full((24, 32), 255, np.uint8)
    sure[:, :16] = 0
    Image.fromarray(sure).save(folder / "confidence" / "a.png")
    names = {photo.name for photo in capture.photos}
    assert len(match_depth_maps(capture, folder)) == 4
    made, unusable = read_depth_maps(capture, folder, tmp_path / "out", threads=2)
    assert not unusable
    assert set(made) < names
    by_source = {photo.source: photo.name for photo in capture.photos}
    maps = {stem: np.load(tmp_path / "out" / f"{by_source[stem + '.jpg']}.npy") for stem in "abcd"}
    assert all(values.dtype == np.float32 and values.shape == (48, 64) for values in maps.values())
    assert maps["a"][:, :32].max() == 0
    np.testing.assert_allclose(maps["a"][:, 32:], depth[:, 32:], atol=6e-4)
    np.testing.assert_allclose(maps["b"], depth, rtol=1e-6)
    np.testing.assert_allclose(maps["c"], depth, rtol=1e-6)
    assert maps["d"][0, :3].max() == 0
    np.testing.assert_allclose(maps["d"][1:], depth[1:], rtol=1e-6)


def test_bad_maps_are_named_and_left_out(capture: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    np.save(folder / "a.npy", metres())
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(folder / "b.png")
    np.save(folder / "c.npy", metres()[:, :20])
    np.save(folder / "d.npy", np.zeros((48, 64), np.float32))
    buffer = io.BytesIO()
    np.save(buffer, metres())
    (folder / "e.npy").write_bytes(buffer.getvalue()[:300])
    made, unusable = read_depth_maps(capture, folder, tmp_path / "out", threads=2)
    assert len(made) == 1
    assert set(unusable) == {"b.png", "c.npy", "d.npy", "e.npy"}
    assert "8 bits" in unusable["b.png"]
    assert "another shape" in unusable["c.npy"]
    assert "no depth" in unusable["d.npy"]
    assert "damaged" in unusable["e.npy"]
    (folder / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{'descr': '|O'")
    with pytest.raises(InputError, match="None of the depth maps"):
        read_depth_maps(capture, folder, tmp_path / "out2", threads=2)


def test_objects_in_npy_files_are_never_unpickled(capture: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    np.save(folder / "a.npy", np.array([{"x": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match="damaged"):
        read_depth_maps(capture, folder, tmp_path / "out")


def test_what_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no folder"):
        list_depth_maps(tmp_path / "none")
    with pytest.raises(InputError, match="no depth maps in"):
        list_depth_maps(tmp_path)
    (tmp_path / "a.exr").write_bytes(b"v/1\x01")
    with pytest.raises(InputError, match="EXR is not read"):
        list_depth_maps(tmp_path)
    np.save(tmp_path / "x.npy", metres())
    with pytest.raises(InputError, match=r"like the photos, for example IMG_1\.png"):
        check_depth_maps(tmp_path, ["photos/IMG_1.jpg"])
    check_depth_maps(tmp_path, ["photos/X.JPG"])


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", metres())
    before = digest_of_depth(tmp_path)
    assert digest_of_depth(tmp_path) == before
    np.save(tmp_path / "x.npy", metres() + 1)
    assert digest_of_depth(tmp_path) != before
