"""What scans made: lists, downloads, archives."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse

from gypsum.service.api import records
from gypsum.service.api.access import Reader
from gypsum.service.api.models import ResultsOut
from gypsum.service.api.problems import Problem, documented, not_found
from gypsum.service.api.state import Here
from gypsum.service.database import Row
from gypsum.service.storage import MissingObjectError, Store

router = APIRouter(prefix="/api/v1", tags=["results"])

_BYTES = {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}
#: Kinds of files that a page shows; everything else is saved.
_SHOWN = ("image/", "video/", "model/")
#: A report is a page that others may have had a hand in, by the names of their files: it runs as
#: from nowhere, and reaches nothing.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'"
)


@router.get("/scans/{scan_id}/results", responses=documented(401, 403, 404))
async def list_results(scan_id: UUID, principal: Reader, service: Here) -> ResultsOut:
    """What the last run made, each with a link that is good for some minutes."""
    async with service.reader.connection() as connection:
        await records.owned(connection, scan_id, principal.user)
        rows = await records.results_of(connection, scan_id)
    return ResultsOut(items=[records.result_out(service, row) for row in rows])


@router.get(
    "/scans/{scan_id}/archive",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A zip of all models.", "content": {"application/zip": {}}},
        **documented(401, 403, 404, 409),
    },
)
async def get_archive(scan_id: UUID, principal: Reader, service: Here) -> StreamingResponse:
    """All models in one zip, as it is made."""
    async with service.reader.connection() as connection:
        scan = await records.owned(connection, scan_id, principal.user)
        rows = await records.results_of(connection, scan_id)
    return archive_of(service.store, scan, rows)


@router.get(
    "/downloads/{token}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The file.", **_BYTES},
        206: {"description": "The part asked for.", **_BYTES},
        304: {"description": "Not changed."},
        **documented(404, 416),
    },
)
async def download(
    token: str,
    service: Here,
    byte_range: Annotated[str | None, Header(alias="Range")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A file by its link. `Range` asks for a part."""
    result = records.linked(service, token)
    async with service.reader.connection() as connection:
        found = await connection.execute("select * from results where id = %s", [result])
        row = await found.fetchone()
    if row is None:
        raise not_found("file")
    etag = f'"{result}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=600",
        "Content-Disposition": disposition(row["name"], row["media_type"].startswith(_SHOWN)),
    }
    if row["media_type"].startswith("text/html"):
        headers["Content-Security-Policy"] = _REPORT_POLICY
        headers["Content-Disposition"] = disposition(row["name"], shown=True)
    else:
        headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    try:
        size = await service.store.size(row["object_key"])
    except MissingObjectError:
        raise not_found("file") from None
    start, end, status = 0, size, 200
    if byte_range is not None:
        part = _range(byte_range, size)
        if part is not None:
            (start, end), status = part, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(
        service.store.stream(row["object_key"], start, end), status, headers, row["media_type"]
    )


def _range(header: str, size: int) -> tuple[int, int] | None:
    """The bytes of ``bytes=a-b``; None for what is to be ignored. Raises Problem 416."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header.strip())
    if match is None or not (match[1] or match[2]):
        return None  # Several ranges need not be served.
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]) + 1, size) if match[2] else size
    else:
        start, end = max(0, size - int(match[2])), size
    if start >= size or start >= end:
        raise Problem(
            416, "range", "The file has no such part.", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


def disposition(name: str, shown: bool = False) -> str:
    """``Content-Disposition`` for any name (RFC 6266)."""
    text = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in name)
    text = re.sub(r'[/\\:*?"<>|]', "-", text).strip() or "file"
    plain = text.encode("ascii", "replace").decode().replace("?", "_")
    kind = "inline" if shown else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(text, safe='')}"


class _Pieces:
    """A file that is written from one side and sent from the other; it can't be rewound."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        """Take more."""
        self._data += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._data)
        self._data.clear()
        return data


def archive_of(store: Store, scan: Row, results: Sequence[Row]) -> StreamingResponse:
    """All models among a scan's results as a zip. Raises `Problem` where there are none."""
    models = [row for row in results if row["kind"] == "model"]
    if not models:
        raise Problem(409, "state", "This scan has no models yet.")
    return StreamingResponse(
        zipped(store, models),
        media_type="application/zip",
        headers={"Content-Disposition": disposition(f"{scan['title']}.zip")},
    )


async def zipped(store: Store, rows: Sequence[Row]) -> AsyncIterator[bytes]:
    """A zip of objects, stored as they are: models hardly shrink. Memory stays bounded."""
    pieces = _Pieces()
    names: set[str] = set()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for row in rows:
            name = _unique(row["name"].replace("/", "-").replace("\\", "-"), names)
            entry = zipfile.ZipInfo(name, row["created_at"].timetuple()[:6])
            entry.file_size = row["bytes"]
            with archive.open(entry, "w", force_zip64=row["bytes"] >= 1 << 31) as file:
                async for chunk in store.stream(row["object_key"]):
                    file.write(chunk)
                    yield pieces.taken()
            yield pieces.taken()
    yield pieces.taken()


def _unique(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found = f"{number} {name}"
        number += 1
    taken.add(found)
    return found
