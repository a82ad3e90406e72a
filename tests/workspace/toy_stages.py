"""Small stages with which the runner is tested: what they write depends on all they are given."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from gypsum.errors import ReconstructionError
from gypsum.workspace import Pipeline, Stage, StageContext

#: Parts that ``slow`` makes one by one, and seconds for each.
PARTS = 8


def _result(context: StageContext, parts: list[str]) -> None:
    for name, folder in sorted(context.inputs.items()):
        parts.append(name + (folder / "result.txt").read_text())
    parts.append(json.dumps(dict(context.settings), sort_keys=True))
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    (context.folder / "result.txt").write_text(digest)
    # Every execution leaves a mark outside the stage's folder, for tests that count.
    with (context.workspace.parent / "executions.txt").open("a") as file:
        file.write(context.folder.name + "\n")


def first(context: StageContext) -> None:
    """Reads the source."""
    context.progress(0.5, "reading")
    context.facts["photos"] = len(context.source)
    _result(context, [path.read_text() for path in context.source])


def plain(context: StageContext) -> None:
    """Depends on its inputs and settings."""
    context.progress(1.0, "done")
    _result(context, [])


def slow(context: StageContext) -> None:
    """Makes parts one by one and goes on from those that are there."""
    pause = float(os.environ.get("TOY_PAUSE", "0"))
    parts = []
    for i in range(PARTS):
        path = context.folder / f"part{i}.txt"
        if not path.exists():
            time.sleep(pause)
            temporary = path.with_suffix(".tmp")
            temporary.write_text(f"part {i}")
            temporary.rename(path)
        parts.append(path.read_text())
        context.progress((i + 1) / PARTS, f"part {i + 1} of {PARTS}")
    _result(context, parts)


def folder_output(context: StageContext) -> None:
    """Publishes a folder whose content depends on a setting."""
    models = context.folder / "models"
    models.mkdir(exist_ok=True)
    for name in context.settings["names"]:
        (models / name).write_text(name)
    plain(context)


def warns(context: StageContext) -> None:
    """Finds a photo wanting."""
    context.warn("b.jpg was left out: it is truncated.")
    plain(context)


def refuses(_context: StageContext) -> None:
    """Cannot reconstruct."""
    raise ReconstructionError("The photos do not overlap; take more of them.")


def breaks(context: StageContext) -> None:
    """Has a defect."""
    (context.folder / "half.txt").write_text("half")
    print("the last words of the stage")
    raise ValueError("unforeseen")


def segfaults(context: StageContext) -> None:
    """Crashes like a native library."""
    (context.folder / "half.txt").write_text("half")
    ctypes.string_at(0)


def aborts(_context: StageContext) -> None:
    """Aborts like a failed check in a native library."""
    os.kill(os.getpid(), signal.SIGABRT)


def aborts_for_memory(_context: StageContext) -> None:
    """Aborts as C++ does when memory ends."""
    print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
    os.kill(os.getpid(), signal.SIGABRT)


def killed(context: StageContext) -> None:
    """Is killed as by the kernel when memory ends."""
    (context.folder / "half.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def exhausts_memory(_context: StageContext) -> None:
    """Asks for more memory than there is."""
    raise MemoryError


def fills_disk(_context: StageContext) -> None:
    """Writes to a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "depth.bin")


def fills_real_disk(context: StageContext) -> None:
    """Writes until the disk is full."""
    with (context.folder / "big.bin").open("wb") as file:
        for _ in range(64):
            file.write(bytes(2**20))
            file.flush()


def noisy(context: StageContext) -> None:
    """Prints to where the events must not go, from Python and from below it."""
    print('{"kind": "complete"}', flush=True)
    os.write(1, b'{"kind": "error", "error": "InputError", "message": "fake"}\n')
    print("to stderr", file=sys.stderr, flush=True)
    plain(context)


def tells_pids(context: StageContext) -> None:
    """Writes its process id and that of a process that it started, then hangs."""
    grandchild = subprocess.Popen(["sleep", "600"])
    (context.folder / "pids.txt").write_text(f"{os.getpid()} {grandchild.pid}")
    context.progress(0.5, "hanging")
    time.sleep(600)


def hangs_natively(context: StageContext) -> None:
    """Hangs where no Python thread of the process gets a turn."""
    (context.folder / "pids.txt").write_text(str(os.getpid()))
    context.progress(0.5, "hanging")
    ctypes.PyDLL(None).sleep(600)


def tells_limits(context: StageContext) -> None:
    """Records what it may use."""
    context.facts.update(
        threads=context.threads, memory=context.memory, omp=os.environ["OMP_NUM_THREADS"]
    )
    plain(context)


def allocates(context: StageContext) -> None:
    """Touches 200 MiB and burns some time."""
    block = bytearray(200 * 2**20)
    for i in range(0, len(block), 4096):
        block[i] = 1
    plain(context)


def stage(name: str, function: str, *needs: str, **more: object) -> Stage:
    """A toy stage; its group is its name unless said otherwise."""
    values = {"label": f"Doing {name}", "group": name, **more}
    return Stage(name=name, function=f"toy_stages:{function}", needs=needs, **values)


CHAIN = Pipeline(
    "toy",
    (
        stage("photos", "first", group="cameras", publishes=("result.txt",)),
        stage("depth", "slow", "photos", group="dense", settings=("depth_side",)),
        stage("mesh", "slow", "depth", group="surface", settings=("faces",)),
        stage("paint", "slow", "mesh", "depth", group="texture", settings=("texture",)),
        stage("report", "plain", "photos", "depth", "mesh", "paint", group="", always=True),
    ),
)

SETTINGS = {"depth_side": 1600, "faces": 1000, "texture": 2048}


def one(function: str, **more: object) -> Pipeline:
    """A pipeline of a single stage."""
    return Pipeline("one", (stage("only", function, **more),))


def executions(folder: Path) -> list[str]:
    """Names of the stages that ran to their end, in order, beside the workspace."""
    path = folder / "executions.txt"
    return path.read_text().split() if path.exists() else []
