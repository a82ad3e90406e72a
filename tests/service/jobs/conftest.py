"""Scans to be queued and worked on, in a database of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gypsum.service.database import Pool, open_pool
from gypsum.service.jobs import enqueue, rescue
from gypsum.service.jobs.engine import one, rows
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store

T = TypeVar("T")


@dataclass
class Desk:
    """A database, and what tests do with it."""

    settings: ServiceSettings
    pool: Pool
    store: Store

    async def user(self) -> UUID:
        number = uuid4()
        await self.execute(
            "insert into users (id, email, name, password_hash) values (%s, %s, 'Ada', 'x')",
            number,
            f"{number}@example.org",
        )
        return number

    async def scan(self, owner: UUID, state: str = "draft", **columns: Any) -> UUID:
        number = uuid4()
        given = {"title": "Ball", "mode": "lidar", "options": Jsonb({}), **columns}
        names = ", ".join(given)
        await self.execute(
            f"insert into scans (id, owner, state, {names}) "
            f"values ({', '.join(['%s'] * (3 + len(given)))})",
            number,
            owner,
            state,
            *given.values(),
        )
        return number

    async def upload(self, scan: UUID, name: str, content: bytes) -> None:
        number = uuid4()
        key = f"scans/{scan}/input/{number}"
        await self.store.put(key, content)
        await self.execute(
            "insert into files (id, scan_id, name, bytes, object_key, state) "
            "values (%s, %s, %s, %s, %s, 'ready')",
            number,
            scan,
            name,
            len(content),
            key,
        )

    async def start(self, scan: UUID) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            await enqueue(connection, scan, self.settings)

    async def row(self, scan: UUID) -> Any:
        async with self.pool.connection() as connection:
            return await one(connection, "select * from scans where id = %s", [scan])

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            return await rows(connection, query, values)

    async def execute(self, statement: str, *values: Any) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(statement, values)  # type: ignore[call-overload]

    async def jobs(self, task: str = "scan") -> list[str]:
        """Ids of the scans whose jobs wait, in the order in which workers take them."""
        found = await self.rows(
            "select args from procrastinate_jobs where status = 'todo' and task_name = %s "
            "order by priority desc, id",
            task,
        )
        return [row["args"].get("scan", "") for row in found]


Work = Callable[[Desk], Awaitable[T]]


@pytest.fixture
def at_desk(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> Callable[[Work[T]], T]:
    """Runs an asynchronous test on empty tables."""
    # The tests' database may have been started just now.
    monkeypatch.setattr(rescue, "_GRACE", 0.0)
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("truncate users, procrastinate_jobs, workers cascade")

    def run(work: Work[T]) -> T:
        async def whole() -> T:
            assert settings.database_url is not None
            pool = await open_pool(settings.database_url, size=6)
            try:
                return await work(Desk(settings, pool, Store.open(settings)))
            finally:
                await pool.close()

        return asyncio.run(whole())

    return run
