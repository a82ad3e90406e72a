"""Whose fault the end of an attempt was, and how a scan's process tells."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gypsum.errors import InputError
from gypsum.service.jobs import attempt as attempts
from gypsum.service.jobs.attempt import _Attempt
from gypsum.service.jobs.child import _told
from gypsum.service.jobs.losses import (
    GIVEN_UP,
    MACHINE,
    NO_MEMORY,
    SCAN,
    Blame,
    from_outside,
    memory_kills,
)
from gypsum.workspace import failures

REQUEST = {"folder": "/scratch/one", "workspace": "/scratch/one/workspace", "inputs": []}


@pytest.mark.parametrize(
    ("status", "cause"),
    [(-signal.SIGKILL, "killed"), (-signal.SIGSEGV, "crash"), (1, "crash")],
)
def test_a_stages_death_is_told(tmp_path: Path, status: int, cause: str) -> None:
    request = {**REQUEST, "folder": str(tmp_path)}
    told = _told(failures.died("Depth", status, tmp_path / "log", tmp_path), request)
    assert told["cause"] == cause
    assert "same command" not in told["message"]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "memory"),
        (OSError(28, "No space left on device"), "disk"),
        (InputError("ball.xyz holds no points."), None),
        (ValueError("a defect"), None),
    ],
)
def test_other_ends_are_told(error: Exception, cause: str | None) -> None:
    assert _told(error, REQUEST)["cause"] == cause


@pytest.mark.parametrize(
    ("cause", "kills", "blame", "message"),
    [
        ("killed", 0, MACHINE, GIVEN_UP),
        ("killed", 1, SCAN, NO_MEMORY),  # the kernel took it, and would again
        ("memory", 0, SCAN, "said"),
        ("disk", 0, MACHINE, "said"),
        ("crash", 0, SCAN, "said"),
        (None, 0, None, "said"),
    ],
)
def test_blame(
    monkeypatch: pytest.MonkeyPatch,
    cause: str | None,
    kills: int,
    blame: Blame | None,
    message: str,
) -> None:
    monkeypatch.setattr(attempts, "memory_kills", lambda: 7 + kills)
    lease: Any = SimpleNamespace(id="one")
    attempt = _Attempt(SimpleNamespace(), lease, Path(), memory_kills=7)  # type: ignore[arg-type]
    end = attempt._failed(cause, "said")
    assert (end.state, end.blame, end.message) == ("failed", blame, message)


def test_who_was_killed_is_told_from_who_crashed() -> None:
    async def status(code: str) -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        return await process.wait()

    for code, outside in (
        ("import os; os.kill(os.getpid(), 9)", True),
        ("raise SystemExit(137)", True),  # as bubblewrap says it
        ("import os; os.kill(os.getpid(), 11)", False),
        ("raise SystemExit(1)", False),
    ):
        assert from_outside(asyncio.run(status(code))) == outside


def test_the_kernels_count_is_read() -> None:
    found = subprocess.run(["grep", "-w", "oom_kill", "/proc/vmstat"], capture_output=True)
    count = int(found.stdout.split()[1]) if found.returncode == 0 else 0
    assert memory_kills() >= count


def test_a_scan_that_ends_itself_is_given_up_within_minutes() -> None:
    waits = [SCAN.wait(count) for count in range(1, SCAN.most)]
    assert waits[0] == 0
    assert sum(waits) < 600
