"""Scans, files and results: from the tables to what is sent."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from gypsum.service.accounts.tokens import sign_id
from gypsum.service.accounts.users import User
from gypsum.service.api.models import (
    LICENCE,
    FileCounts,
    FileOut,
    GalleryItem,
    ResultOut,
    ScanOut,
    SharedOut,
)
from gypsum.service.api.problems import Problem, invalid, not_found
from gypsum.service.api.state import Service
from gypsum.service.database import Connection, Row

#: Seconds for which a download's link is good at least; it changes as often, so that browsers can
#: keep what they have.
LINK_SECONDS = 600
_PURPOSE = "download"

#: What others may see. Reports and logs name files and tell where photos were taken.
_SHOWN = ("model", "viewer", "preview", "thumbnail")
#: Of a lidar scan's models, the formats in its own frame: others state where on Earth it is (LAS,
#: points as PLY and XYZ, GeoTIFF, DXF, GeoJSON, the file that says where the frame lies).
_UNPLACED = ("glb", "gltf", "obj", "fbx", "usdz", "stl", "svg")

_COLUMNS = """
    s.*,
    (select count(*) from files f where f.scan_id = s.id and f.state = 'ready') as ready,
    (select count(*) from files f where f.scan_id = s.id and f.state = 'uploading') as uploading,
    (select count(*) from files f where f.scan_id = s.id and f.state = 'refused') as refused,
    (select coalesce(sum(f.bytes), 0) from files f
        where f.scan_id = s.id and f.state <> 'refused')
    + (select coalesce(sum(r.bytes), 0) from results r where r.scan_id = s.id) as stored,
    (select r.id from results r where r.scan_id = s.id and r.kind = 'thumbnail'
        order by r.revision desc, r.created_at desc limit 1) as thumbnail
"""


def link(service: Service, result: UUID) -> str:
    """A result's address for everybody who is told it, for some minutes."""
    now = time.time()
    until = (math.floor(now / LINK_SECONDS) + 2) * LINK_SECONDS
    return f"/api/v1/downloads/{sign_id(service.key, _PURPOSE, result, until - now)}"


def linked(service: Service, token: str) -> UUID:
    """The result that an address stands for. Raises Problem 404."""
    from gypsum.service.accounts.tokens import signed_id

    found = signed_id(service.key, _PURPOSE, token)
    if found is None:
        raise Problem(404, "not-found", "This link has expired; open the scan again for a new one.")
    return found


def share_url(service: Service, token: str | None) -> str | None:
    """The page that others may open."""
    return f"{service.settings.url}/s/{token}" if token else None


# Scans


async def owned(connection: Connection, scan: UUID, user: User, *, lock: bool = False) -> Row:
    """A person's scan. Raises Problem 404, also for others'."""
    found = await connection.execute(
        f"select {_COLUMNS} from scans s where s.id = %s and s.owner = %s"
        + (" for no key update of s" if lock else ""),
        [scan, user.id],
    )
    row = await found.fetchone()
    if row is None:
        raise not_found("scan")
    return row


async def listed(
    connection: Connection,
    user: User,
    text: str | None,
    state: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """A person's scans, the newest first."""
    found = await connection.execute(
        f"""
        select {_COLUMNS} from scans s
        where s.owner = %(user)s
            and (%(text)s::text is null or s.title ilike %(text)s escape '!')
            and (%(state)s::text is null or s.state = %(state)s)
            and (%(at)s::timestamptz is null or (s.created_at, s.id) < (%(at)s, %(id)s))
        order by s.created_at desc, s.id desc limit %(limit)s
        """,
        {
            "user": user.id,
            "text": containing(text),
            "state": state,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return await found.fetchall()


def containing(text: str | None) -> str | None:
    """A pattern for LIKE with the escape ``!``."""
    if text is None:
        return None
    escaped = "".join(f"!{c}" if c in "!%_" else c for c in text)
    return f"%{escaped}%"


def scan_out(service: Service, row: Row, author: str | None = None) -> ScanOut:
    """A scan as its owner sees it."""
    public = row["privacy"] == "public"
    same = ("id", "title", "mode", "options", "state", "privacy", "created_at", "queued_at",
            "started_at", "finished_at", "stage", "doing", "seconds_left", "message", "revision",
            "notify_email")  # fmt: skip
    return ScanOut(
        **{name: row[name] for name in same},
        progress=min(1.0, max(0.0, row["progress"])),
        share_url=share_url(service, row["share_token"]),
        size_bytes=int(row["stored"]),
        files=FileCounts(ready=row["ready"], uploading=row["uploading"], refused=row["refused"]),
        thumbnail_url=link(service, row["thumbnail"]) if row["thumbnail"] else None,
        author=author if public else None,
        licence=LICENCE if public else None,
    )


# Files


async def files_of(connection: Connection, scan: UUID) -> list[Row]:
    """A scan's files in the order in which they came."""
    found = await connection.execute(
        "select * from files where scan_id = %s order by created_at, id", [scan]
    )
    return await found.fetchall()


async def owned_file(connection: Connection, file: UUID, user: User, *, lock: bool = False) -> Row:
    """A file of a person's scan, with the scan's state. Raises Problem 404."""
    found = await connection.execute(
        "select f.*, s.state as scan_state from files f join scans s on s.id = f.scan_id "
        "where f.id = %s and s.owner = %s" + (" for no key update of f" if lock else ""),
        [file, user.id],
    )
    row = await found.fetchone()
    if row is None:
        raise not_found("file")
    return row


def file_out(service: Service, row: Row) -> FileOut:
    """A file as its owner sees it."""
    here = service.uploads.arrived(row["id"]) if row["state"] == "uploading" else 0
    same = ("id", "name", "media_type", "bytes", "state", "problem", "created_at")
    return FileOut(
        **{name: row[name] for name in same},
        offset=min(row["bytes"], row["offset_bytes"] + here),
        upload_url=f"/api/v1/uploads/{row['id']}",
    )


# Results


async def results_of(connection: Connection, scan: UUID, *, shared: bool = False) -> list[Row]:
    """What the scan's last run made; what others may see of it where it is shared."""
    found = await connection.execute(
        """
        select r.* from results r join scans s on s.id = r.scan_id
        where r.scan_id = %(scan)s
            and r.revision = (select max(revision) from results where scan_id = %(scan)s)
            and (not %(shared)s or (r.kind = any(%(kinds)s)
                and (r.kind <> 'model' or s.mode <> 'lidar' or r.format = any(%(unplaced)s))))
        order by r.kind, r.created_at, r.name
        """,
        {
            "scan": scan,
            "shared": shared,
            "kinds": list(_SHOWN),
            "unplaced": list(_UNPLACED),
        },
    )
    return await found.fetchall()


def result_out(service: Service, row: Row) -> ResultOut:
    """A result with its link."""
    same = ("id", "kind", "format", "name", "bytes", "media_type")
    return ResultOut(**{name: row[name] for name in same}, url=link(service, row["id"]))


# What others see


async def shared(connection: Connection, token: str) -> Row:
    """The scan that a link leads to. Raises Problem 404."""
    found = await connection.execute(
        f"select {_COLUMNS}, u.name as author from scans s join users u on u.id = s.owner "
        "where s.share_token = %s and s.privacy in ('unlisted', 'public') "
        "and u.deleted_at is null",
        [token],
    )
    row = await found.fetchone()
    if row is None:
        raise not_found("shared scan")
    return row


def shared_out(service: Service, row: Row, results: Sequence[Row]) -> SharedOut:
    """A scan as others see it: no options, no files' names, no reports."""
    address = share_url(service, row["share_token"])
    assert address is not None
    return SharedOut(
        title=row["title"],
        mode=row["mode"],
        state=row["state"],
        author=row["author"],
        licence=LICENCE if row["privacy"] == "public" else None,
        finished_at=row["finished_at"],
        share_url=address,
        thumbnail_url=link(service, row["thumbnail"]) if row["thumbnail"] else None,
        results=[result_out(service, result) for result in results],
    )


async def gallery(
    connection: Connection, text: str | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Public scans that are done, the last finished first."""
    found = await connection.execute(
        """
        select s.id, s.share_token, s.title, s.mode, s.finished_at, u.name as author,
            (select r.id from results r where r.scan_id = s.id and r.kind = 'thumbnail'
                order by r.revision desc, r.created_at desc limit 1) as thumbnail
        from scans s join users u on u.id = s.owner
        where s.privacy = 'public' and s.state = 'done' and s.finished_at is not null
            and u.deleted_at is null
            and (%(text)s::text is null or s.title ilike %(text)s escape '!')
            and (%(at)s::timestamptz is null or (s.finished_at, s.id) < (%(at)s, %(id)s))
        order by s.finished_at desc, s.id desc limit %(limit)s
        """,
        {
            "text": containing(text),
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return await found.fetchall()


def gallery_item(service: Service, row: Row) -> GalleryItem:
    """A scan in the gallery."""
    same = ("share_token", "title", "mode", "author", "finished_at")
    return GalleryItem(
        **{name: row[name] for name in same},
        share_url=share_url(service, row["share_token"]) or "",
        licence=LICENCE,
        thumbnail_url=link(service, row["thumbnail"]) if row["thumbnail"] else None,
    )


# Pages of lists


def cursor_after(at: datetime, identifier: UUID) -> str:
    """Where the next page begins, as one word."""
    text = json.dumps([at.isoformat(), str(identifier)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cursor_from(text: str | None) -> tuple[datetime, UUID] | None:
    """What :func:`cursor_after` wrote. Raises Problem 422."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded: list[Any] = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at, identifier = decoded
        when = datetime.fromisoformat(at)
        if when.tzinfo is None:
            raise ValueError
        return when, UUID(identifier)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise invalid("cursor", "The cursor is none that this service gave.") from None
