"""Printable markers: AprilTags and ArUco markers, and sheets of them at an exact size.

A marker is named by its number, with its family before it unless that is AprilTag 36h11: ``7``,
``4x4:7``. Its size is the side of the black square, as everywhere in the field. Sheets are laid out
once, in millimetres, and written as vector PDF (ISO 32000-1) or as PNG at 600 dots per inch.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gypsum.errors import InputError, ResourceError
from gypsum.formats.atomic import atomic_write

UInt8 = NDArray[np.uint8]

#: Families by name, each with its name in OpenCV's aruco module. Numbers without a family are of
#: the first.
FAMILIES = {
    "36h11": "DICT_APRILTAG_36h11",
    "4x4": "DICT_4X4_250",
    "5x5": "DICT_5X5_250",
    "6x6": "DICT_6X6_250",
}
DEFAULT_FAMILY = "36h11"

#: Paper, width and height in millimetres (ISO 216; ANSI/ASME Y14.1).
PAGES = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
DOTS_PER_INCH = 600
#: Printers leave this much at the paper's edges, millimetres.
_MARGIN = 12.0
#: Height of the line of text below each marker, and of the sheet's foot, millimetres.
_LABEL, _FOOT = 6.0, 16.0
_SMALLEST = 5.0
_MM = 72 / 25.4
_INCH = 25.4


@dataclass(frozen=True)
class _Rectangle:
    """Black, millimetres from the page's upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class _Text:
    """One line; ``y`` is its baseline."""

    x: float
    y: float
    text: str
    height: float = 3.2


@dataclass(frozen=True)
class Sheet:
    """A laid-out page."""

    width: float
    height: float
    black: tuple[_Rectangle, ...]
    texts: tuple[_Text, ...]
    names: tuple[str, ...]
    """The markers on it."""


def marker_name(family: str, number: int) -> str:
    """``"7"`` or ``"4x4:7"``."""
    return str(number) if family == DEFAULT_FAMILY else f"{family}:{number}"


def pattern(family: str, number: int) -> UInt8:
    """(N, N) squares of a marker with its black border: 0 is black, 1 white; row 0 is its top."""
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, FAMILIES[family]))
    count = len(dictionary.bytesList)
    if not 0 <= number < count:
        raise InputError(f"Markers of the family {family} are numbered 0 to {count - 1}.")
    squares = dictionary.markerSize + 2
    return np.asarray(cv2.aruco.generateImageMarker(dictionary, number, squares) > 127, np.uint8)


def lay_out(
    size: float, page: str = "a4", family: str = DEFAULT_FAMILY, first: int = 0, count: int = 0
) -> Sheet:
    """A sheet of markers ``size`` metres wide, numbered from ``first``; 0 fills the page."""
    width, height = PAGES[page]
    side = 1000 * size
    module = side / len(pattern(family, first))
    # White around the marker belongs to it: one square is needed, a little more is kind.
    quiet = max(1.5 * module, 3.0)
    step_x, step_y = side + 2 * quiet, side + 2 * quiet + _LABEL
    columns = int((width - 2 * _MARGIN) // step_x)
    rows = int((height - 2 * _MARGIN - _FOOT) // step_y)
    if side < _SMALLEST or not columns or not rows:
        largest = min(width - 2 * _MARGIN, height - 2 * _MARGIN - _FOOT - _LABEL)
        largest /= 1 + 3 * module / side
        raise InputError(
            f"A marker of {side:g} mm can't be printed on {page.upper()}: "
            f"choose {_SMALLEST:g} to {np.floor(largest):g} mm."
        )
    wanted = min(count or columns * rows, columns * rows)
    left, top = (width - columns * step_x) / 2, _MARGIN
    black: list[_Rectangle] = []
    texts: list[_Text] = []
    names = []
    for place in range(wanted):
        number = first + place
        x = left + place % columns * step_x + quiet
        y = top + place // columns * step_y + quiet
        squares = pattern(family, number)
        black += _rectangles(squares, x, y, module)
        names.append(marker_name(family, number))
        texts.append(_Text(x, y + side + quiet + 2.0, f"{names[-1]} · {side:g} mm"))
    texts += _foot(width, height, side)
    bar = _MARGIN, height - _MARGIN - 3.0
    black.append(_Rectangle(bar[0], bar[1], 100.0, 0.4))
    black += [_Rectangle(bar[0] + 10 * i - 0.1, bar[1] - 2, 0.2, 2.0) for i in range(11)]
    return Sheet(width, height, tuple(black), tuple(texts), tuple(names))


def _foot(width: float, height: float, side: float) -> list[_Text]:
    y = height - _MARGIN
    return [
        _Text(
            _MARGIN, y - 8.5,
            "Print at 100 % (no scaling to the page). Measure a black square and give what you "
            "measure:",
        ),
        _Text(_MARGIN, y + 2.5, f"gypsum scan photos -o model.glb --marker-size {side:g}mm"),
        _Text(width - _MARGIN - 72, y - 2.5, "this line is 100 mm long", 2.6),
    ]  # fmt: skip


def _rectangles(squares: UInt8, x: float, y: float, module: float) -> list[_Rectangle]:
    """Black runs of each row; rows that repeat become one rectangle, so that none has seams."""
    runs: list[_Rectangle] = []
    for row, line in enumerate(squares):
        ends = np.flatnonzero(np.diff(np.r_[1, line, 1].astype(np.int8)))
        for start, end in ends.reshape(-1, 2):
            run = _Rectangle(x + start * module, y + row * module, (end - start) * module, module)
            above = [
                i for i, other in enumerate(runs)
                if other.x == run.x and other.width == run.width
                and abs(other.y + other.height - run.y) < 1e-9
            ]  # fmt: skip
            if above:
                last = runs[above[0]]
                runs[above[0]] = replace(last, height=last.height + module)
            else:
                runs.append(run)
    return runs


def write_sheet(path: Path, sheet: Sheet) -> None:
    """Write a sheet as ``.pdf`` or ``.png``."""
    writers = {".pdf": _pdf, ".png": _png}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path.name} can't be written: markers are printed as .pdf or .png.")
    try:
        with atomic_write(path) as file:
            file.write(writer(sheet))
    except OSError as error:
        raise ResourceError(f"{path} can't be written: {error.strerror}.") from error


def _pdf(sheet: Sheet) -> bytes:
    """A one-page PDF 1.4 with the 14 standard fonts' Helvetica; its origin is at the bottom."""
    lines = ["0 g"]
    lines += [
        f"{r.x * _MM:.4f} {(sheet.height - r.y - r.height) * _MM:.4f} "
        f"{r.width * _MM:.4f} {r.height * _MM:.4f} re"
        for r in sheet.black
    ]
    lines.append("f")
    for t in sheet.texts:
        text = t.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        x, y = t.x * _MM, (sheet.height - t.y) * _MM
        lines.append(f"BT /F1 {t.height * _MM:.3f} Tf {x:.3f} {y:.3f} Td ({text}) Tj ET")
    # WinAnsiEncoding is Latin-1 for the few letters used here.
    content = zlib.compress("\n".join(lines).encode("latin-1"))
    box = f"[0 0 {sheet.width * _MM:.4f} {sheet.height * _MM:.4f}]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        f"<< /Length {len(content)} /Filter /FlateDecode >>\nstream\n".encode()
        + content
        + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    starts = []
    for number, body in enumerate(objects, start=1):
        starts.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % start for start in starts)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def _png(sheet: Sheet) -> bytes:
    """A grey picture whose resolution is noted, so that programs print it at its size."""
    dots = DOTS_PER_INCH / _INCH
    image = Image.new("L", (round(sheet.width * dots), round(sheet.height * dots)), 255)
    draw = ImageDraw.Draw(image)
    for r in sheet.black:
        corner = round(r.x * dots), round(r.y * dots)
        end = round((r.x + r.width) * dots) - 1, round((r.y + r.height) * dots) - 1
        draw.rectangle((*corner, max(end[0], corner[0]), max(end[1], corner[1])), fill=0)
    for t in sheet.texts:
        font = ImageFont.load_default(t.height * dots)
        draw.text((t.x * dots, t.y * dots), t.text, fill=0, font=font, anchor="ls")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", dpi=(DOTS_PER_INCH, DOTS_PER_INCH), optimize=True)
    return buffer.getvalue()
