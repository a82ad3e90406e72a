"""Finding photos in folders, files and zips, friendly and hostile ones."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from gypsum.capture import capture_digest, find_photos, limits, sentences
from gypsum.capture import sources as module
from gypsum.capture.sources import OpenZips, in_words, list_inputs
from gypsum.errors import InputError
from gypsum.scene.capture import SkippedPhoto


def sources(*inputs: Path) -> list[str]:
    return [photo.source for photo in find_photos(inputs)]


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def contents(photos: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(photos.iterdir())}


def test_folders_with_all_below_in_natural_order(photos: Path):
    (photos / "4.jpg").rename(photos / "10.jpg")
    shutil.copytree(photos, photos / "more")
    assert sources(photos) == [
        *("1.jpg", "2.jpg", "3.jpg", "10.jpg"),
        *("more/1.jpg", "more/2.jpg", "more/3.jpg", "more/10.jpg"),
    ]


def test_other_and_hidden_files_are_counted(photos: Path):
    (photos / "notes.txt").write_text("hello")
    (photos / "._1.jpg").write_bytes(b"resource fork")
    (photos / ".thumbnails").mkdir()
    shutil.copy(photos / "1.jpg", photos / ".thumbnails" / "1.jpg")
    listing = list_inputs([photos])
    assert len(listing.photos) == 4
    assert listing.others.total() == 2


def test_a_file_given_twice_counts_once(photos: Path):
    assert sources(photos, photos / "1.jpg") == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_earlier_runs_in_the_same_folder_are_no_photos(photos: Path):
    stage = photos / "vase" / "stages" / "photos"
    stage.mkdir(parents=True)
    (stage / "key.json").write_text("{}")
    shutil.copy(photos / "1.jpg", photos / "vase" / "preview.jpg")
    shutil.copy(photos / "1.jpg", stage / "1.jpg")
    (photos / "vase.obj").write_text("")
    shutil.copy(photos / "2.jpg", photos / "vase_texture.jpg")
    assert sources(photos) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]


def test_lying_and_empty_files_are_skipped_and_named(photos: Path):
    (photos / "lie.jpg").write_text("This is not a photo, it only says so.")
    (photos / "empty.png").touch()
    (photos / "pipe.jpg").mkdir()
    os.mkfifo(photos / "fifo.jpg")
    skipped = {photo.name: photo.reason for photo in list_inputs([photos]).skipped}
    assert skipped.keys() == {"lie.jpg", "empty.png", "fifo.jpg"}
    assert skipped["empty.png"] == "is empty"
    assert skipped["lie.jpg"].startswith("holds no photo")
    assert skipped["fifo.jpg"] == "is not a plain file"


def test_missing_inputs(photos: Path):
    with pytest.raises(InputError, match=r"There is no file or folder .*nowhere; check the name\."):
        find_photos([photos, photos / "nowhere"])


def test_no_photos(tmp_path: Path):
    with pytest.raises(InputError, match=r"JPEG, PNG, TIFF, WebP and HEIC.*it is empty"):
        find_photos([tmp_path])
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="not the other file found there"):
        find_photos([tmp_path])


def test_raw_photos_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "can_read_raw", lambda: False)
    (tmp_path / "IMG_1.CR2").write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"raw photos are not: export them.*gypsum\[raw\]"):
        find_photos([tmp_path])


def test_too_few_photos_says_why(photos: Path):
    for name in ("2.jpg", "3.jpg"):
        (photos / name).write_text("This is not a photo, it only says so.")
    with pytest.raises(
        InputError, match=r"^Only 2 of the 4 photos can be used.*2\.jpg, like 1 other, holds no"
    ):
        find_photos([photos])


def test_too_few_good_photos(photos: Path):
    with pytest.raises(InputError, match=r"^There are only 2 photos, and at least 3 taken"):
        find_photos([photos / "1.jpg", photos / "2.jpg"])
    with pytest.raises(InputError, match=r"^There is only 1 photo, and"):
        find_photos([photos / "1.jpg"])


def test_impossible_paths():
    with pytest.raises(InputError, match="name"):
        find_photos([Path("x" * 5000)])
    with pytest.raises(InputError, match="name"):
        find_photos([Path("nul\0")])


def test_raw_photos_given_by_name_are_explained(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "can_read_raw", lambda: False)
    raw = photos / "raw.dng"
    raw.write_bytes(b"II*\0" + bytes(100))
    assert "export them as JPEG" in list_inputs([photos, raw]).skipped[0].reason


def test_what_is_stored_twice_counts_once(photos: Path, monkeypatch: pytest.MonkeyPatch):
    """Live Photos, raw photos beside their JPEG; a long clip of the same name was meant."""
    monkeypatch.setattr(module, "can_read_raw", lambda: True)
    (photos / "1.MOV").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(100))
    (photos / "2.dng").write_bytes(b"II*\0" + bytes(100))
    (photos / "5.dng").write_bytes(b"II*\0" + bytes(100))
    (photos / "clip.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(100))
    listing = list_inputs([photos])
    assert [item.name for item in listing.photos] == [
        *("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.dng", "clip.mov")
    ]
    assert {item.name: item.reason for item in listing.skipped} == {
        "1.MOV": "is the moving part of the Live Photo 1.jpg, whose still is used",
        "2.dng": "is the raw data of 2.jpg, which is used",
    }
    monkeypatch.setattr(limits, "LIVE_BYTES_MAX", 50)
    assert "1.MOV" in [item.name for item in list_inputs([photos]).photos]


def test_many_live_photos_are_told_in_one_sentence():
    reason = "is the moving part of the Live Photo {}.heic, whose still is used"
    live = [SkippedPhoto(f"{i}.mov", reason.format(i)) for i in range(3)]
    told = sentences([*live, SkippedPhoto("a.jpg", "is empty"), SkippedPhoto("b.jpg", "is empty")])
    assert told == [
        "0.mov was left out: it is the moving part of the Live Photo 0.heic, whose still is used "
        "(and 2 more like it).",
        "a.jpg was left out: it is empty.",
        "b.jpg was left out: it is empty.",
    ]


def test_zips(contents: dict[str, bytes], tmp_path: Path):
    files = {f"holiday/{name}": content for name, content in contents.items()}
    path = zipped(tmp_path / "a.zip", {**files, "__MACOSX/._1.jpg": b"x", "readme.txt": b"x"})
    found = find_photos([path])
    assert [photo.name for photo in found] == list(contents)
    assert found[0].parents == ("a", "holiday")
    with OpenZips() as zips:
        assert b"".join(found[0].chunks(zips)) == contents["1.jpg"]


@pytest.mark.parametrize(
    "name", ["../1.jpg", "/etc/1.jpg", "a/../../1.jpg", "..\\1.jpg", "C:/1.jpg"]
)
def test_zip_slips_are_skipped(name: str, contents: dict[str, bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", {**contents, name: contents["1.jpg"]})
    listing = list_inputs([path])
    assert len(listing.photos) == 4
    assert [photo.reason for photo in listing.skipped] == ["has a path that leads out of the zip"]


def test_zip_bombs_are_refused(tmp_path: Path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            with archive.open(f"{i}.png", "w") as member:
                for _ in range(32):
                    member.write(bytes(limits.MiB))
    with pytest.raises(InputError, match="times its size"):
        find_photos([path])


def test_zips_with_too_many_files_are_refused(
    contents: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = zipped(tmp_path / "a.zip", contents)
    monkeypatch.setattr(limits, "ZIP_ENTRIES_MAX", 3)
    with pytest.raises(InputError, match="at most 3 are read"):
        find_photos([path])
    monkeypatch.setattr(limits, "ZIP_DIRECTORY_BYTES_MAX", 100)
    with pytest.raises(InputError, match="not a zip file, or it is damaged"):
        find_photos([path])


def test_zips_that_are_none(tmp_path: Path):
    path = tmp_path / "a.zip"
    for content in (b"", b"hello", b"PK\x05\x06" + bytes(10)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a zip file, or it is damaged"):
            find_photos([path])


def test_damage_inside_a_zip_is_the_photos_own(contents: dict[str, bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", contents, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.find(contents["2.jpg"]) + 500] ^= 0xFF
    path.write_bytes(data)
    with OpenZips() as zips, pytest.raises(Exception, match="is damaged inside its zip"):
        b"".join(find_photos([path])[1].chunks(zips))


def test_password_protected_zip_entries_are_named(contents: dict[str, bytes], tmp_path: Path):
    path = zipped(tmp_path / "a.zip", contents, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    first = data.find(b"PK\x01\x02")
    data[first + 8] |= 1
    path.write_bytes(data)
    skipped = list_inputs([path]).skipped
    assert [(photo.name, photo.reason) for photo in skipped] == [
        ("1.jpg", "is protected by a password")
    ]


def test_folder_limits(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "PHOTOS_MAX", 3)
    with pytest.raises(InputError, match="at most 3 make one capture"):
        find_photos([photos])
    monkeypatch.setattr(limits, "FILES_MAX", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        find_photos([photos])


def test_digest_depends_on_names_and_bytes_alone(
    photos: Path, contents: dict[str, bytes], tmp_path: Path
):
    digest = capture_digest([photos])
    (photos / "notes.txt").write_text("hello")
    assert capture_digest([photos]) == digest
    moved = photos.rename(tmp_path / "elsewhere")
    assert capture_digest([moved]) == digest
    assert capture_digest([zipped(tmp_path / "a.zip", contents)]) == digest
    data = bytearray(contents["3.jpg"])
    data[-10] ^= 1
    (moved / "3.jpg").write_bytes(data)
    changed = capture_digest([moved])
    (moved / "3.jpg").rename(moved / "5.jpg")
    assert len({digest, changed, capture_digest([moved])}) == 3


def test_in_words():
    assert in_words([]) == ""
    assert in_words("a") == "a"
    assert in_words("abc") == "a, b and c"
    assert in_words("abcdef") == "a, b, c and 3 more"
