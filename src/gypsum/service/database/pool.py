"""Connections to PostgreSQL, shared by the requests of one process."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Row = DictRow
Connection = AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]

#: Seconds that a request waits for a free connection, and that one statement may take.
WAIT, STATEMENT = 10, 30
#: Seconds for which a connection is tried to be made. Soon, since pauses between attempts grow, and
#: the next who asks begins anew: so a server that comes back is found within seconds.
RECONNECT = 2.0
#: Seconds for which a connection that was looked at counts as good.
_FRESH = 1.0

#: How soon a server that answers no more, because the network is gone, is noticed: about WAIT.
NOTICING = {
    "tcp_user_timeout": WAIT * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


_checked: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()


async def _check(connection: Connection) -> None:
    """Ask whether the server is there, unless it was a moment ago."""
    now = time.monotonic()
    if now - _checked.get(connection, 0.0) > _FRESH:
        await AsyncConnectionPool.check_connection(connection)
        _checked[connection] = now


async def open_pool(
    url: str, *, size: int = 8, name: str = "gypsum", autocommit: bool = False
) -> Pool:
    """A pool of at most ``size`` connections whose rows are dictionaries.

    A connection that the server dropped is replaced when it is next asked for. Close the pool with
    ``await pool.close()``.

    Args:
        url: of the database.
        size: connections at most.
        name: by which the server knows them.
        autocommit: each statement is a transaction of its own, which saves two of three ways to
            the server where a statement is all there is.
    """
    options: dict[str, Any] = {
        "row_factory": dict_row,
        "autocommit": autocommit,
        "application_name": name,
        "options": f"-c statement_timeout={STATEMENT}s -c TimeZone=UTC",
        "connect_timeout": WAIT,
        **NOTICING,
    }
    pool = AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs=options,
        min_size=1,
        max_size=size,
        timeout=WAIT,
        reconnect_timeout=RECONNECT,
        check=_check,
        open=False,
        name=name,
    )
    await pool.open()
    return pool
