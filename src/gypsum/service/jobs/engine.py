"""The job engine: which queues there are and how a job enters them in a caller's transaction.

The queue and its workers are procrastinate's, in the same database as the records, so that a scan
and its job are either both there or neither. What a job may write is not left to the engine: see
`gypsum.service.jobs.lease`.
"""

from __future__ import annotations

from typing import Any

import procrastinate
from procrastinate import PsycopgConnector
from psycopg import AsyncConnection
from psycopg.rows import dict_row

Connection = AsyncConnection[Any]
Row = dict[str, Any]

#: The queue of everything that is no scan: letters, webhooks, erasing, tidying.
CHORES = "chores"
#: Tasks by name, so that those who defer need not import those who do.
SCAN, ERASE, TIDY = "scan", "erase", "tidy"
DELIVER, WRITE_LETTER = "deliver", "letter"

#: Tells whoever shows scans that something is new; the payload is the scan's id.
EVENTS_CHANNEL = "gypsum_events"

app = procrastinate.App(connector=PsycopgConnector())
"""Its tasks are in `gypsum.service.jobs.tasks` and `gypsum.service.notify.tasks`."""


async def defer(
    connection: Connection,
    task: str,
    *,
    queue: str = CHORES,
    priority: int = 0,
    seconds: float = 0,
    once: str | None = None,
    **arguments: Any,
) -> int:
    """Put a job into a queue as part of the caller's transaction; returns its number.

    Args:
        connection: where the transaction is.
        task: the task's name.
        queue: its queue.
        priority: higher is taken first.
        seconds: how long it waits at least.
        once: jobs of the same name that wait are one; then 0 is returned.
        arguments: of the task, JSON only.
    """
    if once is not None and await _waits(connection, once):
        return 0
    deferrer = app.configure_task(
        task,
        allow_unknown=True,
        queue=queue,
        priority=priority,
        schedule_in={"seconds": seconds} if seconds else None,
        queueing_lock=once,
        connection=connection,
    )
    return int(await deferrer.defer_async(**arguments))


async def _waits(connection: Connection, once: str) -> bool:
    """Whether such a job waits; no two are made at once, for the lock lasts as the transaction."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [once])
    found = await connection.execute(
        "select 1 from procrastinate_jobs where queueing_lock = %s and status = 'todo'", [once]
    )
    return await found.fetchone() is not None


async def drop(connection: Connection, job: int) -> None:
    """Take a job out of its queue, whatever it does; as part of the caller's transaction."""
    await connection.execute("delete from procrastinate_jobs where id = %s", [job])


async def one(connection: Connection, query: str, values: Any = ()) -> Row | None:
    """The first row of a query as a dictionary, whatever the connection's rows are."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchone()


async def rows(connection: Connection, query: str, values: Any = ()) -> list[Row]:
    """All rows of a query as dictionaries."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
