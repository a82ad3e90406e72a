"""A scan of a capture with depth from the folder to the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gypsum.cli.app import app
from gypsum.formats import read_model
from gypsum.options import SampleMode
from gypsum.sample import make_sample
from gypsum.scene import TexturedMesh


@pytest.mark.slow
def test_a_room_by_its_depth_maps(tmp_path: Path) -> None:
    room = tmp_path / "room"
    make_sample(room, photos=8, width=256, height=192, mode=SampleMode.LIDAR)
    output = tmp_path / "out" / "room.glb"
    command = ["scan", str(room), "-o", str(output), "--mode", "lidar", "-q", "draft"]
    command += ["--faces", "4000", "--texture", "1k", "--voxel", "2cm", "--threads", "2"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    model = read_model(output)
    assert isinstance(model, TexturedMesh)
    assert 3_000 < len(model.mesh.faces) <= 4_000
    # The corner of a room of 3.6 m, in metres, Z up again when a GLB is read.
    size = np.ptp(model.mesh.vertices, axis=0)
    assert np.all(size > [1.5, 1.5, 1.0])
    assert np.all(size < [4.5, 4.5, 2.8])
    report = json.loads((tmp_path / "out" / "room.gypsum" / "report.json").read_text())
    assert report["frame"]["metric"]
    assert "drifted" in report["frame"]["scale_note"] or "kept" in report["frame"]["scale_note"]
    assert report["photos"]["registered"] == 8
    assert (tmp_path / "out" / "room.gypsum" / "report.html").exists()
