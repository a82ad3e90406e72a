"""Everything that works on a scan is killed in turn: it ends all the same, once, leaving nothing.

`benchmarks/service_faults.py` does this with a whole service, by chance and for longer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.service.jobs.test_worker import PATIENCE, prepared, scratch, until, worker

from gypsum.service.jobs import sandbox

AtDesk = Callable[[Callable[[Any], Any]], Any]

STAGE, SCAN = b"gypsum.workspace.child", b"gypsum.service.jobs.child"


def command(process: int) -> list[bytes]:
    """Its words; none when it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


async def kill_next(desk: Any, module: bytes) -> None:
    """Kill the scan's process that runs this module, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for process in sandbox.marked(scratch(desk.settings)):
            words = command(process)
            if module in words and b"bwrap" not in words[0]:
                os.kill(process, signal.SIGKILL)
                return
        await asyncio.sleep(0.05)
    raise AssertionError(f"there was no process of {module!r}")


@pytest.mark.slow
def test_a_scan_over_kills_of_all_that_works_on_it(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await prepared(desk)
        with worker(desk.settings, "one") as one:
            await kill_next(desk, STAGE)
            await until(desk, scan, lambda row: row["attempts"] == 2)
            await kill_next(desk, SCAN)
            await until(desk, scan, lambda row: row["attempts"] == 3 and row["stage"])
            # The database loses its connections, as when it starts again: the scan does not mind.
            await desk.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and application_name like %s",
                "one%",
            )
            await until(desk, scan, lambda row: row["stage"] == "simplify")
            one.kill()
            one.wait()
        with worker(desk.settings, "one"):
            began = time.monotonic()
            await until(desk, scan, lambda row: row["attempts"] == 4)
            assert time.monotonic() - began < 25  # before the dead worker's lease ends
            row = await until(desk, scan, lambda row: row["state"] == "done")
            assert (row["attempts"], row["faults"]) == (4, 0)
        ends = await desk.rows("select data ->> 'state' as state from scan_events "
                               "where event = 'state'")  # fmt: skip
        assert [end["state"] for end in ends].count("done") == 1
        models = await desk.rows("select name from results where kind = 'model'")
        assert len(models) == len({model["name"] for model in models}) == 2
        assert list(scratch(desk.settings).iterdir()) == []
        assert list(sandbox.marked(scratch(desk.settings))) == []

    at_desk(work)
