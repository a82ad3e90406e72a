"""A contact sheet: small pictures of all photos with marks, as one HTML page or one picture."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.report.markup import Markup, element

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PAGES = (".html", ".htm")
_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
#: Pixels of a tile's picture: in HTML shown at half this size, for fine screens.
_TILE = 320
_COLUMNS = 6
#: Of a picture: sizes in pixels, and colours on it.
_CELL, _CAPTION, _MARGIN, _LINE = 250, 74, 24, 24
_INK, _SOFT, _GROUND, _BAD, _GOOD = "#22252a", "#626a73", "#f6f5f2", "#b3261e", "#2f7d4f"
_STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem; }
.sheet figure { margin: 0; }
.sheet img { width: 100%; aspect-ratio: 4 / 3; object-fit: contain; background: #8883;
  border-radius: .4rem; outline: 3px solid transparent; }
.sheet .marked img { outline-color: #b3261e; }
.sheet figcaption { margin-top: .3rem; font-size: .8rem; overflow-wrap: anywhere; }
.mark { display: inline-block; background: #b3261e; color: #fff; border-radius: .3rem;
  padding: 0 .4rem; margin: .1rem .2rem 0 0; font-size: .75rem; font-weight: 600; }
.verdict { font-size: 1.4rem; font-weight: 600; }
.bad { color: #b3261e; font-weight: 600; }
@media (prefers-color-scheme: dark) { .bad { color: #f28b82; } }
.problem { border-left-color: #b3261e !important; }
.note { border-left-color: var(--line) !important; }
"""


@dataclass(frozen=True)
class Tile:
    """One photo of the sheet."""

    name: str
    caption: str
    marks: tuple[str, ...]
    """What is wrong with it, a word or two each."""


@dataclass(frozen=True)
class Remark:
    """Something about all of the photos."""

    kind: str
    """``problem``, ``warning`` or ``note``."""
    what: str
    do: str


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet shows."""

    title: str
    verdict: str
    good: bool
    lines: tuple[str, ...]
    remarks: tuple[Remark, ...]
    figures: tuple[tuple[str, str, str, bool], ...]
    """What was measured, the figure, its limit, and whether it is kept."""
    tiles: tuple[Tile, ...]
    skipped: tuple[tuple[str, str], ...]
    """Files that were left out, and why, as the rest of a sentence."""


def check_sheet(path: Path) -> None:
    """Refuse names of other files than sheets, before the work."""
    if path.suffix.lower() not in (*_PAGES, *_PICTURES):
        raise InputError(f"A contact sheet is .html, .png or .jpg, not {path.name}.")


def write_sheet(path: Path, sheet: Sheet, photos: Path) -> None:
    """Write the sheet; the suffix of ``path`` chooses: ``.html``, ``.png`` or ``.jpg``."""
    check_sheet(path)
    suffix = path.suffix.lower()
    if suffix in _PAGES:
        content = render_html(sheet, photos).encode()
    else:
        buffer = io.BytesIO()
        draw_sheet(sheet, photos).save(buffer, _PICTURES[suffix], quality=88)
        content = buffer.getvalue()
    with atomic_write(path) as file:
        file.write(content)


def render_html(sheet: Sheet, photos: Path) -> str:
    """The sheet as a page with everything in it."""
    style = resources.files("gypsum.report").joinpath("page.css").read_text("utf-8") + _STYLE
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"{sheet.title} – photos checked"),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *_sections(sheet, photos)))
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _sections(sheet: Sheet, photos: Path) -> list[Markup]:
    verdict = element("p", sheet.verdict, class_="verdict" if sheet.good else "verdict bad")
    header = element(
        "header",
        element("h1", sheet.title),
        verdict,
        *(element("p", line) for line in sheet.lines),
    )
    parts = [header]
    if sheet.remarks:
        items = [
            element("li", r.what, " ", element("span", r.do, class_="do"), class_=r.kind)
            for r in sheet.remarks
        ]
        parts.append(_section("What to know", element("ul", *items, class_="findings")))
    parts.append(_section("Measured", _figures(sheet)))
    tiles = [_tile(tile, photos) for tile in sheet.tiles]
    parts.append(_section("Photos", element("div", *tiles, class_="sheet")))
    if sheet.skipped:
        items = [element("li", f"{name} {reason}.") for name, reason in sheet.skipped]
        parts.append(_section("Left out", element("ul", *items)))
    return parts


def _section(title: str, content: Markup) -> Markup:
    return element("section", element("h2", title), content)


def _figures(sheet: Sheet) -> Markup:
    head = element("tr", *(element("th", text) for text in ("Figure", "Measured", "Limit", "")))
    rows = [
        element(
            "tr",
            element("td", what, class_="text"),
            element("td", value),
            element("td", limit),
            element("td", "" if good else "beyond", class_="bad"),
        )
        for what, value, limit, good in sheet.figures
    ]
    return element("table", head, *rows)


def _tile(tile: Tile, photos: Path) -> Markup:
    buffer = io.BytesIO()
    _thumbnail(photos / tile.name, _TILE).save(buffer, "JPEG", quality=80)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    marks = [element("span", mark, class_="mark") for mark in tile.marks]
    caption = element("figcaption", tile.name, element("br"), tile.caption, element("br"), *marks)
    image = element("img", src=source, alt=tile.name)
    return element("figure", image, caption, class_="marked" if marks else "fine")


def draw_sheet(sheet: Sheet, photos: Path) -> Image.Image:
    """The sheet as a picture: verdict, remarks, and the photos with their marks."""
    width = _COLUMNS * _CELL + 2 * _MARGIN
    large, small = ImageFont.load_default(30), ImageFont.load_default(16)
    lines = _wrapped([f"- {remark.what} {remark.do}" for remark in sheet.remarks], small, width)
    pictures = [_thumbnail(photos / tile.name, _CELL - 14) for tile in sheet.tiles]
    tallest = max((one.height for one in pictures), default=0)
    rows = -(-len(sheet.tiles) // _COLUMNS)
    row = tallest + _CAPTION
    top = _MARGIN + 50 + _LINE * (len(lines) + 1)
    picture = Image.new("RGB", (width, top + rows * row + _MARGIN), _GROUND)
    draw = ImageDraw.Draw(picture)
    colour = _GOOD if sheet.good else _BAD
    draw.text((_MARGIN, _MARGIN), f"{sheet.title}: {sheet.verdict}", colour, large)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + 46 + number * _LINE), line, _INK, small)
    for number, (tile, one) in enumerate(zip(sheet.tiles, pictures, strict=True)):
        x = _MARGIN + number % _COLUMNS * _CELL
        foot = top + number // _COLUMNS * row + tallest
        picture.paste(one, (x + (_CELL - one.width) // 2, foot - one.height))
        _draw_caption(draw, tile, one.size, (x, foot), small)
    return picture


def _draw_caption(
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    size: tuple[int, int],
    corner: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """What is said of a photo of this size, below ``corner``, and a frame when it is marked."""
    x, foot = corner
    if tile.marks:
        left, upper = x + (_CELL - size[0]) // 2, foot - size[1]
        box = (left - 3, upper - 3, left + size[0] + 2, foot + 2)
        draw.rectangle(box, outline=_BAD, width=4)
    draw.text((x + 7, foot + 4), _shortened(tile.name, font), _INK, font)
    draw.text((x + 7, foot + 21), tile.caption, _SOFT, font)
    draw.text((x + 7, foot + 38), ", ".join(tile.marks), _BAD, font)


def _thumbnail(path: Path, side: int) -> Image.Image:
    with Image.open(path) as file:
        file.draft("RGB", (side, side))
        small = file.convert("RGB")
    small.thumbnail((side, side))
    return small


def _shortened(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while font.getlength(name) > _CELL - 14 and len(name) > 4:
        name = name[:-4] + "…"
    return name


def _wrapped(
    texts: list[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines: list[str] = []
    for text in texts:
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width - 2 * _MARGIN:
                lines.append(line)
                longer = f"   {word}"
            line = longer
        lines.append(line)
    return lines
