"""What everybody may see: shared scans and the gallery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import StreamingResponse

from gypsum.service.api import records
from gypsum.service.api.models import GalleryOut, SharedOut
from gypsum.service.api.problems import documented
from gypsum.service.api.routes.results import archive_of
from gypsum.service.api.routes.scans import Cursor, Limit, Text
from gypsum.service.api.state import Here

router = APIRouter(prefix="/api/v1", tags=["shared"])

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


@router.get("/shared/{share_token}", responses=documented(404))
async def get_shared(share_token: Token, service: Here) -> SharedOut:
    """A scan by its link. Where it was taken is not told."""
    async with service.reader.connection() as connection:
        row = await records.shared(connection, share_token)
        results = await records.results_of(connection, row["id"], shared=True)
    return records.shared_out(service, row, results)


@router.get(
    "/shared/{share_token}/archive",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A zip of all models.", "content": {"application/zip": {}}},
        **documented(404, 409),
    },
)
async def get_shared_archive(share_token: Token, service: Here) -> StreamingResponse:
    """A shared scan's models in one zip."""
    async with service.reader.connection() as connection:
        scan = await records.shared(connection, share_token)
        rows = await records.results_of(connection, scan["id"], shared=True)
    return archive_of(service.store, scan, rows)


@router.get("/gallery", responses=documented())
async def get_gallery(
    service: Here, q: Text = None, cursor: Cursor = None, limit: Limit = 24
) -> GalleryOut:
    """Public scans, the last finished first; `q` is looked for in titles."""
    after = records.cursor_from(cursor)
    async with service.reader.connection() as connection:
        rows = await records.gallery(connection, q, after, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return GalleryOut(
        items=[records.gallery_item(service, row) for row in rows],
        next=records.cursor_after(rows[-1]["finished_at"], rows[-1]["id"]) if more else None,
    )
