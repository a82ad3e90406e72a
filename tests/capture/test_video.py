"""Clips become photos of a capture, alone or among photos."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.capture import clips, expected_photos, find_photos, read_capture
from gypsum.capture.container import BT2020, HLG, PQ
from gypsum.capture.prepare_clips import prepare_frames
from gypsum.capture.prepared import frame_path
from gypsum.capture.read import frames_of_clips
from gypsum.errors import InputError
from gypsum.scene import Capture

from .clips import HEIGHT, WIDTH, encode, walk

COUNT = 80


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "vase.mp4", walk(COUNT))


def test_a_clip_is_a_capture(clip: Path, out: Path) -> None:
    capture = read_capture([clip], out)
    assert Capture.read(out) == capture
    assert 8 < len(capture.photos) <= 60
    assert capture.skipped == ()
    numbers = [photo.frame for photo in capture.photos]
    assert numbers == sorted(numbers)  # type: ignore[type-var]
    for photo in capture.photos:
        assert photo.clip == "vase.mp4"
        assert photo.name == f"vase_{photo.frame:06d}.jpg"
        assert photo.source == f"vase.mp4#{photo.frame}"
        assert photo.camera == f"vase.mp4 | {WIDTH}x{HEIGHT}"
        assert photo.focal_px is None
        with Image.open(capture.path(out, photo)) as image:
            assert image.size == (photo.width, photo.height) == (WIDTH, HEIGHT)
    assert len({photo.digest for photo in capture.photos}) == len(capture.photos)
    assert {path.name for path in out.iterdir()} == {"capture.json", "photos"}
    assert len(list((out / "photos").iterdir())) == len(capture.photos)


def test_frames_show_what_the_clip_shows(clip: Path, out: Path) -> None:
    truth = walk(COUNT)
    capture = read_capture([clip], out)
    for photo in capture.photos:
        assert photo.frame is not None
        stored = np.asarray(Image.open(capture.path(out, photo)))
        errors = [
            np.abs(stored.astype(int) - truth[i]).mean()
            for i in range(max(0, photo.frame - 2), min(COUNT, photo.frame + 3))
        ]
        assert int(np.argmin(errors)) == min(photo.frame, 2)


def test_frames_of_a_fast_clip_have_their_own_numbers(out: Path, tmp_path: Path) -> None:
    truth = walk(COUNT, speed=1.5)
    capture = read_capture([encode(tmp_path / "fast.mp4", truth, rate=60)], out)
    for photo in capture.photos:
        assert photo.frame is not None
        assert photo.frame % 2 == 0
        stored = np.asarray(Image.open(capture.path(out, photo)))
        assert np.abs(stored.astype(int) - truth[photo.frame]).mean() < 12


@pytest.mark.parametrize("with_pyav", [True, False])
@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_clips_of_high_dynamic_range_become_ordinary(
    tmp_path: Path, with_pyav: bool, transfer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever reader there is, a light grey stays one: it is tone-mapped, and only once."""
    bright, expected = (160, 186) if transfer == HLG else (128, 183)
    frames = [
        np.repeat((frame[..., :1] > 96).astype(np.uint8) * bright, 3, axis=2) for frame in walk(40)
    ]
    quiet = {"x265-params": "log-level=none"}
    path = encode(
        tmp_path / "a.mov", frames, "libx265", "yuv420p10le", 0, (BT2020, transfer, 9), quiet
    )
    monkeypatch.setattr(clips, "find_spec", lambda _: with_pyav or None)
    taken = prepare_frames(path, tmp_path / "a.part", 4, 1, lambda _: None)
    for number, _ in taken.chosen:
        with Image.open(frame_path(tmp_path / "a.part", number)) as image:
            grey = np.asarray(image.convert("L"))
        assert np.median(grey[grey > 128]) == pytest.approx(expected, abs=8)


def test_the_same_clip_gives_the_same_frames(clip: Path, out: Path, tmp_path: Path) -> None:
    assert read_capture([clip], out, threads=1) == read_capture([clip], tmp_path / "b", threads=3)


def test_the_count_is_bounded_over_all_clips(clip: Path, photos: Path, out: Path) -> None:
    (photos / "a.mp4").write_bytes(clip.read_bytes())
    encode(photos / "b.webm", walk(COUNT, seed=70), "libvpx-vp9", options={"deadline": "realtime"})
    assert expected_photos(find_photos([photos]), 12) == 16
    capture = read_capture([photos], out, frames=12)
    clips = [photo.clip for photo in capture.photos]
    assert clips[:4] == [None] * 4
    assert 3 <= clips.count("a.mp4") <= 6
    assert 3 <= clips.count("b.webm") <= 6
    assert len({photo.camera for photo in capture.photos}) == 3


def test_frames_by_length() -> None:
    assert frames_of_clips([5.0]) == [60]
    assert frames_of_clips([30.0]) == [90]
    assert frames_of_clips([600.0]) == [150]
    assert frames_of_clips([0.0]) == [90]
    assert frames_of_clips([20.0, 10.0]) == [60, 30]
    assert frames_of_clips([30.0, 30.0], 50) == [25, 25]
    assert frames_of_clips([300.0, 1.0], 50) == [50, 3]


def test_clips_in_zips(clip: Path, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(clip, "holiday/vase.mp4")
    capture = read_capture([path], out)
    assert capture.photos[0].clip == "holiday/vase.mp4"
    assert {file.suffix for file in (out / "photos").iterdir()} == {".jpg"}


@pytest.mark.parametrize(
    ("count", "speed", "says"),
    [(5, 0.2, "too short: it has only 5 frames"), (40, 0.0, "shows no depth: film while you walk")],
)
def test_clips_that_show_nothing(
    count: int, speed: float, says: str, out: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.mp4", walk(count, speed))
    with pytest.raises(InputError, match=rf"^a\.mp4 can't be used: it .*{says}"):
        read_capture([path], out)
    assert list(out.iterdir()) == []


def test_a_damaged_clip_among_photos_is_named(photos: Path, out: Path) -> None:
    (photos / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(1000))
    (photos / "b.mkv").write_text("This is not a clip.")
    capture = read_capture([photos], out)
    assert len(capture.photos) == 4
    assert {item.name: item.reason.split(":")[0] for item in capture.skipped} == {
        "a.mp4": "is damaged, or of a kind that can't be decoded",
        "b.mkv": "holds no clip, whatever its name says (MP4, MOV, WebM and MKV are read)",
    }


def test_a_clip_that_is_cut_short_gives_what_it_has(out: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", walk(COUNT), options={"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    capture = read_capture([path], out)
    assert len(capture.photos) >= 3
    assert max(photo.frame or 0 for photo in capture.photos) < 0.7 * COUNT
