"""A folder that an app wrote: its files by name, and its small files of text."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.capture import limits
from gypsum.errors import InputError

Float64 = NDArray[np.float64]

TEXT_BYTES_MAX = 64 * limits.MiB
"""A file of poses: an hour at 60 frames a second has 30 MB."""


class Tree:
    """Names are relative to the folder, with slashes."""

    def __init__(self, root: Path, files: Sequence[str], archive: Path | None = None) -> None:
        """``archive`` is the file that the folder was unpacked from."""
        self.root = root
        self.archive = archive
        self.files = sorted(files, key=natural)
        self._known = set(files)

    @classmethod
    def of(cls, root: Path, archive: Path | None = None) -> Tree:
        """All files below ``root``, which were unpacked from ``archive`` if that is given."""
        files: list[str] = []
        for parent, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
            here = Path(parent).relative_to(root).as_posix()
            files += [name if here == "." else f"{here}/{name}" for name in names]
            if len(files) > limits.FILES_MAX:
                raise InputError(
                    f"{root} holds more than {limits.FILES_MAX:,} files; give the folder of one "
                    "capture."
                )
        shown = [name for name in files if not PurePosixPath(name).name.startswith("._")]
        return cls(root, shown, archive)

    def below(self, folder: str) -> Tree:
        """The part in one of its folders."""
        start = f"{folder}/"
        inside = [name[len(start) :] for name in self.files if name.startswith(start)]
        return Tree(self.root / folder, inside, self.archive)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.root / name

    def told(self, name: str) -> str:
        """How a person knows a file: by its path, or as a part of the file that they gave."""
        return str(self.path(name)) if self.archive is None else f"{name} in {self.archive}"

    def named(self, pattern: str) -> list[str]:
        """The files whose whole names match a regular expression, in natural order."""
        known = re.compile(pattern)
        return [name for name in self.files if known.fullmatch(name)]

    def stems(self, folder: str, suffixes: Sequence[str]) -> dict[str, str]:
        """The files directly in ``folder`` by their names without suffix."""
        found = {}
        for name in self.files:
            path = PurePosixPath(name)
            if str(path.parent) == folder and path.suffix.lower() in suffixes:
                found[path.stem] = name
        return found

    def text(self, name: str) -> str:
        """A small file's text."""
        path = self.path(name)
        try:
            if path.stat().st_size > TEXT_BYTES_MAX:
                raise InputError(f"{self.told(name)} is far larger than such a file should be.")
            return path.read_text(encoding="utf-8", errors="strict")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.told(name)} can't be read as text; export the capture again."
            ) from error

    def json(self, name: str) -> dict[str, Any]:
        """An object of JSON."""
        try:
            values = json.loads(self.text(name))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{self.told(name)} is not JSON, as it should be; export the capture again."
            ) from error
        if not isinstance(values, dict):
            raise InputError(f"{self.told(name)} holds no JSON object, as it should.")
        return values

    def table(self, name: str) -> list[list[str]]:
        """Lines of words, split at commas or blanks; comments and empty lines are left out."""
        rows = []
        for line in self.text(name).splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                comma = "," in line
                rows.append(
                    [word.strip() for word in next(csv.reader([line]))] if comma else line.split()
                )
        return rows

    def numbers(self, name: str, least: int) -> list[list[float]]:
        """The lines of a table that are all numbers, at least ``least`` in each."""
        rows = []
        for row in self.table(name):
            try:
                values = [float(word) for word in row if word]
            except ValueError:
                continue  # A header, or a name.
            if len(values) >= least:
                rows.append(values)
        return rows


def natural(name: str) -> list[tuple[int, int | str]]:
    """Sort key: 2 before 10."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(0, int(part)) if i % 2 else (1, part) for i, part in enumerate(parts)]
