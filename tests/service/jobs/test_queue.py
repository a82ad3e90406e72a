"""Who is next: fair among users, whatever the order in which they come, and never twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from psycopg import Rollback

from gypsum.errors import InputError
from gypsum.service.jobs import enqueue, forget, forget_user, request_cancel
from gypsum.service.jobs.queue import promote

AtDesk = Callable[[Callable[[Any], Any]], Any]


def test_many_scans_of_one_do_not_delay_others(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        greedy, modest = await desk.user(), await desk.user()
        many = [await desk.scan(greedy) for _ in range(6)]
        for scan in many:
            await desk.start(scan)
        other = await desk.scan(modest)
        await desk.start(other)
        # Two of the first user, then the other's, though it came last.
        assert await desk.jobs() == [str(many[0]), str(many[1]), str(other)]
        assert {(await desk.row(scan))["state"] for scan in many} == {"queued"}
        # One ends: the next of the same user comes in, after the other's.
        await desk.execute(
            "delete from procrastinate_jobs where args ->> 'scan' = %s", str(many[0])
        )
        await desk.execute("update scans set state = 'done', job_id = null where id = %s", many[0])
        async with desk.pool.connection() as connection, connection.transaction():
            assert await promote(connection, greedy, 2) == 1
        assert await desk.jobs() == [str(many[1]), str(other), str(many[2])]

    at_desk(work)


def test_a_start_and_its_job_are_both_there_or_neither(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        async with desk.pool.connection() as connection, connection.transaction():
            await enqueue(connection, scan, desk.settings)
            raise Rollback
        assert (await desk.row(scan))["state"] == "draft"
        assert await desk.jobs() == []
        assert await desk.rows("select * from scan_events") == []

    at_desk(work)


def test_a_scan_is_started_once_at_a_time(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        outcomes = await asyncio.gather(
            *(desk.start(scan) for _ in range(5)), return_exceptions=True
        )
        assert sum(outcome is None for outcome in outcomes) == 1
        assert all(outcome is None or isinstance(outcome, InputError) for outcome in outcomes)
        assert len(await desk.jobs()) == 1
        assert (await desk.row(scan))["revision"] == 1

    at_desk(work)


def test_a_changed_scan_starts_again_as_a_new_revision(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        for state in ("done", "failed", "cancelled"):
            scan = await desk.scan(await desk.user(), state, message="It failed.", progress=0.7)
            await desk.start(scan)
            row = await desk.row(scan)
            assert (row["state"], row["revision"], row["message"]) == ("queued", 2, None)
            assert row["progress"] == 0

    at_desk(work)


def test_scans_for_graphics_cards_have_a_queue_of_their_own(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        from psycopg.types.json import Jsonb

        scan = await desk.scan(await desk.user(), options=Jsonb({"device": "cuda"}))
        await desk.start(scan)
        (job,) = await desk.rows("select queue_name from procrastinate_jobs")
        assert job["queue_name"] == "gpu"
        assert (await desk.row(scan))["needs"] == "gpu"

    at_desk(work)


def test_cancelling_a_waiting_scan_lets_the_next_in(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        user = await desk.user()
        scans = [await desk.scan(user) for _ in range(3)]
        for scan in scans:
            await desk.start(scan)
        async with desk.pool.connection() as connection, connection.transaction():
            assert await request_cancel(connection, scans[0], desk.settings)
            assert not await request_cancel(connection, scans[0], desk.settings)
        assert (await desk.row(scans[0]))["state"] == "cancelled"
        assert await desk.jobs() == [str(scans[1]), str(scans[2])]

    at_desk(work)


def test_cancelling_a_running_scan_is_a_wish(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user(), "running")
        async with desk.pool.connection() as connection, connection.transaction():
            assert await request_cancel(connection, scan, desk.settings)
        row = await desk.row(scan)
        assert (row["state"], row["cancel_requested"]) == ("running", True)

    at_desk(work)


def test_a_deleted_scan_leaves_nothing(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        user = await desk.user()
        first, second = await desk.scan(user), await desk.scan(user)
        for scan in (first, second):
            await desk.upload(scan, "a.jpg", b"1")
            await desk.start(scan)
        async with desk.pool.connection() as connection, connection.transaction():
            assert await forget(connection, first, desk.settings)
            assert not await forget(connection, first, desk.settings)
            assert await forget_user(connection, user, desk.settings) == 1
        assert await desk.jobs() == []
        for table in ("scans", "files", "scan_events"):
            assert await desk.rows(f"select * from {table}") == []
        erasing = await desk.rows("select args from procrastinate_jobs where task_name = 'erase'")
        prefixes = {json.dumps(row["args"]) for row in erasing}
        assert prefixes == {json.dumps({"prefix": f"scans/{scan}/"}) for scan in (first, second)}

    at_desk(work)
