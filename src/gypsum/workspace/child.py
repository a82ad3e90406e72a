"""The process in which one stage runs: ``python -m gypsum.workspace.child``.

A line of JSON on standard input says what to do. JSON lines go back through a pipe of their own,
because native libraries print where they like: their output is the stage's log. When the parent
goes away, however it ends, so does this process.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from gypsum.scene.progress import Progress
from gypsum.workspace.failures import explain
from gypsum.workspace.folder import KEY, RECORD, StageRecord, files_below, write_json
from gypsum.workspace.stage import StageContext

#: Seconds between two progress messages.
_PROGRESS_PAUSE = 0.1

_PR_SET_PDEATHSIG = 1

Send = Callable[..., None]


def main() -> None:
    """Run the stage that standard input asks for."""
    request = json.loads(sys.stdin.buffer.readline())
    _die_with_parent(request["parent"])
    faulthandler.enable()
    for descriptor in (request["events"], request["lock"]):
        os.set_inheritable(descriptor, False)
    send = _sender(request["events"])
    try:
        _run(request, send)
    except BaseException as error:
        traceback.print_exc()
        known = explain(error, Path(request["folder"]))
        if known is None:
            send("defect", message=f"{type(error).__name__}: {error}")
        else:
            send("error", error=type(known).__name__, message=str(known))
        _leave(1)
    send("complete")
    _leave(0)


def _run(request: dict[str, Any], send: Send) -> None:
    context, warnings = _context(request, send)
    module, _, name = request["function"].partition(":")
    began = time.monotonic()
    getattr(import_module(module), name)(context)
    record = StageRecord(
        stage=request["stage"],
        label=request["label"],
        key=request["key"],
        ingredients=request["ingredients"],
        seconds=round(time.monotonic() - began, 3),
        cpu_seconds=round(_cpu_seconds(), 3),
        peak_bytes=_peak_bytes(),
        continued=request["continued"],
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        facts=context.facts,
        warnings=warnings,
        files=_files(context.folder),
    )
    write_json(context.folder / RECORD, record.to_dict())


def _context(request: dict[str, Any], send: Send) -> tuple[StageContext, list[str]]:
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        send("warning", message=message)

    context = StageContext(
        folder=Path(request["folder"]),
        inputs={name: Path(path) for name, path in request["inputs"].items()},
        settings=request["ingredients"]["settings"],
        source=tuple(map(Path, request["source"])),
        workspace=Path(request["workspace"]),
        threads=request["threads"],
        memory=request["memory"],
        progress=_progress(send),
        warn=warn,
    )
    return context, warnings


def _progress(send: Send) -> Progress:
    last = 0.0

    def progress(done: float, doing: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_PAUSE or done >= 1:
            last = now
            send("progress", done=float(min(max(done, 0.0), 1.0)), doing=doing)

    return progress


def _sender(descriptor: int) -> Send:
    lock = threading.Lock()

    def send(kind: str, **values: Any) -> None:
        line = (json.dumps({"kind": kind, **values}) + "\n").encode()
        try:
            with lock:
                while line:
                    line = line[os.write(descriptor, line) :]
        except BrokenPipeError:
            _leave(1)

    return send


def _die_with_parent(parent: int) -> None:
    """Go when the parent goes: the kernel's signal on Linux, end of standard input anywhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        _leave(1)

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        _leave(1)

    threading.Thread(target=watch, daemon=True).start()


def _leave(status: int) -> None:
    """End at once: native libraries' destructors may hang or crash at exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(files_below(folder))
        if path.name not in (KEY, RECORD)
    }


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes() -> int:
    """Peak resident memory of this process or of its largest child.

    Linux's ``ru_maxrss`` of a new process starts at its parent's peak, so ``VmHWM`` is asked first.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return max(children, int(line.split()[1]) * 1024)
    return max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


if __name__ == "__main__":
    main()
