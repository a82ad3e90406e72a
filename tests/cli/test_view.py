"""``gypsum view`` as a program."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np

from gypsum.formats import write_asset
from gypsum.scene import Splats

COMMAND = [sys.executable, "-m", "gypsum", "view"]


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 59)).astype(np.float32)
    write_asset(tmp_path / "a.spz", Splats.from_rows(rows, 1), "spz")
    command = [*COMMAND, str(tmp_path / "a.spz"), "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        line = run.stdout.readline()
        found = re.fullmatch(r"a\.spz, 50 splats: (http://127\.0\.0\.1:\d+/\S+/)\n", line)
        assert found, line
        with urllib.request.urlopen(found[1] + "facts.json", timeout=10) as answer:
            assert json.load(answer)["kind"] == "splats"
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0
        assert run.stderr.read() == ""


def test_mistakes_are_explained_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.sog").write_bytes(b"nonsense")
    for arguments, words in (
        (["nowhere.glb"], "can't be read"),
        (["a.blend"], ".spz, .stl"),
        (["a.sog"], "is no SOG file"),
    ):
        command = [*COMMAND, *arguments, "--no-browser"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
