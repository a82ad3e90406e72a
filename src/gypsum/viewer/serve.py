"""A server for one page and one model, on this machine alone.

It listens on the loopback interface, and a request has to begin with a word that only the address
has that was printed: neither other people's programs on the machine nor pages of the web get at the
model.
"""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from gypsum.errors import ResourceError
from gypsum.viewer.content import Shown

ADDRESS = "127.0.0.1"

_PAGE = files("gypsum.viewer") / "page"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".glb": "model/gltf-binary",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".ply": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

_FILES = ("index.html", "viewer.css", "viewer.js", "libraries.js", "icon.svg", "LICENSES.txt")

_POLICY = "; ".join(
    [
        "default-src 'none'",
        # Spark sorts splats in WebAssembly, in a worker that it makes of its own text.
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src blob:",
        "connect-src 'self' data: blob:",
        "img-src 'self' blob: data:",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server:
    """Serves until it is closed."""

    def __init__(self, shown: Shown, content: Path, port: int = 0) -> None:
        self._word = secrets.token_urlsafe(12)
        documents: dict[str, bytes | Path] = {name: (_PAGE / name).read_bytes() for name in _FILES}
        documents["facts.json"] = json.dumps(shown.facts()).encode()
        documents[content.name] = content
        handler = partial(_Handler, self._word, documents)
        try:
            self._server = ThreadingHTTPServer((ADDRESS, port), handler)
        except OSError as error:
            raise ResourceError(
                f"Port {port} can't be used: {error.strerror or error}. Choose another --port."
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self._server.server_port}/{self._word}/"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> None:
        """Until the program is interrupted."""
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_version = "Gypsum"
    sys_version = ""

    def __init__(self, word: str, documents: dict[str, bytes | Path], *arguments: object) -> None:
        self._word, self._documents = word, documents
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a document."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Say what would be sent."""
        self._answer(body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal is a person's."""

    def _answer(self, body: bool) -> None:
        document = self._asked_for()
        if document is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        name, content = document
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", _TYPES[Path(name).suffix])
        self.send_header("Content-Length", str(size))
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        self.end_headers()
        if not body:
            return
        try:
            if isinstance(content, Path):
                with content.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile)
            else:
                self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the page was closed meanwhile

    def _asked_for(self) -> tuple[str, bytes | Path] | None:
        """Name and content; nothing for those who don't know the word, or come by another name."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            return None
        _, word, *rest = self.path.partition("?")[0].split("/", 2) if "/" in self.path else ("", "")
        if not secrets.compare_digest(word.encode(), self._word.encode()):
            return None
        name = (rest[0] if rest else "") or "index.html"
        content = self._documents.get(name)
        return None if content is None or not rest else (name, content)
