"""The right to work on a scan, and to write what came of it.

An attempt at a scan holds a lease: the scan's number of attempts is its token. Everything that the
attempt writes is written under ``where attempts = token and state = 'running'`` in one transaction
with the renewal of the lease. Who lost it, however late that is noticed, changes nothing: an
attempt that comes back after another took over finds that its token is of the past.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import InterfaceError, OperationalError
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from gypsum.service.database import Pool
from gypsum.service.jobs.engine import EVENTS_CHANNEL, TIDY, Connection, Row, defer, one, rows
from gypsum.service.jobs.losses import Blame
from gypsum.service.jobs.queue import WAITING, give_job, promote, tell
from gypsum.service.settings import ServiceSettings

#: Seconds without renewal after which another may take a scan over.
LEASE = 30.0
#: Seconds without renewal after which the holder itself gives up: well before others may begin, and
#: long after a database that was started again answers.
GIVE_UP = 24.0
#: Seconds between renewals, and that one waits for a connection.
RENEWAL, _WAIT = 1.0, 3.0

#: What a database that is away for a moment raises.
AWAY = (OperationalError, InterfaceError, PoolTimeout)


class LostLeaseError(Exception):
    """Another attempt has begun, or the scan is gone: nothing may be written any more."""


@dataclass(frozen=True)
class Result:
    """A stored result, not yet in the records."""

    id: UUID
    kind: str
    format: str
    name: str
    media_type: str
    size: int
    key: str


@dataclass
class Lease:
    """One attempt at one scan."""

    pool: Pool
    settings: ServiceSettings
    scan: Row
    """The scan's row when the attempt began."""
    renewed: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> UUID:
        """Of the scan."""
        found: UUID = self.scan["id"]
        return found

    @property
    def token(self) -> int:
        """Which attempt at the scan this is."""
        return int(self.scan["attempts"])

    @property
    def overdue(self) -> bool:
        """Whether it has not been renewed for so long that the work has to end."""
        return time.monotonic() - self.renewed > GIVE_UP

    @asynccontextmanager
    async def _held(self, changes: str, values: Sequence[Any] = ()) -> Any:
        """A transaction that changes the scan if the lease still holds, else raises."""
        began = time.monotonic()
        async with self.pool.connection(_WAIT) as connection, connection.transaction():
            row = await one(
                connection,
                f"update scans set {changes} where id = %s and attempts = %s "
                "and state = 'running' returning *",
                [*values, self.id, self.token],
            )
            if row is None:
                raise LostLeaseError
            yield connection, row
        self.renewed = began

    async def renew(
        self, changes: dict[str, Any], events: Sequence[tuple[str, dict[str, Any]]]
    ) -> bool:
        """Renew, with news; returns whether the scan is to be cancelled.

        Args:
            changes: columns of the scan with their values.
            events: what happened since the last renewal.
        """
        # A scan that another worker goes on with begins its estimate anew: it never falls.
        columns = "".join(
            f", {name} = greatest(progress, %s)" if name == "progress" else f", {name} = %s"
            for name in changes
        )
        async with self._held(f"lease_at = now(){columns}", [*changes.values()]) as (
            connection,
            row,
        ):
            await _insert_events(connection, self.id, events)
        return bool(row["cancel_requested"])

    async def add_result(self, result: Result, replaces: bool) -> list[str]:
        """Record a result of a scan that still runs; returns keys of those it takes the place of.

        Args:
            result: it.
            replaces: whether others of its kind and name go.
        """
        async with self._held("lease_at = now()") as (connection, row):
            gone = []
            if replaces:
                gone = await rows(
                    connection,
                    "delete from results where scan_id = %s and kind = %s and name = %s "
                    "returning object_key",
                    [self.id, result.kind, result.name],
                )
            await _insert_results(connection, row, [result])
            news = {"result_id": str(result.id), "kind": result.kind, "name": result.name}
            await _insert_events(connection, self.id, [("preview", news)])
        return [old["object_key"] for old in gone]

    async def finish(
        self,
        state: str,
        message: str | None,
        results: Sequence[Result] = (),
        stages: Sequence[str] | None = None,
    ) -> None:
        """The end of the scan, with its results: all at once, or nothing of it.

        Args:
            state: ``done``, ``failed`` or ``cancelled``.
            message: why it failed, a sentence.
            results: of a scan that is done; they take the place of all it had.
            stages: keys of objects that later revisions can go on from; None keeps all there are.
        """
        from gypsum.service.notify import announce

        changes = (
            "state = %s, message = %s, finished_at = now(), seconds_left = null, doing = null, "
            "stage = null, lease_at = null, job_id = null, cancel_requested = false, "
            "progress = case when %s = 'done' then 1 else progress end"
        )
        async with self._held(changes, [state, message, state]) as (connection, row):
            if state == "done":
                await connection.execute("delete from results where scan_id = %s", [self.id])
                await _insert_results(connection, row, results)
                await _measure(connection, self.id)
            await tell(connection, self.id)
            await announce(connection, self.id, f"scan.{state}")
            await promote(connection, row["owner"], self.settings.running_per_user)
            keep = None if stages is None else list(stages)
            await defer(connection, TIDY, scan=str(self.id), keep=keep)

    async def give_back(
        self, seconds: float = 0, blame: Blame | None = None, doing: str = WAITING
    ) -> None:
        """Let another worker go on with it.

        Args:
            seconds: from now at the earliest.
            blame: whose fault it is, where the attempt counts as one that was lost.
            doing: what it waits for.
        """
        counted = f", {blame.column} = {blame.column} + 1" if blame else ""
        async with self._held(
            f"state = 'queued', lease_at = null, worker = null, doing = %s{counted}", [doing]
        ) as (connection, row):
            await tell(connection, self.id)
            await give_job(connection, self.id, row["needs"], urgent=True, seconds=seconds)


async def claim(
    pool: Pool, settings: ServiceSettings, scan_id: str, job: int, worker: str
) -> Lease | None:
    """The lease on a queued scan; None when the job is not, or no longer, the scan's."""
    async with pool.connection() as connection, connection.transaction():
        scan = await one(
            connection,
            "update scans set state = 'running', worker = %s, attempts = attempts + 1, "
            "lease_at = now(), started_at = coalesce(started_at, now()), doing = null "
            "where id = %s and job_id = %s and state = 'queued' returning *",
            [worker, scan_id, job],
        )
        if scan is None:
            return None
        await tell(connection, scan_id)
    return Lease(pool, settings, scan)


async def _insert_events(
    connection: Connection, scan_id: UUID, events: Sequence[tuple[str, dict[str, Any]]]
) -> None:
    if not events:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into scan_events (scan_id, event, data) values (%s, %s, %s)",
            [(scan_id, event, Jsonb(data)) for event, data in events],
        )
    await connection.execute("select pg_notify(%s, %s)", [EVENTS_CHANNEL, str(scan_id)])


async def _insert_results(connection: Connection, scan: Row, results: Sequence[Result]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "insert into results "
            "(id, scan_id, revision, kind, format, name, bytes, media_type, object_key) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    result.id,
                    scan["id"],
                    scan["revision"],
                    result.kind,
                    result.format,
                    result.name,
                    result.size,
                    result.media_type,
                    result.key,
                )
                for result in results
            ],
        )


async def _measure(connection: Connection, scan_id: UUID) -> None:
    """What the scan counts for its owner's quota."""
    await connection.execute(
        "update scans set size_bytes = "
        "(select coalesce(sum(bytes), 0) from files where scan_id = scans.id) + "
        "(select coalesce(sum(bytes), 0) from results where scan_id = scans.id) where id = %s",
        [scan_id],
    )
