"""``gypsum check``: its exit codes, its figures, and the contact sheet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gypsum.sample import make_sample


def gypsum(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gypsum", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos: too few for anything."""
    folder = tmp_path_factory.mktemp("check") / "owl"
    make_sample(folder, 4, 320, 240)
    return folder / "photos"


def test_what_speaks_against_a_scan_is_said_with_exit_status_4(photos: Path) -> None:
    done = gypsum("check", str(photos), "-o", "sheet.png", folder=photos.parent)
    assert done.returncode == 4, done.stderr
    assert "Problem:" in done.stdout
    assert "limit" in done.stdout
    with Image.open(photos.parent / "sheet.png") as sheet:
        assert sheet.width > 1000
    (photos.parent / "sheet.png").unlink()


def test_json_has_every_figure_with_its_limit(photos: Path) -> None:
    done = gypsum("check", str(photos), "--json", "-o", "sheet.html", folder=photos.parent)
    found = json.loads(done.stdout)
    assert found["usable"] is False
    assert {"code", "what", "value", "bound", "limit", "unit", "good"} == set(found["measures"][0])
    assert [one["quality"] for one in found["estimates"]] == ["draft", "normal", "high"]
    assert all(one["seconds"] > 0 and one["memory"] > 0 for one in found["estimates"])
    assert len(found["photos"]) == 4
    page = (photos.parent / "sheet.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 4
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing"], "missing"),
        (["photos", "-o", "sheet.pdf"], ".html, .png or .jpg"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_sentence(
    photos: Path, arguments: list[str], says: str
) -> None:
    done = gypsum("check", *arguments, folder=photos.parent)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
