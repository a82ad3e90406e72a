"""Decoding processes from the outside: started when needed, used again, replaced when they end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from types import TracebackType
from typing import Any

from gypsum.capture import limits
from gypsum.capture.unusable import UnusableError
from gypsum.errors import ResourceError

Message = dict[str, Any]
Hear = Callable[[Message], None]

_TICK = 0.5
"""Seconds between two looks at a process that says nothing."""


class Workers:
    """Processes that decode for several threads, each for one of them at a time."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the only place they may write to."""
        self._folder = folder
        self._idle: LifoQueue[_Worker] = LifoQueue()
        self._all: list[_Worker] = []
        self._lock = Lock()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._all:
            worker.end()

    def ask(self, request: Message, hear: Hear | None = None) -> Any:
        """What became of ``request``, see `gypsum.capture.worker`.

        ``hear`` gets what is said on the way; a process that announced pixels goes on when it
        returns. Raises `UnusableError`, also when the process ended or had to be ended.
        """
        worker = self._taken()
        try:
            last = worker.ask(request, hear)
        except _EndedError as error:
            worker.end()
            raise UnusableError(str(error)) from error
        except BaseException:
            worker.end()  # It may be in the midst of something.
            raise
        self._idle.put(worker)
        if last["kind"] == "unusable":
            raise UnusableError(last["reason"])
        if last["kind"] == "storage":
            raise ResourceError(
                f"The photos can't be stored in {self._folder.parent} ({last['reason']}); "
                "free some space or choose another place."
            )
        if last["kind"] != "done":
            raise RuntimeError(f"a decoding process failed:\n{last['reason']}")
        return last["answer"]

    def _taken(self) -> _Worker:
        try:
            return self._idle.get_nowait()
        except Empty:
            worker = _Worker(self._folder)
            with self._lock:
                self._all = [other for other in self._all if not other.ended] + [worker]
            return worker


class _EndedError(Exception):
    """The process ended or was ended; the text goes on after the file's name."""


class _Worker:
    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gypsum.capture.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self._pending = b""
        self.ended = False

    def ask(self, request: Message, hear: Hear | None) -> Message:
        """The last message about ``request``. Raises `_EndedError`."""
        self._send(json.dumps(request))
        while True:
            message = self._next()
            if message["kind"] not in ("pixels", "progress"):
                return message
            if hear is not None:
                hear(message)
            if message["kind"] == "pixels":
                self._send("")

    def end(self) -> None:
        """Let it go, whatever it does."""
        if self.ended:
            return
        self.ended = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # How it ended is found out by listening to it.
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def _next(self) -> Message:
        assert self._process.stdout is not None
        silent_from = time.monotonic()
        while b"\n" not in self._pending:
            if not select.select([self._process.stdout], [], [], _TICK)[0]:
                if time.monotonic() - silent_from > limits.WORKER_SILENCE:
                    raise _EndedError("takes for ever to decode, so it was given up")
                continue
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            self._pending += data
            if not data or len(self._pending) > limits.WORKER_LINE_MAX:
                raise _EndedError(self._reason())
        line, self._pending = self._pending.split(b"\n", 1)
        message: Message = json.loads(line)
        return message

    def _reason(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            if self._process.wait(_TICK) == -signal.SIGXCPU:
                return "takes for ever to decode, so it was given up"
        return "is damaged so badly that decoding it ended the process that tried"


def _environment() -> dict[str, str]:
    """Ours, with modules found where we find them and no threads beside those asked for."""
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    return {
        **os.environ,
        **dict.fromkeys(pools, "1"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
