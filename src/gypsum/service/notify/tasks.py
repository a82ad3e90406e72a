"""Deliveries and letters as jobs, tried again for a while."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

from procrastinate import JobContext, RetryStrategy

from gypsum.service.jobs.engine import CHORES, DELIVER, WRITE_LETTER, Row, app, defer, one
from gypsum.service.jobs.tasks import workshop
from gypsum.service.notify.call import RefusedError, post
from gypsum.service.notify.mail import MailError, send_mail
from gypsum.service.notify.signature import HEADER, sign

log = logging.getLogger(__name__)

#: Seconds after which a delivery that failed is tried again; then it is given up.
PAUSES = (10, 60, 300, 1800, 7200, 21_600, 43_200)
_AGENT = "Gypsum-Webhook/1"
#: What a receiver says who wants no more calls.
_GONE = 410


@app.task(name=DELIVER, queue=CHORES, pass_context=True)
async def deliver(context: JobContext, *, delivery: str) -> None:
    """Call a webhook once; what fails is tried again later, by another job."""
    shop = workshop(context)
    async with shop.pool.connection() as connection:
        row = await one(
            connection,
            "select delivery.*, hook.url, hook.secret from webhook_deliveries delivery "
            "join webhooks hook on hook.id = delivery.webhook_id where delivery.id = %s "
            "and delivery.delivered_at is null and hook.disabled_at is null",
            [delivery],
        )
    if row is None:
        return
    private = shop.settings.allow_private_webhooks
    status, delivered, final = await _call(row, private)
    async with shop.pool.connection() as connection, connection.transaction():
        attempts = row["attempts"] + 1
        again = not delivered and not final and attempts <= len(PAUSES)
        pause = PAUSES[attempts - 1] if again else 0
        await connection.execute(
            "update webhook_deliveries set attempts = %s, last_status = %s, next_at = %s, "
            "delivered_at = case when %s then now() end where id = %s",
            [attempts, status, datetime.now(UTC) + timedelta(seconds=pause), delivered, delivery],
        )
        if status == str(_GONE):
            await connection.execute(
                "update webhooks set disabled_at = now() where id = %s", [row["webhook_id"]]
            )
        if again:
            once = f"delivery {delivery}"
            await defer(connection, DELIVER, once=once, seconds=pause, delivery=delivery)


async def _call(row: Row, private: bool) -> tuple[str, bool, bool]:
    """What came of a call, whether it was taken, and whether there is no use in another."""
    body = json.dumps(row["body"], ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _AGENT,
        "Gypsum-Event": row["event"],
        "Gypsum-Delivery": str(row["id"]),
        HEADER: sign(row["secret"], body),
    }
    try:
        status = await post(row["url"], body, headers, private=private)
    except RefusedError as error:
        return str(error), False, True
    except OSError as error:
        return str(error)[:200] or type(error).__name__, False, False
    return str(status), 200 <= status < 300, status == _GONE


@app.task(
    name=WRITE_LETTER,
    queue=CHORES,
    pass_context=True,
    retry=RetryStrategy(max_attempts=6, exponential_wait=5, retry_exceptions=[MailError]),
)
async def write_letter(context: JobContext, *, scan: str, revision: int) -> None:
    """A letter that a scan has ended, unless it was started again since."""
    shop = workshop(context)
    async with shop.pool.connection() as connection:
        row = await one(
            connection,
            "select scans.*, users.email, users.name from scans "
            "join users on users.id = scans.owner where scans.id = %s and revision = %s "
            "and state in ('done', 'failed') and users.deleted_at is null",
            [scan, revision],
        )
    if row is not None:
        subject, text = letter(row, shop.settings.url)
        await send_mail(shop.settings, row["email"], subject, text)


def letter(scan: Row, url: str) -> tuple[str, str]:
    """Subject and text."""
    link = f"{url}/scans/{scan['id']}"
    if scan["state"] == "done":
        subject = f"Your scan “{scan['title']}” is done"
        told = f"your scan “{scan['title']}” is done. See it and download it here:"
    else:
        subject = f"Your scan “{scan['title']}” failed"
        told = f"your scan “{scan['title']}” failed: {scan['message']}\n\nYou can change it here:"
    return subject, f"Hello {scan['name']},\n\n{told}\n\n{link}\n\nGypsum\n"
