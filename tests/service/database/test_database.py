"""The database: its tables appear once, whoever asks, and the embedded server comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.service.conftest import fresh_database

from gypsum.errors import InputError
from gypsum.service.database import EmbeddedDatabase, embedded, migrate, open_pool


def test_migrations_run_once(database_server: str) -> None:
    name = f"gypsum_migrate_{os.getpid()}"
    url = make_conninfo(database_server, dbname=name)
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        # Several processes start at the same time.
        with ThreadPoolExecutor(4) as pool:
            applied = list(pool.map(lambda _: migrate(url), range(4)))
        assert sorted(map(len, applied))[:3] == [0, 0, 0]
        assert "gypsum/0001_begin.sql" in max(applied, key=len)
        assert "procrastinate/schema" in max(applied, key=len)
        assert migrate(url) == []
    finally:
        with psycopg.connect(database_server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )


def test_a_pool_outlives_its_connections(database_server: str, database_template: str) -> None:
    async def work(url: str) -> None:
        pool = await open_pool(url, size=2, autocommit=True)
        async with pool.connection() as connection:
            first = await (await connection.execute("select pg_backend_pid() as id")).fetchone()
        assert first is not None
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", [first["id"]])
        await asyncio.sleep(1.2)
        async with pool.connection() as connection:
            second = await (await connection.execute("select pg_backend_pid() as id")).fetchone()
        assert second is not None
        assert second["id"] != first["id"]
        await pool.close()

    with fresh_database(database_server, database_template) as url:
        asyncio.run(work(url))


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shorter data folder"):
        EmbeddedDatabase(tmp_path / ("x" * 100))


def ended(database: EmbeddedDatabase) -> bool:
    """Whether the server ends within a while."""
    deadline = time.monotonic() + 30
    while database.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not database.running()


class Starting:
    """A server whose attempts to start end as told."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)

    def ensure_postgres_running(self) -> None:
        end = self.ends.pop(0)
        if end is not None:
            raise end


def test_a_server_that_is_slow_to_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_PAUSE", 0.0)
    # The library gives up after ten seconds, then finds it running and not ready.
    slow = Starting(subprocess.TimeoutExpired("pg_ctl", 10), *[AssertionError()] * 5, None)
    embedded._run(slow)  # type: ignore[arg-type]
    assert slow.ends == []
    wrong = Starting(*[subprocess.CalledProcessError(1, "pg_ctl")] * 5)
    with pytest.raises(subprocess.CalledProcessError):
        embedded._run(wrong)  # type: ignore[arg-type]
    assert len(wrong.ends) == 2


@pytest.mark.slow
def test_the_embedded_server_comes_back_after_a_kill() -> None:
    with tempfile.TemporaryDirectory(prefix="gypsum-", dir="/tmp") as folder:
        database = EmbeddedDatabase(Path(folder) / "database")
        with database:
            url = database.start()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create table kept (number int)")
                connection.execute("insert into kept values (7)")
            process = int((Path(folder) / "database" / "postmaster.pid").read_text().split()[0])
            os.kill(process, signal.SIGKILL)
            assert ended(database)
            assert database.start() == url
            with psycopg.connect(url) as connection:
                assert connection.execute("select number from kept").fetchone() == (7,)
        assert ended(database)
