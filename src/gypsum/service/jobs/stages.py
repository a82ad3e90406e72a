"""Finished stages in the storage, so that whoever goes on with a scan begins after them.

A stage's folder is stored under its key, which tells everything that it depends on: whoever stores
it under a key stores the same. So attempts can't disturb each other here, whatever became of them.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

from gypsum.errors import InputError
from gypsum.service.storage import MissingObjectError, StorageError, Store
from gypsum.service.storage.archive import pack, unpack
from gypsum.workspace import Workspace
from gypsum.workspace.folder import KEY, RECORD

log = logging.getLogger(__name__)


def stage_prefix(scan: UUID | str) -> str:
    """Where a scan's stages are stored."""
    return f"scans/{scan}/stages/"


def stage_object(scan: UUID | str, stage: str, key: str) -> str:
    """Where a stage's folder is stored."""
    return f"{stage_prefix(scan)}{stage}/{key}.tar"


def stage_objects(scan: UUID | str, keys: Mapping[str, str]) -> list[str]:
    """The same for all stages."""
    return [stage_object(scan, stage, key) for stage, key in keys.items()]


async def store_stage(
    store: Store, scan: UUID | str, workspace: Path, stage: str, key: str
) -> bool:
    """Store a complete stage; whether it is. What fails costs time later, so it is only told."""
    folder = Workspace(workspace).stage(stage)
    try:
        await store.put(stage_object(scan, stage, key), pack(folder, last=(KEY, RECORD)))
    except (StorageError, OSError) as error:
        log.warning("stage %s of scan %s was not stored: %s", stage, scan, error)
        return False
    return True


async def restore_stages(
    store: Store, scan: UUID | str, workspace: Path, keys: Mapping[str, str]
) -> list[str]:
    """Bring the stages that are stored under these keys to the workspace; returns their names."""
    stored = await _stored(store, scan)
    found = [stage for stage, key in keys.items() if stage_object(scan, stage, key) in stored]
    folders = workspace / "stages"
    folders.mkdir(parents=True, exist_ok=True)
    brought = []
    for stage in found:
        archive = workspace / f".{stage}.tar"
        try:
            await store.get(stage_object(scan, stage, keys[stage]), archive)
            await asyncio.to_thread(unpack, archive, folders)
            brought.append(stage)
        except (InputError, StorageError) as error:
            log.warning("stage %s of scan %s will be made again: %s", stage, scan, error)
            shutil.rmtree(folders / stage, ignore_errors=True)
        finally:
            archive.unlink(missing_ok=True)
    return brought


async def _stored(store: Store, scan: UUID | str) -> set[str]:
    try:
        return {key async for key, _ in store.list(stage_prefix(scan))}
    except MissingObjectError:
        return set()


async def drop_stages(store: Store, scan: UUID | str, keep: Iterable[str] = ()) -> int:
    """Remove stored stages, but not the objects ``keep``; returns how many."""
    kept = set(keep)
    gone = [key for key in await _stored(store, scan) if key not in kept]
    for key in gone:
        await store.delete(key)
    return len(gone)
