"""All photos with the outline of the object in each, and how far each mask was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gypsum.scene import View

UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: Pixels of a tile and of the text below; tiles in a row, and on a sheet at most.
_TILE, _CAPTION, _COLUMNS, _MOST = 200, 34, 8, 160
#: Masks that overlap less with what the photo alone gave (intersection over union) are marked.
CHANGED = 0.8
_OUTLINE, _MARK = (60, 255, 90), (214, 40, 40)
_GROUND, _INK = (246, 245, 242), (34, 37, 42)


@dataclass(frozen=True)
class Outline:
    """One photo of the sheet."""

    name: str
    picture: UInt8
    """(height, width, 3), small, with the outline."""
    kept: float | None
    """Intersection over union of the final mask and the photo's own; None without one."""

    @property
    def changed(self) -> bool:
        """Whether the other photos changed the mask much."""
        return self.kept is not None and self.kept < CHANGED


def outline(view: View, single: Path | None) -> Outline:
    """A view that has a mask, small, with its outline; ``single`` is the photo's own mask."""
    small = view.limited(_TILE)
    mask = small.read_mask()
    assert mask is not None
    picture = small.read().copy()
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    picture[~mask] = (picture[~mask] * 0.55).astype(np.uint8)
    cv2.drawContours(picture, contours, -1, _OUTLINE, 1, cv2.LINE_AA)
    kept = None
    if single is not None and single.exists():
        with Image.open(single) as file:
            grey = file.convert("L").resize(mask.shape[::-1], Image.Resampling.BOX)
        own = np.asarray(grey) >= 128
        kept = int(np.count_nonzero(own & mask)) / max(1, int(np.count_nonzero(own | mask)))
    return Outline(view.name, picture, kept)


def draw_outlines(outlines: Sequence[Outline]) -> UInt8:
    """(height, width, 3) the sheet. Of very many photos, those that changed most, in order."""
    order = sorted(outlines, key=lambda one: 1.0 if one.kept is None else one.kept)[:_MOST]
    chosen = {one.name for one in order}
    shown = [one for one in outlines if one.name in chosen]
    row = max(one.picture.shape[0] for one in shown) + _CAPTION
    columns = min(_COLUMNS, len(shown))
    size = columns * (_TILE + 8), -(-len(shown) // columns) * row
    sheet, font = Image.new("RGB", size, _GROUND), ImageFont.load_default(13)
    draw = ImageDraw.Draw(sheet)
    for number, one in enumerate(shown):
        height, width = one.picture.shape[:2]
        x = number % columns * (_TILE + 8) + (_TILE + 8 - width) // 2
        y = number // columns * row + row - _CAPTION - height + 4
        if one.changed:
            draw.rectangle((x - 4, y - 4, x + width + 3, y + height + 3), fill=_MARK)
        sheet.paste(Image.fromarray(one.picture), (x, y))
        colour = _MARK if one.changed else _INK
        draw.text((x, y + height + 4), _caption(one), colour, font)
    return np.asarray(sheet)


def _caption(one: Outline) -> str:
    name = one.name if len(one.name) <= 20 else f"…{one.name[-19:]}"
    return name if one.kept is None else f"{name}  {100 * one.kept:.0f} %"
