"""From folders, files and zips to a capture on disk."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from gypsum.capture import limits, read_capture
from gypsum.capture import read as module
from gypsum.errors import InputError, ResourceError
from gypsum.scene import Capture

Scene = Callable[..., Image.Image]
Save = Callable[..., None]


def names(capture: Capture) -> list[str]:
    return [photo.name for photo in capture.photos]


def reasons(capture: Capture) -> dict[str, str]:
    return {photo.name: photo.reason for photo in capture.skipped}


def stored_files(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def test_good_photos_are_taken_as_they_are(photos: Path, out: Path):
    capture = read_capture([photos], out)
    assert names(capture) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert capture.skipped == ()
    assert Capture.read(out) == capture
    for photo in capture.photos:
        assert capture.path(out, photo).read_bytes() == (photos / photo.name).read_bytes()
        assert (photo.width, photo.height, photo.camera) == (320, 240, "320x240")
    assert stored_files(out) == {"capture.json", *(f"photos/{i}.jpg" for i in range(1, 5))}


def test_the_same_input_gives_the_same_result(photos: Path, out: Path, tmp_path: Path):
    first = read_capture([photos], out, threads=1)
    again = read_capture([photos], out, threads=3)
    elsewhere = read_capture([photos], tmp_path / "new" / "folder")
    assert first == again == elsewhere


def test_all_formats(scene: Scene, save: Save, tmp_path: Path, out: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    kinds = {"JPG": "JPEG", "jpeg": "JPEG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF"}
    kinds |= {"webp": "WEBP", "heic": "HEIF", "heif": "HEIF", "jfif": "JPEG"}
    for i, (suffix, kind) in enumerate(kinds.items()):
        save(scene(i), folder / f"{i} ä.{suffix}", kind)
    scene(20).save(folder / "png in truth.jpg", "PNG")
    scene(21).save(folder / "jpeg in truth.tif", "JPEG")
    capture = read_capture([folder], out)
    assert names(capture) == [
        *("0 ä.JPG", "1 ä.jpeg", "2 ä.png", "3 ä.jpg", "4 ä.jpg", "5 ä.jpg", "6 ä.jpg", "7 ä.jpg"),
        *("8 ä.jpg", "jpeg in truth.jpg", "png in truth.jpg"),
    ]
    for photo in capture.photos:
        with Image.open(capture.path(out, photo)) as image:
            assert (image.mode, image.size) == ("RGB", (photo.width, photo.height))
            assert image.format == ("PNG" if "png" in photo.source else "JPEG")


def test_turned_photos_are_stored_upright(scene: Scene, photos: Path, out: Path):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    upright = scene(9, 240, 320)
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    stored.save(photos / "5.jpg", exif=tags, quality=98)
    photo = read_capture([photos], out).photos[4]
    assert (photo.name, photo.width, photo.height) == ("5.jpg", 240, 320)
    assert photo.focal_px == pytest.approx(26 * 400 / 43.2666, rel=1e-4)
    assert photo.camera == "26 mm film | 240x320"
    with Image.open(out / "photos" / "5.jpg") as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert np.abs(np.asarray(image, float) - np.asarray(upright, float)).mean() < 3


def test_live_photos_with_a_second_picture_inside(scene: Scene, photos: Path, out: Path):
    scene(9).save(photos / "5.jpg", "MPO", save_all=True, append_images=[scene(10)])
    capture = read_capture([photos], out)
    assert names(capture)[4] == "5.jpg"
    assert (out / "photos" / "5.jpg").read_bytes() == (photos / "5.jpg").read_bytes()


def test_what_can_not_be_used_is_named_and_the_run_goes_on(scene: Scene, photos: Path, out: Path):
    good = (photos / "4.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(good[: len(good) // 2])
    (photos / "lie.jpg").write_text("This is not a photo, it only says so.")
    Image.new("RGB", (320, 240)).save(photos / "black.jpg")
    Image.new("RGB", (320, 240), "white").save(photos / "white.png")
    scene(5, 900, 250).save(photos / "wide.jpg")
    scene(5, 60, 60).save(photos / "icon.png")
    shutil.copy(photos / "2.jpg", photos / "copy.jpg")
    scene(3, 1280, 960).save(photos / "3.jpg")
    scene(3, 1280, 960).reduce(2).save(photos / "small.webp", quality=90)
    capture = read_capture([photos], out)
    assert names(capture) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert reasons(capture) == {
        "cut.jpg": "is cut short: the file ends within the picture",
        "lie.jpg": "holds no photo, whatever its name says "
        "(JPEG, PNG, TIFF, WebP and HEIC are read)",
        "black.jpg": "is blank: nearly all pixels have the same colour",
        "white.png": "is blank: nearly all pixels have the same colour",
        "wide.jpg": "is a panorama (900 x 250 pixels), which doesn't come from a single viewpoint",
        "icon.png": "is too small: 60 x 60 pixels, and 64 are needed each way",
        "copy.jpg": "is the same picture as 2.jpg",
        "small.webp": "is the same picture as 3.jpg",
    }
    assert stored_files(out) == {"capture.json", *(f"photos/{i}.jpg" for i in range(1, 5))}


def test_one_photo_many_times(photos: Path, out: Path):
    for i in range(2, 5):
        shutil.copy(photos / "1.jpg", photos / f"{i}.jpg")
    with pytest.raises(
        InputError,
        match=r"^Only 1 of the 4 photos can be used, and at least 3 taken from different places "
        r"are needed \(2\.jpg, like 2 others, is the same picture as 1\.jpg\)\.$",
    ):
        read_capture([photos], out)
    assert stored_files(out) == set()


def test_nothing_but_black(photos: Path, out: Path):
    for path in photos.iterdir():
        Image.new("RGB", (320, 240)).save(path)
    with pytest.raises(InputError, match=r"^None of the 4 photos.*1\.jpg, like 3 others, is blank"):
        read_capture([photos], out)


def test_black_around_the_object_is_no_blank(scene: Scene, photos: Path, out: Path):
    for i in range(1, 5):
        picture = Image.new("RGB", (640, 480))
        picture.paste(scene(i, 80, 60), (250, 200))
        picture.save(photos / f"{i}.jpg")
    assert len(read_capture([photos], out).photos) == 4


def test_one_name_in_two_folders(photos: Path, tmp_path: Path, scene: Scene, out: Path):
    other = tmp_path / "back"
    other.mkdir()
    scene(11).save(other / "1.jpg")
    scene(12).save(other / "5.jpg")
    capture = read_capture([photos, other], out)
    assert names(capture) == [
        *("photos_1.jpg", "2.jpg", "3.jpg", "4.jpg"),
        *("back_1.jpg", "5.jpg"),
    ]
    assert [photo.source for photo in capture.photos][4] == "1.jpg"


def test_one_stem_with_two_suffixes(photos: Path, scene: Scene, save: Save, out: Path):
    save(scene(11), photos / "1.heic", "HEIF")
    scene(12).save(photos / "1.png")
    capture = read_capture([photos], out)
    assert {photo.source: photo.name for photo in capture.photos if "1" in photo.name} == {
        "1.heic": "1-2.jpg",
        "1.jpg": "1.jpg",
        "1.png": "1.png",
    }
    assert len(set(names(capture))) == 6


def test_zips(photos: Path, tmp_path: Path, scene: Scene, save: Save, out: Path):
    path = tmp_path / "capture.zip"
    heic = BytesIO()
    save(scene(9), heic, "HEIF")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(1, 5):
            archive.write(photos / f"{i}.jpg", f"a/{i}.jpg")
        archive.writestr("b/1.heic", heic.getvalue())
        archive.writestr("../../evil.jpg", (photos / "1.jpg").read_bytes())
    capture = read_capture([path], out)
    assert names(capture) == ["a_1.jpg", "2.jpg", "3.jpg", "4.jpg", "b_1.jpg"]
    assert (out / "photos" / "2.jpg").read_bytes() == (photos / "2.jpg").read_bytes()
    assert reasons(capture) == {"../../evil.jpg": "has a path that leads out of the zip"}
    assert not list(tmp_path.rglob("evil*"))


def test_folders_from_a_killed_run_are_taken_over(photos: Path, out: Path):
    (out / ".incoming").mkdir()
    (out / ".incoming" / "000000.part").write_bytes(b"half")
    (out / "photos").mkdir()
    (out / "photos" / "stale.jpg").write_bytes(b"old")
    read_capture([photos], out)
    assert stored_files(out) == {"capture.json", *(f"photos/{i}.jpg" for i in range(1, 5))}


def test_the_users_photos_are_never_overwritten(photos: Path):
    with pytest.raises(InputError, match="would be overwritten"):
        read_capture([photos], photos.parent)
    assert len(list(photos.iterdir())) == 4


def test_a_full_disk_is_not_the_photos_fault(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_link_or_copy", full)
    with pytest.raises(ResourceError, match=r"can't be stored in .* \(No space left on device\)"):
        read_capture([photos], out)
    assert stored_files(out) == set()


def test_copies_where_links_are_not_allowed(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    capture = read_capture([photos], out)
    assert len(capture.photos) == 4
    assert (out / "photos" / "1.jpg").stat().st_nlink == 1


def test_progress_rises_to_one(photos: Path, out: Path):
    seen: list[float] = []
    read_capture([photos], out, lambda done, _="": seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_pixels_decoded_at_once_are_bounded(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []
    taken = module._Allowance.taken

    def watched(self: Any, amount: int) -> Any:
        asked.append(amount)
        return taken(self, amount)

    monkeypatch.setattr(module._Allowance, "taken", watched)
    monkeypatch.setattr(limits, "PIXELS_AT_ONCE", 320 * 240)
    assert len(read_capture([photos], out, threads=4).photos) == 4
    assert asked == 4 * [320 * 240]


def test_who_asks_for_more_than_all_goes_alone():
    allowance, order = module._Allowance(10), []

    def work(amount: int) -> None:
        with allowance.taken(amount):
            order.append(allowance._left)

    threads = [Thread(target=work, args=(amount,)) for amount in (100, 3, 100, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(order) == 4
    assert min(order) >= 0


@pytest.mark.parametrize(
    "name",
    [
        *("banana", "bronze_axe", "dino_sparse_ring", "drone_beach", "flowerpot", "fox"),
        *("open_ceramic", "open_metal", "open_statue", "strecha_fountain_P11"),
    ],
)
def test_every_real_photo_is_read(captures: Path, out: Path, name: str):
    folder = captures / name / "photos"
    if not folder.is_dir():
        pytest.skip(f"no capture {name} in {captures}")
    given = sorted(path.name for path in folder.iterdir())
    capture = read_capture([folder], out)
    assert names(capture) == given
    assert capture.skipped == ()


def test_transparency_is_kept_beside_the_photos(photos: Path, scene: Scene, out: Path):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    cut = scene(7).convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    cut.save(photos / "cut.png", exif=tags)
    solid = scene(8).convert("RGBA")
    solid.save(photos / "solid.png")
    capture = read_capture([photos], out)
    assert names(capture)[4:] == ["cut.jpg", "solid.jpg"]
    assert stored_files(out) >= {"alpha/cut.jpg.png"}
    assert [path.name for path in (out / "alpha").iterdir()] == ["cut.jpg.png"]
    with Image.open(out / "alpha" / "cut.jpg.png") as alpha:
        assert (alpha.mode, alpha.size) == ("L", (240, 320))
        turned = cut.getchannel("A").transpose(Image.Transpose.ROTATE_270)
        assert np.array_equal(np.asarray(alpha), np.asarray(turned))
    (photos / "cut.png").unlink()
    read_capture([photos], out)
    assert not (out / "alpha").exists()


def test_stitched_pictures_are_refused_by_what_they_say(photos: Path, scene: Scene, out: Path):
    sphere = b'<x:xmpmeta GPano:ProjectionType="equirectangular"/>'
    scene(7).save(photos / "sphere.jpg", xmp=sphere)
    tags = Image.Exif()
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.CustomRendered] = 6
    scene(8).save(photos / "phone.jpg", exif=tags)
    reason = "is a panorama, which doesn't come from a single viewpoint"
    assert reasons(read_capture([photos], out)) == {"phone.jpg": reason, "sphere.jpg": reason}


def test_lenses_of_a_phone_are_separate_cameras(photos: Path, scene: Scene, out: Path):
    """0.5x, 1x and 3x in one set, two photos each."""
    for i, (focal, film) in enumerate(2 * [(1.54, 13), (4.25, 26), (9.0, 77)]):
        tags = Image.Exif()
        tags.update({ExifTags.Base.Make: "Apple", ExifTags.Base.Model: "iPhone"})
        tags.get_ifd(ExifTags.IFD.Exif).update(
            {ExifTags.Base.FocalLength: focal, ExifTags.Base.FocalLengthIn35mmFilm: film}
        )
        scene(10 + i).save(photos / f"p{i}.jpg", exif=tags)
    found = read_capture([photos], out).photos[4:]
    assert len({photo.camera for photo in found}) == 3
    assert [photo.camera for photo in found[:3]] == [photo.camera for photo in found[3:]]
