"""What the report says about size, up, calibration and coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.report import ReportData, describe_cameras, describe_frame
from gypsum.report.advice import findings, in_words
from gypsum.report.coverage import Coverage
from gypsum.report.page import render_page
from gypsum.report.schema import Calibration, Frame, Measure

from .scenes import Scene
from .test_report import Outline

MEASURED = Frame(
    up="plane",
    up_note="up is square to a plane",
    metric=True,
    scale="distances",
    scale_note="metres from 1 known distance, exact to about 0.1 %",
    scale_error=0.001,
    scale_observations=1,
    measures=(
        Measure(name="Distance a – b", given_m=0.25, found_m=0.25, photos=4, used=True),
        Measure(name="Marker 3", given_m=0.05, found_m=0.051, photos=9, used=False),
    ),
)


def test_known_lengths_are_a_table(report: ReportData, tmp_path: Path) -> None:
    page = render_page(report.model_copy(update={"frame": MEASURED}), tmp_path)
    outline = Outline(page)
    assert outline.open == []
    text = " ".join(outline.texts)
    assert "Metres from 1 known distance, exact to about 0.1 %." in text
    for cell in ("Distance a – b", "250.0", "51.0", "+2.00 %", "as a check"):
        assert cell in outline.texts


def test_without_a_scale_the_report_says_how_to_get_one(report: ReportData, tmp_path: Path) -> None:
    unknown = Frame(
        up="guess", up_note="up may lean", metric=False, scale="cameras", scale_note="unknown"
    )
    data = report.model_copy(update={"frame": unknown})
    assert "gypsum markers" in render_page(data, tmp_path)
    assert any("up is a guess" in finding.what for finding in findings(data))


def test_the_coverage_is_in_the_page_as_a_picture_and_in_words(
    report: ReportData, tmp_path: Path
) -> None:
    angles = np.radians(np.arange(-90, 180, 15))
    flat = np.stack([np.cos(angles), np.sin(angles), 0.3 + 0 * angles], axis=1)
    coverage = Coverage(flat / np.linalg.norm(flat, axis=1, keepdims=True), float(angles[0]))
    outline = Outline(render_page(report, tmp_path, coverage))
    assert outline.pictures_without_words == 0
    assert sum(source.startswith("data:image/png") for source in outline.sources) == 1
    assert any("Few photos look from the" in text for text in outline.texts)


@pytest.mark.parametrize(("found", "told"), [(1020.0, False), (1300.0, True)])
def test_a_focal_length_far_from_exif_is_told(
    report: ReportData, tmp_path: Path, found: float, told: bool
) -> None:
    assert report.cameras is not None
    one = Calibration(camera="Phone", photos=5, found_px=found, exif_px=1000.0)
    cameras = report.cameras.model_copy(update={"calibration": (one,)})
    data = report.model_copy(update={"cameras": cameras})
    assert any("focal length of Phone" in f.what for f in findings(data)) is told
    assert f"{found / 10 - 100:+.1f} %" in render_page(data, tmp_path)


def test_weak_directions_are_advice(report: ReportData) -> None:
    assert report.cameras is not None
    cameras = report.cameras.model_copy(update={"weak_directions": ("the back", "above")})
    (finding,) = (
        f
        for f in findings(report.model_copy(update={"cameras": cameras}))
        if "Few photos look" in f.what
    )
    assert "the back and above" in finding.what
    assert in_words(list("abcdefg")) == "a; b; c; d; e and 2 more"


def test_facts_of_the_cameras_are_taken_over(scene: Scene) -> None:
    facts = {
        "matches": {"01.png": 77},
        "focal_lengths": {"Phone": {"photos": 3, "found_px": 90.0, "exif_px": None}},
        "up": "roll",
        "up_note": "level",
        "metric": False,
        "scale": "cameras",
        "scale_note": "unknown",
        "points": 5,
    }
    cameras = describe_cameras(scene.sparse, facts)
    assert cameras.photos[0].matches == 77
    assert cameras.photos[1].matches is None
    assert cameras.calibration[0].exif_px is None
    frame = describe_frame(facts)
    assert frame is not None
    assert (frame.up, frame.measures) == ("roll", ())
    assert describe_frame({}) is None
