"""How scans enter the queue, leave it, and take turns.

A user has a few scans in the queue at most, waiting or running; the others wait outside and enter
as those leave. Within the queue it is first come, first served: so a user who starts a hundred
scans delays others by a few, whichever order they come in, and never runs more than a few at once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from gypsum.errors import InputError
from gypsum.service.jobs.engine import (
    ERASE,
    EVENTS_CHANNEL,
    SCAN,
    Connection,
    defer,
    drop,
    one,
    rows,
)
from gypsum.service.settings import ServiceSettings

#: States from which a scan can be started.
STARTABLE = ("draft", "done", "failed", "cancelled")

#: Of scans that a lost worker had begun: they have waited already.
_URGENT = 1
#: What is done with them meanwhile.
WAITING = "waiting for a worker"
NO_ROOM = "waiting for room on the server's disk"
NO_STORAGE = "waiting for the server's storage"

#: A killed worker's last bytes may still be on their way to the storage: erased once more then.
_ERASE_AGAIN = 120.0


async def enqueue(connection: Connection, scan_id: UUID | str, settings: ServiceSettings) -> None:
    """Put a scan into the queue, as part of the caller's transaction.

    Raises:
        InputError: it waits or runs already.
    """
    scan = await one(connection, "select owner, state from scans where id = %s", [scan_id])
    if scan is None or scan["state"] not in STARTABLE:
        state = "gone" if scan is None else scan["state"]
        raise InputError(f"The scan can't be started: it is {state}.")
    await _hold(connection, scan["owner"])
    started = await one(
        connection,
        """
        update scans set state = 'queued', queued_at = now(), started_at = null, finished_at = null,
            revision = revision + (state <> 'draft')::int, progress = 0, stage = null, doing = null,
            seconds_left = null, message = null, cancel_requested = false, worker = null,
            losses = 0, faults = 0, job_id = null,
            needs = case when options ->> 'device' = 'cuda' then 'gpu' else 'cpu' end
        where id = %s and state = any(%s) returning id
        """,
        [scan_id, list(STARTABLE)],
    )
    if started is None:
        raise InputError("The scan can't be started: it waits or runs already.")
    await tell(connection, scan_id)
    await promote(connection, scan["owner"], settings.running_per_user)


async def promote(connection: Connection, owner: UUID | str, most: int) -> int:
    """Let the user's next scans into the queue as far as there is room; returns how many."""
    await _hold(connection, owner)
    inside = await one(
        connection,
        "select count(*) as count from scans where owner = %s and state in ('queued', 'running') "
        "and job_id is not null",
        [owner],
    )
    assert inside is not None
    waiting = await rows(
        connection,
        "select id, needs from scans where owner = %s and state = 'queued' and job_id is null "
        "order by queued_at, id limit %s",
        [owner, max(0, most - inside["count"])],
    )
    for scan in waiting:
        await give_job(connection, scan["id"], scan["needs"])
    return len(waiting)


async def give_job(
    connection: Connection,
    scan_id: UUID | str,
    needs: str,
    *,
    urgent: bool = False,
    seconds: float = 0,
) -> None:
    """A new job for a queued scan; the one it had counts no longer."""
    job = await defer(
        connection,
        SCAN,
        queue=needs,
        priority=_URGENT if urgent else 0,
        seconds=seconds,
        scan=str(scan_id),
    )
    await connection.execute("update scans set job_id = %s where id = %s", [job, scan_id])


async def request_cancel(
    connection: Connection, scan_id: UUID | str, settings: ServiceSettings
) -> bool:
    """Cancel a scan that waits, at once, or that runs, in a moment; False when it does neither."""
    scan = await one(
        connection, "select owner, state, job_id from scans where id = %s for update", [scan_id]
    )
    if scan is None or scan["state"] not in ("queued", "running"):
        return False
    if scan["state"] == "running":
        # Its worker sees this when it next renews its lease.
        await connection.execute(
            "update scans set cancel_requested = true where id = %s", [scan_id]
        )
        return True
    await connection.execute(
        "update scans set state = 'cancelled', finished_at = now(), job_id = null where id = %s",
        [scan_id],
    )
    if scan["job_id"] is not None:
        await drop(connection, scan["job_id"])
    await tell(connection, scan_id)
    await promote(connection, scan["owner"], settings.running_per_user)
    return True


async def forget(connection: Connection, scan_id: UUID | str, settings: ServiceSettings) -> bool:
    """Delete a scan with all it has; one that runs loses its lease and ends. False: none there."""
    scan = await one(
        connection, "delete from scans where id = %s returning owner, job_id", [scan_id]
    )
    if scan is None:
        return False
    if scan["job_id"] is not None:
        await drop(connection, scan["job_id"])
    prefix = f"scans/{scan_id}/"
    await defer(connection, ERASE, prefix=prefix)
    await defer(connection, ERASE, prefix=prefix, seconds=_ERASE_AGAIN)
    await connection.execute("select pg_notify(%s, %s)", [EVENTS_CHANNEL, str(scan_id)])
    await promote(connection, scan["owner"], settings.running_per_user)
    return True


async def forget_user(
    connection: Connection, user_id: UUID | str, settings: ServiceSettings
) -> int:
    """`forget` for all scans of a user; returns how many there were."""
    found = await rows(connection, "select id from scans where owner = %s", [user_id])
    for scan in found:
        await forget(connection, scan["id"], settings)
    return len(found)


async def tell(connection: Connection, scan_id: UUID | str) -> None:
    """An event with the scan's state as it is now."""
    await add_event(
        connection,
        scan_id,
        "state",
        await one(connection, "select state, message, revision from scans where id = %s", [scan_id])
        or {},
    )


async def add_event(
    connection: Connection, scan_id: UUID | str, event: str, data: dict[str, Any]
) -> None:
    """Write an event and say that there is one."""
    await connection.execute(
        "insert into scan_events (scan_id, event, data) values (%s, %s, %s)",
        [scan_id, event, Jsonb(data)],
    )
    await connection.execute("select pg_notify(%s, %s)", [EVENTS_CHANNEL, str(scan_id)])


async def _hold(connection: Connection, owner: UUID | str) -> None:
    """Two transactions never count one user's scans at once; others don't wait."""
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('gypsum user ' || %s, 0))", [str(owner)]
    )
