"""A whole splat scan of a small sample capture through the program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError
from gypsum.formats.ply import read_splats
from gypsum.pipelines.scan import inspect_workspace
from gypsum.pipelines.splat import SPLAT_SCAN
from gypsum.scene import SparseModel
from gypsum.workspace.events import Event, StageFinished

NAMES = [stage.name for stage in SPLAT_SCAN.stages]


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
        progress=heard.append,
    )  # fmt: skip
    assert {e.stage for e in heard if isinstance(e, StageFinished)} <= set(NAMES)
    assert result.model == output
    splats = read_splats(output)
    assert 1000 < len(splats) <= 4000
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
    assert [step.stage.name for step in changed if not step.kept] == NAMES[-4:]
    saved = json.loads((result.workspace / "scan.json").read_text())
    assert saved["options"]["mode"] == "splat"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "vase.glb"}, r"can't be written as glb; name the output like garden\.spz"),
        ({"output": "vase.ply", "format": "obj"}, "can't be written as obj"),
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
    given = {"mode": "splat", **options, "output": tmp_path / str(options["output"])}
    with pytest.raises(InputError, match=words):
        gypsum.scan(tmp_path, **given)
