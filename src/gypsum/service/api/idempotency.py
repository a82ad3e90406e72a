"""``Idempotency-Key``: a request that is sent again after a lost answer is not done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from fastapi.responses import JSONResponse
from psycopg.types.json import Jsonb

from gypsum.service.api.problems import Problem
from gypsum.service.database import Connection

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Any text of up to 200 characters, new for each thing that is to be made: a "
        "request that is repeated with it within a day is answered like the first.",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    ),
]


async def once(
    connection: Connection,
    user_id: UUID,
    key: str | None,
    request: dict[str, Any],
    act: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
) -> JSONResponse:
    """Do ``act``, or answer as it was answered before.

    Runs in the caller's transaction: of two requests at the same time the second waits for the
    first, and what the first undid was never asked for.
    """
    if key is None:
        status, body = await act()
        return JSONResponse(body, status)
    content = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    began = await connection.execute(
        "insert into idempotency (user_id, key, request_hash) values (%s, %s, %s) "
        "on conflict do nothing",
        [user_id, key, content],
    )
    if began.rowcount == 0:
        return await _repeated(connection, user_id, key, content)
    status, body = await act()
    await connection.execute(
        "update idempotency set status = %s, response = %s where user_id = %s and key = %s",
        [status, Jsonb(body), user_id, key],
    )
    return JSONResponse(body, status)


async def _repeated(
    connection: Connection, user_id: UUID, key: str, content: bytes
) -> JSONResponse:
    found = await connection.execute(
        "select request_hash, status, response from idempotency where user_id = %s and key = %s",
        [user_id, key],
    )
    row = await found.fetchone()
    if row is None or row["status"] is None:
        raise Problem(409, "in-progress", "The first request with this Idempotency-Key is at work.")
    if row["request_hash"] != content:
        raise Problem(
            422, "key-reused", "This Idempotency-Key was used for another request; take a new one."
        )
    return JSONResponse(row["response"], row["status"], {"Idempotent-Replayed": "true"})
