"""What carries the cameras of a featureless object: its detail, or its outlines."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gypsum.pipelines import featureless, photo
from gypsum.scene import Camera, Capture, Photo, SparseModel
from gypsum.workspace import StageContext

PHOTOS = 16


def placing(count: int) -> SparseModel:
    """Cameras of so many photos."""
    no_pixels, no_points = np.zeros((0, 2)), np.zeros(0, np.int64)
    photos = {
        n: Photo(n, f"{n:02d}.jpg", 1, np.eye(3), np.zeros(3), no_pixels, no_points)
        for n in range(1, count + 1)
    }
    camera = Camera(1, "PINHOLE", 64, 48, np.array([80.0, 80, 32, 24]))
    colors = np.zeros((0, 3), np.uint8)
    return SparseModel({1: camera}, photos, no_points, np.zeros((0, 3)), colors, np.zeros(0))


@pytest.mark.parametrize(
    ("backdrop", "detail", "outlines", "carried"),
    [
        (True, 16, 16, "everywhere"),
        (True, 14, 16, "outlines"),
        (True, 14, 12, "everywhere"),
        (True, 14, None, "everywhere"),
        (False, 14, 16, "everywhere"),
        (False, 4, 16, "outlines"),
    ],
)
def test_outlines_place_what_detail_leaves_out(
    backdrop: bool,
    detail: int,
    outlines: int | None,
    carried: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before a plain backdrop any photo; else only most of them. More photos win."""
    found = SimpleNamespace(model=placing(detail), facts={"unregistered": {}}, warnings=())
    turned: Any = None if outlines is None else (placing(outlines), {}, "outlines")

    def answer(value: Any) -> Any:
        return lambda *_: value

    capture = SimpleNamespace(photos=[None] * PHOTOS)
    monkeypatch.setattr(Capture, "read", answer(capture))
    monkeypatch.setattr(photo, "_known_cameras", answer(None))
    for name, value in (
        ("_where", "everywhere"),
        ("_by_detail", found),
        ("_on_backdrop", backdrop),
        ("_on_markers", None),
        ("_turned", turned),
    ):
        monkeypatch.setattr(featureless, name, answer(value))
    inputs = {"photos": tmp_path, "matches": tmp_path}
    featureless.find_cameras(StageContext(tmp_path, inputs, {}, (), tmp_path, 1, 2**30))
    assert json.loads((tmp_path / "carried.json").read_text()) == carried
    placed = outlines if carried == "outlines" else detail
    assert len(SparseModel.read(tmp_path / "sparse").photos) == placed
