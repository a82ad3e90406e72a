"""Who may write: the attempt that holds the lease, and no other, however late it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from gypsum.service.jobs.lease import LEASE, LostLeaseError, Result, claim
from gypsum.service.jobs.losses import MACHINE, SCAN
from gypsum.service.jobs.news import News
from gypsum.service.jobs.queue import NO_ROOM
from gypsum.service.jobs.rescue import release, rescue

AtDesk = Callable[[Callable[[Any], Any]], Any]


async def claimed(desk: Any, scan: Any, worker: str) -> Any:
    row = await desk.row(scan)
    return await claim(desk.pool, desk.settings, str(scan), row["job_id"], worker)


async def silence(desk: Any, scan: Any) -> None:
    """As if the worker had not been heard of for longer than a lease."""
    await desk.execute(
        "update scans set lease_at = now() - make_interval(secs => %s) where id = %s",
        LEASE + 1,
        scan,
    )


def model(scan: Any, name: str) -> Result:
    number = uuid4()
    return Result(
        number, "model", "glb", name, "model/gltf-binary", 5, f"scans/{scan}/results/{number}"
    )


def test_one_worker_gets_a_scan_and_a_stale_job_gets_none(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        job = (await desk.row(scan))["job_id"]
        lease = await claimed(desk, scan, "one")
        assert lease.token == 1
        assert await claimed(desk, scan, "two") is None
        assert await claim(desk.pool, desk.settings, str(scan), job + 1, "two") is None

    at_desk(work)


def test_who_lost_the_lease_changes_nothing(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        first = await claimed(desk, scan, "one")
        await silence(desk, scan)
        assert await rescue(desk.pool, desk.settings) == 1
        second = await claimed(desk, scan, "two")
        assert second.token == 2
        # The first comes back: after a pause, or from behind a broken network.
        for attempt in (
            first.renew({"progress": 0.9}, [("warning", {})]),
            first.add_result(model(scan, "a"), replaces=True),
            first.finish("done", None, [model(scan, "a")]),
            first.give_back(),
        ):
            with pytest.raises(LostLeaseError):
                await attempt
        await second.finish("done", None, [model(scan, "b")])
        with pytest.raises(LostLeaseError):
            await first.finish("failed", "Too late.")
        with pytest.raises(LostLeaseError):
            await second.finish("done", None, [model(scan, "b")])
        row = await desk.row(scan)
        assert (row["state"], row["worker"], row["progress"]) == ("done", "two", 1)
        assert [r["name"] for r in await desk.rows("select name from results")] == ["b"]
        assert not await desk.rows("select 1 from scan_events where event = 'warning'")

    at_desk(work)


def test_results_take_the_place_of_the_last_revisions(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        for revision in (1, 2):
            await desk.start(scan)
            lease = await claimed(desk, scan, "one")
            live = replace(model(scan, "live.jpg"), kind="preview")
            assert await lease.add_result(live, replaces=True) == []
            newer = replace(model(scan, "live.jpg"), kind="preview")
            assert await lease.add_result(newer, replaces=True) == [live.key]
            await lease.finish("done", None, [model(scan, f"{revision}")])
            found = await desk.rows("select name, revision from results")
            assert found == [{"name": str(revision), "revision": revision}]
        assert (await desk.row(scan))["size_bytes"] == 5

    at_desk(work)


def test_a_cancel_reaches_the_worker_with_the_next_renewal(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        lease = await claimed(desk, scan, "one")
        assert not await lease.renew({"progress": 0.5, "stage": "depth"}, [])
        assert not await lease.renew({"progress": 0.1}, [])
        assert (await desk.row(scan))["progress"] == 0.5  # it never falls
        await desk.execute("update scans set cancel_requested = true where id = %s", scan)
        assert await lease.renew({}, [])

    at_desk(work)


def test_a_lost_scan_that_was_to_be_cancelled_is(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        await claimed(desk, scan, "one")
        await desk.execute("update scans set cancel_requested = true where id = %s", scan)
        await silence(desk, scan)
        await rescue(desk.pool, desk.settings)
        assert (await desk.row(scan))["state"] == "cancelled"

    at_desk(work)


async def waits(desk: Any) -> float:
    """Seconds until the only scan's job may be taken."""
    (job,) = await desk.rows(
        "select coalesce(extract(epoch from scheduled_at - now()), 0)::float as seconds "
        "from procrastinate_jobs where id = (select job_id from scans)"
    )
    return float(job["seconds"])


def test_a_scan_whose_machines_die_is_tried_again_later_and_later(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        pauses = []
        for _ in range(MACHINE.most - 1):
            await claimed(desk, scan, "one")
            await silence(desk, scan)
            await rescue(desk.pool, desk.settings)
            pauses.append(await waits(desk))
        assert pauses[0] <= 0  # at once
        assert all(later > earlier - 1 for earlier, later in pairwise(pauses))
        assert 8 * 3600 < sum(pauses) < 9 * 3600  # so many can't be chance
        await claimed(desk, scan, "one")
        await silence(desk, scan)
        await rescue(desk.pool, desk.settings)
        row = await desk.row(scan)
        assert row["state"] == "failed"
        assert "again and again" in row["message"]
        assert await desk.jobs() == []

    at_desk(work)


def test_what_a_dead_worker_was_at_goes_on_at_once(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scans = [await desk.scan(await desk.user()) for _ in range(2)]
        for scan in scans:
            await desk.start(scan)
            await claimed(desk, scan, "one")
        # The worker that starts again finds its folders: of the first, and of an older attempt.
        assert await release(desk.pool, desk.settings, [(scans[0], 1), (scans[1], 0)]) == 1
        assert [(await desk.row(scan))["state"] for scan in scans] == ["queued", "running"]
        assert (await claimed(desk, scans[0], "two")).token == 2
        assert await release(desk.pool, desk.settings, [(scans[0], 1)]) == 0

    at_desk(work)


def test_faults_of_the_scan_and_of_machines_are_counted_apart(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        for blame in (SCAN, MACHINE, MACHINE):
            await (await claimed(desk, scan, "one")).give_back(blame=blame)
        await (await claimed(desk, scan, "one")).give_back()  # a worker that was told to stop
        row = await desk.row(scan)
        assert (row["faults"], row["losses"]) == (1, 2)
        lease = await claimed(desk, scan, "one")
        news = News()
        news.stored()
        await lease.renew(*news.take())
        row = await desk.row(scan)
        assert (row["faults"], row["losses"]) == (0, 0)

    at_desk(work)


def test_a_finished_stage_forgives_losses(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        for _ in range(2 * MACHINE.most):
            lease = await claimed(desk, scan, "one")
            await lease.renew({"losses": 0}, [])
            await silence(desk, scan)
            await rescue(desk.pool, desk.settings)
        assert (await desk.row(scan))["state"] == "queued"

    at_desk(work)


def test_a_job_that_was_lost_before_its_scan_began_is_made_again(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        gone, taken, fine = [await desk.scan(await desk.user()) for _ in range(3)]
        for scan in (gone, taken, fine):
            await desk.start(scan)
        await desk.execute("update scans set queued_at = now() - interval '1 minute'")
        await desk.execute("delete from procrastinate_jobs where args ->> 'scan' = %s", str(gone))
        # Taken by a worker that is no longer known, and never claimed.
        await desk.execute(
            "update procrastinate_jobs set status = 'doing' where args ->> 'scan' = %s", str(taken)
        )
        assert await rescue(desk.pool, desk.settings) == 2
        assert sorted(await desk.jobs()) == sorted(map(str, (gone, taken, fine)))
        for scan in (gone, taken, fine):
            assert await claimed(desk, scan, "one") is not None

    at_desk(work)


def test_given_back_it_waits_before_it_is_tried_again(at_desk: AtDesk) -> None:
    async def work(desk: Any) -> None:
        scan = await desk.scan(await desk.user())
        await desk.start(scan)
        await (await claimed(desk, scan, "one")).give_back(30, doing=NO_ROOM)
        assert (await desk.row(scan))["doing"] == NO_ROOM  # its owner reads why
        (job,) = await desk.rows(
            "select scheduled_at > now() + interval '20 s' as later from procrastinate_jobs "
            "where id = (select job_id from scans)"
        )
        assert job["later"]

    at_desk(work)
