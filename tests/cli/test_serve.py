"""``gypsum serve``: starts by itself, brings back what dies, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

#: Seconds for what takes one or two where nothing else runs.
PATIENCE = 240


def answers(port: int, seconds: float) -> bool:
    """Whether the service answers within a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except OSError:
            time.sleep(0.2)
    return False


@pytest.fixture
def port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gypsum-", dir="/tmp") as name:
        yield Path(name)


def command(folder: Path, port: int) -> list[str]:
    """The service with a worker."""
    data = str(folder / "data")
    return [sys.executable, "-m", "gypsum", "serve", "--data", data, "--port", str(port)]


@pytest.mark.slow
def test_what_dies_comes_back_and_the_end_is_the_end(folder: Path, port: int) -> None:
    with (folder / "log").open("wb") as log:
        served = subprocess.Popen(command(folder, port), stdout=subprocess.PIPE, stderr=log)
    try:
        assert answers(port, PATIENCE), (folder / "log").read_text()
        parent = psutil.Process(served.pid)
        children = {" ".join(child.cmdline()): child.pid for child in parent.children()}
        api = next(pid for words, pid in children.items() if "gypsum.service.api" in words)
        os.kill(api, signal.SIGKILL)
        assert answers(port, PATIENCE)
        family = [parent, *parent.children(recursive=True)]
        served.send_signal(signal.SIGINT)
        assert served.wait(PATIENCE) == 0
        gone, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert not alive, (gone, alive)
        assert not (folder / "data" / "database" / "postmaster.pid").exists()
    finally:
        served.kill()
        served.wait()
    # What a person stored is there again.
    assert (folder / "data" / "secret").exists()


def test_a_port_in_use_is_told_at_once(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            command(folder, port), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert ended.returncode == 2
    assert f"Port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder / "data").exists()


def test_a_setting_that_can_not_be(folder: Path) -> None:
    ended = subprocess.run(
        [*command(folder, 8000), "--storage-url", "ftp://x"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "storage_url" in ended.stderr
