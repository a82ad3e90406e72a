"""The worker: takes scans and chores from the queue, and looks after those of workers that died."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg_pool import AsyncConnectionPool

from gypsum._version import __version__
from gypsum.errors import InputError
from gypsum.service.database import open_pool
from gypsum.service.database.pool import NOTICING, RECONNECT
from gypsum.service.jobs import rescue, sandbox, tasks  # noqa: F401  (tasks are known once loaded)
from gypsum.service.jobs.attempt import AttemptId, Workshop, attempt_in
from gypsum.service.jobs.engine import CHORES, app
from gypsum.service.jobs.lease import AWAY
from gypsum.service.notify import tasks as letters  # noqa: F401
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store
from gypsum.workspace.resources import check_writable

log = logging.getLogger(__name__)

NEEDS = ("cpu", "gpu")

#: Chores at once.
_CHORES = 4
#: Seconds between signs of life, and between looks for jobs that no notice told of.
_HEARTBEAT, _POLL = 5.0, 5.0
#: Seconds after which something that ended, mostly because the database was away, begins again.
_AGAIN = 1.0
_LOCK = ".lock"


def run_worker(
    settings: ServiceSettings, *, name: str, concurrency: int = 1, needs: Sequence[str] = ("cpu",)
) -> None:
    """Work until SIGTERM or SIGINT. What is under way then goes back to the queue.

    Args:
        settings: database, storage, limits.
        name: tells the worker from others; one that starts again may have the name it had.
        concurrency: scans at once.
        needs: queues that it serves, of `NEEDS`.

    Raises:
        InputError: a setting or an argument can't be used.
    """
    if settings.database_url is None:
        raise InputError(
            "A worker needs the service's database: give --database-url or GYPSUM_DATABASE_URL."
        )
    if not re.fullmatch(r"[\w.-]{1,80}", name):
        raise InputError(f"{name!r} is no name for a worker: use letters, digits, dot and dash.")
    unknown = set(needs) - set(NEEDS)
    if unknown or not needs:
        raise InputError(f"There is no queue {unknown or 'named'}; the queues are cpu and gpu.")
    scratch = settings.scratch or settings.data / "scratch"
    check_writable(scratch, "the scratch folder")
    folder, dead = _own_folder(scratch.absolute(), name)
    asyncio.run(_work(settings, folder, dead, name, concurrency, list(needs)))


def default_name() -> str:
    """Of this machine and process."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _own_folder(scratch: Path, name: str) -> tuple[Path, list[AttemptId]]:
    """A folder that is this process's alone, after ending what dead workers left in others.

    Returns also the attempts that died with them.
    """
    dead = [
        attempt for other in sorted(scratch.iterdir()) if other.is_dir()
        for attempt in _clean_up(other)
    ]  # fmt: skip
    for number in range(1000):
        folder = scratch / (name if number == 0 else f"{name}.{number}")
        folder.mkdir(exist_ok=True)
        if _locked(folder) is not None:
            return folder, dead
    raise InputError(f"{scratch} is in use by too many workers named {name}.")


def _locked(folder: Path) -> int | None:
    """The lock on a worker's folder, held as long as this process lives; None: another has it."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _clean_up(folder: Path) -> list[AttemptId]:
    """Remove a dead worker's folder, and end what still runs for it; the attempts it was at."""
    descriptor = _locked(folder)
    if descriptor is None:
        return []
    dead = [attempt for path in folder.iterdir() if (attempt := attempt_in(path)) is not None]
    ended = sandbox.end_marked(folder)
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)
    log.info("cleaned up after a worker in %s: %d processes", folder, ended)
    return dead


async def _work(
    settings: ServiceSettings,
    folder: Path,
    dead: list[AttemptId],
    name: str,
    concurrency: int,
    needs: list[str],
) -> None:
    assert settings.database_url is not None
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    pool = await open_pool(settings.database_url, size=2 + 2 * concurrency + _CHORES, name=name)
    shop = Workshop(name, pool, Store.open(settings), settings, folder, stopping)
    shut_in = "bubblewrap" if sandbox.bubblewrap_works() else "Landlock, where the kernel has it"
    log.info("worker %s: %d at once of %s, in %s", name, concurrency, ", ".join(needs), shut_in)
    parts: list[Callable[[], Awaitable[None]]] = [
        lambda: _take_jobs(shop, needs, concurrency),
        lambda: _take_jobs(shop, [CHORES], _CHORES),
        lambda: _look_after(shop, dead, needs, concurrency),
    ]
    connector = PsycopgConnector()
    # The engine has its own ideas of transactions, so it has connections of its own.
    engine_pool = AsyncConnectionPool(
        settings.database_url,
        kwargs={"application_name": f"{name} engine", **NOTICING},
        min_size=1,
        max_size=4,
        reconnect_timeout=RECONNECT,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await engine_pool.open()
    try:
        with app.replace_connector(connector):
            await connector.open_async(engine_pool)
            await asyncio.gather(*(_keep_going(part, stopping) for part in parts))
        await _sign_off(shop)
    finally:
        await engine_pool.close()
        await pool.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _keep_going(part: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    """Run a part of the worker until it stops; begin it again when it ends otherwise."""
    while not stopping.is_set():
        running = asyncio.ensure_future(part())
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if stopping.is_set():
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return
        error = running.exception()
        if isinstance(error, (*AWAY, ConnectorException)):
            log.warning("the database is away: %s", str(error).strip().split("\n")[0])
        elif error is not None:
            log.error("a part of the worker failed", exc_info=error)
        await asyncio.sleep(_AGAIN)


async def _take_jobs(shop: Workshop, queues: list[str], concurrency: int) -> None:
    await app.run_worker_async(
        queues=queues,
        concurrency=concurrency,
        name=f"{shop.name}:{'+'.join(queues)}",
        additional_context={"workshop": shop},
        install_signal_handlers=False,
        delete_jobs="successful",
        fetch_job_polling_interval=_POLL,
        update_heartbeat_interval=_HEARTBEAT,
        stalled_worker_timeout=rescue.SILENCE,
    )


async def _look_after(
    shop: Workshop, dead: list[AttemptId], needs: list[str], concurrency: int
) -> None:
    released = await rescue.release(shop.pool, shop.settings, dead)
    if released:
        log.warning("%d scans go on that a worker here left behind", released)
    while True:
        await rescue.sign_on(shop.pool, shop.name, needs, concurrency, __version__)
        saved = await rescue.rescue(shop.pool, shop.settings)
        if saved:
            log.warning("%d scans of lost workers are back in the queue", saved)
        await asyncio.sleep(rescue.PAUSE)


async def _sign_off(shop: Workshop) -> None:
    try:
        await rescue.sign_off(shop.pool, shop.name)
    except AWAY:
        log.warning("the database is away; others will see that this worker is gone")
