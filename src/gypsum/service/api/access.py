"""Who asks, and whether they may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from gypsum.service.accounts import keys, sessions
from gypsum.service.accounts.keys import Scope
from gypsum.service.accounts.users import User
from gypsum.service.api.problems import Problem
from gypsum.service.api.state import Service, service_at

COOKIE = "gypsum_session"
#: Over TLS: browsers take a cookie of such a name only from this host, and only when it is secure.
SECURE_COOKIE = "__Host-gypsum_session"
_NO_KEY_IS_LONGER = 200

_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="session", description="A browser that signed in."
)
_bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="An API key: `Authorization: Bearer gyp_…`."
)


class Access(StrEnum):
    """Who may send a request. A key needs the scope of the same name; a session has all."""

    PUBLIC = "public"
    """Anybody."""
    READ = "scans:read"
    WRITE = "scans:write"
    ACCOUNT = "account"
    SESSION = "session"
    """People themselves, no programs: what could take an account over, or end it."""


@dataclass(frozen=True)
class Principal:
    """Who asks."""

    user: User
    session: bytes | None = None
    """The session's identifier, where a browser asks."""
    key: UUID | None = None
    """The key's, where a program does."""
    scopes: frozenset[Scope] = frozenset(Scope)

    @property
    def id(self) -> UUID:
        """The person's."""
        return self.user.id


def cookie_name(service: Service) -> str:
    """How the session's cookie is called."""
    return SECURE_COOKIE if service.settings.secure else COOKIE


async def identify(request: Request, service: Service) -> Principal | None:
    """Who asks, by key or cookie; None for nobody, and for keys and cookies that have ended."""
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(key.strip()) < _NO_KEY_IS_LONGER:
            return None
        async with service.reader.connection() as connection:
            found = await keys.find(connection, key.strip())
        return Principal(found[2], key=found[0], scopes=found[1]) if found else None
    token = request.cookies.get(cookie_name(service), "")
    if not 0 < len(token) < _NO_KEY_IS_LONGER:
        return None
    async with service.reader.connection() as connection:
        session = await sessions.find(connection, token, service.idle)
    return Principal(session.user, session=session.id) if session else None


class Allow:
    """The dependency of a route that says who may use it."""

    def __init__(self, access: Access) -> None:
        self.access = access

    async def __call__(
        self,
        request: Request,
        _session: Annotated[Any, Security(_cookie)],
        _key: Annotated[Any, Security(_bearer)],
    ) -> Principal:
        """Who asks. Raises Problem 401 or 403."""
        principal = await identify(request, service_at(request))
        if principal is None:
            raise Problem(
                401,
                "sign-in",
                "Sign in first, or send an API key that is valid.",
                headers={"WWW-Authenticate": 'Bearer realm="gypsum"'},
            )
        if principal.key is None:
            return principal
        if self.access is Access.SESSION:
            raise Problem(403, "people-only", "This can only be done signed in, not by an API key.")
        if self.access.value not in principal.scopes:
            raise Problem(403, "scope", f"This API key lacks the scope {self.access.value}.")
        return principal


Reader = Annotated[Principal, Depends(Allow(Access.READ))]
Writer = Annotated[Principal, Depends(Allow(Access.WRITE))]
Holder = Annotated[Principal, Depends(Allow(Access.ACCOUNT))]
Person = Annotated[Principal, Depends(Allow(Access.SESSION))]
