# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that goes on beside Blender, free of Blender: a child process, or a server's scan.

A job tells what happens by events, which are those that ``gypsum scan --json`` prints. Whoever
started it asks for them now and then; nothing ever waits.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Event = dict[str, Any]

_PATIENCE = 15.0
"""Seconds that a program has for stopping by itself."""
_LAST_WORDS = 20
"""Lines that are not events, kept in case the program fails."""
STOPPED = "Stopped; run it again to go on from where it was."


class Job:
    """Something that runs in a thread until it sends ``done`` or ``error``."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether events may still come."""
        return self._thread.is_alive() or not self._events.empty()

    def events(self) -> list[Event]:
        """Those since the last time."""
        found = []
        while not self._events.empty():
            found.append(self._events.get())
        return found

    def cancel(self) -> None:
        """Ask it to stop; it sends an ``error`` once it has."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and wait until it has."""
        self.cancel()
        if self._thread.is_alive():
            self._thread.join(2 * _PATIENCE)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until it is over."""
        self._thread.join(seconds)

    def _send(self, event: Event) -> None:
        self._events.put(event)

    def _fail(self, message: str) -> None:
        self._send({"event": "error", "message": message})

    def _guarded(self) -> None:
        try:
            self._work()
        except OSError as error:
            self._fail(f"{error.strerror or error}.")

    def _work(self) -> None:
        raise NotImplementedError


class Process(Job):
    """A program, with all the processes that it starts.

    ``outcome`` is what a program that prints no events has made when it ends well.
    """

    def __init__(self, command: Sequence[str], outcome: Path | None = None) -> None:
        super().__init__()
        self.command = list(command)
        self._outcome = outcome
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._over = False

    def _work(self) -> None:
        try:
            child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(),
                text=True,
                encoding="utf-8",
                errors="replace",
                **_own_group(),
            )
        except FileNotFoundError:
            self._fail(f"There is no program {self.command[0]}; set its path in the preferences.")
            return
        watcher = threading.Thread(target=self._watch, args=(child,), daemon=True)
        watcher.start()
        assert child.stdout is not None
        for line in child.stdout:
            self._heard(line)
        code = child.wait()
        watcher.join()
        if self._over:
            return
        if self._stop.is_set():
            self._fail(STOPPED)
        elif code == 0 and self._outcome is not None:
            self._send({"event": "done", "models": [str(self._outcome)]})
        else:
            self._fail(self._words[-1] if self._words else f"The program ended with code {code}.")

    def _heard(self, line: str) -> None:
        """An event, or other words."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and "event" in event:
            self._over |= event["event"] in ("done", "error")
            self._send(event)
        elif line.strip():
            self._words.append(line.strip())

    def _watch(self, child: subprocess.Popen[str]) -> None:
        """Stop the child when asked to: as Ctrl-C does, and by force if that takes too long."""
        while child.poll() is None:
            if self._stop.wait(0.1):
                _interrupt(child)
                try:
                    child.wait(_PATIENCE)
                except subprocess.TimeoutExpired:
                    _kill(child)
                return


def _environment() -> dict[str, str]:
    """Blender's own, without what would lead another Python astray."""
    astray = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in astray}


def _own_group() -> dict[str, Any]:
    """So that stopping the program stops its children and not Blender."""
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _interrupt(child: subprocess.Popen[str]) -> None:
    if os.name == "nt":
        child.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
    else:
        _signal_group(child, signal.SIGINT)


def _kill(child: subprocess.Popen[str]) -> None:
    if os.name == "nt":
        child.kill()
    else:
        _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return
