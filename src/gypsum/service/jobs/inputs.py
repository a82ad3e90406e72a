"""A scan's uploads as files in its folder, the same on every machine."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gypsum.capture.names import Wish, safe_name, unique_names
from gypsum.options import format_bytes
from gypsum.service.jobs.engine import Row
from gypsum.service.storage import Store

#: Files fetched at once.
_AT_ONCE = 4
#: All files' time: some digests look at it, and machines must agree.
_TIME = 1_000_000_000


class NoRoomError(Exception):
    """The disk of this machine is too full for the scan; another's may not be."""


def check_room(folder: Path, files: Sequence[Row], spare: int) -> None:
    """Raise where the files, once as they come and once as they are worked on, leave less bytes."""
    needed = 2 * sum(file["bytes"] for file in files) + spare
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoRoomError(f"{format_bytes(free)} are free of {format_bytes(needed)} needed")


async def fetch(store: Store, files: Sequence[Row], folder: Path) -> list[Path]:
    """Bring the uploads to ``folder``; returns what the scan is given, it or what is in it.

    Files keep their names as far as these are safe, and the folders that they came in.
    """
    places = _places(files)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def bring(file: Row, place: PurePosixPath) -> None:
        async with turns:
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            await store.get(file["object_key"], target)
            os.utime(target, (_TIME, _TIME))

    async with asyncio.TaskGroup() as group:
        for file, place in zip(files, places, strict=True):
            group.create_task(bring(file, place))
    entries = sorted(folder.iterdir())
    if any(entry.is_dir() or entry.suffix.lower() == ".zip" for entry in entries):
        return entries
    return [folder]


def _places(files: Sequence[Row]) -> list[PurePosixPath]:
    """Where each file goes, in the order of the files."""
    names = [PurePosixPath(file["name"].replace("\\", "/")) for file in files]
    folders = [
        "/".join(safe_name(part) for part in name.parts[:-1] if part not in ("/", "..", "."))
        for name in names
    ]
    places = [PurePosixPath()] * len(files)
    for parent in sorted(set(folders)):
        here = [number for number, other in enumerate(folders) if other == parent]
        wishes = [Wish(names[number].name or "file", names[number].name, ()) for number in here]
        for number, name in zip(here, unique_names(wishes), strict=True):
            places[number] = PurePosixPath(parent) / name
    return places
