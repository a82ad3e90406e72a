"""API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gypsum.service.accounts import audit, keys
from gypsum.service.api.access import Person
from gypsum.service.api.models import KeyIn, KeyOut, KeysOut, NewKeyOut
from gypsum.service.api.problems import Problem, documented, not_found
from gypsum.service.api.state import Here, address_of
from gypsum.service.database import Row

router = APIRouter(prefix="/api/v1/keys", tags=["keys"])


@router.get("", responses=documented(401, 403))
async def list_keys(principal: Person, service: Here) -> KeysOut:
    """The keys in use."""
    async with service.reader.connection() as connection:
        rows = await keys.of_user(connection, principal.id)
    return KeysOut(items=[KeyOut(**_fields(row)) for row in rows])


@router.post("", status_code=201, responses=documented(401, 403, 409, 413))
async def create_key(body: KeyIn, principal: Person, request: Request, service: Here) -> NewKeyOut:
    """Make a key for a program. The key is told once."""
    days = body.expires_in_days
    expiry = datetime.now(UTC) + timedelta(days=days) if days else None
    scopes = sorted(set(body.scopes))
    async with service.pool.connection() as connection:
        if len(await keys.of_user(connection, principal.id)) >= keys.MOST:
            raise Problem(409, "quota", f"There are {keys.MOST} keys already; revoke some first.")
        row, key = await keys.create(connection, principal.id, body.name, scopes, expiry)
        await audit.note(
            connection, principal.id, "key.create", target=row["id"], address=address_of(request),
            scopes=[scope.value for scope in scopes],
        )  # fmt: skip
    return NewKeyOut(**_fields(row), key=key)


@router.delete(
    "/{key_id}", status_code=204, response_class=Response, responses=documented(401, 403, 404)
)
async def revoke_key(key_id: UUID, principal: Person, request: Request, service: Here) -> None:
    """End a key at once."""
    async with service.pool.connection() as connection:
        if not await keys.revoke(connection, principal.id, key_id):
            raise not_found("key")
        await audit.note(
            connection, principal.id, "key.revoke", target=key_id, address=address_of(request)
        )


def _fields(row: Row) -> Row:
    return {name: row[name] for name in KeyOut.model_fields}
