"""What holds for every request: limits of size, the same origin, headers, counts, a line of log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gypsum.service.api import metrics, problems
from gypsum.service.api.access import COOKIE, SECURE_COOKIE
from gypsum.service.settings import ServiceSettings

log = logging.getLogger("gypsum.service.requests")

#: Bytes of a request's body, but for uploads.
BODY_MOST = 1 << 20
_SAFE = ("GET", "HEAD", "OPTIONS")
#: Where files come in: those routes count the bytes themselves.
_UPLOADS = ("/api/v1/uploads/", "/api/v1/open/")
#: Pages that other sites may show in a frame.
_FRAMED = "/embed/"

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' blob: data:; "
    "worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-src 'self'"
)
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Doorkeeper:
    """Pure ASGI, as it is on the way of every chunk of every upload."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(scope, message)
            await send(message)

        problem = self._refusal(scope)
        try:
            if problem is not None:
                await problems.response(problem, scope["path"])(scope, receive, sending)
            elif scope["path"].startswith(_UPLOADS):
                await self._app(scope, receive, sending)
            else:
                await self._app(scope, _limited(receive), sending)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "")
            metrics.count(scope["method"], route, status, seconds)
            usual = logging.INFO if self._settings.log_requests else logging.DEBUG
            log.log(
                logging.ERROR if status >= 500 else usual,
                "%s %s %d %.1fms",
                scope["method"],
                route or scope["path"].encode("ascii", "backslashreplace").decode(),
                status,
                1000 * seconds,
            )

    def _refusal(self, scope: Scope) -> problems.Problem | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        large = not length.isdigit() or int(length) > BODY_MOST
        if large and not scope["path"].startswith(_UPLOADS):
            return problems.Problem(413, "too-large", "The request is too large.")
        if scope["method"] not in _SAFE and not self._same_origin(scope, headers):
            return problems.Problem(
                403,
                "other-origin",
                "The request came from another site; programs use an API key.",
            )
        return None

    def _same_origin(self, scope: Scope, headers: Headers) -> bool:
        """Whether our own page sends it. Browsers say so; with a key it does not matter.

        Without a cookie, what says nothing of its origin is a program, for example signing in.
        """
        if "authorization" in headers:
            return True
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return site in ("same-origin", "none")
        if origin is not None:
            return origin in self._origins(scope, headers)
        cookie = headers.get("cookie", "")
        return COOKIE not in cookie and SECURE_COOKIE not in cookie

    def _origins(self, scope: Scope, headers: Headers) -> Iterable[str]:
        ours = urlsplit(self._settings.url)
        yield f"{ours.scheme}://{ours.netloc}"
        if not self._settings.public_url:
            # Nobody said how the service is reached: then by the name that the browser used.
            yield f"{scope['scheme']}://{headers.get('host', '')}"

    def _add_headers(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        path: str = scope["path"]
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "same-origin")
        headers.setdefault("cross-origin-opener-policy", "same-origin")
        headers.setdefault("cross-origin-resource-policy", "same-origin")
        headers.setdefault(
            "permissions-policy",
            "camera=(self), geolocation=(), microphone=(), payment=(), usb=(), "
            "xr-spatial-tracking=(self)",
        )
        if path.startswith("/api/"):
            headers.setdefault("content-security-policy", _API_POLICY)
            headers.setdefault("cache-control", "no-store")
        else:
            framed = "*" if path.startswith(_FRAMED) else "'none'"
            headers.setdefault(
                "content-security-policy", f"{_PAGE_POLICY}; frame-ancestors {framed}"
            )
        if self._settings.secure:
            headers.setdefault("strict-transport-security", "max-age=31536000; includeSubDomains")


def _limited(receive: Receive) -> Receive:
    """The request's body, cut off where it grows too large without having said so."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_MOST:
            raise HTTPException(413)  # FastAPI lets this one through while it reads a body.
        return message

    return limited
