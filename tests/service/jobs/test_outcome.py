"""Pictures of a scan under way."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gypsum.service.jobs.outcome import Pictures


def test_photos_are_shown_until_there_is_something_better(tmp_path: Path) -> None:
    photos = tmp_path / "workspace" / "stages" / "photos" / "photos"
    photos.mkdir(parents=True)
    for number in range(30):
        Image.new("RGB", (640, 480), (8 * number, 60, 60)).save(photos / f"{number:04d}.jpg")
    face, sheet = Pictures(tmp_path / "workspace", str(tmp_path)).look("photos")
    assert (face.kind, sheet.kind) == ("thumbnail", "preview")
    with Image.open(sheet.path) as picture:
        assert picture.size == (4 * 320, 3 * 240)
        places = [(160 + 320 * (n % 4), 120 + 240 * (n // 4)) for n in range(12)]
        reds = [picture.getpixel(place)[0] for place in places]
    # Spread over all of them, in their order.
    assert reds == sorted(reds)
    assert reds[-1] > 200


def test_nothing_is_shown_of_what_is_not_there(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "workspace", str(tmp_path))
    assert list(pictures.look("photos")) == []
    assert list(pictures.look("cameras")) == []
    assert list(pictures.look(None)) == []
