"""Ctrl-C in a scan: gone within two seconds, with a word on how to go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos that keep the program busy for some seconds."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        pixels = rng.integers(0, 255, (900, 1200, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_takes_less_than_two_seconds(photos: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "gypsum", "scan", photos, "-o", photos.parent / "a.glb"]
    process = subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] == "features":
            break
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert "same command" in err
    assert "Traceback" not in err
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", 130)
    workspace = photos.parent / "a.gypsum"
    assert (workspace / "stages" / "photos" / "record.json").exists()
    assert not (workspace / "stages" / "features" / "record.json").exists()
