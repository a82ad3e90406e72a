"""Clips: every codec, upright, in the right colours, and told apart when they can't be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gypsum.capture import clips as module
from gypsum.capture.clips import opened_clip
from gypsum.capture.container import BT2020, HLG, PQ, ColorTags, read_color_tags
from gypsum.capture.hdr import to_sdr
from gypsum.capture.sources import UnusableError

from .clips import HEIGHT, WIDTH, encode, walk

QUIET = {"x265-params": "log-level=none"}
FAST = {"deadline": "realtime", "cpu-used": "8"}
"""Encoders' options."""


@pytest.fixture(scope="module")
def frames() -> list[Any]:
    return walk(20)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("a.mov", "libx265", QUIET),
        ("a.mkv", "libx265", QUIET),
        ("a.webm", "libvpx-vp9", FAST),
        ("a.mkv", "libvpx-vp9", FAST),
        ("a.mkv", "libx264", {}),
        ("a.mov", "libx264", {}),
        ("a.mp4", "libsvtav1", {"preset": "12"}),
        ("a.webm", "libsvtav1", {"preset": "12"}),
    ],
)
def test_every_codec(
    frames: list[Any], tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = encode(tmp_path / name, frames, codec, options=options)
    with opened_clip(path) as clip:
        assert (clip.width, clip.height) == (WIDTH, HEIGHT)
        assert clip.expected == pytest.approx(20, abs=1)
        assert clip.seconds == pytest.approx(20 / 30, abs=0.04)
        decoded = list(clip.frames)
    assert len(decoded) == 20
    for frame, truth in zip(decoded, frames, strict=True):
        assert np.abs(frame[..., ::-1].astype(int) - truth).mean() < 12


@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
@pytest.mark.parametrize(("rate", "every"), [(25, 1), (60, 2), (120, 4)])
def test_of_fast_clips_every_nth_frame_is_looked_at(
    frames: list[Any], tmp_path: Path, codec: str, rate: int, every: int
) -> None:
    path = encode(tmp_path / "a.mp4", frames, codec, rate=rate)
    with opened_clip(path, fastest=30) as clip:
        assert clip.every == every
        decoded = list(clip.frames)
    assert len(decoded) == 20 // every
    for frame, truth in zip(decoded, frames[::every], strict=True):
        assert np.abs(frame[..., ::-1].astype(int) - truth).mean() < 12


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("codec", ["libx264", "libsvtav1"])
def test_rotation_is_honoured_by_both_readers_alike(
    frames: list[Any], tmp_path: Path, rotation: int, codec: str
) -> None:
    path = encode(tmp_path / "a.mp4", frames[:3], codec, rotation=rotation)
    with opened_clip(path) as clip:
        upright = next(clip.frames)[..., ::-1]
    truth = np.rot90(frames[0], rotation // 90)
    assert upright.shape == truth.shape == (clip.height, clip.width, 3)
    assert np.abs(upright.astype(int) - truth).mean() < 12


def test_av1_without_pyav(
    frames: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.mp4", frames, "libsvtav1", options={"preset": "12"})
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UnusableError, match=r"AV1.*gypsum\[video\]"), opened_clip(path):
        pass


def test_what_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))
    with pytest.raises(UnusableError, match="can't be decoded"), opened_clip(path):
        pass


def test_a_small_clip_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [np.zeros((48, 64, 3), np.uint8)] * 3)
    with pytest.raises(UnusableError, match="too small: 64 x 48"), opened_clip(path):
        pass


def test_a_clip_that_changes_its_size_keeps_the_first() -> None:
    sizes = [(4, 6, 3), (4, 6, 3), (2, 6, 3)]
    frames = [np.zeros((100 * h, 100 * w, c), np.uint8) for h, w, c in sizes]
    clip = module._started(iter(frames), 3, 30.0, 1, is_coded=False)
    assert clip is not None
    assert len(list(clip.frames)) == 2


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("colors", [(1, 1, 1), (BT2020, HLG, 9), (BT2020, PQ, 9)])
def test_colours_are_read_from_the_container(
    frames: list[Any], tmp_path: Path, suffix: str, colors: tuple[int, int, int]
) -> None:
    path = encode(tmp_path / f"a{suffix}", frames[:2], colors=colors)
    assert read_color_tags(path) == ColorTags(colors[0], colors[1])


def test_damaged_containers_have_no_colours(frames: list[Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.mp4", "a.mkv"):
        path = encode(tmp_path / name, frames[:2], colors=(BT2020, HLG, 9))
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(200):
            damaged = whole.copy()
            damaged[rng.integers(0, len(whole), 30)] = rng.integers(0, 256, 30)
            path.write_bytes(damaged[: rng.integers(0, len(whole))].tobytes())
            read_color_tags(path)  # Says something and ends.


def _coded(nits: float, tags: ColorTags) -> int:
    """The 8-bit value of grey light, by the formulas of BT.2100 the other way round."""
    if tags.transfer == PQ:
        y = (nits / 10_000) ** 0.1593017578125
        value = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    else:
        scene = (nits / 1000) ** (1 / 1.2)
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        value = (3 * scene) ** 0.5 if scene <= 1 / 12 else a * np.log(12 * scene - b) + c
    return round(255 * value)


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_tone_mapping(transfer: int) -> None:
    """Grey stays grey, brighter stays brighter, the middle as it is, nothing is cut off."""
    tags = ColorTags(BT2020, transfer)
    nits = [1.0, 10.0, 36.5, 100.0, 203.0, 400.0, 1000.0]
    grey = np.array([[[_coded(n, tags)] * 3 for n in nits]], np.uint8)
    mapped = to_sdr(grey, tags)[0].astype(int)
    assert (np.ptp(mapped, axis=1) <= 1).all()
    assert (np.diff(mapped[:, 0]) > 0).all()
    middle = 36.5 / 203  # Linear light, 18 % of paper white.
    assert mapped[2, 0] == pytest.approx(255 * (1.055 * middle ** (1 / 2.4) - 0.055), abs=5)
    assert 225 < mapped[4, 0] < 245
    assert mapped[6, 0] <= 255


def test_tone_mapping_keeps_hues() -> None:
    colors = np.zeros((1, 3, 3), np.uint8)
    colors[0] = np.eye(3) * 200 + 30
    mapped = to_sdr(colors, ColorTags(BT2020, HLG))[0]
    assert (mapped.argmax(axis=1) == [0, 1, 2]).all()


def test_tall_pictures_are_mapped_in_parts_alike() -> None:
    rows = np.repeat(np.arange(256, dtype=np.uint8)[:, None, None], 3, 2)
    tags = ColorTags(BT2020, PQ)
    whole = to_sdr(cv2.resize(rows, (4, 256)), tags)
    single = np.concatenate([to_sdr(rows[i : i + 1], tags) for i in range(256)])
    assert (whole[:, :1] == single).all()
