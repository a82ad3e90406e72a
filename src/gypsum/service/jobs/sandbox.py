"""What keeps a scan's processes to their folder, within limits, and ends them all.

Files of strangers are decoded and measured in there. With bubblewrap the processes see the system
read-only, no network, no other processes, and nothing of the service's data but the scan's own
folder; where bubblewrap is missing or not allowed, Landlock leaves them the right to write below
that folder and takes TCP away. Limits of the kernel hold in both cases.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

#: In the environment of each process of a scan: its folder. By this they are found and ended.
MARK = "GYPSUM_SCRATCH"

#: What scans are told of our environment; passwords of database and storage are not among it.
_KNOWN = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OMP_WAIT_POLICY", "SSL_CERT_FILE")
#: Where libraries make files without a name, whatever TMPDIR says.
TEMPORARY = Path("/tmp")
_CARDS = ("nvidia*", "dri", "kfd")

_FILES = 4096
_PROCESSES = 4096
"""Of the user who runs the worker, in all: a bound for runaways, not for a machine's other work."""
_FILE_BYTES = 64 * 2**30
_BWRAP = "bwrap"
_GROUP = Path("/proc/self/autogroup")
#: A scan has a tenth of the weight of what answers people.
_NICE, _NICE_MOST = 10, 19
#: Seconds in which a sandbox has to start, and in which killed processes have to be gone.
_PATIENCE = 20.0


@dataclass(frozen=True)
class Sandbox:
    """The place of one scan."""

    folder: Path
    """All it may write to, and what it is found by."""
    hidden: tuple[Path, ...] = ()
    """Folders that it may not look into, even above its own."""

    def command(self, module: str) -> list[str]:
        """What runs a module of ours in there."""
        run = [sys.executable, "-P", "-m", module]
        return [*_bubblewrap(self.folder, self.hidden), *run] if bubblewrap_works() else run

    def environment(self) -> dict[str, str]:
        """What its processes are told."""
        return {
            **{name: os.environ[name] for name in _KNOWN if name in os.environ},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            MARK: str(self.folder),
        }


@cache
def bubblewrap_works() -> bool:
    """Whether bubblewrap is here and may do what is asked of it: containers often forbid it."""
    if sys.platform != "linux" or shutil.which(_BWRAP) is None:
        return False
    try:
        with tempfile.TemporaryDirectory(prefix="gypsum-sandbox-") as folder:
            (Path(folder) / "tmp").mkdir()
            subprocess.run(
                [*_bubblewrap(Path(folder), ()), sys.executable, "-c", "pass"],
                check=True,
                capture_output=True,
                timeout=_PATIENCE,
            )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("bubblewrap does not work here (%s): scans run without it", error)
        return False
    return True


def _bubblewrap(folder: Path, hidden: Sequence[Path]) -> list[str]:
    cards = [
        part
        for pattern in _CARDS
        for path in sorted(Path("/dev").glob(pattern))
        for part in ("--dev-bind", str(path), str(path))
    ]
    masked = [part for path in hidden if path.is_dir() for part in ("--tmpfs", str(path))]
    return [
        _BWRAP, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--ro-bind", "/", "/", "--dev", "/dev", *cards, "--proc", "/proc", *masked,
        "--bind", str(folder / "tmp"), str(TEMPORARY), *_programs_in(TEMPORARY),
        "--bind", str(folder), str(folder), "--chdir", str(folder),
    ]  # fmt: skip


def _programs_in(folder: Path) -> list[str]:
    """What has to be seen again of a folder that another took the place of: our own code."""
    ours = {Path(path).absolute() for path in (sys.prefix, sys.base_prefix, *sys.path) if path}
    found = sorted(path for path in ours if path.is_relative_to(folder) and path.exists())
    return [part for path in found for part in ("--ro-bind", str(path), str(path))]


def limit(memory: int | None) -> None:
    """Bound what this process and those it starts may take; ``memory``: bytes of each."""
    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_NPROC: _PROCESSES,
    }
    if memory is not None:
        # Not the address space: libraries reserve much more of it than they ever use.
        bounds[resource.RLIMIT_DATA] = memory
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def priority() -> int:
    """This process's session's share of the processor, as `nice` counts; 0 where it has none.

    Linux shares the processor among sessions first (autogroups), then among their processes.
    """
    try:
        return int(_GROUP.read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def share_priority(process: int) -> None:
    """Give another process's session the priority of ours: a new one begins without."""
    if ours := priority():
        with suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text(str(ours))


def give_way(to: int) -> None:
    """Let a session of priority ``to`` go first: scans take what is left, which is most."""
    os.nice(_NICE)
    with suppress(OSError):
        _GROUP.write_text(str(min(_NICE_MOST, to + _NICE)))


def marked(folder: Path) -> Iterator[int]:
    """Processes of this user that belong to scans in ``folder`` or below, but not this one."""
    wanted = f"{MARK}={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # gone, or another's
            continue
        if any(name == wanted or name.startswith(wanted + b"/") for name in variables):
            yield int(entry.name)


def end_marked(folder: Path) -> int:
    """Kill whatever still runs for scans in ``folder``, and wait until it is gone; how many."""
    found: set[int] = set()
    until = time.monotonic() + _PATIENCE
    while (alive := set(_running(folder))) and time.monotonic() < until:
        found |= alive
        for process in alive:
            _kill(process)
        time.sleep(0.02)
    return len(found)


def _running(folder: Path) -> Iterator[int]:
    """Of the marked ones those that are more than an entry in their parent's list."""
    for process in marked(folder):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            yield process


def _kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process, folder: Path) -> None:
    """End a scan's process with all that it started, whichever groups they are in."""
    if process.returncode is None:
        with suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
    # Before it is waited for: that takes until all who have its output are gone.
    await asyncio.to_thread(end_marked, folder)
    await process.wait()
