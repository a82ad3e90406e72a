"""What the machine has: cores, memory, disk; and the checks that find too little of it at once."""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path

from gypsum.errors import InputError, ResourceError
from gypsum.options import format_bytes
from gypsum.workspace.failures import explain, free_space
from gypsum.workspace.folder import files_below

#: The share of the free memory that a scan takes when nothing else is said.
_MEMORY_SHARE = 0.8

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def cores(asked: int) -> int:
    """How many threads to use: what was asked for, or all cores this process may run on."""
    return asked or len(os.sched_getaffinity(0))


def check_memory(asked: int | None, needed: int) -> int:
    """Bytes that the stages may use; less than ``needed`` is said at once."""
    free = available_memory()
    budget = int(free * _MEMORY_SHARE) if asked is None else asked
    if budget < needed:
        found = "are free here" if asked is None else "are allowed with --memory"
        raise ResourceError(
            f"Too little memory: this scan needs about {format_bytes(needed)}, and only "
            f"{format_bytes(budget)} {found}; --quality draft needs least."
        )
    if budget > free:
        raise InputError(
            f"--memory {format_bytes(budget)} is more than the {format_bytes(free)} free on this "
            "machine; ask for less or close other programs."
        )
    return budget


def available_memory() -> int:
    """Bytes that a new process could use: free memory within the limits of group and process."""
    limits = [_free_memory(), *_cgroup_memory()]
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _free_memory() -> int:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_memory() -> list[int]:
    return [
        int(text)
        for path in _CGROUP_LIMITS
        if path.exists() and (text := path.read_text().strip()).isdigit()
    ]


def check_writable(folder: Path, what: str) -> None:
    """Make ``folder`` when it is missing and write a byte into it; ``what`` names it for people."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder} can't be {what}: a file is in its place.") from None
    except OSError as error:
        if isinstance(known := explain(error, folder), ResourceError) and "full" in str(known):
            raise known from None
        raise InputError(
            f"{folder} can't be written to, so it can't be {what}; choose another place."
        ) from None


def check_disk(folder: Path, needed: int) -> None:
    """Whether ``needed`` bytes fit beside what ``folder`` holds already."""
    held = sum(path.stat().st_size for path in files_below(folder))
    free = free_space(folder)
    if free < needed - held:
        raise ResourceError(
            f"The scan needs about {format_bytes(needed - held)} on the disk that holds {folder}, "
            f"and only {format_bytes(free)} are free; free some space or choose another "
            "--workspace."
        )
