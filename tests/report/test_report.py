"""report.json and report.html."""

from __future__ import annotations

import getpass
import json
import platform
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.report import (
    LostPhoto,
    Photos,
    ReportData,
    StageTiming,
    describe_cameras,
    describe_machine,
    describe_surface,
    describe_versions,
    write_report,
)
from gypsum.report.advice import findings
from gypsum.report.page import brief, duration, render_page, short, size
from gypsum.report.schema import reference

from .scenes import Scene

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'.jpg"


class Outline(HTMLParser):
    """Tags that are open, texts, and what is loaded."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.pictures_without_words = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        assert not any(name.startswith("on") for name in values)
        self.sources += [str(values[name]) for name in ("src", "href") if name in values]
        if tag == "img":
            self.pictures_without_words += not values.get("alt")
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def previews(folder: Path) -> Path:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 2000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "model.png")
    frames = [Image.fromarray(noise[:, :40] // k) for k in (1, 2)]
    frames[0].save(folder / "turntable.webp", save_all=True, append_images=frames[1:])
    return folder


def test_the_page_is_whole_and_needs_nothing_else(report: ReportData, tmp_path: Path):
    page = render_page(report, previews(tmp_path / "previews"))
    outline = Outline(page)
    assert outline.open == []
    assert "script" not in outline.tags
    assert outline.pictures_without_words == 0
    assert len(outline.sources) == 2
    assert all(source.startswith("data:image/") for source in outline.sources)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "default-src &#x27;none&#x27;" in page
    assert "From 21 photos, 20 of which could be placed, Gypsum made" in page
    assert "10.0 × 20.0 × 30.0 cm" in page


def test_hostile_names_are_text(report: ReportData, tmp_path: Path):
    assert report.cameras is not None
    photo = report.cameras.photos[0].model_copy(update={"name": HOSTILE})
    lost = (LostPhoto(name=HOSTILE, reason=HOSTILE),)
    hostile = report.model_copy(
        update={
            "title": HOSTILE,
            "photos": Photos(given=9, usable=8, registered=1, skipped=lost, unregistered=lost),
            "cameras": report.cameras.model_copy(update={"photos": (photo,)}),
            "options": {HOSTILE: HOSTILE},
            "stages": (
                StageTiming(
                    name="a", label=HOSTILE, seconds=0, cpu_seconds=0, peak_bytes=0,
                    warnings=(HOSTILE,),
                ),
            ),
        }
    )  # fmt: skip
    outline = Outline(render_page(hostile, tmp_path))
    assert "script" not in outline.tags
    assert "img" not in outline.tags
    assert "".join(outline.texts).count(HOSTILE) == 11


def test_json_and_page_are_written_and_json_reads_back(report: ReportData, tmp_path: Path):
    paths = write_report(tmp_path, report)
    assert [path.name for path in paths] == ["report.json", "report.html"]
    text = paths[0].read_text("utf-8")
    assert ReportData.model_validate_json(text) == report
    assert json.loads(text)["schema_version"] == 1
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_scans_that_stop_early_have_a_page_too(report: ReportData, tmp_path: Path):
    early = report.model_copy(
        update={"cameras": None, "surface": None, "texture": None, "exports": (), "stages": ()}
    )
    assert Outline(render_page(early, tmp_path)).open == []


def test_folders_of_the_user_stay_private(report: ReportData):
    values = report.model_dump()
    values["options"] = {
        "output": "/home/me/vase.glb",
        "inputs": ["C:\\Users\\me\\photos", "rel/a"],
    }
    options = ReportData.model_validate(values).options
    assert options == {"output": "vase.glb", "inputs": ["photos", "rel/a"]}


def test_the_machine_is_described_without_its_name():
    text = describe_machine().model_dump_json()
    assert platform.node() not in text or len(platform.node()) < 4
    assert getpass.getuser() not in text
    assert describe_machine().cores >= 1
    assert describe_versions()["numpy"] == np.__version__


def test_cameras_of_a_sparse_model(scene: Scene):
    cameras = describe_cameras(scene.sparse)
    assert [photo.name for photo in cameras.photos] == [view.name for view in scene.views]
    assert cameras.photos[0].focal_px == pytest.approx(scene.views[0].K[0, 0])
    # Each photo has two keypoints; both are of points, and one of them, 5, is in the model.
    assert cameras.photos[0].points == 2
    assert cameras.photos[0].error_px == pytest.approx(0.5)
    assert cameras.observations == 24


def test_size_of_a_surface(scene: Scene):
    surface = describe_surface(scene.model.mesh)
    assert surface.size == pytest.approx((8, 8, 1), abs=1e-5)
    assert surface.faces == len(scene.model.mesh.faces)


def test_the_documentation_is_up_to_date():
    page = Path(__file__).parents[2] / "docs" / "report.md"
    assert page.read_text("utf-8") == reference()


def what(report: ReportData) -> str:
    return " ".join(finding.what for finding in findings(report))


def test_a_good_scan_needs_no_advice(report: ReportData):
    good = report.model_copy(update={"photos": Photos(given=20, usable=20, registered=20)})
    assert findings(good) == []
    assert "Nothing stands out" in render_page(good, Path("nowhere"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"photos": Photos(given=40, usable=40, registered=30)}, "10 of 40 photos"),
        ({"photos": Photos(given=40, usable=40, registered=39)}, "1 photo could not be placed"),
        ({"photos": Photos(given=6, usable=6, registered=6)}, "only 6 photos"),
    ],
)
def test_advice_on_photos(report: ReportData, change: dict[str, object], words: str):
    assert words in what(report.model_copy(update=change))


def test_advice_on_cameras_texture_and_stages(report: ReportData):
    assert report.cameras is not None
    assert report.texture is not None
    worse = report.model_copy(
        update={
            "cameras": report.cameras.model_copy(
                update={"reprojection_error_px": 2.3, "track_length": 2.1}
            ),
            "texture": report.texture.model_copy(update={"coverage": 0.6}),
            "stages": (
                report.stages[0].model_copy(update={"warnings": ("Little memory was left.",)}),
            ),
        }
    )
    text = what(worse)
    for words in ("2.3 pixels", "hardly more than two", "40 %", "Little memory"):
        assert words in text


def test_numbers_for_people():
    assert [duration(s) for s in (0.42, 48.2, 59.7, 200, 7500)] == [
        "0.4 s", "48 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"
    ]  # fmt: skip
    assert [brief(s) for s in (48, 812, 9000)] == ["48 s", "14 min", "2.5 h"]
    assert [size(n) for n in (900, 20_000, 3 << 20, 3 << 30)] == [
        "900 bytes", "20 KiB", "3 MiB", "3.0 GiB"
    ]  # fmt: skip
    assert [short(n) for n in (999, 12_345, 999_900, 4_500_000)] == [
        "999",
        "12.3 k",
        "1 M",
        "4.5 M",
    ]
