"""From exceptions and dead processes to sentences for people."""

from __future__ import annotations

import errno
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gypsum import errors
from gypsum.errors import GypsumError, ReconstructionError, ResourceError

#: Free space below which an unexplained crash is put down to a full disk.
_NO_SPACE_LEFT = 4 * 2**20

_DISK_FULL_WORDS = ("no space left", "disk is full", "disk quota exceeded")
_MEMORY_WORDS = ("bad_alloc", "cannot allocate memory", "insufficient memory", "out of memory",
                 "unable to allocate", "failed to allocate")  # fmt: skip

#: Bytes of a log that are searched for the reason of a crash.
_LOG_TAIL = 4000


class BrokenStageError(ReconstructionError):
    """A stage ended in a way after which what it left unfinished is not to be trusted."""


def explain(error: BaseException, place: Path) -> GypsumError | None:
    """The error a user can act on behind ``error``; None when it is a defect of ours.

    ``place`` is where was written, for the sentence on a full disk.
    """
    if isinstance(error, GypsumError):
        return error
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(word in text for word in _MEMORY_WORDS):
        return out_of_memory()
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or any(word in text for word in _DISK_FULL_WORDS):
        return disk_full(place)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) and isinstance(error, OSError):
        return ResourceError(
            f"{error.filename or place} can't be written or read: permission denied; "
            "check its rights or choose another place."
        )
    return None


class KilledStageError(ResourceError):
    """A stage was ended by another process: most often by the system, for want of memory."""


@contextmanager
def explained_at(place: Path) -> Iterator[None]:
    """Turn what the machine did to a block that writes to ``place`` into errors for people."""
    try:
        yield
    except (OSError, MemoryError) as error:
        known = explain(error, place)
        if known is None:
            raise
        raise known from error


def disk_full(place: Path) -> ResourceError:
    """The sentence for ENOSPC."""
    return ResourceError(
        f"The disk that holds {place} is full; free some space and run the same command again: "
        "it goes on from here."
    )


def out_of_memory() -> ResourceError:
    """The sentence for MemoryError and for processes that the system killed."""
    return ResourceError(
        "There was not enough memory; close other programs or use --quality draft, "
        "then run the same command again: it goes on from here."
    )


def unexpected(name: str, error: str, log: Path) -> BrokenStageError:
    """The sentence for a defect of ours."""
    return BrokenStageError(
        f"“{name}” failed unexpectedly ({error}); the steps before it are kept. "
        f"Details are in {log}."
    )


def died(name: str, status: int, log: Path, place: Path) -> GypsumError:
    """The sentence for a stage's process that ended with ``status`` without saying why."""
    tail = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").lower() if log.exists() else ""
    if any(word in tail for word in _DISK_FULL_WORDS) or free_space(place) < _NO_SPACE_LEFT:
        return disk_full(place)
    if any(word in tail for word in _MEMORY_WORDS):
        return out_of_memory()
    if status == -signal.SIGKILL:
        return KilledStageError(str(out_of_memory()))
    how = signal.strsignal(-status) if status < 0 else f"exit status {status}"
    return BrokenStageError(
        f"“{name}” crashed ({how}); run the same command to try again: the steps before it are "
        f"kept. Details are in {log}."
    )


def named(kind: str, message: str) -> GypsumError:
    """The error class that a child process named, with its message."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, GypsumError):
        return found(message)
    return GypsumError(message)


def free_space(place: Path) -> int:
    """Bytes free on the disk that holds ``place`` (which may not exist yet)."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
