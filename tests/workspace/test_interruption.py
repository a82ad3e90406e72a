"""Runs that are killed or stopped at any moment, and the same command again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import toy_stages

PROGRAM = [sys.executable, str(Path(__file__).parent / "run_toy.py")]
NAMES = [stage.name for stage in toy_stages.CHAIN.stages]


def start(folder: Path, pipeline: str = "chain", pause: float = 0.0) -> subprocess.Popen[str]:
    """Run a toy pipeline in a process of its own."""
    (folder / "photo.txt").write_text("a photo")
    return subprocess.Popen(
        [*PROGRAM, str(folder / "scan"), pipeline],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOY_PAUSE": str(pause)},
    )


def events(process: subprocess.Popen[str]) -> Any:
    """The events of a running toy pipeline, as they come."""
    assert process.stdout is not None
    return map(json.loads, process.stdout)


def wait_for(process: subprocess.Popen[str], stage: str, doing: str) -> None:
    """Until the stage says that it does something."""
    for event in events(process):
        if event["event"] == "progress" and (event["stage"], event["doing"]) == (stage, doing):
            return
    raise AssertionError(f"{stage} never did {doing}")


def gone(pid: int, within: float = 2.0) -> bool:
    """Whether the process ends in time; a zombie has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def finish(folder: Path) -> str:
    """Run to the end; the last stage's result."""
    process = start(folder)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return (folder / "scan" / "stages" / "report" / "result.txt").read_text()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    return finish(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("stage", ["depth", "mesh", "paint"])
def test_killed_in_a_stage_the_next_run_continues_it(
    tmp_path: Path, expected: str, stage: str
) -> None:
    process = start(tmp_path, pause=0.1)
    wait_for(process, stage, "part 4 of 8")
    process.kill()
    process.wait()
    kept = tmp_path / "scan" / "stages" / stage / "part3.txt"
    before = kept.stat().st_mtime_ns
    assert finish(tmp_path) == expected
    assert kept.stat().st_mtime_ns == before, "a finished part was made again"
    assert toy_stages.executions(tmp_path) == NAMES, "a complete stage was repeated"
    record = json.loads((kept.parent / "record.json").read_text())
    assert record["continued"]


def test_killed_at_random_moments_it_still_comes_to_the_same_end(
    tmp_path: Path, expected: str
) -> None:
    rng = random.Random(7)
    for _ in range(6):
        process = start(tmp_path, pause=0.02)
        time.sleep(rng.uniform(0.2, 2.0))
        process.kill()
        process.communicate()
    assert finish(tmp_path) == expected
    # A stage may be killed between its end and its record; no more than that is repeated.
    assert all(count <= 2 for count in Counter(toy_stages.executions(tmp_path)).values())


@pytest.mark.parametrize("pipeline", ["tells_pids", "hangs_natively"])
def test_a_killed_run_leaves_no_process(tmp_path: Path, pipeline: str) -> None:
    process = start(tmp_path, pipeline)
    wait_for(process, "only", "hanging")
    child, *others = map(int, (tmp_path / "scan/stages/only/pids.txt").read_text().split())
    assert not gone(child, 0.1)
    process.kill()
    assert gone(child)
    for other in others:
        os.kill(other, signal.SIGKILL)


def test_ctrl_c_stops_everything_within_two_seconds(tmp_path: Path) -> None:
    process = start(tmp_path, "tells_pids")
    wait_for(process, "only", "hanging")
    pids = (tmp_path / "scan/stages/only/pids.txt").read_text().split()
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert all(gone(int(pid), 0.5) for pid in pids)


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    process = start(tmp_path, "tells_pids")
    wait_for(process, "only", "hanging")
    other = start(tmp_path, "tells_pids")
    _, errors = other.communicate(timeout=30)
    assert other.returncode == 1
    assert f"in use by another run (process {process.pid})" in errors
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)


def test_killed_while_it_wipes_a_folder(tmp_path: Path, expected: str) -> None:
    finish(tmp_path)
    folder = tmp_path / "scan" / "stages" / "mesh"
    # What a wipe leaves when it is killed half-way: markers go first, files later.
    for name in ("record.json", "key.json"):
        (folder / name).unlink()
    (folder / "part0.txt").write_text("rubbish")
    assert finish(tmp_path) == expected
