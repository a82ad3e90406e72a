"""Retention: what is too old goes, and so does what belongs to nobody."""

from __future__ import annotations

import logging
import time
from typing import Any
from uuid import UUID

from gypsum.service.accounts.sweep import sweep
from gypsum.service.database import Pool
from gypsum.service.jobs.engine import Connection, one, rows
from gypsum.service.jobs.queue import forget, forget_user
from gypsum.service.jobs.stages import drop_stages
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store

log = logging.getLogger(__name__)

#: Days for which a finished scan's stages are kept, so that a change doesn't begin from nothing.
STAGE_DAYS = 14
#: Days for which jobs, deliveries and events of scans that ended are remembered.
_RECORD_DAYS = 30
#: Seconds for which an object may be without a record: it may be on its way to one.
_ON_THE_WAY = 6 * 3600.0


async def keep_up(pool: Pool, store: Store, settings: ServiceSettings) -> dict[str, Any]:
    """Do all of it; returns how much went of each kind."""
    done = {
        "scans": await _old_scans(pool, settings),
        "accounts": await _deleted_accounts(pool, settings),
        "stages": await _old_stages(pool, store),
        "objects": await _orphans(pool, store),
        "unfinished": await store.remove_unfinished(_ON_THE_WAY),
        "records": await _old_records(pool),
    }
    log.info("upkeep: %s", done)
    return done


async def _old_scans(pool: Pool, settings: ServiceSettings) -> int:
    """Drafts that were never started, and finished scans where these are not kept for ever."""
    async with pool.connection() as connection:
        old = await rows(
            connection,
            "select id from scans where "
            "(state = 'draft' and created_at < now() - make_interval(days => %s) and not exists "
            "(select 1 from files where scan_id = scans.id "
            "and created_at > now() - make_interval(days => %s))) "
            "or (%s > 0 and state in ('done', 'failed', 'cancelled') "
            "and finished_at < now() - make_interval(days => %s))",
            [
                settings.draft_days,
                settings.draft_days,
                settings.retention_days,
                settings.retention_days,
            ],
        )
    for scan in old:
        async with pool.connection() as connection, connection.transaction():
            await forget(connection, scan["id"], settings)
    return len(old)


async def _deleted_accounts(pool: Pool, settings: ServiceSettings) -> int:
    """Accounts that their owners deleted: their scans first, then they themselves."""
    async with pool.connection() as connection:
        gone = await rows(connection, "select id from users where deleted_at is not null")
    for user in gone:
        async with pool.connection() as connection, connection.transaction():
            await forget_user(connection, user["id"], settings)
            await connection.execute("delete from users where id = %s", [user["id"]])
    return len(gone)


async def _old_stages(pool: Pool, store: Store) -> int:
    """Stages of scans that nobody has changed for a while."""
    async with pool.connection() as connection:
        old = await rows(
            connection,
            "select id from scans where state in ('done', 'failed', 'cancelled') "
            "and finished_at between now() - make_interval(days => %s) "
            "and now() - make_interval(days => %s)",
            [STAGE_DAYS + 2, STAGE_DAYS],
        )
    return sum([await drop_stages(store, scan["id"]) for scan in old])


async def _orphans(pool: Pool, store: Store) -> int:
    """Objects of scans that are no longer there, and inputs and results without a record."""
    removed = 0
    for folder in await store.folders("scans/"):
        async with pool.connection() as connection:
            known = await _known_objects(connection, folder)
        async for key, stored in store.list(f"scans/{folder}/"):
            staged = known is not None and key.startswith(f"scans/{folder}/stages/")
            if staged or (known is not None and key in known):
                continue
            if stored < time.time() - _ON_THE_WAY:
                await store.delete(key)
                removed += 1
    return removed


async def _known_objects(connection: Connection, folder: str) -> set[str] | None:
    """Objects that a scan's records name; None where there is no such scan."""
    try:
        scan = UUID(folder)
    except ValueError:
        return None
    if await one(connection, "select 1 from scans where id = %s", [scan]) is None:
        return None
    found = await rows(
        connection,
        "select object_key from files where scan_id = %s "
        "union select object_key from results where scan_id = %s "
        "union select p.object_key from pieces p join files f on f.id = p.file_id "
        "where f.scan_id = %s",
        [scan, scan, scan],
    )
    return {row["object_key"] for row in found}


async def _old_records(pool: Pool) -> int:
    removed = 0
    async with pool.connection() as connection:
        await sweep(connection)
        for query in (
            "delete from procrastinate_jobs where status not in ('todo', 'doing') and id in "
            "(select job_id from procrastinate_events group by job_id "
            "having max(at) < now() - make_interval(days => %s))",
            "delete from webhook_deliveries where created_at < now() - make_interval(days => %s)",
            "delete from scan_events where event = 'progress' "
            "and at < now() - make_interval(days => %s)",
        ):
            removed += (await connection.execute(query, [_RECORD_DAYS])).rowcount
    return removed
