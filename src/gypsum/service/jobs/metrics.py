"""Numbers of queue and workers for Prometheus, from the records: true for all machines at once."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from gypsum.service.jobs.engine import CHORES, Connection, rows
from gypsum.service.jobs.rescue import SILENCE

_STATES = ("draft", "queued", "running", "done", "failed", "cancelled")
_QUANTILES = (0.5, 0.95)


async def metrics_text(connection: Connection) -> str:
    """Scans by state, queue and age, workers, and how long scans took, in Prometheus' text."""
    registry = CollectorRegistry()
    scans = Gauge("gypsum_scans", "Scans by state.", ["state"], registry=registry)
    counts = await rows(connection, "select state, count(*) as count from scans group by state")
    found = {row["state"]: row["count"] for row in counts}
    for state in _STATES:
        scans.labels(state).set(found.get(state, 0))
    waiting = Gauge("gypsum_queue_depth", "Scans that wait.", ["needs"], registry=registry)
    oldest = Gauge(
        "gypsum_queue_oldest_seconds",
        "How long the scan waits that waits longest.",
        ["needs"],
        registry=registry,
    )
    depths = await rows(
        connection,
        "select needs, count(*) as count, extract(epoch from now() - min(queued_at)) as age "
        "from scans where state = 'queued' group by needs",
    )
    by_needs = {row["needs"]: row for row in depths}
    for needs in ("cpu", "gpu"):
        row = by_needs.get(needs)
        waiting.labels(needs).set(row["count"] if row else 0)
        oldest.labels(needs).set(float(row["age"]) if row else 0)
    workers = Gauge("gypsum_workers", "Workers that are alive.", registry=registry)
    alive = await rows(
        connection,
        "select count(*) as count from workers where seen_at > now() - make_interval(secs => %s)",
        [SILENCE],
    )
    workers.set(alive[0]["count"])
    await _durations(connection, registry)
    chores = Gauge("gypsum_chores", "Chores that wait, or failed.", ["status"], registry=registry)
    jobs = await rows(
        connection,
        "select status, count(*) as count from procrastinate_jobs where queue_name = %s "
        "and status in ('todo', 'doing', 'failed') group by status",
        [CHORES],
    )
    for status in ("todo", "doing", "failed"):
        chores.labels(status).set(sum(job["count"] for job in jobs if job["status"] == status))
    return generate_latest(registry).decode()


async def _durations(connection: Connection, registry: CollectorRegistry) -> None:
    """Of the last day: how long scans waited and took."""
    for name, text, begin, end in (
        ("gypsum_scan_seconds", "took, of those done in a day", "started_at", "finished_at"),
        ("gypsum_wait_seconds", "waited, of those begun in a day", "queued_at", "started_at"),
    ):
        gauge = Gauge(name, f"Seconds that scans {text}.", ["quantile"], registry=registry)
        found = await rows(
            connection,
            f"select percentile_cont(%s::float8[]) within group "
            f"(order by extract(epoch from {end} - {begin})) as seconds from scans "
            f"where {end} > now() - interval '1 day' and {begin} is not null",
            [list(_QUANTILES)],
        )
        for quantile, seconds in zip(_QUANTILES, found[0]["seconds"] or (), strict=False):
            gauge.labels(str(quantile)).set(float(seconds))
