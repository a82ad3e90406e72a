"""Scans: made, started, changed, watched, deleted."""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from psycopg.types.json import Jsonb
from pydantic import AfterValidator

from gypsum.errors import InputError
from gypsum.options import Mode
from gypsum.service import jobs
from gypsum.service.accounts import audit
from gypsum.service.api import options, records
from gypsum.service.api.access import Principal, Reader, Writer
from gypsum.service.api.arrivals import delete_upload
from gypsum.service.api.idempotency import IdempotencyKey, once
from gypsum.service.api.models import (
    FilesOut,
    LogOut,
    ReviseIn,
    ScanIn,
    ScanOut,
    ScanPatch,
    ScansOut,
    State,
    storable,
)
from gypsum.service.api.problems import Problem, documented, not_found
from gypsum.service.api.state import Here, Service, address_of
from gypsum.service.database import Connection, Row

router = APIRouter(prefix="/api/v1/scans", tags=["scans"])

#: States in which a worker has the scan, or soon will.
_BUSY = ("queued", "running")
#: Bytes of a share link's randomness.
_SHARE_BYTES = 16

Text = Annotated[str | None, Query(max_length=200), AfterValidator(lambda t: t and storable(t))]
Cursor = Annotated[str | None, Query(max_length=300, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("", status_code=201, response_model=ScanOut, responses=documented(401, 403, 409, 413))
async def create_scan(
    body: ScanIn,
    principal: Writer,
    request: Request,
    service: Here,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Begin a scan. Then upload files to it, and start it."""
    stored = options.checked(body.mode, body.options)
    async with service.pool.connection() as connection:

        async def act() -> tuple[int, dict[str, Any]]:
            await _check_count(connection, service, principal)
            token = _share_token(service, principal, body.privacy)
            found = await connection.execute(
                "insert into scans (owner, title, mode, options, privacy, share_token, "
                "notify_email, idempotency_key) values (%s, %s, %s, %s, %s, %s, %s, %s) "
                "returning id",
                [principal.id, body.title, body.mode.value, Jsonb(stored), body.privacy, token,
                 body.notify_email, idempotency_key],
            )  # fmt: skip
            row = await found.fetchone()
            assert row is not None
            await audit.note(
                connection, principal.id, "scan.create", target=row["id"],
                address=address_of(request),
            )  # fmt: skip
            return 201, await _body(connection, service, principal, row["id"])

        asked = {"to": "create", **body.model_dump(mode="json")}
        return await once(connection, principal.id, idempotency_key, asked, act)


@router.get("", responses=documented(401, 403))
async def list_scans(
    principal: Reader,
    service: Here,
    q: Text = None,
    state: State | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ScansOut:
    """One's scans, the newest first; `q` is looked for in titles."""
    after = records.cursor_from(cursor)
    async with service.reader.connection() as connection:
        rows = await records.listed(connection, principal.user, q, state, after, limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return ScansOut(
        items=[records.scan_out(service, row, principal.user.name) for row in rows],
        next=records.cursor_after(rows[-1]["created_at"], rows[-1]["id"]) if more else None,
    )


@router.get("/{scan_id}", responses=documented(401, 403, 404))
async def get_scan(scan_id: UUID, principal: Reader, service: Here) -> ScanOut:
    """A scan: what it is and how far it is."""
    async with service.reader.connection() as connection:
        row = await records.owned(connection, scan_id, principal.user)
    return records.scan_out(service, row, principal.user.name)


@router.patch("/{scan_id}", responses=documented(401, 403, 404, 409, 413))
async def change_scan(
    scan_id: UUID, body: ScanPatch, principal: Writer, request: Request, service: Here
) -> ScanOut:
    """Change title, privacy or notice; mode and options only while it is a draft."""
    async with service.pool.connection() as connection:
        row = await records.owned(connection, scan_id, principal.user, lock=True)
        changed: dict[str, Any] = {}
        if body.mode is not None or body.options is not None:
            changed |= _changed_options(row, body)
        if body.title is not None:
            changed["title"] = body.title
        if body.notify_email is not None:
            changed["notify_email"] = body.notify_email
        if body.privacy is not None and body.privacy != row["privacy"]:
            changed["privacy"] = body.privacy
            token = _share_token(service, principal, body.privacy)
            # An unlisted link goes on to work when the scan becomes public; not once it is private.
            changed["share_token"] = token and (row["share_token"] or token)
            await audit.note(
                connection, principal.id, "scan.privacy", target=scan_id,
                address=address_of(request), privacy=body.privacy,
            )  # fmt: skip
        for name, value in changed.items():
            # Names are of columns, listed above; values are passed beside the statement.
            await connection.execute(
                f"update scans set {name} = %s where id = %s",
                [Jsonb(value) if name == "options" else value, scan_id],
            )
        row = await records.owned(connection, scan_id, principal.user)
    return records.scan_out(service, row, principal.user.name)


@router.delete(
    "/{scan_id}", status_code=204, response_class=Response, responses=documented(401, 403, 404)
)
async def delete_scan(scan_id: UUID, principal: Writer, request: Request, service: Here) -> None:
    """Delete a scan with its files and results. There is no way back."""
    async with service.pool.connection() as connection:
        await records.owned(connection, scan_id, principal.user, lock=True)
        files = await records.files_of(connection, scan_id)
        await jobs.forget(connection, scan_id, service.settings)
        await audit.note(
            connection, principal.id, "scan.delete", target=scan_id, address=address_of(request)
        )
    for file in files:
        await service.uploads.discard(file["id"])


@router.get("/{scan_id}/files", responses=documented(401, 403, 404))
async def list_files(scan_id: UUID, principal: Reader, service: Here) -> FilesOut:
    """A scan's files: there, on their way, or refused, with the reason."""
    async with service.reader.connection() as connection:
        await records.owned(connection, scan_id, principal.user)
        rows = await records.files_of(connection, scan_id)
    return FilesOut(items=[records.file_out(service, row) for row in rows])


@router.delete(
    "/{scan_id}/files/{file_id}",
    status_code=204,
    response_class=Response,
    responses=documented(401, 403, 404, 409),
)
async def delete_file(scan_id: UUID, file_id: UUID, principal: Writer, service: Here) -> None:
    """Take a file out of a scan."""
    async with service.pool.connection() as connection:
        row = await records.owned_file(connection, file_id, principal.user)
        if row["scan_id"] != scan_id:
            raise not_found("file")
    await delete_upload(service, principal, file_id)


@router.post(
    "/{scan_id}/start", response_model=ScanOut, responses=documented(401, 403, 404, 409, 413)
)
async def start_scan(
    scan_id: UUID,
    principal: Writer,
    request: Request,
    service: Here,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Start a scan whose files are all there; a failed or cancelled one is tried again."""
    return await _run(
        scan_id, None, ("draft", "failed", "cancelled"), principal, request, service,
        idempotency_key,
    )  # fmt: skip


@router.post(
    "/{scan_id}/revise", response_model=ScanOut, responses=documented(401, 403, 404, 409, 413)
)
async def revise_scan(
    scan_id: UUID,
    body: ReviseIn,
    principal: Writer,
    request: Request,
    service: Here,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    """Run a scan again with other options; what does not depend on them is not done again."""
    return await _run(
        scan_id, body.options, ("done", "failed", "cancelled"), principal, request, service,
        idempotency_key,
    )  # fmt: skip


@router.post("/{scan_id}/cancel", responses=documented(401, 403, 404, 409))
async def cancel_scan(scan_id: UUID, principal: Writer, request: Request, service: Here) -> ScanOut:
    """Stop a scan that waits or runs; what it finished is kept for the next start."""
    async with service.pool.connection() as connection:
        await records.owned(connection, scan_id, principal.user)
        if not await jobs.request_cancel(connection, scan_id, service.settings):
            raise Problem(409, "state", "This scan neither waits nor runs.")
        await audit.note(
            connection, principal.id, "scan.cancel", target=scan_id, address=address_of(request)
        )
        row = await records.owned(connection, scan_id, principal.user)
    return records.scan_out(service, row, principal.user.name)


@router.get("/{scan_id}/log", responses=documented(401, 403, 404))
async def get_log(
    scan_id: UUID,
    principal: Reader,
    service: Here,
    tail: Annotated[int, Query(ge=1, le=5000)] = 200,
) -> LogOut:
    """The last lines of what the scan said."""
    async with service.reader.connection() as connection:
        await records.owned(connection, scan_id, principal.user)
        return LogOut(lines=await jobs.log_lines(connection, scan_id, tail))


async def _run(
    scan_id: UUID,
    changes: dict[str, Any] | None,
    states: tuple[str, ...],
    principal: Principal,
    request: Request,
    service: Service,
    key: str | None,
) -> JSONResponse:
    """Put a scan into the queue, with changed options where there are any."""
    async with service.pool.connection() as connection:

        async def act() -> tuple[int, dict[str, Any]]:
            # People one at a time, so that their scans can be counted.
            await connection.execute(
                "select 1 from users where id = %s for no key update", [principal.id]
            )
            row = await records.owned(connection, scan_id, principal.user, lock=True)
            if row["state"] not in states:
                raise Problem(409, "state", f"This scan is {_in_words(row['state'])}.")
            _check_files(row)
            await _check_waiting(connection, service, principal)
            if changes is not None:
                merged = options.checked(Mode(row["mode"]), {**row["options"], **changes})
                await connection.execute(
                    "update scans set options = %s where id = %s", [Jsonb(merged), scan_id]
                )
            try:
                await jobs.enqueue(connection, scan_id, service.settings)
            except InputError as error:
                raise Problem(409, "state", str(error)) from None
            await audit.note(
                connection, principal.id, "scan.start", target=scan_id, address=address_of(request)
            )
            return 200, await _body(connection, service, principal, scan_id)

        asked = {"to": "run", "scan": str(scan_id), "options": changes}
        return await once(connection, principal.id, key, asked, act)


def _changed_options(row: Row, body: ScanPatch) -> dict[str, Any]:
    if row["state"] != "draft":
        raise Problem(409, "state", "Options of a scan that was started are changed with /revise.")
    mode = body.mode or Mode(row["mode"])
    if body.options is not None:
        return {"mode": mode.value, "options": options.checked(mode, body.options)}
    # Another mode keeps what it has as well; where that does not go together, nothing.
    kept = {name: value for name, value in row["options"].items() if name in options.allowed(mode)}
    try:
        return {"mode": mode.value, "options": options.checked(mode, kept)}
    except Problem:
        return {"mode": mode.value, "options": {}}


def _share_token(service: Service, principal: Principal, privacy: str) -> str | None:
    if privacy == "private":
        return None
    if privacy == "public" and service.settings.smtp_url and not principal.user.verified:
        raise Problem(
            403, "unverified", "Confirm your e-mail address before you show scans to everybody."
        )
    return secrets.token_urlsafe(_SHARE_BYTES)


async def _check_count(connection: Connection, service: Service, principal: Principal) -> None:
    await connection.execute("select 1 from users where id = %s for no key update", [principal.id])
    found = await connection.execute(
        "select count(*) as count from scans where owner = %s", [principal.id]
    )
    row = await found.fetchone()
    most = service.settings.user_scans
    if row is not None and row["count"] >= most:
        raise Problem(409, "quota", f"You keep {most:,} scans already; delete some first.")


async def _check_waiting(connection: Connection, service: Service, principal: Principal) -> None:
    found = await connection.execute(
        "select count(*) as count from scans where owner = %s and state = any(%s)",
        [principal.id, list(_BUSY)],
    )
    row = await found.fetchone()
    most = service.settings.user_waiting
    if row is not None and row["count"] >= most:
        raise Problem(
            409, "quota", f"{most} of your scans wait or run already; start this one later."
        )


def _check_files(row: Row) -> None:
    if row["uploading"]:
        raise Problem(
            409, "uploading", f"{row['uploading']} files are still on their way; wait for them."
        )
    if not row["ready"]:
        raise Problem(409, "no-files", "Add photos, a clip or a zip first.")


async def _body(
    connection: Connection, service: Service, principal: Principal, scan_id: UUID
) -> dict[str, Any]:
    row = await records.owned(connection, scan_id, principal.user)
    return records.scan_out(service, row, principal.user.name).model_dump(mode="json")


def _in_words(state: str) -> str:
    words = {
        "draft": "not started yet",
        "queued": "waiting for its turn already",
        "running": "running already",
        "done": "done already; use /revise to run it again with other options",
    }
    return words.get(state, state)
