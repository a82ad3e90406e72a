"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``; rename it to ``path`` when the block ends well."""
    temporary = _beside(path, "part")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files of which none is of use without the others.

    Everything is written under temporary names first, then renamed in the order given (so put the
    file that points to the others last). When a step fails, what was there before is put back.
    """
    with ExitStack() as cleanup:
        for path, content in files.items():
            temporary = _beside(path, "part")
            cleanup.callback(temporary.unlink, missing_ok=True)
            temporary.write_bytes(content)
        with ExitStack() as undo:
            for path in files:
                _replace(path, _beside(path, "part"), cleanup, undo)
            undo.pop_all()


def _replace(path: Path, temporary: Path, cleanup: ExitStack, undo: ExitStack) -> None:
    """Rename ``temporary`` to ``path``; ``undo`` brings the old file back, ``cleanup`` drops it."""
    if path.exists():
        old = _beside(path, "old")
        # A hard link or a copy would keep `path` in place throughout, but not every file system has
        # links, and textures are large: a rename there and back is enough.
        path.replace(old)
        cleanup.callback(old.unlink, missing_ok=True)
        undo.callback(old.replace, path)
    else:
        undo.callback(path.unlink, missing_ok=True)
    temporary.replace(path)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}")
