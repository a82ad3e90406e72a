"""Whole scans of a small sample capture through the program, undisturbed, killed and changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import gypsum
from gypsum.formats.ply import read_cloud, read_mesh
from gypsum.pipelines.photo import PHOTO_SCAN
from gypsum.scene import SparseModel
from gypsum.workspace.events import Event, StageFinished

pytestmark = pytest.mark.slow

#: Photos of one set have no stage of sets.
NAMES = [stage.name for stage in PHOTO_SCAN.stages if stage.when not in ("sets", "depth_folder")]
OPTIONS = ["--quality", "draft", "--refine", "--faces", "4000", "--texture", "1k", "--threads", "2"]


def start(photos: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    """``gypsum scan`` with events on standard output."""
    command = [sys.executable, "-m", "gypsum", "scan", str(photos), "-o", str(output), "--json"]
    return subprocess.Popen(
        [*command, *OPTIONS, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(photos: Path, output: Path, *options: str) -> list[dict[str, Any]]:
    """Run to the end; its events."""
    process = start(photos, output, *options)
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def made(events: list[dict[str, Any]]) -> list[str]:
    """The stages that ran to their end."""
    return [e["stage"] for e in events if e["event"] == "stage_finished" and not e["kept"]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gypsum.sample import make_sample

    folder = tmp_path_factory.mktemp("capture") / "sample"
    make_sample(folder, photos=12, width=320, height=240)
    return folder / "photos"


@pytest.fixture(scope="module")
def scanned(photos: Path) -> tuple[Path, list[dict[str, Any]]]:
    """An undisturbed scan: its output and its events."""
    output = photos.parent.parent / "out" / "owl.glb"
    return output, finish(photos, output)


def test_a_scan_leaves_everything_it_promises(scanned: tuple[Path, list[dict[str, Any]]]) -> None:
    output, events = scanned
    workspace = output.with_suffix(".gypsum")
    assert made(events) == NAMES
    assert output.read_bytes() == (workspace / "models" / "owl.glb").read_bytes()
    model = SparseModel.read(workspace / "sparse")
    cloud = read_cloud(workspace / "cloud.ply")
    mesh = read_mesh(workspace / "mesh.ply")
    assert len(model.photos) >= 9
    assert len(cloud) > 5000
    assert 1000 < len(mesh.faces) <= 4000
    report = json.loads((workspace / "report.json").read_text())
    assert report["photos"]["given"] == 12
    assert report["photos"]["registered"] == len(model.photos)
    assert report["surface"]["faces"] == len(mesh.faces)
    assert report["texture"]["coverage"] > 0.8
    assert [stage["name"] for stage in report["stages"]] == NAMES[:-1]
    assert all(stage["peak_bytes"] > 2**24 for stage in report["stages"])
    done = events[-1]
    assert done["event"] == "done"
    assert done["models"] == [str(output)]
    assert all(Path(path).exists() for path in [*done["previews"], done["report"]])
    assert "<html" in Path(done["report"]).read_text()


def test_everything_is_in_one_frame(scanned: tuple[Path, list[dict[str, Any]]]) -> None:
    workspace = scanned[0].with_suffix(".gypsum")
    sparse = SparseModel.read(workspace / "sparse").points
    low, high = sparse.min(axis=0), sparse.max(axis=0)
    vertices = read_mesh(workspace / "mesh.ply").vertices
    inside = ((vertices > low - 0.2) & (vertices < high + 0.2)).all(axis=1)
    assert inside.mean() > 0.9


def test_the_same_again_keeps_everything(
    photos: Path, scanned: tuple[Path, list[dict[str, Any]]]
) -> None:
    output, _ = scanned
    heard: list[Event] = []
    result = gypsum.scan(
        photos,
        output,
        quality="draft",
        refine=True,
        faces=4000,
        texture="1k",
        threads=2,
        progress=heard.append,
    )
    assert [e.stage for e in heard if isinstance(e, StageFinished) and not e.kept] == []
    assert result.model == output
    assert result.report["surface"]["faces"] <= 4000
    assert result.report_html == output.with_suffix(".gypsum") / "report.html"


def test_another_format_only_writes_it(
    photos: Path, scanned: tuple[Path, list[dict[str, Any]]]
) -> None:
    output, _ = scanned
    before = output.read_bytes()
    events = finish(photos, output, "--format", "obj", "--format", "stl")
    assert made(events) == ["export", "report"]
    folder = output.parent
    assert {path.suffix for path in folder.iterdir() if path.is_file()} >= {".glb", ".obj", ".stl"}
    assert output.read_bytes() == before


def test_fewer_faces_repeat_only_what_follows(
    photos: Path, scanned: tuple[Path, list[dict[str, Any]]]
) -> None:
    output, _ = scanned
    events = finish(photos, output, "--faces", "1500", "--until", "surface")
    assert made(events) == ["simplify", "report"]
    workspace = output.with_suffix(".gypsum")
    assert len(read_mesh(workspace / "mesh.ply").faces) <= 1500
    assert not (workspace / "models").exists(), "models of another surface"
    shown = subprocess.run(
        [sys.executable, "-m", "gypsum", "stages", str(workspace), "--faces", "900"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "faces changed 1500 → 900" in shown
    assert len(shown.splitlines()) == 1 + NAMES.index("texture") + 1


def test_killed_in_every_stage_it_comes_to_the_same_model(
    photos: Path, scanned: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    expected = scanned[0].read_bytes()
    output = tmp_path / "owl.glb"
    finished: Counter[str] = Counter()
    for name in NAMES:
        process = start(photos, output)
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "stage_finished" and not event["kept"]:
                finished[event["stage"]] += 1
            # In the middle where a stage tells how far it is, else when it has begun.
            if event["event"] == "progress" and event["stage"] == name and event["elapsed"] > 0.2:
                break
        process.kill()
        process.communicate()
    finished.update(made(finish(photos, output)))
    assert set(finished) <= set(NAMES)
    assert max(finished.values()) == 1, "a complete stage was repeated"
    assert output.read_bytes() == expected
