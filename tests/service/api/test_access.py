"""Who may do what: every route, every role. A route that is not in the table fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.routing import APIRoute
from tests.service.api.pictures import picture
from tests.service.api.test_scans import finish
from tests.service.conftest import OCTETS, TUS, Client, RunningService

from gypsum.service.api import create_app
from gypsum.service.api.access import Access, Allow
from gypsum.service.settings import service_settings

ROLES = ("anonymous", "owner", "other", "scans:read", "scans:write", "account", "no such key",
         "other's key")  # fmt: skip

#: What each kind of route lets through, of those that are no strangers to the object.
MAY = {
    Access.PUBLIC: set(ROLES),
    Access.READ: {"owner", "scans:read"},
    Access.WRITE: {"owner", "scans:write"},
    Access.ACCOUNT: {"owner", "account"},
    Access.SESSION: {"owner"},
}


@dataclass(frozen=True)
class Case:
    """How a route is asked, and who may."""

    access: Access
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    object: bool = False
    """Whether it is about something that has an owner."""
    status: int = 200
    """Of those who may."""
    query: str = ""


_UPLOAD = {**TUS, "Upload-Length": "10", "Upload-Metadata": "filename YS5qcGc="}
_APPEND = {**TUS, "Upload-Offset": "0", "Content-Type": OCTETS}
_HOOK = {"url": "https://example.org/", "events": ["scan.done"]}

CASES = {
    "POST /api/v1/accounts": Case(Access.PUBLIC, {}, status=422),
    "POST /api/v1/session": Case(Access.PUBLIC, {}, status=422),
    "DELETE /api/v1/session": Case(Access.SESSION, status=204),
    "GET /api/v1/me": Case(Access.ACCOUNT),
    "PATCH /api/v1/me": Case(Access.SESSION, {"name": "Ada"}),
    "DELETE /api/v1/me": Case(Access.SESSION, {"password": "wrong"}, status=403),
    "POST /api/v1/me/password": Case(Access.SESSION, {"current": "x", "new": "y"}, status=403),
    "POST /api/v1/me/second-factor": Case(Access.SESSION, {"password": "x"}, status=403),
    "POST /api/v1/me/second-factor/confirm": Case(Access.SESSION, {"code": "000000"}, status=403),
    "DELETE /api/v1/me/second-factor": Case(
        Access.SESSION, {"password": "x", "code": "000000"}, status=403
    ),
    "GET /api/v1/me/sessions": Case(Access.SESSION),
    "DELETE /api/v1/me/sessions/{session_id}": Case(Access.SESSION, object=True, status=204),
    "GET /api/v1/me/usage": Case(Access.ACCOUNT),
    "POST /api/v1/me/verify": Case(Access.SESSION, status=409),
    "POST /api/v1/verify": Case(Access.PUBLIC, {"token": "x"}, status=404),
    "POST /api/v1/password-resets": Case(Access.PUBLIC, {"email": "a@b.c"}, status=409),
    "POST /api/v1/password-resets/confirm": Case(Access.PUBLIC, {}, status=422),
    "GET /api/v1/keys": Case(Access.SESSION),
    "POST /api/v1/keys": Case(Access.SESSION, {"name": "k", "scopes": ["account"]}, status=201),
    "DELETE /api/v1/keys/{key_id}": Case(Access.SESSION, object=True, status=204),
    "GET /api/v1/options": Case(Access.PUBLIC),
    "GET /api/v1/scans": Case(Access.READ),
    "POST /api/v1/scans": Case(Access.WRITE, {"title": "x"}, status=201),
    "GET /api/v1/scans/{scan_id}": Case(Access.READ, object=True),
    "PATCH /api/v1/scans/{scan_id}": Case(Access.WRITE, {"title": "y"}, object=True),
    "DELETE /api/v1/scans/{scan_id}": Case(Access.WRITE, object=True, status=204),
    "GET /api/v1/scans/{scan_id}/files": Case(Access.READ, object=True),
    "DELETE /api/v1/scans/{scan_id}/files/{file_id}": Case(Access.WRITE, object=True, status=204),
    "POST /api/v1/scans/{scan_id}/start": Case(Access.WRITE, object=True),
    "POST /api/v1/scans/{scan_id}/revise": Case(Access.WRITE, {}, object=True, status=409),
    "POST /api/v1/scans/{scan_id}/cancel": Case(Access.WRITE, object=True, status=409),
    "GET /api/v1/scans/{scan_id}/log": Case(Access.READ, object=True),
    "GET /api/v1/scans/{scan_id}/events": Case(Access.READ, object=True),
    "GET /api/v1/scans/{scan_id}/results": Case(Access.READ, object=True),
    "GET /api/v1/scans/{scan_id}/archive": Case(Access.READ, object=True),
    "OPTIONS /api/v1/scans/{scan_id}/uploads": Case(Access.PUBLIC, status=204),
    "POST /api/v1/scans/{scan_id}/uploads": Case(
        Access.WRITE, headers=_UPLOAD, object=True, status=201
    ),
    "OPTIONS /api/v1/uploads/{file_id}": Case(Access.PUBLIC, status=204),
    "HEAD /api/v1/uploads/{file_id}": Case(Access.WRITE, headers=TUS, object=True),
    "PATCH /api/v1/uploads/{file_id}": Case(
        Access.WRITE, b"12345", headers=_APPEND, object=True, status=409
    ),
    "DELETE /api/v1/uploads/{file_id}": Case(Access.WRITE, headers=TUS, object=True, status=204),
    "GET /api/v1/downloads/{token}": Case(Access.PUBLIC, status=404),
    "GET /api/v1/shared/{share_token}": Case(Access.PUBLIC),
    "GET /api/v1/shared/{share_token}/archive": Case(Access.PUBLIC),
    "GET /api/v1/gallery": Case(Access.PUBLIC),
    "GET /api/v1/webhooks": Case(Access.ACCOUNT),
    "POST /api/v1/webhooks": Case(Access.ACCOUNT, _HOOK, status=201),
    "DELETE /api/v1/webhooks/{webhook_id}": Case(Access.ACCOUNT, object=True, status=204),
    "POST /api/v1/webhooks/{webhook_id}/test": Case(Access.ACCOUNT, object=True, status=202),
    "POST /api/v1/open/{kind}/image": Case(Access.WRITE, status=422),
    "POST /api/v1/open/{kind}/video": Case(Access.WRITE, status=422),
    "GET /api/v1/open/model/getStatus": Case(
        Access.READ, object=True, query="?serialize={scan_id}"
    ),
    "GET /api/v1/open/model/getModelZip": Case(
        Access.READ, object=True, query="?serialize={scan_id}"
    ),
    "GET /api/v1/open/archives/{token}": Case(Access.PUBLIC, status=404),
    "GET /api/v1/open/balance": Case(Access.READ),
    "GET /healthz": Case(Access.PUBLIC),
    "GET /readyz": Case(Access.PUBLIC),
    "GET /metrics": Case(Access.PUBLIC),
    "GET /{path:path}": Case(Access.PUBLIC),
}


def routes() -> Iterator[tuple[str, Access]]:
    """Every route of the application, and whom its code lets through."""
    app = create_app(service_settings({"database_url": "postgresql://nowhere/none"}, {}))
    flat = [
        inner
        for route in app.routes
        for inner in getattr(getattr(route, "original_router", None), "routes", [route])
    ]
    for route in flat:
        path = getattr(route, "path", "")
        if path == "/api/v1/openapi.json":
            continue
        assert isinstance(route, APIRoute), f"{path} is checked by nothing"
        checks = [d.call for d in route.dependant.dependencies if isinstance(d.call, Allow)]
        assert len(checks) <= 1
        access = checks[0].access if checks else Access.PUBLIC
        for method in route.methods:
            yield f"{method} {path}", access


def test_every_route_is_in_the_table() -> None:
    found = dict(routes())
    assert found.keys() == CASES.keys()
    assert found == {name: case.access for name, case in CASES.items()}


@dataclass
class World:
    """A person with one of everything, and others who would like to have it."""

    service: RunningService
    roles: dict[str, Client]
    names: dict[str, str]

    def renew(self, owner: Client) -> None:
        """One of everything, as requests use things up."""
        self.service.execute("delete from webhooks")
        self.service.execute("delete from api_keys where name = 'spare'")
        scan = owner.scan(privacy="unlisted")
        file = owner.upload(scan, "a.jpg", picture())
        finish(self.service, scan, {"model:owl.glb": b"glTF"})
        self.service.execute("update scans set state = 'draft' where id = %s", [scan])
        key = owner.post("/api/v1/keys", json={"name": "spare", "scopes": ["account"]}).json()
        hook = owner.post("/api/v1/webhooks", json=_HOOK).json()
        share = owner.get(f"/api/v1/scans/{scan}").json()["share_url"]
        session = owner.get("/api/v1/me/sessions").json()["items"][-1]
        self.names = {
            "scan_id": scan,
            "file_id": file["id"],
            "key_id": key["id"],
            "webhook_id": hook["id"],
            "share_token": share.rsplit("/", 1)[1],
            "session_id": session["id"],
            "token": "forged",
            "path:path": "scans",
            "kind": "photo",
        }


@pytest.fixture(scope="module")
def world(service: RunningService) -> World:
    owner, other = service.person("Owner"), service.person("Other")

    def program(person: Client, *scopes: str) -> Client:
        made = person.post("/api/v1/keys", json={"name": "k", "scopes": list(scopes)}).json()
        return service.client(headers={"Authorization": f"Bearer {made['key']}"})

    roles = {
        "anonymous": service.client(),
        "owner": owner,
        "other": other,
        **{scope: program(owner, scope) for scope in ("scans:read", "scans:write", "account")},
        "no such key": service.client(headers={"Authorization": "Bearer gyp_" + "x" * 43}),
        "other's key": program(other, "scans:read", "scans:write", "account"),
    }
    return World(service, roles, {})


@pytest.mark.parametrize("name", CASES)
def test_who_may(world: World, name: str) -> None:
    case = CASES[name]
    method, path = (name + case.query).split(" ", 1)
    ends_session = name in ("DELETE /api/v1/session", "DELETE /api/v1/me/sessions/{session_id}")
    owner = world.service.person() if ends_session else world.roles["owner"]
    # Strangers first: had one of them been let through, the owner would find it changed.
    for role in sorted(ROLES, key=lambda role: (role in MAY[case.access], role == "owner")):
        client = owner if role == "owner" else world.roles[role]
        if role == "other" and ends_session:
            client = world.service.person()
        if not world.names or ("{" in path and (role in MAY[case.access] or role == ROLES[0])):
            world.renew(owner)
        address = re.sub(r"\{([^}]+)\}", lambda found: world.names[found[1]], path)
        content = {"content": case.body} if isinstance(case.body, bytes) else {"json": case.body}
        if case.body is None:
            content = {}
        with client.stream(method, address, headers=case.headers, **content) as answer:
            status = answer.status_code
            text = "" if path.endswith("/events") and status == 200 else answer.read().decode(
                "latin-1")  # fmt: skip
        assert status < 500, (role, text)
        if role in MAY[case.access]:
            assert status == case.status, (role, status, text)
        elif role in ("anonymous", "no such key"):
            assert status == 401, (role, status, text)
        elif role in ("other", "other's key"):
            if case.object:
                expected = 403 if role == "other's key" and case.access is Access.SESSION else 404
                assert status == expected, (role, status, text)
            for secret in world.names.values():
                assert secret in ("forged", "scans", "photo") or secret not in text.replace(
                    address, ""
                )
        else:
            assert status == 403, (role, status, text)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"}, False),
        ({"Origin": "http://localhost:8000"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_other_sites_can_not_use_the_cookie(
    service: RunningService, headers: dict[str, str], allowed: bool
) -> None:
    person = service.person()
    del person.headers["Sec-Fetch-Site"]
    for method, path in (("POST", "/api/v1/scans"), ("PATCH", "/api/v1/me")):
        body = {"title": "x"} if method == "POST" else {"name": "x"}
        answer = person.request(method, path, json=body, headers=headers)
        assert (answer.status_code < 300) == allowed, answer.text


def test_a_browser_reaches_the_service_by_any_name_unless_one_is_set(
    service: RunningService,
) -> None:
    person = service.person()
    del person.headers["Sec-Fetch-Site"]
    origin = service.url
    answer = person.post("/api/v1/scans", json={"title": "x"}, headers={"Origin": origin})
    assert answer.status_code == 201


def test_headers_of_every_answer(service: RunningService, ada: Client) -> None:
    for path in ("/api/v1/me", "/api/v1/scans/rubbish", "/", "/embed/x", "/assets/none.js"):
        headers = ada.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
        framed = path.startswith("/embed/")
        assert ("frame-ancestors *" in policy) == framed
        assert "server" not in headers or headers["server"] == "uvicorn"
    assert service.client().get("/api/v1/me").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/scans", 405),
        ("GET", "/api/v1/scans/not-an-id", 422),
        ("GET", "/api/v1/scans/" + "0" * 8 + "-0000-0000-0000-" + "0" * 12, 404),
        ("GET", "/api/v1/scans?limit=1000", 422),
        ("GET", "/api/v1/downloads/%00", 404),
        ("GET", "/api/v1/shared/..%2f..%2fetc%2fpasswd", 404),
    ],
)
def test_every_error_is_a_problem(ada: Client, method: str, path: str, status: int) -> None:
    answer = ada.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"].endswith((".", "?"))
    assert problem["type"].startswith("urn:gypsum:")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b"null", b'{"title": "\\ud800"}'])
def test_what_is_no_json(ada: Client, content: bytes) -> None:
    answer = ada.post(
        "/api/v1/scans", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_large_bodies_are_refused(ada: Client) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"title": "'
        for _ in range(20):
            yield b"x" * 100_000
        yield b'"}'

    stated = ada.post("/api/v1/scans", json={"title": "x" * 2_000_000})
    chunked = ada.post(
        "/api/v1/scans", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert stated.status_code == chunked.status_code == 413


@pytest.mark.parametrize(
    "path", ["/assets/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd"]
)
def test_pages_do_not_lead_out_of_their_folder(service: RunningService, path: str) -> None:
    answer = service.client().get(path)
    assert "root:" not in answer.text
    assert answer.status_code == 404 or answer.headers["content-type"].startswith("text/html")


def test_metrics_are_for_this_machine(service: RunningService) -> None:
    anybody = service.client()
    assert "gypsum_http_requests_total" in anybody.get("/metrics").text
    forwarded = anybody.get("/metrics", headers={"X-Forwarded-For": "8.8.8.8"})
    assert forwarded.status_code == 403
