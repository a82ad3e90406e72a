"""What was done by whom, from where: for the person, and for whoever runs the service."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from gypsum.service.database import Connection


async def note(
    connection: Connection,
    user_id: UUID | None,
    action: str,
    *,
    target: object = "",
    address: str = "",
    **detail: Any,
) -> None:
    """Write one line, in the transaction of what it tells of. No secrets, no passwords."""
    await connection.execute(
        "insert into audit (user_id, action, target, address, detail) values (%s, %s, %s, %s, %s)",
        [user_id, action, str(target), address, Jsonb(detail)],
    )
