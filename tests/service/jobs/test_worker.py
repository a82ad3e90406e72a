"""Real workers on real, tiny scans; their deaths are in ``test_kills.py``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb

from gypsum.service.jobs import request_cancel, sandbox
from gypsum.service.jobs.attempt import users_options
from gypsum.service.settings import ServiceSettings, as_environment
from gypsum.service.supervisor import _end_with_parent

AtDesk = Callable[[Callable[[Any], Any]], Any]

#: The quickest scan there is.
OPTIONS = {"faces": 2000, "texture": "1k", "format": ["glb", "obj"]}
#: Seconds for a scan: its processes give way to whatever else a machine does.
PATIENCE = 180.0


def ball() -> bytes:
    """A small cloud of a coloured ball, as text."""
    rng = np.random.default_rng(1)
    places = rng.normal(size=(4000, 3))
    places /= np.linalg.norm(places, axis=1)[:, None]
    colors = (127 + 120 * places).astype(int)
    lines = np.hstack([places.round(5).astype(str), colors.astype(str)])
    return "\n".join(map(" ".join, lines)).encode()


@contextmanager
def worker(settings: ServiceSettings, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gypsum", "worker", "--name", name],
        env={**os.environ, **as_environment(settings)},
        start_new_session=True,
        # A test run that is killed leaves no worker.
        preexec_fn=_end_with_parent,
    )
    with suppress(OSError):
        # Its scans give way to it and to all else; where all else is a busy machine, that is long.
        Path(f"/proc/{process.pid}/autogroup").write_text("-10")
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def scratch(settings: ServiceSettings) -> Path:
    return settings.data.absolute() / "scratch"


async def until(desk: Any, scan: Any, wanted: Callable[[Any], bool]) -> Any:
    """The scan's row as soon as it is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = await desk.row(scan)
        if wanted(row):
            return row
        assert row["state"] not in ("done", "failed", "cancelled"), (row["state"], row["message"])
        await asyncio.sleep(0.03)
    raise AssertionError(f"after {PATIENCE:.0f} s it is {row['state']}, {row['doing']}: {row}")


async def prepared(desk: Any) -> Any:
    scan = await desk.scan(await desk.user(), options=Jsonb(OPTIONS))
    await desk.upload(scan, "ball.xyz", ball())
    await desk.start(scan)
    return scan


@pytest.mark.slow
def test_a_stopped_worker_gives_back_and_a_cancel_ends_at_once(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await prepared(desk)
        with worker(desk.settings, "one") as one:
            await until(desk, scan, lambda row: row["stage"] is not None)
            one.send_signal(signal.SIGTERM)
            assert one.wait(20) == 0
            row = await desk.row(scan)
            assert (row["state"], row["worker"], row["losses"]) == ("queued", None, 0)
            assert await desk.jobs() == [str(scan)]
            assert list(scratch(desk.settings).iterdir()) == []
        with worker(desk.settings, "two"):
            await until(desk, scan, lambda row: row["stage"] is not None and row["attempts"] == 2)
            async with desk.pool.connection() as connection, connection.transaction():
                await request_cancel(connection, scan, desk.settings)
            began = time.monotonic()
            while (await desk.row(scan))["state"] != "cancelled":
                assert time.monotonic() - began < 10
                await asyncio.sleep(0.1)
            assert list(sandbox.marked(scratch(desk.settings))) == []

    at_desk(work)


@pytest.mark.slow
def test_what_can_not_be_scanned_is_said_in_a_sentence(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.upload(scan, "ball.xyz", b"no points at all\n")
        await desk.start(scan)
        with worker(desk.settings, "one"):
            deadline = time.monotonic() + PATIENCE
            while (row := await desk.row(scan))["state"] != "failed":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        assert "ball.xyz" in row["message"]
        assert str(desk.settings.data) not in row["message"]
        assert row["attempts"] == 1

    at_desk(work)


def test_users_choose_nothing_of_the_server() -> None:
    settings = ServiceSettings(scan_threads=3)
    given = {
        "faces": 5,
        "workspace": "/etc",
        "output": "/etc/passwd",
        "cameras": "/etc/passwd",
        "mask": "/etc",
        "threads": 64,
        "nonsense": 1,
        "normal_map": None,
    }
    assert users_options("photo", given, settings) == {"faces": 5, "mode": "photo", "threads": 3}
    assert users_options("photo", {"mask": "auto"}, settings)["mask"] == "auto"
