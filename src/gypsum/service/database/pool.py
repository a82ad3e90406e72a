"""Connections to PostgreSQL, shared by the requests of one process."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Row = DictRow
Connection = AsyncConnection[Row]
Pool = AsyncConnectionPool[Connection]

#: Seconds that a request waits for a free connection, and that one statement may take.
WAIT, STATEMENT = 10, 30


async def open_pool(url: str, *, size: int = 8, name: str = "gypsum") -> Pool:
    """A pool of at most ``size`` connections whose rows are dictionaries.

    A connection that the server dropped is replaced when it is next asked for. Close the pool with
    ``await pool.close()``.
    """
    options: dict[str, Any] = {
        "row_factory": dict_row,
        "application_name": name,
        "options": f"-c statement_timeout={STATEMENT}s -c TimeZone=UTC",
        "connect_timeout": WAIT,
    }
    pool = AsyncConnectionPool(
        url,
        connection_class=Connection,
        kwargs=options,
        min_size=1,
        max_size=size,
        timeout=WAIT,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=name,
    )
    await pool.open()
    return pool
