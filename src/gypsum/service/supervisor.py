"""``gypsum serve``: database, requests and workers as processes of one, and their end."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gypsum.errors import GypsumError, InputError, ResourceError
from gypsum.service.database import EmbeddedDatabase, migrate
from gypsum.service.jobs import sandbox
from gypsum.service.settings import ServiceSettings, as_environment

log = logging.getLogger(__name__)

#: Seconds between two looks at the processes.
_TICK = 0.3
#: Seconds that a process has to end when asked to, before it is killed.
_PATIENCE = 12.0
#: Seconds before a process that died starts again: more each time, until it has lived for a while.
_PAUSE, _PAUSE_MOST, _LIVED = 0.5, 30.0, 60.0
#: Seconds in which the first answer is expected, on a machine that does much else.
_START = 180.0
_PR_SET_PDEATHSIG = 1


class _Child:
    """A process that is started again when it dies."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-P", *command]
        self._environment = environment
        self._pause = _PAUSE
        self._again = 0.0
        self._began = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            # A group of its own: a terminal's Ctrl-C reaches this process alone, which ends all.
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        sandbox.share_priority(self._process.pid)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def gave_up(self) -> bool:
        """Whether the process ended by itself: nobody killed it, and starting again won't help."""
        return self._process is not None and (self._process.poll() or 0) > 0

    def watch(self) -> None:
        """Start the process again if it died, after a pause."""
        if self.running:
            if time.monotonic() - self._began > _LIVED:
                self._pause = _PAUSE
            return
        if self._process is not None:
            log.error("%s ended with status %s", self.name, self._process.returncode)
            self._process = None
            self._again = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, _PAUSE_MOST)
        if time.monotonic() >= self._again:
            self.start()

    def ask_to_end(self) -> None:
        """Ask the process to end."""
        if self._process is not None and self.running:
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until ``deadline`` of the monotonic clock, then kill it and all that it started."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def serve(settings: ServiceSettings, say: Callable[[str], None]) -> None:
    """Run the service until KeyboardInterrupt (Ctrl-C, SIGTERM).

    Args:
        settings: all of the service's.
        say: told, in a sentence each, what a person at the terminal wants to know.

    Raises:
        GypsumError: it can't start.
    """
    _check_port(settings)
    with ExitStack() as stack:
        database = None
        if settings.database_url is None:
            database = EmbeddedDatabase(settings.data / "database")
            say("Starting the database …")
            url = stack.enter_context(_running(database))
            settings = settings.model_copy(update={"database_url": url})
        _migrate(settings)
        settings = settings.model_copy(update={"secret": settings.signing_key.hex()})
        children = stack.enter_context(_started(settings))
        _wait_for_answer(settings, children[0])
        say(f"Gypsum is at {settings.url} (Ctrl-C ends it)")
        while True:
            time.sleep(_TICK)
            if database is not None and not database.running():
                _start_again(database)
            for child in children:
                child.watch()


@contextmanager
def _running(database: EmbeddedDatabase) -> Iterator[str]:
    try:
        url = database.start()
        sandbox.share_priority(database.process)
        yield url
    finally:
        database.stop()


@contextmanager
def _started(settings: ServiceSettings) -> Iterator[list[_Child]]:
    environment = as_environment(settings)
    children = [_Child("the API", ["-m", "gypsum.service.api"], environment)]
    for number in range(settings.workers):
        # Its name stays when it starts again, so that it goes on with what it had.
        name = f"{socket.gethostname()}-{number + 1}"
        command = ["-m", "gypsum", "worker", "--name", name]
        children.append(_Child(f"worker {name}", command, environment))
    try:
        for child in children:
            child.start()
        yield children
    finally:
        deadline = time.monotonic() + _PATIENCE
        for child in children:
            child.ask_to_end()
        for child in children:
            child.end(deadline)


def _check_port(settings: ServiceSettings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise InputError(
                f"Port {settings.port} of {settings.host} can't be used ({error.strerror}); "
                "choose another with --port."
            ) from None


def _migrate(settings: ServiceSettings) -> None:
    import psycopg

    assert settings.database_url
    try:
        migrate(settings.database_url)
    except psycopg.Error as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ResourceError(f"The database can't be used: {reason}.") from error


def _wait_for_answer(settings: ServiceSettings, api: _Child) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and not api.gave_up:
        try:
            with opener.open(address, timeout=2):
                return
        except OSError:
            api.watch()
            time.sleep(_TICK)
    raise ResourceError("The service did not start; the lines above tell why.")


def _start_again(database: EmbeddedDatabase) -> None:
    log.error("the database ended; it is started again")
    try:
        database.start()
        sandbox.share_priority(database.process)
    except GypsumError as error:
        log.error("%s", error)


def _end_with_parent() -> None:
    """Between fork and exec: ask the kernel for SIGTERM when the parent dies, even if killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
