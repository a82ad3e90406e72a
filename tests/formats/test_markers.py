"""Sheets of markers: what is printed must be exactly as large as it says."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gypsum.errors import InputError, ResourceError
from gypsum.formats.markers import FAMILIES, PAGES, lay_out, pattern, write_sheet


@pytest.fixture(autouse=True)
def large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page at 600 dpi has more pixels than a photo may have."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("size", [0.02, 0.05, 0.12])
def test_everything_is_on_the_page_and_apart(page: str, size: float) -> None:
    sheet = lay_out(size, page)
    width, height = PAGES[page]
    for box in sheet.black:
        assert box.x >= 5
        assert box.y >= 5
        assert box.x + box.width <= width - 5
        assert box.y + box.height <= height - 5
    assert len(set(sheet.names)) == len(sheet.names) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_rectangles_are_the_pattern(family: str) -> None:
    """Every square's middle is black or white as in the pattern, however runs were joined."""
    sheet = lay_out(0.08, "a4", family, first=3, count=1)
    squares = pattern(family, 3)
    module = 80 / len(squares)
    left = min(box.x for box in sheet.black if box.width > 40 and box.height > module / 2)
    top = min(box.y for box in sheet.black)
    for row, line in enumerate(squares):
        for column, white in enumerate(line):
            x, y = left + (column + 0.5) * module, top + (row + 0.5) * module
            inside = any(
                b.x <= x <= b.x + b.width and b.y <= y <= b.y + b.height for b in sheet.black
            )
            assert inside is not bool(white)


def test_png_is_read_back_at_its_size(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.png", lay_out(0.04, "a4", first=7, count=3))
    with Image.open(tmp_path / "sheet.png") as image:
        dots = image.info["dpi"][0] / 25.4
        gray = np.asarray(image)
    assert image.size == (round(210 * dots), round(297 * dots))
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    corners, ids, _ = cv2.aruco.ArucoDetector(dictionary).detectMarkers(small)
    assert sorted(ids.ravel()) == [7, 8, 9]
    for square in corners:
        sides = np.linalg.norm(np.roll(square[0], 1, axis=0) - square[0], axis=1)
        np.testing.assert_allclose(sides * 4 / dots, 40, atol=0.3)
    # Exactly: the black border's upper edge in the row through its middle.
    rows = np.flatnonzero((gray < 128).sum(axis=1) > 30 * dots)
    columns = np.flatnonzero((gray[rows[0] : rows[0] + 50] < 128).any(axis=0))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert {abs(len(run) / dots - 40) < 0.05 for run in runs} == {True}


def test_pdf_holds_the_same_at_vector_precision(tmp_path: Path) -> None:
    sheet = lay_out(0.05, "letter")
    write_sheet(tmp_path / "sheet.pdf", sheet)
    data = (tmp_path / "sheet.pdf").read_bytes()
    assert data.startswith(b"%PDF-1.4")
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
    assert box is not None
    np.testing.assert_allclose([float(v) * 25.4 / 72 for v in box.groups()], PAGES["letter"])
    stream = re.search(rb"stream\n(.*?)\nendstream", data, re.DOTALL)
    assert stream is not None
    content = zlib.decompress(stream[1]).decode("latin-1")
    drawn = np.array(re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re", content), float)
    drawn *= 25.4 / 72
    given = np.array([[b.x, PAGES["letter"][1] - b.y - b.height, b.width, b.height]
                      for b in sheet.black])  # fmt: skip
    np.testing.assert_allclose(drawn, given, atol=1e-4)
    for number, start in enumerate(re.findall(rb"(\d{10}) 00000 n", data), start=1):
        assert data[int(start) :].startswith(b"%d 0 obj" % number)
    assert "0 · 50 mm" in content


def test_what_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be printed on A4"):
        lay_out(0.4)
    with pytest.raises(InputError, match="can't be printed"):
        lay_out(0.001)
    with pytest.raises(InputError, match="numbered 0 to 586"):
        lay_out(0.05, first=587)
    with pytest.raises(InputError, match=r"\.pdf or \.png"):
        write_sheet(tmp_path / "sheet.doc", lay_out(0.05))
    with pytest.raises(ResourceError, match="can't be written"):
        write_sheet(tmp_path / "missing" / "sheet.pdf", lay_out(0.05))
    assert list(tmp_path.iterdir()) == []


def test_the_largest_size_named_can_be_printed() -> None:
    with pytest.raises(InputError) as caught:
        lay_out(1.0)
    largest = re.search(r"to (\d+) mm", str(caught.value))
    assert largest is not None
    assert lay_out(int(largest[1]) / 1000).names == ("0",)
