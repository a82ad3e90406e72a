"""Everything that works on a scan is killed in turn: it ends all the same, once, leaving nothing.

And again with another option, which repeats only what depends on it.

`benchmarks/service_faults.py` does this with a whole service, by chance and for longer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from tests.service.jobs.test_worker import (
    OPTIONS,
    PATIENCE,
    prepared,
    scratch,
    until,
    worker,
)

from gypsum.service.jobs import forget, log_lines, sandbox

AtDesk = Callable[[Callable[[Any], Any]], Any]

#: Stages of a scan of points after the first ones.
LATE = ("surface", "simplify", "texture", "export", "previews")
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


async def check_results(desk: Any, scan: Any, revision: int) -> None:
    found = await desk.rows("select * from results where scan_id = %s", scan)
    kinds = {(row["kind"], row["format"]) for row in found}
    assert kinds >= {("model", "glb"), ("viewer", "mesh"), ("report", "html"), ("log", "txt")}
    assert {row["kind"] for row in found} >= {"thumbnail", "preview"}
    assert {row["revision"] for row in found} == {revision}
    for row in found:
        assert await desk.store.size(row["object_key"]) == row["bytes"]
    async with desk.pool.connection() as connection:
        lines = await log_lines(connection, scan, 100)
    assert any("Building the surface" in line for line in lines)
    text = str(await desk.rows("select data from scan_events")) + " ".join(lines)
    place = text.find(str(desk.settings.data))
    assert place < 0, text[max(0, place - 200) : place + 200]


async def changed(desk: Any, scan: Any) -> None:
    """Fewer triangles: only what depends on them is made again, and nothing stays of before."""
    last = (await desk.rows("select max(id) as id from scan_events"))[0]["id"]
    await desk.execute(
        "update scans set options = %s where id = %s", Jsonb({**OPTIONS, "faces": 1000}), scan
    )
    await desk.start(scan)
    await until(desk, scan, lambda row: row["state"] == "done")
    events = await desk.rows(
        "select data from scan_events where event = 'stage_finished' and id > %s", last
    )
    kept = {event["data"]["stage"]: event["data"]["kept"] for event in events}
    assert kept["surface"]
    assert not kept["simplify"]
    await check_results(desk, scan, 2)
    deadline = time.monotonic() + 30
    while True:  # tidying is a job of its own
        stored = {key async for key, _ in desk.store.list(f"scans/{scan}/results/")}
        known = {row["object_key"] for row in await desk.rows("select object_key from results")}
        if stored == known:
            break
        assert time.monotonic() < deadline, stored - known
        await asyncio.sleep(0.05)
    async with desk.pool.connection() as connection, connection.transaction():
        await forget(connection, scan, desk.settings)
    while [key async for key, _ in desk.store.list(f"scans/{scan}/")]:
        assert time.monotonic() < deadline + 30
        await asyncio.sleep(0.05)


async def killed(desk: Any, process: subprocess.Popen[bytes]) -> None:
    """Kill a worker; its scan's processes go with it."""
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while list(sandbox.marked(scratch(desk.settings))):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def check_stages(desk: Any) -> None:
    """What one attempt finished, the next ones kept."""
    events = await desk.rows("select data from scan_events where event = 'stage_finished'")
    stages = [(event["data"]["stage"], event["data"]["kept"]) for event in events]
    assert ("points", True) in stages
    made = [stage for stage, kept in stages if not kept]
    assert len(made) == len(set(made))


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
            # Killed once it has something to go on from.
            await until(desk, scan, lambda row: row["stage"] in LATE)
            await killed(desk, one)
        with worker(desk.settings, "one") as one:
            began = time.monotonic()
            await until(desk, scan, lambda row: row["attempts"] == 4)
            assert time.monotonic() - began < 25  # before the dead worker's lease ends
            await killed(desk, one)
        with worker(desk.settings, "two"):
            began = time.monotonic()
            await until(desk, scan, lambda row: row["attempts"] == 5)
            assert time.monotonic() - began < 60
            row = await until(desk, scan, lambda row: row["state"] == "done")
            assert (row["attempts"], row["faults"], row["worker"]) == (5, 0, "two")
            ends = await desk.rows("select data ->> 'state' as state from scan_events "
                                   "where event = 'state'")  # fmt: skip
            assert [end["state"] for end in ends].count("done") == 1
            models = await desk.rows("select name from results where kind = 'model'")
            assert len(models) == len({model["name"] for model in models}) == 2
            await check_results(desk, scan, 1)
            await check_stages(desk)
            await changed(desk, scan)
        assert list(scratch(desk.settings).iterdir()) == []
        assert list(sandbox.marked(scratch(desk.settings))) == []

    at_desk(work)
