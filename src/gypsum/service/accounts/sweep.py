"""What is forgotten by itself."""

from __future__ import annotations

from gypsum.service.database import Connection

_OLD = (
    "delete from sessions where expires_at < now() or seen_at < now() - interval '1 year'",
    "delete from letters where expires_at < now()",
    "delete from rate_limits where began < now() - interval '1 day'",
    "delete from idempotency where created_at < now() - interval '1 day'",
    "delete from api_keys where revoked_at < now() - interval '90 days'",
    "delete from audit where at < now() - interval '1 year'",
)


async def sweep(connection: Connection) -> None:
    """Delete records that have served: ended sessions and links, old counts and audit lines."""
    for statement in _OLD:
        await connection.execute(statement)
