"""Who is told of what, decided in the transaction in which it happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from gypsum.service.jobs.engine import DELIVER, WRITE_LETTER, Connection, defer, one, rows

#: What webhooks can be told of; ``ping`` is sent to try one out.
EVENTS = ("scan.done", "scan.failed", "scan.cancelled")
PING = "ping"


async def announce(connection: Connection, scan_id: UUID | str, event: str) -> None:
    """Tell the scan's owner, as asked for: each webhook once, and by a letter.

    Deliveries and jobs are written in the caller's transaction: both happen, or neither.
    """
    scan = await one(
        connection,
        "select scans.*, users.email from scans join users on users.id = scans.owner "
        "where scans.id = %s",
        [scan_id],
    )
    if scan is None:
        return
    hooks = await rows(
        connection,
        "select id from webhooks where user_id = %s and disabled_at is null "
        "and (%s = any(events) or cardinality(events) = 0)",
        [scan["owner"], event],
    )
    for hook in hooks:
        await _deliver(connection, hook["id"], event, _about(scan), scan["id"])
    if scan["notify_email"] and event != "scan.cancelled":
        await defer(connection, WRITE_LETTER, scan=str(scan_id), revision=scan["revision"])


async def test_webhook(connection: Connection, webhook_id: UUID | str) -> UUID:
    """Send a ``ping`` to a webhook; returns the delivery's id."""
    return await _deliver(connection, webhook_id, PING, {}, None)


async def wake(connection: Connection) -> None:
    """Have deliveries made that were written without a job."""
    waiting = await rows(
        connection,
        "select id from webhook_deliveries where delivered_at is null and attempts = 0",
    )
    for delivery in waiting:
        once = f"delivery {delivery['id']}"
        await defer(connection, DELIVER, once=once, delivery=str(delivery["id"]))


def _about(scan: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(scan["id"]),
        "title": scan["title"],
        "mode": scan["mode"],
        "state": scan["state"],
        "revision": scan["revision"],
        "message": scan["message"],
    }


async def _deliver(
    connection: Connection,
    webhook: UUID | str,
    event: str,
    scan: dict[str, Any],
    scan_id: UUID | None,
) -> UUID:
    number = uuid4()
    body = {
        "id": str(number),
        "event": event,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scan": scan or None,
    }
    await connection.execute(
        "insert into webhook_deliveries (id, webhook_id, scan_id, event, body) "
        "values (%s, %s, %s, %s, %s)",
        [number, webhook, scan_id, event, Jsonb(body)],
    )
    await defer(connection, DELIVER, once=f"delivery {number}", delivery=str(number))
    return number
