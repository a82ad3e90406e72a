"""Resumable uploads: tus 1.0.0 with creation, termination and checksum (https://tus.io)."""

from __future__ import annotations

import logging
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.requests import ClientDisconnect

from gypsum.service.api import pieces, records
from gypsum.service.api.access import Writer
from gypsum.service.api.arrivals import announce, append, busy, complete, delete_upload
from gypsum.service.api.problems import Problem, documented, invalid
from gypsum.service.api.state import Here, Service
from gypsum.service.uploads import ChecksumError, OffsetError, tus

log = logging.getLogger(__name__)

Version = Annotated[str | None, Header(alias="Tus-Resumable", examples=[tus.VERSION])]
Length = Annotated[str | None, Header(alias="Upload-Length", examples=["4194304"])]
Offset = Annotated[str | None, Header(alias="Upload-Offset", examples=["0"])]
Metadata = Annotated[
    str | None, Header(alias="Upload-Metadata", examples=["filename SU1HXzAwMDEuanBn"])
]
Checksum = Annotated[str | None, Header(alias="Upload-Checksum")]

_HEADERS = {"Tus-Resumable": tus.VERSION, "Cache-Control": "no-store"}


async def _speaks_tus(tus_resumable: Version = None) -> None:
    """Other versions of the protocol are told which one this is."""
    if tus_resumable != tus.VERSION:
        raise Problem(
            412,
            "tus-version",
            f"Uploads speak tus {tus.VERSION}: send the header Tus-Resumable.",
            headers={"Tus-Version": tus.VERSION},
        )


router = APIRouter(prefix="/api/v1", tags=["uploads"])
_tus = [Depends(_speaks_tus)]


@router.options(
    "/scans/{scan_id}/uploads", status_code=204, response_class=Response, responses=documented()
)
async def describe_uploads(scan_id: UUID, service: Here) -> Response:  # noqa: ARG001
    """What of tus this service speaks; the same for every scan."""
    return _described(service)


@router.options(
    "/uploads/{file_id}", status_code=204, response_class=Response, responses=documented()
)
async def describe_upload(file_id: UUID, service: Here) -> Response:  # noqa: ARG001
    """What of tus this service speaks; the same for every upload."""
    return _described(service)


def _described(service: Service) -> Response:
    headers = {
        "Tus-Resumable": tus.VERSION,
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
        "Tus-Max-Size": str(service.settings.file_bytes),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/scans/{scan_id}/uploads",
    status_code=201,
    response_class=Response,
    responses=documented(401, 403, 404, 409, 412, 413, 507),
    dependencies=_tus,
)
async def create_upload(
    scan_id: UUID,
    principal: Writer,
    response: Response,
    service: Here,
    upload_length: Length = None,
    upload_metadata: Metadata = None,
) -> None:
    """Announce a file; its bytes go to the address in the header Location."""
    length = tus.count(upload_length)
    if length is None:
        raise invalid("Upload-Length", "Send the file's size in bytes as Upload-Length.")
    said = tus.metadata(upload_metadata or "")
    if said is None:
        raise invalid("Upload-Metadata", "Upload-Metadata is damaged: values are Base64 of UTF-8.")
    name = tus.shown_name(said.get("filename") or said.get("name") or "")
    file_id = await announce(service, principal, scan_id, name, length)
    response.headers.update(_HEADERS)
    response.headers["Location"] = f"/api/v1/uploads/{file_id}"
    response.headers["Upload-Offset"] = "0"


@router.head(
    "/uploads/{file_id}",
    status_code=200,
    response_class=Response,
    responses=documented(401, 403, 404, 412, 423),
    dependencies=_tus,
)
async def get_offset(file_id: UUID, principal: Writer, response: Response, service: Here) -> None:
    """How much of a file has arrived, in the header Upload-Offset."""
    async with service.reader.connection() as connection:
        row = await records.owned_file(connection, file_id, principal.user)
    offset = row["bytes"]
    if row["state"] == "uploading":
        try:
            async with service.uploads.alone(file_id):
                start = await pieces.begin(service, file_id)
                offset = start + service.uploads.arrived(file_id)
                if offset == row["bytes"]:  # The service ended before the file was in its place.
                    await complete(service, file_id, start)
        except TimeoutError:
            raise _locked() from None
    response.headers.update(_HEADERS)
    response.headers["Upload-Offset"] = str(offset)
    response.headers["Upload-Length"] = str(row["bytes"])


@router.patch(
    "/uploads/{file_id}",
    status_code=204,
    response_class=Response,
    responses=documented(401, 403, 404, 408, 409, 412, 413, 415, 423, 460),
    dependencies=_tus,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {tus.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def append_bytes(
    file_id: UUID,
    principal: Writer,
    request: Request,
    response: Response,
    service: Here,
    upload_offset: Offset = None,
    upload_checksum: Checksum = None,
) -> None:
    """Send bytes, from the offset on, as many as one likes.

    Once all are there, the file is checked; the list of files tells whether it was refused.
    """
    if request.headers.get("content-type", "") != tus.MEDIA_TYPE:
        raise Problem(415, "media-type", f"Bytes are sent as {tus.MEDIA_TYPE}.")
    offset = tus.count(upload_offset)
    if offset is None:
        raise invalid("Upload-Offset", "Send the place of the first byte as Upload-Offset.")
    checksum = _checksum(upload_checksum)
    async with service.reader.connection() as connection:
        row = await records.owned_file(connection, file_id, principal.user)
    if row["scan_state"] in ("queued", "running"):
        raise busy()
    if row["state"] != "uploading":
        raise _wrong_offset(row["bytes"])
    sent = tus.count(request.headers.get("content-length"))
    if sent is not None and offset + sent > row["bytes"]:
        raise Problem(413, "too-large", "That is more than the file has by its Upload-Length.")
    try:
        async with service.uploads.alone(file_id):
            arrived = await append(service, row, offset, request.stream(), checksum)
    except OffsetError:
        raise _wrong_offset(await pieces.offset(service, file_id)) from None
    except ChecksumError:
        raise Problem(
            460, "checksum", "The bytes were damaged on the way; send them again."
        ) from None
    except TimeoutError:
        raise Problem(408, "timeout", "No bytes came for a while; go on where it ended.") from None
    except ClientDisconnect:
        log.info("upload %s lost its connection", file_id)
        raise Problem(408, "timeout", "The connection ended; go on where it ended.") from None
    response.headers.update(_HEADERS)
    response.headers["Upload-Offset"] = str(arrived)


@router.delete(
    "/uploads/{file_id}",
    status_code=204,
    response_class=Response,
    responses=documented(401, 403, 404, 409, 412, 423),
    dependencies=_tus,
)
async def delete_upload_of(
    file_id: UUID, principal: Writer, response: Response, service: Here
) -> None:
    """Give an upload up, or take its file out of the scan."""
    try:
        await delete_upload(service, principal, file_id)
    except TimeoutError:
        raise _locked() from None
    response.headers.update(_HEADERS)


def _checksum(header: str | None) -> tuple[str, bytes] | None:
    if header is None:
        return None
    found = tus.checksum(header)
    if found is None or found[0] not in tus.ALGORITHMS:
        raise Problem(
            400, "checksum", f"Checksums are of {' or '.join(tus.ALGORITHMS)}, in Base64."
        )
    return found


def _wrong_offset(offset: int) -> Problem:
    return Problem(
        409,
        "offset",
        f"The next byte is number {offset}.",
        headers={"Upload-Offset": str(offset), "Tus-Resumable": tus.VERSION},
    )


def _locked() -> Problem:
    return Problem(423, "locked", "Another connection writes this upload; try again in a moment.")
