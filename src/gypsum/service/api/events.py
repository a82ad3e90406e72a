"""News of scans, from the database to whoever listens: one connection for all streams."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg

log = logging.getLogger(__name__)

CHANNEL = "gypsum_events"
#: Seconds before the database is asked again, once it was gone.
_PAUSE = 1.0
#: Seconds after which the connection is looked at although it says nothing.
_QUIET = 30.0


class Events:
    """Wakes those that wait for a scan. What is new they read from the table themselves."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stopped = False

    async def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._listen_always(), name="events")

    async def stop(self) -> None:
        """Stop, and wake all, so that their streams end."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        """Wake all for the last time; may be called from a signal's handler."""
        self.stopped = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake_all)

    @asynccontextmanager
    async def of(self, scan: UUID) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something happened to the scan."""
        news = asyncio.Event()
        self._waiting[scan].add(news)
        try:
            yield news
        finally:
            self._waiting[scan].discard(news)
            if not self._waiting[scan]:
                del self._waiting[scan]

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.warning("waiting for the database: %s", error)
                await asyncio.sleep(_PAUSE)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name="gypsum events"
        ) as connection:
            await connection.execute(f"listen {CHANNEL}")
            # Something may have happened before we listened, or while the connection was gone.
            self._wake_all()
            while True:
                async for notice in connection.notifies(timeout=_QUIET):
                    self._wake(notice.payload)
                await connection.execute("select 1")

    def _wake(self, payload: str) -> None:
        try:
            scan = UUID(payload)
        except ValueError:
            return
        for news in self._waiting.get(scan, ()):
            news.set()

    def _wake_all(self) -> None:
        for waiting in self._waiting.values():
            for news in waiting:
                news.set()
