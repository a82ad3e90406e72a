"""Webhooks: addresses that are told when a scan ends."""

from __future__ import annotations

import asyncio
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gypsum.errors import InputError
from gypsum.service import notify
from gypsum.service.accounts import audit, rates
from gypsum.service.accounts.tokens import new_token
from gypsum.service.api.access import Holder
from gypsum.service.api.models import NewWebhookOut, WebhookIn, WebhookOut, WebhooksOut
from gypsum.service.api.problems import Problem, documented, invalid, not_found, too_many
from gypsum.service.api.state import Here, address_of
from gypsum.service.database import Row
from gypsum.service.notify.call import check_webhook

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])

#: Webhooks of one person at most.
_MOST = 20
#: Of secrets, to tell them by.
_PREFIX = "whsec_"


@router.get("", responses=documented(401, 403))
async def list_webhooks(principal: Holder, service: Here) -> WebhooksOut:
    """One's webhooks, and how the last delivery of each went."""
    async with service.reader.connection() as connection:
        found = await connection.execute(
            "select w.*, (select d.last_status from webhook_deliveries d "
            "where d.webhook_id = w.id and d.last_status is not null "
            "order by d.created_at desc limit 1) as last_status "
            "from webhooks w where user_id = %s order by created_at, id",
            [principal.id],
        )
        rows = await found.fetchall()
    return WebhooksOut(items=[WebhookOut(**_fields(row)) for row in rows])


@router.post("", status_code=201, responses=documented(401, 403, 409, 413))
async def create_webhook(
    body: WebhookIn, principal: Holder, request: Request, service: Here
) -> NewWebhookOut:
    """Tell an address of what happens. The secret, which signs what is sent, is told once."""
    try:
        private = service.settings.allow_private_webhooks
        await asyncio.to_thread(check_webhook, body.url, private=private)
    except InputError as error:
        raise invalid("url", str(error)) from None
    secret = new_token(_PREFIX)
    async with service.pool.connection() as connection:
        await connection.execute(
            "select 1 from users where id = %s for no key update", [principal.id]
        )
        found = await connection.execute(
            "select count(*) as count from webhooks where user_id = %s", [principal.id]
        )
        row = await found.fetchone()
        if row is not None and row["count"] >= _MOST:
            raise Problem(409, "quota", f"There are {_MOST} webhooks already; delete some first.")
        found = await connection.execute(
            "insert into webhooks (user_id, url, secret, events) values (%s, %s, %s, %s) "
            "returning *, null as last_status",
            [principal.id, body.url, secret, sorted(set(body.events))],
        )
        made = await found.fetchone()
        assert made is not None
        await audit.note(
            connection, principal.id, "webhook.create", target=made["id"],
            address=address_of(request),
        )  # fmt: skip
    return NewWebhookOut(**_fields(made), secret=secret)


@router.delete(
    "/{webhook_id}", status_code=204, response_class=Response, responses=documented(401, 403, 404)
)
async def delete_webhook(
    webhook_id: UUID, principal: Holder, request: Request, service: Here
) -> None:
    """Tell an address no more."""
    async with service.pool.connection() as connection:
        found = await connection.execute(
            "delete from webhooks where id = %s and user_id = %s", [webhook_id, principal.id]
        )
        if found.rowcount == 0:
            raise not_found("webhook")
        await audit.note(
            connection, principal.id, "webhook.delete", target=webhook_id,
            address=address_of(request),
        )  # fmt: skip


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    response_class=Response,
    responses=documented(401, 403, 404),
)
async def test_webhook(webhook_id: UUID, principal: Holder, service: Here) -> None:
    """Send the event `ping`; the list tells how it went."""
    async with service.pool.connection() as connection:
        wait = await rates.spend(connection, rates.WEBHOOK_TEST, str(principal.id))
    if wait:
        raise too_many(wait)
    async with service.pool.connection() as connection:
        found = await connection.execute(
            "select 1 from webhooks where id = %s and user_id = %s", [webhook_id, principal.id]
        )
        if await found.fetchone() is None:
            raise not_found("webhook")
        await notify.test_webhook(connection, webhook_id)


def _fields(row: Row) -> Row:
    return {name: row[name] for name in WebhookOut.model_fields}
