"""Point clouds, from a thousand points to a thousand million: files that are read in pieces."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from gypsum.errors import InputError
from gypsum.formats.clouds.cloud_file import CHUNK, Chunk, CloudFile, Scan
from gypsum.formats.clouds.e57 import open_e57
from gypsum.formats.clouds.las import open_las
from gypsum.formats.clouds.pcd import open_pcd
from gypsum.formats.clouds.ply import open_ply
from gypsum.formats.clouds.text import open_text
from gypsum.formats.clouds.whole import whole_cloud
from gypsum.formats.source import Source
from gypsum.scene import PointCloud

__all__ = [
    "CHUNK",
    "CLOUD_SUFFIXES",
    "Chunk",
    "CloudFile",
    "Scan",
    "is_cloud",
    "open_cloud",
    "read",
]

_READERS: dict[str, Callable[[Source], CloudFile]] = {
    ".asc": open_text,
    ".csv": open_text,
    ".e57": open_e57,
    ".las": open_las,
    ".laz": open_las,
    ".pcd": open_pcd,
    ".ply": open_ply,
    ".pts": open_text,
    ".txt": open_text,
    ".xyz": open_text,
}

CLOUD_SUFFIXES = tuple(sorted(_READERS))
"""Suffixes of files that hold points."""

_MAGIC: dict[bytes, Callable[[Source], CloudFile]] = {
    b"ASTM-E57": open_e57,
    b"LASF": open_las,
    b"ply": open_ply,
}
"""What files begin with, whatever they are called."""

DAMAGE = (
    ArithmeticError, LookupError, MemoryError, RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip
"""What a damaged file may cause that no reader foresaw."""


def open_cloud(path: Path) -> CloudFile:
    """Begin to read a file of points.

    Whatever it holds, the only errors, also those of reading the chunks, are :class:`InputError`.
    """
    source = Source(path)
    with source.open() as file:
        magic = file.read(8)
    read = next((r for start, r in _MAGIC.items() if magic.startswith(start)), None)
    read = read or _READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path.name}: of points, only {', '.join(CLOUD_SUFFIXES)} are read.")
    try:
        opened = read(source)
    except DAMAGE as error:
        raise source.fail("is damaged, or not what its name says") from error
    return CloudFile(opened.count, lambda: _guarded(source, opened), opened.scans, opened.crs)


def _guarded(source: Source, opened: CloudFile) -> Iterator[Chunk]:
    try:
        yield from opened.chunks()
    except DAMAGE as error:
        raise source.fail("is damaged, or not what its name says") from error


def read(source: Source) -> PointCloud:
    """The whole file as one cloud."""
    return whole_cloud(open_cloud(source.path), source.path.name)


def is_cloud(path: Path) -> bool:
    """Whether a file's name says that it holds points."""
    return path.suffix.lower() in _READERS
