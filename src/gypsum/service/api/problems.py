"""Errors as ``application/problem+json`` (RFC 9457), each with a sentence for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gypsum.errors import GypsumError, ResourceError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: Seconds after which to try again what failed for a moment's reason.
_RETRY = "2"


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["options.faces"])
    message: str


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["urn:gypsum:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such scan."])
    instance: str = Field(examples=["/api/v1/scans/3f0c…"])
    errors: list[FieldError] | None = None


class Problem(Exception):  # noqa: N818 (the standard's word)
    """A request that can't be served, and why."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})


def not_found(what: str) -> Problem:
    """The same for what is not there and for what is another's."""
    return Problem(404, "not-found", f"There is no such {what}.")


def too_many(seconds: int) -> Problem:
    """Attempts came too fast."""
    minutes = -(-seconds // 60)
    wait = f"{seconds} seconds" if seconds < 100 else f"{minutes} minutes"
    return Problem(
        429,
        "too-many-attempts",
        f"Too many attempts; try again in {wait}.",
        headers={"Retry-After": str(seconds)},
    )


def invalid(field: str, message: str) -> Problem:
    """One field that can't be used."""
    return Problem(422, "invalid", message, errors=[(field, message)])


def response(problem: Problem, instance: str) -> JSONResponse:
    """The problem as it is sent."""
    body: dict[str, Any] = {
        "type": f"urn:gypsum:{problem.name}",
        "title": _phrase(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
    }
    if problem.errors:
        body["errors"] = [{"field": name, "message": text} for name, text in problem.errors]
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Checksum Mismatch" if status == 460 else "Error"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the problems that a request may be answered with."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
    return {
        status: {"description": _phrase(status), "content": {MEDIA_TYPE: schema}}
        for status in sorted({*statuses, 400, 422, 429, 503})
    }


def install(app: FastAPI) -> None:
    """Every error of ``app`` becomes a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(GypsumError, _explained)
    app.add_exception_handler(psycopg.DataError, _data)
    app.add_exception_handler(psycopg.OperationalError, _unavailable)
    app.add_exception_handler(PoolTimeout, _unavailable)
    app.add_exception_handler(Exception, _unexpected)


def _sent(request: Request, problem: Problem) -> JSONResponse:
    return response(problem, request.url.path)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return _sent(request, error)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    """Fields are named without telling where in the request they were; values are not repeated."""
    assert isinstance(error, RequestValidationError)
    found = []
    for item in error.errors()[:20]:
        place = [str(part) for part in item["loc"] if part not in ("body", "query", "path")]
        text = str(item["msg"]).removeprefix("Value error, ")
        found.append((".".join(place) or "body", text[:1].upper() + text[1:]))
    name, text = found[0]
    return _sent(request, Problem(422, "invalid", f"{name}: {text}.", errors=found))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentences = {
        404: "There is nothing at this address.",
        405: "This address does not take such requests.",
        413: "The request is too large.",
        400: "The request can't be read: is it JSON in UTF-8?",
    }
    detail = sentences.get(error.status_code, str(error.detail))
    name = _phrase(error.status_code).lower().replace(" ", "-")
    return _sent(request, Problem(error.status_code, name, detail, headers=error.headers))


async def _explained(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ResourceError):
        log.error("%s %s: %s", request.method, request.url.path, error)
        return await _unavailable(request, error)
    return _sent(request, Problem(422, "invalid", str(error)))


async def _data(request: Request, error: Exception) -> JSONResponse:
    """A value that passed all checks and still is none for the database."""
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return _sent(request, Problem(422, "invalid", "A value of the request can't be stored."))


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: %s", request.method, request.url.path, error)
    detail = "The service can't reach its database or storage just now; try again in a moment."
    return _sent(request, Problem(503, "unavailable", detail, headers={"Retry-After": _RETRY}))


async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
    """Starlette logs the trace; who asked is told nothing of it."""
    detail = "Something went wrong here that should not have; the log tells what."
    return _sent(request, Problem(500, "internal", detail))
