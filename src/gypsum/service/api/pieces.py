"""Uploads that any of several machines goes on with.

Where the storage is a bucket, what a connection brought is stored in it as a piece as soon as the
connection ends, and the file's record says how much there is. The machine that takes the last byte
joins the pieces. With a folder as storage one machine alone answers: what arrived stays on its disk
until the file is whole, and there are no pieces.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

from gypsum.service.api.state import Service
from gypsum.service.database import Connection
from gypsum.service.storage import Store
from gypsum.service.uploads import OffsetError


async def offset(service: Service, file_id: UUID) -> int:
    """How many bytes of an upload are there."""
    if not service.store.shared:
        return service.uploads.arrived(file_id)
    async with service.reader.connection() as connection:
        found = await connection.execute("select offset_bytes from files where id = %s", [file_id])
        row = await found.fetchone()
    return int(row["offset_bytes"]) if row else 0


async def begin(service: Service, file_id: UUID) -> int:
    """Where this machine's bytes of an upload begin; those before are in pieces.

    The caller holds the upload alone, on this machine.
    """
    if not service.store.shared:
        return 0
    await service.uploads.discard(file_id)  # of a process that was killed
    return await offset(service, file_id)


async def keep(service: Service, scan_id: UUID, file_id: UUID, start: int) -> None:
    """Store what is on this machine's disk as the piece from byte ``start`` on.

    The caller holds the upload alone, on this machine. Raises OffsetError where another machine was
    faster: its bytes count.
    """
    size = service.uploads.arrived(file_id)
    if size == 0:
        await service.uploads.discard(file_id)
        return
    key = f"scans/{scan_id}/pieces/{file_id}/{uuid4()}"
    await service.store.adopt(key, service.uploads.path(file_id))
    async with service.pool.connection() as connection:
        updated = await connection.execute(
            "update files set offset_bytes = offset_bytes + %s "
            "where id = %s and offset_bytes = %s and state = 'uploading'",
            [size, file_id, start],
        )
        if updated.rowcount:
            await connection.execute(
                "insert into pieces (file_id, start, object_key) values (%s, %s, %s)",
                [file_id, start, key],
            )
    if updated.rowcount == 0:
        await service.store.delete(key)
        raise OffsetError


async def keys_of(connection: Connection, file_id: UUID) -> list[str]:
    """The objects of an upload's pieces, from its first byte on."""
    found = await connection.execute(
        "select object_key from pieces where file_id = %s order by start", [file_id]
    )
    return [row["object_key"] for row in await found.fetchall()]


async def join(store: Store, keys: Sequence[str], path: Path, whole: Path) -> None:
    """Write the pieces, and after them the bytes in ``path``, to ``whole``."""
    with whole.open("wb") as file:
        for key in keys:
            async for chunk in store.stream(key):
                await asyncio.to_thread(file.write, chunk)
        if path.exists():
            with path.open("rb") as rest:
                await asyncio.to_thread(shutil.copyfileobj, rest, file)


async def drop(store: Store, keys: Sequence[str]) -> None:
    """Delete pieces that no record names any more."""
    for key in keys:
        await store.delete(key)
