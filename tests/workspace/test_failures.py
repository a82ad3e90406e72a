"""From exceptions and dead processes to sentences."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from gypsum.errors import InputError, ReconstructionError, ResourceError
from gypsum.workspace.failures import BrokenStageError, died, explain, explained_at, named
from gypsum.workspace.resources import available_memory, check_disk, check_memory, check_writable

GiB = 2**30


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "full"),
        (sqlite3.OperationalError("database or disk is full"), "full"),
        (MemoryError(), "memory"),
        (RuntimeError("std::bad_alloc"), "memory"),
        (ValueError("Unable to allocate 8 GiB for an array"), "memory"),
        (PermissionError(errno.EACCES, "denied", "x/y.ply"), "x/y.ply"),
        (OSError(errno.EROFS, "read-only", "x/y.ply"), "x/y.ply"),
    ],
)
def test_errors_of_the_machine_become_sentences(error: Exception, word: str) -> None:
    known = explain(error, Path("here"))
    assert isinstance(known, ResourceError)
    assert word in str(known)


def test_errors_for_people_stay_as_they_are() -> None:
    error = InputError("so it is")
    assert explain(error, Path()) is error


def test_defects_are_not_explained_away() -> None:
    assert explain(ValueError("a defect"), Path()) is None
    assert explain(FileNotFoundError(errno.ENOENT, "none", "x"), Path()) is None


def test_a_death_is_explained_by_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert isinstance(died("a", -signal.SIGSEGV, log, tmp_path), BrokenStageError)
    assert isinstance(died("a", -signal.SIGKILL, log, tmp_path), ResourceError)
    log.write_text("terminate called: std::bad_alloc")
    assert "memory" in str(died("a", -signal.SIGABRT, log, tmp_path))
    log.write_text("write failed: No space left on device")
    assert "full" in str(died("a", -signal.SIGABRT, log, tmp_path))


def test_errors_come_back_from_another_process_by_name() -> None:
    assert type(named("ReconstructionError", "x")) is ReconstructionError
    assert str(named("NoSuchError", "x")) == "x"


def test_memory_budgets() -> None:
    assert check_memory(2 * GiB, GiB) == 2 * GiB
    assert GiB // 4 < check_memory(None, 1) < available_memory()
    with pytest.raises(ResourceError, match=r"needs about 2\.0 GiB"):
        check_memory(GiB, 2 * GiB)
    with pytest.raises(InputError, match="more than"):
        check_memory(2**60, GiB)


def test_disk_that_is_held_already_counts(tmp_path: Path) -> None:
    check_disk(tmp_path, 1)
    with pytest.raises(ResourceError, match="needs about"):
        check_disk(tmp_path, 2**60)
    with (tmp_path / "held").open("wb") as file:
        file.truncate(2**40)
    check_disk(tmp_path, 2**40)


def test_folders_are_made_when_they_are_missing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b", "the workspace")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        check_writable(tmp_path / "file", "the workspace")


def test_a_block_that_writes_is_explained() -> None:
    with pytest.raises(ResourceError, match="full"), explained_at(Path("out")):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(BrokenPipeError), explained_at(Path("out")):
        raise BrokenPipeError
