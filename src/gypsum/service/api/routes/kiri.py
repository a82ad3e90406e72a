"""The calls of KIRI Engine's open API (docs.kiriengine.app), for programs that were made for it.

Such a program goes on to work when its base URL and its key are changed to this service's. Answers
are ``{code, msg, data, ok}``: ``code`` is 0 where all went well. Scans are those of this service;
they are seen in its pages and by its own API as well.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from gypsum.options import Mode, format_bytes
from gypsum.service.accounts.tokens import sign_id, signed_id
from gypsum.service.api import metrics, records
from gypsum.service.api.access import Principal, Reader, Writer
from gypsum.service.api.arrivals import announce, complete
from gypsum.service.api.models import ScanIn
from gypsum.service.api.problems import Problem, not_found
from gypsum.service.api.routes import results, scans
from gypsum.service.api.state import Here, Service
from gypsum.service.database import Row
from gypsum.service.uploads import tus

log = logging.getLogger(__name__)

PREFIX = "/api/v1/open"

#: Seconds for which the link to a model is good, as there.
_LINK_SECONDS = 3600.0
_PURPOSE = "kiri archive"
#: Bytes that are moved at a time.
_CHUNK = 1 << 20
#: Fields of a form beside its files.
_FIELDS = 20

_FACES = {0: 200_000, 1: 100_000, 2: 50_000, 3: 500_000}
_QUALITIES = {0: "normal", 1: "normal", 2: "draft", 3: "high"}
_TEXTURES = {0: "4k", 1: "2k", 2: "1k", 3: "8k"}
_STATES = {"draft": -1, "running": 0, "failed": 1, "cancelled": 1, "done": 2, "queued": 3}
_EXPIRED = 4
#: ``code`` of an answer that brings nothing.
_NOT_READY = 2000

Kind = Literal["photo", "featureless", "3dgs"]
_KINDS: dict[str, tuple[Mode, int, str]] = {
    "photo": (Mode.PHOTO, 1, "Photo Scan"),
    "featureless": (Mode.FEATURELESS, 2, "Featureless Object Scan"),
    "3dgs": (Mode.SPLAT, 3, "3DGS Scan"),
}
FileFormat = Literal["obj", "fbx", "stl", "ply", "glb", "gltf", "usdz", "xyz"]


class _Camel(BaseModel):
    """Names as the API has them."""

    model_config = ConfigDict(alias_generator=to_camel)


class Asked(_Camel):
    """The fields of a form beside its files, with the defaults that they have there."""

    model_quality: Literal[0, 1, 2, 3] = 0
    """0 high, 1 medium, 2 low, 3 ultra."""
    texture_quality: Literal[0, 1, 2, 3] = 0
    """0 is 4K, 1 is 2K, 2 is 1K, 3 is 8K."""
    texture_smoothing: Literal[0, 1] = 0
    is_mask: Literal[0, 1] = 0
    is_mesh: Literal[0, 1] = 0
    file_format: FileFormat = "obj"

    def options(self, kind: str) -> dict[str, Any]:
        """The same in this service's words."""
        mask = "auto" if self.is_mask else "off"
        if kind == "featureless":
            return {"format": [self.file_format]}
        if kind == "3dgs":
            # There a .ply holds splats.
            mesh = "glb" if self.file_format == "ply" else self.file_format
            return {"mask": mask, "format": ["ply", mesh] if self.is_mesh else ["ply"]}
        return {
            "quality": _QUALITIES[self.model_quality],
            "faces": _FACES[self.model_quality],
            "texture": _TEXTURES[self.texture_quality],
            "texture_smoothing": "on" if self.texture_smoothing else "off",
            "mask": mask,
            "format": [self.file_format],
        }


class Begun(_Camel):
    """A task that was begun."""

    serialize: str = Field(examples=["796a6f52457844b4918db3eadd64becc"])
    calculate_type: int
    """1 Photo Scan, 2 Featureless Object Scan, 3 3DGS Scan."""


class Status(_Camel):
    """How far a task is."""

    serialize: str
    status: int
    """-1 uploading, 0 processing, 1 failed, 2 successful, 3 queuing, 4 expired."""


class ModelZip(_Camel):
    """Where a task's models are."""

    serialize: str
    model_url: str | None
    """A zip, for an hour; null while there is none."""


class Balance(_Camel):
    """What may still be done."""

    balance: int
    """Scans that the account may still keep."""


Data = TypeVar("Data")


class Answer(BaseModel, Generic[Data]):
    """What every call is answered with."""

    code: int = 0
    msg: str = "success"
    data: Data | None
    ok: bool = True


class _Route(APIRoute):
    """Errors have this API's shape, and the status that they have elsewhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as error:
                return _failed(error.status, error.detail)
            except HTTPException as error:
                return _failed(error.status_code, str(error.detail))
            except RequestValidationError as error:
                return _failed(422, _first(error.errors()))

        return handle


def _failed(status: int, message: str) -> JSONResponse:
    body = {"code": status, "msg": message, "data": None, "ok": False}
    return JSONResponse(body, status)


def _first(errors: Any) -> str:
    field = ".".join(str(part) for part in errors[0]["loc"] if part not in ("query", "body"))
    return f"{field}: {errors[0]['msg']}."


router = APIRouter(prefix=PREFIX, tags=["kiri"], route_class=_Route)


def _form(field: str, many: bool) -> dict[str, Any]:
    """For OpenAPI: a form of files and of what is asked."""
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    files = {field: {"type": "array", "items": file} if many else file}
    asked = Asked.model_json_schema()["properties"]
    schema = {"type": "object", "required": [field], "properties": {**files, **asked}}
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


def _answered(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"schema": {"$ref": "#/components/schemas/Answer_Begun_"}}
    return {
        status: {"description": "Refused: `msg` says why.", "content": {"application/json": schema}}
        for status in (400, 401, 403, 422, 429, 503, *statuses)
    }


_REFUSED = _answered(409, 413, 507)


@router.post("/{kind}/image", responses=_REFUSED, openapi_extra=_form("imagesFiles", True))
async def upload_images(
    kind: Kind, principal: Writer, request: Request, service: Here
) -> Answer[Begun]:
    """Upload photos and begin."""
    return await _begin(kind, "imagesFiles", principal, request, service)


@router.post("/{kind}/video", responses=_REFUSED, openapi_extra=_form("videoFile", False))
async def upload_video(
    kind: Kind, principal: Writer, request: Request, service: Here
) -> Answer[Begun]:
    """Upload a clip and begin."""
    return await _begin(kind, "videoFile", principal, request, service)


Serialize = Annotated[UUID, Query(examples=["796a6f52457844b4918db3eadd64becc"])]


@router.get("/model/getStatus", responses=_answered(404))
async def get_status(serialize: Serialize, principal: Reader, service: Here) -> Answer[Status]:
    """How far a task is."""
    async with service.pool.connection() as connection:
        scan = await records.owned(connection, serialize, principal.user)
        models = await _models(service, serialize)
    return Answer(data=Status(serialize=serialize.hex, status=_status(scan, models)))


@router.get("/model/getModelZip", responses=_answered(404))
async def get_model_zip(serialize: Serialize, principal: Reader, service: Here) -> Answer[ModelZip]:
    """A link to the task's models."""
    async with service.pool.connection() as connection:
        scan = await records.owned(connection, serialize, principal.user)
    if scan["state"] != "done" or not await _models(service, serialize):
        data = ModelZip(serialize=serialize.hex, modelUrl=None)
        return Answer(code=_NOT_READY, msg="The model is not ready.", data=data, ok=False)
    token = sign_id(service.key, _PURPOSE, serialize, _LINK_SECONDS)
    url = f"{service.settings.url}{PREFIX}/archives/{token}"
    return Answer(data=ModelZip(serialize=serialize.hex, modelUrl=url))


@router.get(
    "/archives/{token}",
    response_class=StreamingResponse,
    responses={
        200: {"description": "A zip of all models.", "content": {"application/zip": {}}},
        **_answered(404),
    },
)
async def get_linked_archive(token: str, service: Here) -> StreamingResponse:
    """The models that `getModelZip` gave a link to."""
    scan = signed_id(service.key, _PURPOSE, token)
    models = await _models(service, scan) if scan else []
    if not models:
        raise not_found("model")
    return StreamingResponse(
        results.zipped(service.store, models),
        media_type="application/zip",
        headers={"Content-Disposition": results.disposition(f"{scan.hex if scan else ''}.zip")},
    )


@router.get("/balance", responses=_answered())
async def get_balance(principal: Reader, service: Here) -> Answer[Balance]:
    """How many scans the account may still keep: nothing costs anything here."""
    async with service.pool.connection() as connection:
        found = await connection.execute(
            "select count(*) as count from scans where owner = %s", [principal.id]
        )
        row = await found.fetchone()
    used = row["count"] if row else 0
    return Answer(data=Balance(balance=max(0, service.settings.user_scans - used)))


def _status(scan: Row, models: list[Row]) -> int:
    if scan["state"] == "done" and not models:
        return _EXPIRED
    return _STATES[scan["state"]]


async def _models(service: Service, scan: UUID) -> list[Row]:
    async with service.pool.connection() as connection:
        rows = await records.results_of(connection, scan)
    return [row for row in rows if row["kind"] == "model"]


async def _begin(
    kind: str, field: str, principal: Principal, request: Request, service: Service
) -> Answer[Begun]:
    """Make a scan of a form's files, and start it; what can't be started leaves nothing behind."""
    mode, number, title = _KINDS[kind]
    form = await _read(request, service)
    try:
        files = [file for file in form.getlist(field) if isinstance(file, UploadFile)]
        if not files:
            raise Problem(422, "invalid", f"The form has no files in {field}.")
        body = ScanIn(
            title=f"{title}, {datetime.now(UTC):%Y-%m-%d %H:%M}",
            mode=mode,
            options=_asked(form).options(kind),
        )
        made = await scans.create_scan(body, principal, request, service, None)
        scan = UUID(json.loads(bytes(made.body))["id"])
        try:
            for file in files:
                await _take(service, principal, scan, file)
            await _check(service, scan)
            await scans.start_scan(scan, principal, request, service, None)
        except BaseException:
            await scans.delete_scan(scan, principal, request, service)
            raise
    finally:
        await form.close()
    return Answer(data=Begun(serialize=scan.hex, calculateType=number))


async def _read(request: Request, service: Service) -> FormData:
    """The form; its files are on the disk, and no more bytes are taken than a scan may have."""
    settings = service.settings
    most = settings.scan_bytes
    said = tus.count(request.headers.get("content-length"))
    if said is not None and not service.uploads.has_room(2 * said):
        raise Problem(507, "full", "The service's disk is full; tell whoever runs it.")
    receive, seen = request.receive, 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most or (said is None and not service.uploads.has_room(seen)):
            raise Problem(413, "too-large", f"The files have more than {format_bytes(most)}.")
        return message

    counted = Request(request.scope, limited)
    return await counted.form(max_files=settings.scan_files, max_fields=_FIELDS)


def _asked(form: FormData) -> Asked:
    """What the form asks for. Raises Problem 422."""
    given: dict[str, Any] = {}
    for name in map(to_camel, Asked.model_fields):
        value = form.get(name)
        if isinstance(value, str) and value.strip():
            text = value.strip().lower()
            given[name] = int(text) if len(text) == 1 and text in "0123456789" else text
    try:
        return Asked(**given)
    except ValidationError as error:
        raise Problem(422, "invalid", _first(error.errors())) from None


async def _take(service: Service, principal: Principal, scan: UUID, file: UploadFile) -> None:
    """Bring one file of the form to its place."""
    name = tus.shown_name(file.filename or "")
    size = file.size or 0
    upload = await announce(service, principal, scan, name, size)

    async def chunks() -> AsyncIterator[bytes]:
        while data := await file.read(_CHUNK):
            yield data

    async with service.uploads.alone(upload):
        await service.uploads.append(upload, 0, size, chunks(), None, metrics.uploaded)
        await complete(service, upload)


async def _check(service: Service, scan: UUID) -> None:
    """A file that was refused refuses the task: nobody would look at the list."""
    async with service.pool.connection() as connection:
        for row in await records.files_of(connection, scan):
            if row["state"] == "refused":
                raise Problem(422, "invalid", str(row["problem"]))
