"""Uploads from their first byte to their place in the storage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid4

from gypsum.options import Mode, format_bytes
from gypsum.service.accounts import users
from gypsum.service.api import metrics, pieces, records
from gypsum.service.api.access import Principal
from gypsum.service.api.problems import Problem, invalid
from gypsum.service.api.state import Service
from gypsum.service.database import Connection, Row
from gypsum.service.storage import MissingObjectError
from gypsum.service.uploads import OffsetError, RefusedError, accepted, inspect

log = logging.getLogger(__name__)

#: States in which a worker has the scan, or soon will.
_BUSY = ("queued", "running")


async def announce(
    service: Service, principal: Principal, scan_id: UUID, name: str, length: int
) -> UUID:
    """Make the record of a file that is about to come. Raises Problem 404, 409, 413, 422, 507."""
    if not name:
        raise invalid("Upload-Metadata", "The upload needs a filename.")
    if length == 0:
        raise invalid("Upload-Length", f"{name} is empty.")
    file_id = uuid4()
    async with service.pool.connection() as connection:
        # People one at a time, so that what they store can be counted.
        await connection.execute(
            "select 1 from users where id = %s for no key update", [principal.id]
        )
        scan = await records.owned(connection, scan_id, principal.user, lock=True)
        if scan["state"] in _BUSY:
            raise busy()
        _check_kind(Mode(scan["mode"]), name)
        files = await records.files_of(connection, scan_id)
        used = await users.used_bytes(connection, principal.id)
        _check_sizes(service, principal, files, used, name, length)
        await connection.execute(
            "insert into files (id, scan_id, name, bytes, object_key) values (%s, %s, %s, %s, %s)",
            [file_id, scan_id, name, length, f"scans/{scan_id}/input/{file_id}"],
        )
    return file_id


async def append(
    service: Service,
    row: Row,
    offset: int,
    chunks: AsyncIterator[bytes],
    checksum: tuple[str, bytes] | None,
) -> int:
    """Take bytes of an upload from ``offset`` on; the new offset.

    The caller holds the upload alone. After the last byte the file is in its place, or refused.

    Raises:
        OffsetError: other bytes come next, or too many came.
        ChecksumError: they were damaged on the way.
    """
    file_id = row["id"]
    start = await pieces.begin(service, file_id)
    try:
        arrived = start + await service.uploads.append(
            file_id, offset - start, row["bytes"] - start, chunks, checksum, metrics.uploaded
        )
        if arrived == row["bytes"]:
            await complete(service, file_id, start)
    finally:
        if service.store.shared:
            await _finished(pieces.keep(service, row["scan_id"], file_id, start))
    return arrived


async def complete(service: Service, file_id: UUID, start: int = 0) -> None:
    """Check a file all of whose bytes are there, and store it, or refuse it.

    Those from ``start`` on are on this machine, where the caller holds the upload alone. Done again
    after a crash, it ends the same. It is done also when the client goes away meanwhile. Raises
    OffsetError where another machine has taken some of the same bytes.
    """
    await _finished(_complete(service, file_id, start))


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Wait until it is done, also when nobody wants it any more."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _complete(service: Service, file_id: UUID, start: int) -> None:
    async with service.pool.connection() as connection:
        row = await _under_way(connection, file_id)
        keys = await pieces.keys_of(connection, file_id)
    if row is None:
        return
    if row["offset_bytes"] != start:
        raise OffsetError
    path = service.uploads.path(file_id)
    most = service.settings.unpacked_bytes
    if keys:
        rest, path = path, service.uploads.whole(file_id)
        try:
            await pieces.join(service.store, keys, rest, path)
        except MissingObjectError:
            async with service.pool.connection() as connection:
                if await _under_way(connection, file_id) is not None:
                    raise
            return  # Another machine was faster.
    try:
        seen = await asyncio.to_thread(inspect, path, row["name"], most)
    except RefusedError as error:
        async with service.pool.connection() as connection:
            await connection.execute(
                "update files set state = 'refused', problem = %s, offset_bytes = bytes "
                "where id = %s",
                [str(error), file_id],
            )
            await _forget_pieces(connection, file_id)
    else:
        await service.store.adopt(row["object_key"], path)
        async with service.pool.connection() as connection:
            updated = await connection.execute(
                "update files set state = 'ready', media_type = %s, sha256 = %s, "
                "offset_bytes = bytes where id = %s",
                [seen.media_type, seen.sha256, file_id],
            )
            await _forget_pieces(connection, file_id)
        if updated.rowcount == 0:  # Its scan was deleted meanwhile.
            await service.store.delete(row["object_key"])
    await service.uploads.discard(file_id)
    await pieces.drop(service.store, keys)


async def _under_way(connection: Connection, file_id: UUID) -> Row | None:
    """The record of an upload that is not complete; no pieces are added in this transaction."""
    found = await connection.execute(
        "select * from files where id = %s and state = 'uploading' for no key update", [file_id]
    )
    return await found.fetchone()


async def _forget_pieces(connection: Connection, file_id: UUID) -> None:
    await connection.execute("delete from pieces where file_id = %s", [file_id])


async def delete_upload(service: Service, principal: Principal, file_id: UUID) -> None:
    """Delete a file: its record, what arrived of it, what was stored. Raises Problem 404, 409."""
    async with service.pool.connection() as connection:
        await records.owned_file(connection, file_id, principal.user)
    async with service.uploads.alone(file_id):
        async with service.pool.connection() as connection:
            row = await records.owned_file(connection, file_id, principal.user, lock=True)
            if row["scan_state"] in _BUSY:
                raise busy()
            keys = await pieces.keys_of(connection, file_id)
            await connection.execute("delete from files where id = %s", [file_id])
        await service.uploads.discard(file_id)
        await pieces.drop(service.store, keys)
        if row["state"] == "ready":
            await service.store.delete(row["object_key"])


async def sweep(service: Service) -> None:
    """Delete what arrived of uploads that nobody goes on with, and their records."""
    stale = await asyncio.to_thread(service.uploads.stale, service.settings.upload_days)
    for file_id in stale:
        async with service.uploads.alone(file_id):
            if not service.store.shared:  # Else others may go on with it.
                async with service.pool.connection() as connection:
                    await connection.execute(
                        "delete from files where id = %s and state = 'uploading'", [file_id]
                    )
            await service.uploads.discard(file_id)
    if service.store.shared:
        await _sweep_shared(service)


async def _sweep_shared(service: Service) -> None:
    """The same of uploads that lie in pieces; what is left of these, upkeep removes."""
    days = service.settings.upload_days
    async with service.pool.connection() as connection:
        await connection.execute(
            "delete from files where state = 'uploading' "
            "and created_at < now() - make_interval(days => %s) and not exists "
            "(select 1 from pieces where file_id = files.id "
            "and created_at > now() - make_interval(days => %s))",
            [days, days],
        )


def busy() -> Problem:
    """Files of a scan that runs stay as they are."""
    return Problem(409, "state", "The scan waits or runs; cancel it before its files change.")


def _check_kind(mode: Mode, name: str) -> None:
    """By its name, before a byte was sent; by its bytes once they are there."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in accepted(mode):
        return
    if mode is Mode.LIDAR:
        takes = "clouds (.ply, .las, .e57 and others) and an app's capture (.zip, .r3d)"
        other, advice = Mode.PHOTO, "For photos choose another kind of scan."
    else:
        takes = "photos (.jpg, .png, .heic and others), clips (.mp4, .mov) and zips of them"
        other, advice = Mode.LIDAR, "For clouds choose a LiDAR scan."
    sentence = f"{name} can't be used: this scan takes {takes}."
    if suffix in accepted(other):
        sentence = f"{sentence} {advice}"
    raise invalid("Upload-Metadata", sentence)


def _check_sizes(
    service: Service, principal: Principal, files: list[Row], used: int, name: str, length: int
) -> None:
    settings = service.settings
    if length > settings.file_bytes:
        most = format_bytes(settings.file_bytes)
        raise Problem(413, "too-large", f"{name} has {format_bytes(length)}; at most {most} fit.")
    if len(files) >= settings.scan_files:
        raise Problem(409, "quota", f"A scan has {settings.scan_files:,} files at most.")
    if sum(row["bytes"] for row in files) + length > settings.scan_bytes:
        most = format_bytes(settings.scan_bytes)
        raise Problem(413, "quota", f"With {name} the scan's files would exceed {most}.")
    quota = principal.user.quota_bytes or settings.user_bytes
    if used + length > quota:
        raise Problem(
            413, "quota", f"Your {format_bytes(quota)} are used up; delete scans to make room."
        )
    if not service.uploads.has_room(length):
        log.error("the disk of %s is full", service.uploads.folder)
        raise Problem(507, "full", "The service's disk is full; tell whoever runs it.")
