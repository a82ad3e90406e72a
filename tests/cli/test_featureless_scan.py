"""Whole scans of featureless objects through the program, and what can't be asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gypsum
from gypsum.errors import InputError
from gypsum.formats import read_model
from gypsum.formats.ply import read_mesh
from gypsum.options import scan_options
from gypsum.pipelines.featureless import FEATURELESS_SCAN
from gypsum.pipelines.scan import inspect_workspace, locate
from gypsum.scene import TexturedMesh
from gypsum.workspace.events import Event, StageFinished

NAMES = [
    stage.name for stage in FEATURELESS_SCAN.stages if stage.when not in ("sets", "depth_folder")
]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mask": "off"}, "needs masks"),
        ({"refine": True}, "--refine"),
        ({"watertight": True}, "--watertight"),
        ({"box": "off"}, "--box"),
        ({"minutes": 3.0}, "--minutes"),
        ({"plan": True}, "--plan"),
    ],
)
def test_what_the_mode_has_not_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        locate(scan_options({"output": Path("mug.glb"), "mode": "featureless", **asked}))


def test_masks_and_small_depth_maps_are_the_modes_own() -> None:
    photo = scan_options({"output": Path("mug.glb")}).settings()
    mine = scan_options({"output": Path("mug.glb"), "mode": "featureless"}).settings()
    assert (photo["mask"], mine["mask"]) == ("found", "auto")
    assert mine["depth_side"] < photo["depth_side"]


@pytest.mark.slow
def test_a_plain_object_becomes_a_closed_model(tmp_path: Path) -> None:
    from gypsum.sample import make_sample

    make_sample(tmp_path / "sample", photos=14, width=320, height=240, fault="plain")
    heard: list[Event] = []
    result = gypsum.scan(
        tmp_path / "sample" / "photos", tmp_path / "owl.glb", mode="featureless", quality="draft",
        faces=6000, texture="1k", threads=2, progress=heard.append,
    )  # fmt: skip
    assert [e.stage for e in heard if isinstance(e, StageFinished)] == NAMES
    assert isinstance(read_model(tmp_path / "owl.glb"), TexturedMesh)
    mesh = read_mesh(result.workspace / "mesh.ply")
    sides = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(sides, axis=0, return_counts=True)
    assert np.all(uses == 2)
    found = result.report["featureless"]
    assert found["carried"] in ("table", "background", "everything")
    assert 0 <= found["doubtful"] <= 1
    assert found["grounded"]
    # The base lies in the plane that it stands on: much of the lowest part is flat.
    height = mesh.vertices[:, 2]
    assert (height < height.min() + 0.02 * np.ptp(height)).mean() > 0.02
    page = (result.workspace / "report.html").read_text()
    assert "Featureless object" in page
    assert {path.name for path in result.previews} >= {"evidence.png", "model.png", "masks.jpg"}
    assert all(step.kept for step in inspect_workspace(result.workspace))
