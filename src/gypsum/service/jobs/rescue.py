"""What looks after scans whose worker is gone, and after everything that fell between two chairs.

Every worker does this every few seconds. Rows are locked and locked ones passed over, so that
several don't do it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from gypsum.service.database import Pool
from gypsum.service.jobs.engine import CHORES, TIDY, Connection, Row, defer, drop, one, rows
from gypsum.service.jobs.lease import LEASE
from gypsum.service.jobs.losses import GIVEN_UP, MACHINE
from gypsum.service.jobs.queue import WAITING, give_job, promote, tell
from gypsum.service.settings import ServiceSettings

#: Seconds between two looks.
PAUSE = 5.0
#: Seconds that workers have to be heard of, after a time in which the database heard nobody.
_GRACE = 10.0
#: Seconds after which a process of the engine that says nothing is taken for dead.
SILENCE = 25.0
#: Seconds for which a scan may be without a job, or its job be taken and it not.
_BETWEEN = 10.0
#: Days for which a worker that is gone is remembered.
_REMEMBERED = 7


async def rescue(pool: Pool, settings: ServiceSettings) -> int:
    """Look once; returns how many scans were put back."""
    async with pool.connection() as connection:
        if await _just_started(connection):
            return 0
        async with connection.transaction():
            lost = await _lost(connection, settings)
        async with connection.transaction():
            jobless = await _jobless(connection)
        async with connection.transaction():
            await _let_in(connection, settings)
        async with connection.transaction():
            await _chores(connection)
    return lost + jobless


async def _just_started(connection: Connection) -> bool:
    """Whether silence so far says nothing of workers, since the database was away."""
    found = await one(
        connection,
        "select now() - pg_postmaster_start_time() < make_interval(secs => %s) as so",
        [_GRACE],
    )
    return bool(found and found["so"])


async def release(
    pool: Pool, settings: ServiceSettings, attempts: Iterable[tuple[UUID, int]]
) -> int:
    """Put scans back whose attempts are known to be dead, before their leases end; how many.

    Args:
        pool: of the service's database.
        settings: the service's.
        attempts: scans with the numbers of the attempts; others at them are left alone.
    """
    released = 0
    async with pool.connection() as connection, connection.transaction():
        for scan, token in attempts:
            found = await one(
                connection,
                "select * from scans where id = %s and attempts = %s and state = 'running' "
                "for update",
                [scan, token],
            )
            if found is not None:
                await _put_back(connection, settings, found)
                released += 1
    return released


async def _lost(connection: Connection, settings: ServiceSettings) -> int:
    """Scans that run no more: their lease was not renewed."""
    found = await rows(
        connection,
        "select * from scans where state = 'running' "
        "and lease_at < now() - make_interval(secs => %s) for update skip locked",
        [LEASE],
    )
    for scan in found:
        await _put_back(connection, settings, scan)
    return len(found)


async def _put_back(connection: Connection, settings: ServiceSettings, scan: Row) -> None:
    """Let others go on with a scan whose worker is gone."""
    if scan["job_id"] is not None:
        await drop(connection, scan["job_id"])
    losses = scan["losses"] + 1
    if scan["cancel_requested"]:
        await _end(connection, settings, scan["id"], scan["owner"], "cancelled", None)
    elif losses >= MACHINE.most:
        await _end(connection, settings, scan["id"], scan["owner"], "failed", GIVEN_UP)
    else:
        await connection.execute(
            "update scans set state = 'queued', worker = null, lease_at = null, losses = %s, "
            "doing = %s where id = %s",
            [losses, WAITING, scan["id"]],
        )
        await tell(connection, scan["id"])
        await give_job(
            connection, scan["id"], scan["needs"], urgent=True, seconds=MACHINE.wait(losses)
        )


async def _end(
    connection: Connection,
    settings: ServiceSettings,
    scan_id: str,
    owner: str,
    state: str,
    message: str | None,
) -> None:
    from gypsum.service.notify import announce

    await connection.execute(
        "update scans set state = %s, message = %s, finished_at = now(), worker = null, "
        "lease_at = null, job_id = null, cancel_requested = false, doing = null, "
        "seconds_left = null where id = %s",
        [state, message, scan_id],
    )
    await tell(connection, scan_id)
    await announce(connection, scan_id, f"scan.{state}")
    await defer(connection, TIDY, scan=str(scan_id), keep=None)
    await promote(connection, owner, settings.running_per_user)


async def _jobless(connection: Connection) -> int:
    """Queued scans whose job is gone, or was taken by a worker that went before it began."""
    found = await rows(
        connection,
        """
        select scans.id, scans.needs, scans.job_id from scans
            left join procrastinate_jobs job on job.id = scans.job_id
            left join procrastinate_workers worker on worker.id = job.worker_id
        where scans.state = 'queued' and scans.job_id is not null
            and scans.queued_at < now() - make_interval(secs => %s)
            and (job.id is null or job.status not in ('todo', 'doing')
                or (job.status = 'doing' and (worker.id is null
                    or worker.last_heartbeat < now() - make_interval(secs => %s))))
        for update of scans skip locked
        """,
        [_BETWEEN, SILENCE],
    )
    for scan in found:
        await drop(connection, scan["job_id"])
        await give_job(connection, scan["id"], scan["needs"], urgent=True)
    return len(found)


async def _let_in(connection: Connection, settings: ServiceSettings) -> None:
    """Users whose next scan could enter: after a setting was raised, or a user was deleted."""
    waiting = await rows(
        connection,
        "select distinct owner from scans where state = 'queued' and job_id is null "
        "and queued_at < now() - make_interval(secs => %s)",
        [_BETWEEN],
    )
    for user in waiting:
        await promote(connection, user["owner"], settings.running_per_user)


async def _chores(connection: Connection) -> None:
    """Other jobs of dead workers are done again: each may be done twice without harm."""
    stalled = await rows(
        connection,
        """
        select job.id, exists (select 1 from procrastinate_jobs twin
            where twin.queueing_lock = job.queueing_lock and twin.status = 'todo') as waits
        from procrastinate_jobs job left join procrastinate_workers worker
            on worker.id = job.worker_id
        where job.status = 'doing' and job.queue_name = %s
            and (worker.id is null or worker.last_heartbeat < now() - make_interval(secs => %s))
        for update of job skip locked
        """,
        [CHORES, SILENCE],
    )
    for job in stalled:
        if job["waits"]:
            await drop(connection, job["id"])
        else:
            await connection.execute(
                "select procrastinate_retry_job_v2(%s, now(), null, null, null)", [job["id"]]
            )


async def sign_on(pool: Pool, name: str, needs: list[str], concurrency: int, version: str) -> None:
    """Say that this worker is alive."""
    async with pool.connection() as connection:
        await connection.execute(
            "insert into workers (name, needs, concurrency, version) values (%s, %s, %s, %s) "
            "on conflict (name) do update set seen_at = now(), needs = excluded.needs, "
            "concurrency = excluded.concurrency, version = excluded.version",
            [name, needs, concurrency, version],
        )
        await connection.execute(
            "delete from workers where seen_at < now() - make_interval(days => %s)", [_REMEMBERED]
        )


async def sign_off(pool: Pool, name: str) -> None:
    """Say that this worker has ended."""
    async with pool.connection() as connection:
        await connection.execute("delete from workers where name = %s", [name])


async def anyone(connection: Connection, needs: str) -> bool:
    """Whether a worker for such scans is alive."""
    return (
        await one(
            connection,
            "select 1 from workers where %s = any(needs) "
            "and seen_at > now() - make_interval(secs => %s)",
            [needs, SILENCE],
        )
    ) is not None
