"""Limits on attempts: counted in the database, so that they hold for all API processes together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gypsum.service.database import Connection


@dataclass(frozen=True)
class Rate:
    """At most ``most`` attempts in ``seconds``."""

    name: str
    most: int
    seconds: int


SIGN_IN_PERSON = Rate("sign-in of a person from a place", 10, 15 * 60)
SIGN_IN_ACCOUNT = Rate("sign-in of a person", 100, 60 * 60)
SIGN_IN_ADDRESS = Rate("sign-in from a place", 100, 15 * 60)
SIGN_UP_ADDRESS = Rate("sign-up from a place", 50, 60 * 60)
LETTER_PERSON = Rate("letter to a person", 5, 60 * 60)
LETTER_ADDRESS = Rate("letter from a place", 20, 60 * 60)
PASSWORD_PERSON = Rate("password of a person", 10, 15 * 60)
WEBHOOK_TEST = Rate("webhook test of a person", 20, 60 * 60)


async def spend(connection: Connection, rate: Rate, subject: str) -> int:
    """Count an attempt; the seconds to wait where there were too many, else 0.

    Windows are fixed: one begins with the first attempt. The subject is stored as a hash.
    """
    key = f"{rate.name}:{hashlib.sha256(subject.encode()).hexdigest()}"
    found = await connection.execute(
        """
        insert into rate_limits as r (key, began, count) values (%(key)s, now(), 1)
        on conflict (key) do update set
            count = case when r.began < now() - %(window)s * interval '1 second'
                         then 1 else least(r.count, %(most)s) + 1 end,
            began = case when r.began < now() - %(window)s * interval '1 second'
                         then now() else r.began end
        returning count,
            ceil(extract(epoch from began - now()) + %(window)s)::int as left
        """,
        {"key": key, "window": rate.seconds, "most": rate.most},
    )
    row = await found.fetchone()
    assert row is not None
    return max(1, row["left"]) if row["count"] > rate.most else 0


async def forgive(connection: Connection, rate: Rate, subject: str) -> None:
    """Forget the attempts, once one succeeded."""
    key = f"{rate.name}:{hashlib.sha256(subject.encode()).hexdigest()}"
    await connection.execute("delete from rate_limits where key = %s", [key])
