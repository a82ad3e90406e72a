"""News of a scan as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from gypsum.service.api import metrics, records
from gypsum.service.api.access import Principal, Reader, identify
from gypsum.service.api.problems import documented
from gypsum.service.api.state import Here, Service
from gypsum.service.database import Row

router = APIRouter(prefix="/api/v1/scans", tags=["scans"])

#: Seconds of silence after which a line is sent, and after which it is asked again who listens.
_HEARTBEAT = 15.0
#: Events read at once.
_MOST = 500

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as docs/api.md lists them.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/{scan_id}/events",
    response_class=StreamingResponse,
    responses={**_STREAM, **documented(401, 403, 404)},
)
async def get_events(
    scan_id: UUID,
    principal: Reader,
    request: Request,
    service: Here,
    last_event_id: Annotated[
        str | None, Header(description="The last event seen: those after it are sent.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, lt=10**18, description="The same at first; 0 for all there are.")
    ] = None,
) -> StreamingResponse:
    """News of a scan as it comes (server-sent events).

    The first event is `scan`, the scan as it is; then come those of its run.
    """
    async with service.reader.connection() as connection:
        row = await records.owned(connection, scan_id, principal.user)
        last = _number(last_event_id)
        if last is None:
            last = after
        if last is None:
            found = await connection.execute(
                "select coalesce(max(id), 0) as last from scan_events where scan_id = %s",
                [scan_id],
            )
            newest = await found.fetchone()
            last = newest["last"] if newest else 0
    first = records.scan_out(service, row, principal.user.name).model_dump_json()
    stream = _stream(request, service, principal, scan_id, last, first)
    return StreamingResponse(
        stream,
        media_type="text/event-stream",
        # Proxies keep small answers back otherwise.
        headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"},
    )


async def _stream(
    request: Request, service: Service, principal: Principal, scan: UUID, last: int, first: str
) -> AsyncIterator[bytes]:
    metrics.listening(1)
    try:
        async with service.events.of(scan) as news:
            yield f"retry: 2000\nevent: scan\ndata: {first}\n\n".encode()
            while True:
                news.clear()
                rows = await _after(service, scan, last)
                for row in rows:
                    last = row["id"]
                for row in _worth_sending(rows):
                    yield _framed(row)
                if len(rows) == _MOST:
                    continue
                try:
                    await asyncio.wait_for(news.wait(), _HEARTBEAT)
                except TimeoutError:
                    if not await _still_may(request, service, principal, scan):
                        return
                    yield b": \n\n"
                if service.events.stopped:
                    return
    finally:
        metrics.listening(-1)


async def _after(service: Service, scan: UUID, last: int) -> list[Row]:
    async with service.reader.connection() as connection:
        found = await connection.execute(
            "select id, at, event, data from scan_events where scan_id = %s and id > %s "
            "order by id limit %s",
            [scan, last, _MOST],
        )
        return await found.fetchall()


def _worth_sending(rows: list[Row]) -> list[Row]:
    """Of several reports of progress in a row, the last one."""
    following = [*rows[1:], None][: len(rows)]
    return [
        row
        for row, after in zip(rows, following, strict=True)
        if not (row["event"] == "progress" and after is not None and after["event"] == "progress")
    ]


def _framed(row: Row) -> bytes:
    data = json.dumps(row["data"])
    return f"id: {row['id']}\nevent: {row['event']}\ndata: {data}\n\n".encode()


async def _still_may(request: Request, service: Service, principal: Principal, scan: UUID) -> bool:
    """Whether who listens is still signed in, and the scan still theirs."""
    now = await identify(request, service)
    if now is None or now.id != principal.id:
        return False
    async with service.reader.connection() as connection:
        found = await connection.execute(
            "select 1 from scans where id = %s and owner = %s", [scan, principal.id]
        )
        return await found.fetchone() is not None


def _number(text: str | None) -> int | None:
    """The identifier of an event; None for what is none, as after a change of servers."""
    known = text is not None and text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if known and text is not None else None
