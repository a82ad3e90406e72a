"""Links that are sent by mail: to confirm an address, to choose a new password."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal
from uuid import UUID

from gypsum.service.accounts.tokens import digest, new_token
from gypsum.service.database import Connection

Purpose = Literal["verify", "reset"]

_LASTS: dict[Purpose, timedelta] = {"verify": timedelta(days=3), "reset": timedelta(hours=1)}


async def write(connection: Connection, user_id: UUID, purpose: Purpose) -> str:
    """A link's token; earlier ones for the same purpose end."""
    token = new_token()
    await connection.execute(
        "delete from letters where user_id = %s and purpose = %s", [user_id, purpose]
    )
    await connection.execute(
        "insert into letters (id, user_id, purpose, expires_at) values (%s, %s, %s, now() + %s)",
        [digest(token), user_id, purpose, _LASTS[purpose]],
    )
    return token


async def answer(connection: Connection, token: str, purpose: Purpose) -> UUID | None:
    """Use a link up: whose it is, or None where it is unknown, used or too old."""
    found = await connection.execute(
        "delete from letters where id = %s and purpose = %s and expires_at > now() "
        "returning user_id",
        [digest(token), purpose],
    )
    row = await found.fetchone()
    return row["user_id"] if row else None
