"""A whole splat scan of a small sample capture through the program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError
from gypsum.formats import read_asset, read_model
from gypsum.formats.ply import read_splats
from gypsum.pipelines.scan import inspect_workspace
from gypsum.pipelines.splat import SPLAT_SCAN
from gypsum.scene import SparseModel, Splats, TexturedMesh
from gypsum.workspace.events import Event, StageFinished

NAMES = [stage.name for stage in SPLAT_SCAN.stages]
OF_SPLATS = ["splats", "export", "previews", "report"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gypsum.sample import make_sample

    folder = tmp_path_factory.mktemp("capture") / "sample"
    make_sample(folder, photos=20, width=320, height=240)
    return folder / "photos"


@pytest.mark.slow
def test_photos_become_splats(photos: Path) -> None:
    output = photos.parent.parent / "out" / "owl.ply"
    heard: list[Event] = []
    result = gypsum.scan(
        photos, output, mode="splat", quality="draft", splats=4000, minutes=0.15, threads=2,
        format=("spz", "sog"), progress=heard.append,
    )  # fmt: skip
    assert {e.stage for e in heard if isinstance(e, StageFinished)} <= set(NAMES)
    assert result.model == output
    splats = read_splats(output)
    assert 1000 < len(splats) <= 4000
    assert [path.name for path in result.models] == ["owl.ply", "owl.spz", "owl.sog"]
    trained = result.workspace / "stages" / "splats" / "splats.ply"
    assert output.read_bytes() == trained.read_bytes()
    for path in result.models[1:]:
        small = read_asset(path)
        assert isinstance(small, Splats)
        assert len(small) == len(splats)
        assert path.stat().st_size < output.stat().st_size / 4
    # Most of them lie where the points of the cameras' model are.
    points = SparseModel.read(result.workspace / "sparse").points
    low, high = np.percentile(points, (1, 99), axis=0)
    size = high - low
    inside = (splats.means > low - size) & (splats.means < high + size)
    assert inside.all(1).mean() > 0.8

    radiance = result.report["radiance"]
    assert radiance["splats"] == len(splats)
    assert len(radiance["held_out"]) == 2
    assert radiance["psnr"] > 16
    assert result.report["surface"] is None
    page = (result.workspace / "report.html").read_text()
    assert "radiance field" in page
    assert "Photos held out" in page
    assert {path.name for path in result.previews} >= {"splats.png", "splats.webp", "splats.jpg"}
    with Image.open(result.workspace / "previews" / "splats.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10
    assert (result.workspace / "preview.jpg").exists()

    steps = inspect_workspace(result.workspace)
    assert all(step.kept for step in steps)
    changed = inspect_workspace(result.workspace, splats=5000)
    assert [step.stage.name for step in changed if not step.kept] == OF_SPLATS
    saved = json.loads((result.workspace / "scan.json").read_text())
    assert saved["options"]["mode"] == "splat"


@pytest.mark.slow
def test_photos_become_a_mesh_beside_the_splats(photos: Path) -> None:
    output = photos.parent.parent / "out" / "owl.glb"
    result = gypsum.scan(
        photos, output, mode="splat", format="spz", quality="draft", splats=4000, minutes=0.4,
        faces=4000, texture="1k", threads=2,
    )  # fmt: skip
    assert [path.name for path in result.models] == ["owl.glb", "owl.spz"]
    assert all(path.exists() for path in result.models)
    model = read_model(output)
    assert isinstance(model, TexturedMesh)
    assert 1000 < len(model.mesh.faces) <= 4000
    assert model.materials[0].base_color is not None
    assert result.report["radiance"]["splats"] > 1000
    assert result.report["texture"]["coverage"] > 0.7
    assert {path.name for path in result.previews} >= {"splats.png", "model.png"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_was_stopped_goes_on(photos: Path, number: signal.Signals) -> None:
    output = photos.parent.parent / "stopped" / "owl.ply"
    output.unlink(missing_ok=True)
    seconds = 15
    command = [
        sys.executable, "-m", "gypsum", "scan", str(photos), "-o", str(output), "--mode", "splat",
        "-q", "draft", "--splats", str(3000 + number), "--minutes", str(seconds / 60), "--json",
    ]  # fmt: skip

    def training(process: subprocess.Popen[str]) -> Iterator[float]:
        """How far the training is, whenever it says so."""
        assert process.stdout is not None
        for event in map(json.loads, process.stdout):
            if event["event"] == "progress" and event["stage"] == "splats" and event["done"]:
                yield event["done"]

    def run() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with run() as first:
        reached = next((done for done in training(first) if done > 0.5), 0)
        first.send_signal(number)
        first.communicate(timeout=20)
    assert reached
    assert first.returncode != 0
    assert not output.exists()
    with run() as second:
        went_on = next(training(second))
        began = time.monotonic()
        # A state is kept each tenth of the time.
        assert 0.3 < went_on < 0.8
        last = max(training(second))
        assert time.monotonic() - began < (1 - went_on) * seconds + 30
        _, errors = second.communicate(timeout=60)
    assert last > 0.95
    assert second.returncode == 0, errors
    assert 1000 < len(read_splats(output)) <= 3000 + number


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "vase.glb", "until": "dense"}, "has no part dense"),
        ({"output": "vase.ply", "format": "obj", "refine": True}, "--refine is for models of the"),
        ({"output": "vase.ply", "until": "texture"}, "has no part texture"),
        ({"output": "vase.ply", "faces": 5000}, "--faces is for textured models"),
        ({"output": "vase.glb", "mode": "photo", "minutes": 3}, "--minutes is for splats"),
        ({"output": "vase.ply", "minutes": -1}, "minutes"),
        ({"output": "vase.ply", "splats": 3}, "splats"),
    ],
)
def test_what_a_splat_scan_can_not_do_is_said_at_once(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "mode": "splat",
        **options,
        "output": tmp_path / str(options["output"]),
    }
    with pytest.raises(InputError, match=words):
        gypsum.scan(tmp_path, **given)
