"""What jobs do: the scans themselves, and the chores that they leave."""

from __future__ import annotations

from typing import Any

from procrastinate import JobContext, RetryStrategy

from gypsum.service.jobs.attempt import Workshop, run_attempt
from gypsum.service.jobs.engine import CHORES, ERASE, SCAN, TIDY, app, one, rows
from gypsum.service.jobs.lease import claim
from gypsum.service.jobs.stages import drop_stages
from gypsum.service.jobs.upkeep import keep_up

#: Chores whose storage is away are tried for about a day.
_PATIENT = RetryStrategy(max_attempts=12, exponential_wait=3)


def workshop(context: JobContext) -> Workshop:
    """What the worker that runs the job works with."""
    shop = context.additional_context["workshop"]
    assert isinstance(shop, Workshop)
    return shop


@app.task(name=SCAN, queue="cpu", pass_context=True)
async def run_scan(context: JobContext, *, scan: str) -> None:
    """Work on a scan, if it is still this job's."""
    shop = workshop(context)
    assert context.job.id is not None
    lease = await claim(shop.pool, shop.settings, scan, context.job.id, shop.name)
    if lease is not None:
        await run_attempt(shop, lease)


@app.task(name=ERASE, queue=CHORES, pass_context=True, retry=_PATIENT)
async def erase(context: JobContext, *, prefix: str) -> None:
    """Remove all objects of a scan that is gone."""
    await workshop(context).store.delete_prefix(prefix)


@app.task(name=TIDY, queue=CHORES, pass_context=True, retry=_PATIENT)
async def tidy(context: JobContext, *, scan: str, keep: list[str] | None) -> None:
    """Remove what a scan that ended no longer needs.

    Args:
        context: the job's.
        scan: its id.
        keep: objects of stages from which later revisions go on; None for all.
    """
    await tidy_scan(workshop(context), scan, keep)


async def tidy_scan(shop: Workshop, scan: str, keep: list[str] | None) -> int:
    """See `tidy`; returns how many objects went."""
    # First what is there, then what should be: what is begun in between is not touched.
    stored = [key async for key, _ in shop.store.list(f"scans/{scan}/results/")]
    async with shop.pool.connection() as connection:
        row = await one(connection, "select state from scans where id = %s", [scan])
        known = await rows(connection, "select object_key from results where scan_id = %s", [scan])
    if row is None or row["state"] in ("queued", "running"):
        return 0
    gone = set(stored) - {result["object_key"] for result in known}
    for key in gone:
        await shop.store.delete(key)
    return len(gone) + (0 if keep is None else await drop_stages(shop.store, scan, keep))


@app.periodic(cron="17 * * * *")
@app.task(name="upkeep", queue=CHORES, pass_context=True, queueing_lock="upkeep")
async def upkeep(context: JobContext, timestamp: int) -> dict[str, Any]:
    """Every hour: what is too old, and what belongs to nobody, goes."""
    del timestamp
    shop = workshop(context)
    return await keep_up(shop.pool, shop.store, shop.settings)
