"""Accounts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation

from gypsum.service.database import Connection, Row

#: One @, something on both sides, no spaces or control characters: mail itself tells the rest.
EMAIL = re.compile(
    r"[^\s@\x00-\x1f\x7f<>()\[\],;:\\\"]{1,64}@[^\s@\x00-\x1f\x7f<>()\[\],;:\\\"]{1,189}"
)


class TakenError(Exception):
    """Another account has this e-mail address."""


@dataclass(frozen=True)
class User:
    """A person."""

    id: UUID
    email: str
    name: str
    verified: bool
    is_admin: bool
    quota_bytes: int | None
    created_at: datetime
    second_factor: bool
    """Whether codes are asked for beside the password."""


_COLUMNS = (
    "id, email, name, verified, is_admin, quota_bytes, created_at, "
    "factor_since is not null as second_factor"
)


def user_of(row: Row) -> User:
    return User(**{name: row[name] for name in User.__dataclass_fields__})


async def create(connection: Connection, email: str, name: str, password_hash: str) -> User:
    """A new account. Raises TakenError."""
    try:
        found = await connection.execute(
            f"insert into users (email, name, password_hash) values (%s, %s, %s) "
            f"returning {_COLUMNS}",
            [email.lower(), name, password_hash],
        )
    except UniqueViolation:
        raise TakenError from None
    row = await found.fetchone()
    assert row is not None
    return user_of(row)


async def by_id(connection: Connection, user_id: UUID) -> User | None:
    """The account, unless it is being deleted."""
    found = await connection.execute(
        f"select {_COLUMNS} from users where id = %s and deleted_at is null", [user_id]
    )
    row = await found.fetchone()
    return user_of(row) if row else None


async def with_password(connection: Connection, email: str) -> tuple[User, str] | None:
    """The account of an address and its password's hash."""
    found = await connection.execute(
        f"select {_COLUMNS}, password_hash from users where email = %s and deleted_at is null",
        [email.lower()],
    )
    row = await found.fetchone()
    return (user_of(row), row["password_hash"]) if row else None


async def set_password(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Replace the password's hash."""
    await connection.execute(
        "update users set password_hash = %s where id = %s", [password_hash, user_id]
    )


async def rename(connection: Connection, user_id: UUID, name: str) -> None:
    """Change the name that others see."""
    await connection.execute("update users set name = %s where id = %s", [name, user_id])


async def readdress(connection: Connection, user_id: UUID, email: str) -> None:
    """Change the address, which is to be verified anew. Raises TakenError."""
    try:
        await connection.execute(
            "update users set email = %s, verified = false where id = %s", [email.lower(), user_id]
        )
    except UniqueViolation:
        raise TakenError from None


async def used_bytes(connection: Connection, user_id: UUID) -> int:
    """Bytes that count for the quota: results, inputs, and what uploads under way will have."""
    found = await connection.execute(
        """
        select coalesce((select sum(f.bytes) from files f join scans s on s.id = f.scan_id
                         where s.owner = %(user)s and f.state <> 'refused'), 0)
             + coalesce((select sum(r.bytes) from results r join scans s on s.id = r.scan_id
                         where s.owner = %(user)s), 0) as bytes
        """,
        {"user": user_id},
    )
    row = await found.fetchone()
    assert row is not None
    return int(row["bytes"])
