"""Files that are on their way in: on this machine's disk, under names of ours, written in order."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID
from weakref import WeakValueDictionary

#: Bytes gathered before they go to the disk, in a thread.
_BUFFER = 1 << 20
#: Seconds without a byte after which a connection is given up.
_SILENCE = 60.0
#: Seconds that a new connection waits for an old one of the same upload to let go.
_PATIENCE = 10.0
#: Seconds between two looks at the event loop, and the share of a new look in what is remembered.
_LOOK, _SMOOTH = 0.01, 0.5
#: Seconds of lateness that are nobody's trouble; how many times the rest an upload waits, and the
#: longest wait between two of its megabytes.
_LATE, _WAIT, _WAIT_MOST = 0.002, 400.0, 4.0
_DAY = 86_400.0


class OffsetError(Exception):
    """The bytes sent don't continue those that are there."""


class ChecksumError(Exception):
    """The bytes that came are not those that were sent."""


class Uploads:
    """The folder of uploads under way. What is on disk is what has arrived, whatever happened."""

    def __init__(self, folder: Path, spare: int = 0) -> None:
        """``spare``: bytes of its disk that stay free."""
        self.folder = folder
        self._spare = spare
        folder.mkdir(parents=True, exist_ok=True)
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._writers: dict[UUID, asyncio.Timeout] = {}
        self._lag = 0.0

    def path(self, upload: UUID) -> Path:
        """Where its bytes are."""
        return self.folder / str(upload)

    def whole(self, upload: UUID) -> Path:
        """Where its bytes meet those that came to other machines."""
        return self.folder / f"{upload}.whole"

    def arrived(self, upload: UUID) -> int:
        """How many bytes of it are there."""
        try:
            return self.path(upload).stat().st_size
        except FileNotFoundError:
            return 0

    def has_room(self, count: int) -> bool:
        """Whether the disk can take so many bytes."""
        return shutil.disk_usage(self.folder).free > count + self._spare

    @asynccontextmanager
    async def alone(self, upload: UUID) -> AsyncIterator[None]:
        """Nobody else touches the upload meanwhile.

        A connection that still writes it is cut: the client that asks again has lost it, which a
        server may notice much later. Raises TimeoutError where the other does not let go.
        """
        writer = self._writers.get(upload)
        if writer is not None:
            writer.reschedule(0)
        lock = self._locks.setdefault(upload, asyncio.Lock())
        async with asyncio.timeout(_PATIENCE):
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    async def append(
        self,
        upload: UUID,
        offset: int,
        most: int,
        chunks: AsyncIterator[bytes],
        checksum: tuple[str, bytes] | None,
        count: Callable[[int], None],
    ) -> int:
        """Write what comes after ``offset``, as far as ``most`` bytes in all; the new offset.

        What arrived before a connection broke stays. With a checksum, all of it stays or nothing.

        Raises:
            OffsetError: other bytes come next, or too many came.
            ChecksumError: they were damaged on the way.
        """
        if offset != self.arrived(upload):
            raise OffsetError
        path = self.path(upload)
        written = offset
        hashed = hashlib.new(checksum[0]) if checksum else None
        buffer = bytearray()

        async def flush() -> None:
            nonlocal written
            data = bytes(buffer)
            buffer.clear()
            await asyncio.to_thread(_write, path, data)
            if hashed is not None:
                await asyncio.to_thread(hashed.update, data)
            written += len(data)
            count(len(data))

        loop = asyncio.get_running_loop()
        complete = False
        try:
            async with asyncio.timeout(_SILENCE) as patience:
                self._writers[upload] = patience
                async for chunk in chunks:
                    if written + len(buffer) + len(chunk) > most:
                        raise OffsetError
                    buffer += chunk
                    if len(buffer) >= _BUFFER:
                        await flush()
                        await self._give_way()
                    if not patience.expired():
                        patience.reschedule(loop.time() + _SILENCE)
            complete = True
        finally:
            self._writers.pop(upload, None)
            if buffer and (complete or hashed is None):
                await flush()
            if hashed is not None and not complete:
                await asyncio.to_thread(_truncate, path, offset)
        if checksum is not None and hashed is not None and hashed.digest() != checksum[1]:
            await asyncio.to_thread(_truncate, path, offset)
            raise ChecksumError
        return written

    async def watch_pace(self) -> None:
        """Measure how late the event loop is, for ever: so long other requests wait, each time
        that they wait for anything."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(_LOOK)
            late = max(0.0, loop.time() - began - _LOOK)
            self._lag += _SMOOTH * (late - self._lag)

    async def _give_way(self) -> None:
        """Uploads take all of a machine that they are let; people who look at a page go first.

        Bytes that are not read stay with the sender (TCP's flow control), so nothing piles up.
        """
        if self._lag > _LATE:
            await asyncio.sleep(min(_WAIT_MOST, _WAIT * self._lag))

    async def discard(self, upload: UUID) -> None:
        """Delete its bytes."""
        for path in (self.path(upload), self.whole(upload)):
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def stale(self, days: float) -> list[UUID]:
        """Uploads to which nothing was added for so long."""
        before = time.time() - days * _DAY
        found = {
            UUID(path.stem)
            for path in self.folder.iterdir()
            if _is_id(path.stem) and path.stat().st_mtime < before
        }
        return sorted(found)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _write(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _truncate(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.truncate(size)
