"""API keys: for programs, with no more rights than they need."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gypsum.service.accounts.tokens import digest, new_token
from gypsum.service.accounts.users import User, user_of
from gypsum.service.database import Connection, Row

#: By which people and scanners for leaked secrets tell a key.
PREFIX = "gyp_"
_SHOWN = len(PREFIX) + 6
#: Keys of one person at most.
MOST = 50
_USED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a key is for."""

    READ = "scans:read"
    WRITE = "scans:write"
    ACCOUNT = "account"


async def create(
    connection: Connection,
    user_id: UUID,
    name: str,
    scopes: list[Scope],
    expires_at: datetime | None,
) -> tuple[Row, str]:
    """A new key: its record, and the key itself, which is never seen again."""
    key = new_token(PREFIX)
    found = await connection.execute(
        "insert into api_keys (user_id, name, prefix, hash, scopes, expires_at) "
        "values (%s, %s, %s, %s, %s, %s) returning *",
        [user_id, name, key[:_SHOWN], digest(key), [s.value for s in scopes], expires_at],
    )
    row = await found.fetchone()
    assert row is not None
    return row, key


async def find(connection: Connection, key: str) -> tuple[UUID, frozenset[Scope], User] | None:
    """Whose key this is and what it is for; None for unknown, revoked and expired ones."""
    found = await connection.execute(
        """
        select k.id as key_id, k.scopes,
            k.used_at is null or k.used_at < now() - %(every)s as unseen,
            u.id, u.email, u.name, u.verified, u.is_admin, u.quota_bytes, u.created_at,
            u.factor_since is not null as second_factor
        from api_keys k join users u on u.id = k.user_id
        where k.hash = %(hash)s and k.revoked_at is null and u.deleted_at is null
            and (k.expires_at is null or k.expires_at > now())
        """,
        {"hash": digest(key), "every": _USED_EVERY},
    )
    row = await found.fetchone()
    if row is None:
        return None
    if row["unseen"]:
        await connection.execute(
            "update api_keys set used_at = now() where id = %s", [row["key_id"]]
        )
    return row["key_id"], frozenset(Scope(scope) for scope in row["scopes"]), user_of(row)


async def of_user(connection: Connection, user_id: UUID) -> list[Row]:
    """A person's keys, the newest first."""
    found = await connection.execute(
        "select * from api_keys where user_id = %s and revoked_at is null "
        "order by created_at desc, id",
        [user_id],
    )
    return await found.fetchall()


async def revoke(connection: Connection, user_id: UUID, key_id: UUID) -> bool:
    """End a key; whether there was such a one."""
    found = await connection.execute(
        "update api_keys set revoked_at = now() "
        "where id = %s and user_id = %s and revoked_at is null",
        [key_id, user_id],
    )
    return found.rowcount > 0


async def revoke_all(connection: Connection, user_id: UUID) -> None:
    """End all of a person's keys."""
    await connection.execute(
        "update api_keys set revoked_at = now() where user_id = %s and revoked_at is null",
        [user_id],
    )
