"""Whole scans of featureless objects through the program, and what can't be asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError, ResourceError
from gypsum.formats import read_model
from gypsum.formats.ply import read_mesh
from gypsum.options import scan_options
from gypsum.pipelines.featureless import FEATURELESS_SCAN
from gypsum.pipelines.scan import _devices, inspect_workspace, locate
from gypsum.scene import TexturedMesh
from gypsum.workspace import devices
from gypsum.workspace.events import Event, StageFinished

#: Those of a draft, which goes without splats.
NAMES = [
    stage.name
    for stage in FEATURELESS_SCAN.stages
    if stage.when not in ("sets", "depth_folder", "evidence_steps")
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


def test_splats_are_trained_but_for_a_draft() -> None:
    asked = {"output": Path("mug.glb"), "mode": "featureless"}
    for quality, trained in (("draft", False), ("normal", True), ("high", True)):
        settings = scan_options({**asked, "quality": quality}).settings()
        chosen = FEATURELESS_SCAN.chosen({**settings, "mask": "auto", "depth_folder": None})
        assert ("evidence" in [stage.name for stage in chosen.stages]) == trained
        surface = next(stage for stage in chosen.stages if stage.name == "surface")
        assert ("evidence" in surface.needs) == trained


def test_a_card_is_asked_for_the_fit_and_taken_for_depths_if_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is installed, what was asked for; where depths are made and the surface is fitted."""
    asked = {"output": Path("mug.glb"), "mode": "featureless"}
    here: set[str] = set()
    monkeypatch.setattr(devices, "_installed", lambda package: package in here)
    monkeypatch.setattr(devices, "_cards", lambda: 1)
    for installed, device, found in (
        (set(), "auto", ("cpu", "cpu")),
        ({"warp-lang"}, "auto", ("cpu", "cuda")),
        ({"warp-lang"}, "cuda", ("cpu", "cuda")),
        ({"pycolmap-cuda12"}, "auto", ("cuda", "cpu")),
        ({"warp-lang", "pycolmap-cuda12"}, "cuda", ("cuda", "cuda")),
        ({"warp-lang", "pycolmap-cuda12"}, "cpu", ("cpu", "cpu")),
    ):
        here.clear()
        here.update(installed)
        settings = _devices(scan_options({**asked, "device": device}))
        assert (settings["device"], settings["fit_device"]) == found


@pytest.mark.parametrize(
    ("installed", "missing"),
    [(False, r"gypsum\[cuda\] is not installed"), (True, "no NVIDIA graphics card")],
)
def test_a_card_that_is_not_there_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, missing: str
) -> None:
    monkeypatch.setattr(devices, "_installed", lambda _: installed)
    monkeypatch.setattr(devices, "_cards", lambda: 0)
    Image.new("RGB", (64, 48)).save(tmp_path / "one.jpg")
    with pytest.raises(ResourceError, match=missing) as error:
        gypsum.scan(tmp_path, tmp_path / "mug.glb", mode="featureless", device="cuda")
    assert str(error.value).count(".") == 1


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
