"""The process in which one scan runs: ``python -m gypsum.service.jobs.child``, in its sandbox.

A line of JSON on standard input says what to do; lines of JSON on standard output tell what
happens: first ``keys`` (of the stages that will be looked for; then it waits for a line, while
earlier results are brought), then the events of the scan, then ``results`` or ``error``. Whatever
libraries print goes to standard error. When the worker goes away, so does this process.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gypsum.capture.confine import confine
from gypsum.errors import ResourceError
from gypsum.service.jobs import outcome
from gypsum.service.jobs.losses import KILLED, NO_MEMORY
from gypsum.service.jobs.sandbox import TEMPORARY, give_way, limit
from gypsum.workspace.events import Event, StageFinished
from gypsum.workspace.failures import (
    BrokenStageError,
    KilledStageError,
    explain,
    out_of_memory,
)

_PR_SET_PDEATHSIG = 1
Send = Callable[[dict[str, Any]], None]


def main() -> None:
    """Run the scan that standard input asks for."""
    _die_with_parent()
    request = json.loads(sys.stdin.buffer.readline())
    give_way(request["priority"])
    send = _sender()
    folder = Path(request["folder"])
    limit(request["memory"])
    confine(folder, Path("/dev"), TEMPORARY)
    try:
        _scan(request, send)
    except BaseException as error:
        send(_told(error, request))
        _leave(1)
    _leave(0)


def _scan(request: dict[str, Any], send: Send) -> None:
    from gypsum.pipelines.scan import scan, stage_keys

    workspace = Path(request["workspace"])
    inputs = [Path(path) for path in request["inputs"]]
    options = {**request["options"], "workspace": workspace}
    send({"event": "keys", "keys": stage_keys(inputs, **options)})
    if sys.stdin.buffer.readline() == b"":
        _leave(1)
    _watch_standard_input()
    pictures = outcome.Pictures(workspace, request["folder"])

    def hear(event: Event) -> None:
        send({"event": event.event, **asdict(event)})
        finished = event.stage if isinstance(event, StageFinished) else None
        for item in pictures.look(finished):
            send({"event": "picture", **asdict(item)})

    result = scan(inputs, progress=hear, **options)
    items = outcome.gather(result, Path(request["folder"]) / "results")
    send({"event": "results", "items": [asdict(item) for item in items]})


def _told(error: BaseException, request: dict[str, Any]) -> dict[str, Any]:
    """An error as an event: a sentence for the scan's owner, without the server's paths.

    ``cause`` names what another attempt may be spared: ``killed``, ``disk``, ``memory`` or
    ``crash``; None: it would fail likewise.
    """
    known = explain(error, Path(request["folder"]))
    cause = None
    if known is None:
        sys.excepthook(type(error), error, error.__traceback__)
        name = type(error).__name__
        text = f"The scan failed unexpectedly ({name}); please report it with its log."
    elif isinstance(known, KilledStageError):
        cause, text = "killed", KILLED
    elif str(known) == str(out_of_memory()):
        cause, text = "memory", NO_MEMORY
    elif isinstance(known, ResourceError) and "disk" in str(known):
        cause = "disk"
        text = "The server has too little disk space for this scan; please try again later."
    else:
        cause = "crash" if isinstance(known, ResourceError | BrokenStageError) else None
        text = str(known).split(" Details are in ", 1)[0]
        text = text.replace("run the same command", "start the scan")
    for path in (*request["inputs"], request["workspace"], request["folder"]):
        text = text.replace(f"{path}/", "").replace(path, "the upload")
    return {"event": "error", "message": text, "cause": cause}


def _sender() -> Send:
    """Keeps standard output for us; what libraries print there goes to standard error."""
    ours = os.dup(sys.stdout.fileno())
    os.set_inheritable(ours, False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: dict[str, Any]) -> None:
        line = (json.dumps(message, ensure_ascii=False, default=str) + "\n").encode()
        try:
            while line:
                line = line[os.write(ours, line) :]
        except BrokenPipeError:
            _leave(1)

    return send


def _die_with_parent() -> None:
    """Go when the worker goes: the kernel's signal, and the end of standard input."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch_standard_input() -> None:
    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        _leave(1)

    threading.Thread(target=watch, daemon=True).start()


def _leave(status: int) -> None:
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
