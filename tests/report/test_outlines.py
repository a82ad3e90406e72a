"""The sheet of masks: outlines lie on the masks' edges, and changed masks are marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.report import draw_outlines, outline
from gypsum.report.outlines import _MARK, _MOST, _OUTLINE, CHANGED, Outline
from gypsum.scene import View

SIZE = 400, 300


def masked(folder: Path, name: str, own: slice | None) -> Outline:
    """A grey photo whose mask is the columns 100 to 300; its own mask has the columns given."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[50:250, 100:300] = 255
    Image.fromarray(mask).save(folder / f"{name}.mask.png")
    Image.new("RGB", SIZE, (90, 90, 90)).save(folder / f"{name}.png")
    if own is not None:
        single = np.zeros_like(mask)
        single[50:250, own] = 255
        Image.fromarray(single).save(folder / f"{name}.own.png")
    view = View(
        name, folder / f"{name}.png", *SIZE, np.eye(3), np.eye(3), np.zeros(3),
        mask=folder / f"{name}.mask.png",
    )  # fmt: skip
    return outline(view, folder / f"{name}.own.png")


def test_the_outline_is_on_the_edge_of_the_mask(tmp_path: Path) -> None:
    """Photos of 400 pixels are shown at 200: the edges are at columns 50 and 150."""
    picture = masked(tmp_path, "a", slice(100, 300)).picture.astype(int)
    green = np.abs(picture - _OUTLINE).sum(2) < 90
    columns = np.flatnonzero(green[60:90].all(0))
    assert set(columns) <= {49, 50, 51, 149, 150, 151}
    assert min(columns) <= 51
    assert max(columns) >= 149
    assert (picture[75, 100] == 90).all()
    assert (picture[75, 20] < 60).all()


@pytest.mark.parametrize(
    ("own", "kept"), [(slice(100, 300), 1.0), (slice(100, 200), 0.5), (slice(0, 50), 0.0)]
)
def test_the_share_kept_is_the_overlap_of_both_masks(
    tmp_path: Path, own: slice, kept: float
) -> None:
    found = masked(tmp_path, "a", own)
    assert found.kept == pytest.approx(kept, abs=0.01)
    assert found.changed == (kept < CHANGED)


def test_a_photo_without_a_mask_of_its_own_is_not_marked(tmp_path: Path) -> None:
    found = masked(tmp_path, "a", None)
    assert found.kept is None
    assert not found.changed


def test_changed_photos_have_red_frames_on_the_sheet(tmp_path: Path) -> None:
    same = masked(tmp_path, "a", slice(100, 300))
    changed = masked(tmp_path, "b", slice(100, 150))
    red = (draw_outlines([same, changed]) == _MARK).all(2)
    half = red.shape[1] // 2
    assert not red[:, :half].any()
    assert red[:, half:].any()


def test_of_very_many_photos_those_changed_most_are_shown() -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    many = [Outline(f"{n}", picture, n / 1000) for n in range(_MOST + 40)]
    all_of_them = draw_outlines(many[:_MOST])
    assert (draw_outlines(many) == all_of_them).all()
