"""Running one stage in a child process, from the parent's side."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gypsum.workspace import failures

#: Seconds between two looks at a stage that says nothing; how fast a caller can cancel.
TICK = 0.2

Message = dict[str, Any]


def run_in_child(request: Message, log: Path, lock: int, hear: Callable[[Message], None]) -> None:
    """Run the stage described by ``request`` to its end.

    ``hear`` gets the stage's messages and, at least every :data:`TICK` seconds, an empty one.
    Whatever ends this function early (Ctrl-C, an exception in ``hear``) kills the stage first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as events, log.open("ab") as output:
        try:
            child = _start(request, output.fileno(), writing, lock)
        finally:
            os.close(writing)
        with _ended_with_us(child):
            _talk(child, request, events.fileno(), hear, log)


def _start(request: Message, output: int, events: int, lock: int) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "gypsum.workspace.child"],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=(events, lock),
        env=_environment(request["threads"]),
        # A group of its own: a terminal's Ctrl-C reaches the parent alone, which ends the group.
        # No session of its own, which Linux would give as much of the processor as the others.
        process_group=0,
    )
    assert child.stdin is not None
    line = {**request, "parent": os.getpid(), "events": events, "lock": lock}
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(line).encode() + b"\n")
        child.stdin.flush()
    return child


def _environment(threads: int) -> dict[str, str]:
    """Ours, with modules found where we find them and thread pools held to ``threads``."""
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
             "OPENCV_FOR_THREADS_NUM", "VECLIB_MAXIMUM_THREADS")  # fmt: skip
    return {
        **os.environ,
        **dict.fromkeys(pools, str(threads)),
        # Threads that wait by spinning take the cores from whatever else runs on the machine.
        "OMP_WAIT_POLICY": "passive",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
    }


@contextlib.contextmanager
def _ended_with_us(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stages keep what they finished on disk, so that they can be killed at any moment."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _talk(
    child: subprocess.Popen[bytes],
    request: Message,
    events: int,
    hear: Callable[[Message], None],
    log: Path,
) -> None:
    for message in _messages(events):
        match message.get("kind"):
            case "complete":
                return
            case "error":
                raise failures.named(message["error"], message["message"])
            case "defect":
                raise failures.unexpected(request["label"], message["message"], log)
            case _:
                hear(message)
    raise failures.died(request["label"], child.wait(), log, Path(request["folder"]))


def _messages(descriptor: int) -> Iterator[Message]:
    """The child's messages until it closes its end; an empty one when a tick passed without."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(TICK):
                yield {}
                continue
            data = os.read(descriptor, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                yield json.loads(line)
