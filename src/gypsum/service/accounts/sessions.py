"""Sessions: a random cookie, of which the database holds the hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from gypsum.service.accounts.tokens import digest, new_token
from gypsum.service.accounts.users import User, user_of
from gypsum.service.database import Connection, Row

#: However often it is used, a session ends after so long.
LONGEST = timedelta(days=90)
#: When it was last used is written down no more often.
_SEEN_EVERY = timedelta(minutes=1)
#: Characters of what a browser says of itself.
_AGENT_MOST = 200


@dataclass(frozen=True)
class Session:
    """A browser that is signed in."""

    id: bytes
    public_id: UUID
    user: User


async def begin(connection: Connection, user_id: UUID, agent: str, address: str) -> str:
    """Sign a browser in; its cookie's value."""
    token = new_token()
    await connection.execute(
        "insert into sessions (id, user_id, expires_at, agent, address) "
        "values (%s, %s, now() + %s, %s, %s)",
        [digest(token), user_id, LONGEST, agent[:_AGENT_MOST], address],
    )
    return token


async def find(connection: Connection, token: str, idle: timedelta) -> Session | None:
    """Whose cookie this is; None for unknown, ended and forgotten ones."""
    found = await connection.execute(
        """
        select s.id as session, s.public_id, s.seen_at < now() - %(every)s as unseen,
            u.id, u.email, u.name, u.verified, u.is_admin, u.quota_bytes, u.created_at,
            u.factor_since is not null as second_factor
        from sessions s join users u on u.id = s.user_id
        where s.id = %(id)s and s.expires_at > now() and s.seen_at > now() - %(idle)s
            and u.deleted_at is null
        """,
        {"id": digest(token), "idle": idle, "every": _SEEN_EVERY},
    )
    row = await found.fetchone()
    if row is None:
        return None
    if row["unseen"]:
        await connection.execute(
            "update sessions set seen_at = now() where id = %s", [row["session"]]
        )
    return Session(row["session"], row["public_id"], user_of(row))


async def of_user(connection: Connection, user_id: UUID, idle: timedelta) -> list[Row]:
    """Where a person is signed in, the last used first."""
    found = await connection.execute(
        "select id, public_id, created_at, seen_at, agent, address from sessions "
        "where user_id = %s and expires_at > now() and seen_at > now() - %s "
        "order by seen_at desc limit 100",
        [user_id, idle],
    )
    return await found.fetchall()


async def end(connection: Connection, session_id: bytes) -> None:
    """Sign a browser out."""
    await connection.execute("delete from sessions where id = %s", [session_id])


async def end_listed(connection: Connection, user_id: UUID, public_id: UUID) -> bool:
    """Sign out a browser from the list; whether there was such a one."""
    found = await connection.execute(
        "delete from sessions where user_id = %s and public_id = %s", [user_id, public_id]
    )
    return found.rowcount > 0


async def end_all(connection: Connection, user_id: UUID, but: bytes | None = None) -> None:
    """Sign a person out everywhere, but for one session."""
    await connection.execute(
        "delete from sessions where user_id = %s and id is distinct from %s", [user_id, but]
    )
