"""Names under which photos stand on disk and in the sparse model."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Wish:
    """How a photo would like to be called."""

    name: str
    original: str
    """The user's name, from which ``name`` may differ in its suffix."""
    parents: tuple[str, ...]
    """Names of the folders it is in, the nearest last."""


def unique_names(wishes: Sequence[Wish]) -> list[str]:
    """One safe name for each photo.

    Names that clash get as many of their folders in front as tell them apart, else a number.
    Capitals and the ways to compose accents don't tell names apart, as on many file systems.
    """
    names = [safe_name(wish.name) for wish in wishes]
    for clash in _clashes(names):
        for depth in range(1, 1 + max(len(wishes[i].parents) for i in clash)):
            longer = [safe_name("_".join((*wishes[i].parents[-depth:], names[i]))) for i in clash]
            if len({_key(name) for name in longer}) == len(clash):
                for i, name in zip(clash, longer, strict=True):
                    names[i] = name
                break
    taken: set[str] = set()
    # Those that bear their user's name choose first.
    for i in sorted(range(len(names)), key=lambda i: names[i] != wishes[i].original):
        names[i] = _numbered(names[i], taken)
        taken.add(_key(names[i]))
    return names


def _clashes(names: Sequence[str]) -> list[list[int]]:
    groups = defaultdict(list)
    for i, name in enumerate(names):
        groups[_key(name)].append(i)
    return [group for group in groups.values() if len(group) > 1]


def _numbered(name: str, taken: set[str]) -> str:
    """``name``, else ``name-2``, ``name-3``…"""
    path, number, candidate = PurePosixPath(name), 1, name
    while _key(candidate) in taken:
        number += 1
        candidate = f"{path.stem}-{number}{path.suffix}"
    return candidate


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
