"""One attempt at one scan: its folder, its process, what it says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from gypsum.options import ScanOptions
from gypsum.service.database import Pool
from gypsum.service.jobs import sandbox
from gypsum.service.jobs.engine import Row, rows
from gypsum.service.jobs.inputs import NoRoomError, check_room, fetch
from gypsum.service.jobs.lease import AWAY, RENEWAL, Lease, LostLeaseError, Result
from gypsum.service.jobs.losses import (
    GIVEN_UP,
    KILLED,
    MACHINE,
    NO_MEMORY,
    SCAN,
    Blame,
    from_outside,
    memory_kills,
)
from gypsum.service.jobs.news import News
from gypsum.service.jobs.queue import NO_ROOM, NO_STORAGE
from gypsum.service.jobs.stages import restore_stages, stage_objects, store_stage
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import StorageError, Store

log = logging.getLogger(__name__)

#: Bytes of a line of a scan's process: a stage's facts are long sometimes.
_LINE_MOST = 2**24
#: Seconds before a scan that found no room, or no storage, is tried again.
_LATER = 30.0
#: Seconds in which the end of a scan has to reach the database.
_END_PATIENCE = 600.0
#: Results stored at once.
_AT_ONCE = 4

#: Options that would reach into the server, or that are not the user's to choose.
_NOT_OF_USERS = (
    "output", "workspace", "threads", "memory", "json", "until", "set", "cameras", "points",
    "mask_model",
)  # fmt: skip
_MASKS = ("auto", "off")


@dataclass(frozen=True)
class Workshop:
    """What a worker works with."""

    name: str
    pool: Pool
    store: Store
    settings: ServiceSettings
    folder: Path
    """The worker's own scratch folder."""
    stopping: asyncio.Event


@dataclass(frozen=True)
class _End:
    """How an attempt ended: what is written of it."""

    state: str
    message: str | None = None
    results: tuple[Result, ...] = ()
    blame: Blame | None = None
    """Whose fault it was, where another attempt may do better."""
    stages: tuple[str, ...] | None = None


class AttemptId(NamedTuple):
    """One of the attempts at a scan."""

    scan: UUID
    token: int


async def run_attempt(shop: Workshop, lease: Lease) -> None:
    """Work on a scan until it ends, is cancelled, is taken away or the worker stops."""
    folder = shop.folder / _folder_name(lease.id, lease.token)
    attempt = _Attempt(shop, lease, folder)
    try:
        await attempt.run()
    except LostLeaseError:
        log.warning("scan %s: attempt %d lost its lease", lease.id, lease.token)
    finally:
        await attempt.clean()


@dataclass
class _Attempt:
    shop: Workshop
    lease: Lease
    folder: Path
    news: News = field(default_factory=News)
    process: Process | None = None
    keys: dict[str, str] = field(default_factory=dict)
    secured: bool = False
    """Whether a stage was made and stored."""
    memory_kills: int = field(default_factory=memory_kills)
    """Of the machine, when the attempt began."""

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    async def run(self) -> None:
        """Work, renew the lease meanwhile, and write the end."""
        work = asyncio.create_task(self._work())
        renewal = asyncio.create_task(self._renew())
        expiry = asyncio.create_task(self._expire())
        stop = asyncio.create_task(self.shop.stopping.wait())
        tasks: tuple[asyncio.Task[Any], ...] = (work, renewal, expiry, stop)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return await self._end(work)
            # First of all: whoever takes the scan over must not find this attempt at work.
            await self._kill()
            for task in (renewal, expiry):
                if task.done():
                    task.result()  # raises where the lease was lost
            await self._write(self._tell)
            if renewal.done():
                await self._write(partial(self.lease.finish, "cancelled", None))
            else:
                await self._write(self.lease.give_back)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def clean(self) -> None:
        """Leave nothing of it on this machine: no process, no file."""
        await self._kill()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _kill(self) -> None:
        if self.process is not None:
            await sandbox.end(self.process, self.folder)

    async def _renew(self) -> None:
        """Until the scan is to be cancelled; raises where the lease is lost."""
        while True:
            with suppress(*AWAY):
                if await self._tell():
                    return
            await asyncio.sleep(RENEWAL)

    async def _tell(self) -> bool:
        """Renew the lease with what is new; whether the scan is to be cancelled."""
        changes, events = self.news.take()
        try:
            return await self.lease.renew(changes, events)
        except AWAY:
            self.news.put_back(changes, events)
            raise

    async def _expire(self) -> None:
        """Until the lease was not renewed for too long, whatever a renewal hangs in."""
        while not self.lease.overdue:
            await asyncio.sleep(RENEWAL)
        raise LostLeaseError

    async def _end(self, work: asyncio.Task[_End]) -> None:
        """Write how the work ended."""
        await self._kill()
        error = work.exception()
        if error is not None and _only(error, (LostLeaseError,)):
            raise LostLeaseError from error
        await self._write(self._tell)
        if error is not None and _only(error, (NoRoomError, StorageError, *AWAY)):
            log.warning("scan %s is given back: %r", self.lease.id, error)
            doing = NO_ROOM if _only(error, (NoRoomError,)) else NO_STORAGE
            await self._write(partial(self.lease.give_back, _LATER, doing=doing))
            return
        if error is not None:
            log.error("scan %s: the worker failed", self.lease.id, exc_info=error)
        end = _End("failed", blame=SCAN) if error is not None else work.result()
        if end.blame is not None:
            count = 1 + (0 if self.secured else int(self.lease.scan[end.blame.column]))
            if count < end.blame.most:
                wait = end.blame.wait(count)
                await self._write(partial(self.lease.give_back, wait, end.blame))
                return
        message = end.message if end.state == "done" else end.message or GIVEN_UP
        finish = partial(self.lease.finish, end.state, message, end.results, end.stages)
        await self._write(finish)

    async def _write(self, end: Callable[[], Awaitable[object]]) -> None:
        """Write the end. The database may be away for a while: a lease fences however late."""
        until = time.monotonic() + _END_PATIENCE
        while True:
            try:
                await end()
                return
            except AWAY:
                if time.monotonic() > until or self.shop.stopping.is_set():
                    raise LostLeaseError from None
            await asyncio.sleep(RENEWAL)

    async def _work(self) -> _End:
        files = await self._files()
        if not files:
            return _End("failed", "The scan has no files; add photos and start it again.")
        for name in ("tmp", "input", "workspace"):
            (self.folder / name).mkdir(parents=True)
        check_room(self.folder, files, self.shop.settings.spare_bytes)
        inputs = await fetch(self.shop.store, files, self.folder / "input")
        self.process = await self._start()
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(self._request(inputs)).encode() + b"\n")
        stored: asyncio.Queue[str | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_stages(stored))
            end = await self._listen(stored)
            stored.put_nowait(None)
        return end

    async def _files(self) -> list[Row]:
        async with self.shop.pool.connection() as connection:
            return await rows(
                connection,
                "select * from files where scan_id = %s and state = 'ready' order by name, id",
                [self.lease.id],
            )

    async def _start(self) -> Process:
        settings = self.shop.settings
        place = sandbox.Sandbox(self.folder, hidden=(settings.data.absolute(),))
        with (self.folder / "scan.log").open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *place.command("gypsum.service.jobs.child"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=output,
                env=place.environment(),
                cwd=self.folder,
                start_new_session=True,
                limit=_LINE_MOST,
            )

    def _request(self, inputs: list[Path]) -> dict[str, Any]:
        settings, scan = self.shop.settings, self.lease.scan
        return {
            "folder": str(self.folder),
            "workspace": str(self.workspace),
            "inputs": [str(path) for path in inputs],
            "options": users_options(scan["mode"], scan["options"], settings),
            "memory": settings.scan_memory,
            "priority": sandbox.priority(),
        }

    async def _listen(self, stored: asyncio.Queue[str | None]) -> _End:
        """Take what the scan says until it ends."""
        assert self.process is not None
        assert self.process.stdout is not None
        end = None
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            match message.pop("event"):
                case "keys":
                    await self._resume(message["keys"])
                case "picture":
                    await self._show(message)
                case "results":
                    results = await self._keep(message["items"])
                    stages = tuple(stage_objects(self.lease.id, self.keys))
                    end = _End("done", results=results, stages=stages)
                case "error":
                    end = self._failed(message["cause"], message["message"])
                case event:
                    self.news.hear({"event": event, **message})
                    if event == "stage_finished" and not message["kept"]:
                        stored.put_nowait(message["stage"])
        status = await self.process.wait()
        if end is None:
            log.warning("scan %s: its process ended with status %d", self.lease.id, status)
            end = self._failed("killed" if from_outside(status) else "crash", None)
        return end

    def _failed(self, cause: str | None, message: str | None) -> _End:
        """The end of a scan's process that did not come to results."""
        if cause == "killed":
            # By the kernel, for want of memory? The scan is what takes memory here.
            cause, message = (
                ("memory", NO_MEMORY) if memory_kills() > self.memory_kills else (cause, KILLED)
            )
        if message is not None:
            self.news.hear({"event": "error", "message": message})
        if cause == "killed":
            return _End("failed", GIVEN_UP, blame=MACHINE)
        blame = {None: None, "disk": MACHINE}.get(cause, SCAN)
        return _End("failed", message, blame=blame)

    async def _resume(self, keys: dict[str, str]) -> None:
        """Bring what earlier attempts and revisions made, then let the scan go on."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.keys = keys
        brought = await restore_stages(self.shop.store, self.lease.id, self.workspace, keys)
        log.info("scan %s goes on after %d of %d stages", self.lease.id, len(brought), len(keys))
        with suppress(ConnectionError):
            self.process.stdin.write(b"go\n")
            await self.process.stdin.drain()

    async def _store_stages(self, finished: asyncio.Queue[str | None]) -> None:
        while (stage := await finished.get()) is not None:
            began = time.monotonic()
            if await store_stage(
                self.shop.store, self.lease.id, self.workspace, stage, self.keys[stage]
            ):
                self.secured = True
                self.news.stored()
            log.debug("stage %s stored in %.1f s", stage, time.monotonic() - began)

    async def _show(self, item: dict[str, Any]) -> None:
        """A picture of the scan under way."""
        try:
            result = await self._store(item)
            for key in await self.lease.add_result(result, replaces=True):
                await self.shop.store.delete(key)
        except (*AWAY, StorageError) as error:
            log.warning("a picture of scan %s was not kept: %s", self.lease.id, error)

    async def _keep(self, items: list[dict[str, Any]]) -> tuple[Result, ...]:
        """Store the results."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def keep(item: dict[str, Any]) -> Result:
            async with turns:
                return await self._store(item)

        return tuple(await asyncio.gather(*(keep(item) for item in items)))

    async def _store(self, item: dict[str, Any]) -> Result:
        path = Path(item["path"])
        # The process may have been taken over by a file that it read: it must not make us send
        # anything but what it made.
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.is_file():
            raise StorageError(f"{item['name']} is none of the scan's files.")
        number = uuid4()
        key = f"scans/{self.lease.id}/results/{number}"
        await self.shop.store.put(key, path)
        return Result(
            number,
            item["kind"],
            item["format"],
            item["name"],
            item["media_type"],
            path.stat().st_size,
            key,
        )


def _folder_name(scan: UUID, token: int) -> str:
    return f"{scan}.{token}"


def attempt_in(folder: Path) -> AttemptId | None:
    """Which attempt has, or had, this folder."""
    scan, _, token = folder.name.partition(".")
    try:
        return AttemptId(UUID(scan), int(token))
    except ValueError:
        return None


def _only(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether an error, or each in a group of them, is of these kinds."""
    if isinstance(error, BaseExceptionGroup):
        return all(_only(inner, kinds) for inner in error.exceptions)
    return isinstance(error, kinds)


def users_options(mode: str, given: dict[str, Any], settings: ServiceSettings) -> dict[str, Any]:
    """What a scan is run with: what its owner chose, without what is not theirs to choose."""
    chosen = {
        name: value
        for name, value in given.items()
        if name in ScanOptions.model_fields and name not in _NOT_OF_USERS and value is not None
    }
    if chosen.get("mask") not in _MASKS:
        chosen.pop("mask", None)
    return {**chosen, "mode": mode, "threads": settings.scan_threads}
