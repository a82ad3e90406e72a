# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of a Gypsum server as the add-on talks to."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Server:
    """Takes files by tus, is done at the third question, and gives a model from another host."""

    key = "gyp_secret"

    def __init__(self, catalog: dict[str, Any], model: Path) -> None:
        self.catalog, self.model = catalog, model.read_bytes()
        self.asked: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.names: list[tuple[str, int]] = []
        self.keys: dict[str, set[str | None]] = {"api": set(), "elsewhere": set()}
        self.questions = 0
        self.drop_once = self.endless = self.started = self.cancelled = False
        self.problem: tuple[int, str] | None = None

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Quiet."""

        for method in ("GET", "POST", "PATCH", "HEAD"):
            setattr(Handler, f"do_{method}", lambda request: self.answer(request))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.elsewhere = f"http://localhost:{self._server.server_port}/elsewhere/model"

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        key = request.headers.get("Authorization")
        if request.path.startswith("/elsewhere"):
            self.keys["elsewhere"].add(key)
            _send(request, 200, self.model)
            return
        self.keys["api"].add(key)
        if key != f"Bearer {self.key}":
            self._problem(request, 401, "This key is not known.")
        elif self.problem is not None:
            self._problem(request, *self.problem)
        else:
            path = request.path.removeprefix("/api/v1/")
            self._api(request, request.command, path, body)

    def _api(self, request: BaseHTTPRequestHandler, method: str, path: str, body: bytes) -> None:
        match (method, path.split("/")):
            case "GET", ["options"]:
                _json(request, 200, self.catalog)
            case "POST", ["scans"]:
                self.asked = json.loads(body)
                _json(request, 201, {"id": "7"})
            case "POST", ["scans", "7", "uploads"]:
                name = base64.b64decode(request.headers["Upload-Metadata"].split()[1]).decode()
                self.names.append((name, int(request.headers["Upload-Length"])))
                self.files[name] = b""
                place = f"/api/v1/uploads/{len(self.names) - 1}"
                _send(request, 201, b"", {"Location": place})
            case "PATCH", ["uploads", number]:
                self._patch(request, int(number), body)
            case "HEAD", ["uploads", number]:
                at = len(self.files[self.names[int(number)][0]])
                _send(request, 200, b"", {"Upload-Offset": str(at)})
            case "POST", ["scans", "7", "start"]:
                assert all(len(self.files[name]) == size for name, size in self.names)
                self.started = True
                _json(request, 200, {})
            case "POST", ["scans", "7", "cancel"]:
                self.cancelled = True
                _json(request, 200, {})
            case "GET", ["scans", "7"]:
                _json(request, 200, self._state())
            case "GET", ["scans", "7", "results"]:
                item = {"kind": "model", "name": "../square.glb", "format": "glb"}
                _json(request, 200, {"items": [{**item, "url": "/api/v1/downloads/signed"}]})
            case "GET", ["downloads", "signed"]:
                _send(request, 302, b"", {"Location": self.elsewhere})
            case _:
                self._problem(request, 404, "There is no such page.")

    def _state(self) -> dict[str, Any]:
        self.questions += 1
        if self.cancelled:
            return {"state": "cancelled", "progress": 0.3, "message": None}
        over = self.questions > 1 and not self.endless
        state = "done" if over else "running"
        return {"state": state, "progress": 0.5, "doing": "Looking", "seconds_left": 9}

    def _patch(self, request: BaseHTTPRequestHandler, number: int, body: bytes) -> None:
        name = self.names[number][0]
        if int(request.headers["Upload-Offset"]) != len(self.files[name]):
            self._problem(request, 409, "The file goes on elsewhere.")
            return
        if self.drop_once:
            # As when a connection breaks: half of it has arrived.
            self.drop_once = False
            self.files[name] += body[: len(body) // 2]
            request.close_connection = True
            request.connection.close()
            return
        self.files[name] += body
        _send(request, 204, b"", {"Upload-Offset": str(len(self.files[name]))})

    def _problem(self, request: BaseHTTPRequestHandler, status: int, detail: str) -> None:
        _json(request, status, {"title": "Refused", "status": status, "detail": detail})


def _json(request: BaseHTTPRequestHandler, status: int, content: dict[str, Any]) -> None:
    _send(request, status, json.dumps(content).encode())


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
