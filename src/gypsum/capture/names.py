"""Names under which photos stand on disk and in the sparse model."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath

from gypsum.capture.sources import printable

NAME_BYTES_MAX = 160
"""Of 255 that file systems allow: later stages add prefixes and suffixes."""

_UNSAFE = re.compile(r'[\\/:*?"<>|,#]')
"""Not allowed on some file system, or separators in COLMAP's text files."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Devices on Windows."""


def safe_name(name: str) -> str:
    """The name of a file (not a path) as it may stand on every system; unchanged where it may."""
    safe = _UNSAFE.sub("_", printable(name)).strip(" ")
    safe = re.sub(r"^[.-]+", "_", safe)
    if not safe or _RESERVED.match(safe):
        safe = f"_{safe}"
    path = PurePosixPath(safe)
    room = NAME_BYTES_MAX - len(path.suffix.encode())
    return path.stem.encode()[:room].decode("utf-8", "ignore") + path.suffix


def unique_names(photos: Sequence[tuple[tuple[str, ...], str]]) -> list[str]:
    """One safe name for each photo, given its folders and its own name.

    Names that clash get as many of their folders in front as tell them apart, else a number.
    Capitals and the ways to compose accents don't tell names apart, as on many file systems.
    """
    names = [safe_name(name) for _, name in photos]
    for clash in _clashes(names):
        depths = range(1, 1 + max(len(photos[i][0]) for i in clash))
        for depth in depths:
            longer = [safe_name("_".join((*photos[i][0][-depth:], names[i]))) for i in clash]
            if len({_key(name) for name in longer}) == len(clash):
                for i, name in zip(clash, longer, strict=True):
                    names[i] = name
                break
    taken: set[Hashable] = set()
    for i, name in enumerate(names):
        names[i] = _numbered(name, taken)
        taken.add(_key(names[i]))
    return names


def _clashes(names: Sequence[str]) -> list[list[int]]:
    groups = defaultdict(list)
    for i, name in enumerate(names):
        groups[_key(name)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _numbered(name: str, taken: set[Hashable]) -> str:
    """``name``, else ``name-2``, ``name-3``…"""
    path, number, candidate = PurePosixPath(name), 1, name
    while _key(candidate) in taken:
        number += 1
        candidate = f"{path.stem}-{number}{path.suffix}"
    return candidate


def _key(name: str) -> Hashable:
    return unicodedata.normalize("NFC", name).casefold()
