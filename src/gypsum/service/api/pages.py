"""The built front end: files under their names, and one page for every address of a person's."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.requests import Request

from gypsum.service.api.problems import Problem

FOLDER = Path(__file__).resolve().parent.parent / "page"
#: Names of files in there have a hash of what they hold.
_HASHED = "assets/"
_FOREVER, _EACH_TIME = "public, max-age=31536000, immutable", "no-cache"

mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/manifest+json", ".webmanifest")


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the pages in ``folder`` at all addresses that nothing else has."""
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }

    @app.get("/{path:path}", include_in_schema=False)
    async def page(path: str, request: Request) -> Response:
        """A file of the front end, or its one page."""
        if path.startswith("api/") or path in ("healthz", "readyz", "metrics"):
            raise Problem(404, "not-found", "There is nothing at this address.")
        # Names are looked up, never joined to a path.
        found = files.get(path)
        if found is not None and path != "index.html":
            kept = _FOREVER if path.startswith(_HASHED) else _EACH_TIME
            return FileResponse(found, headers={"Cache-Control": kept})
        index = files.get("index.html")
        looks_like_file = "." in path.rsplit("/", 1)[-1]
        if index is None or looks_like_file or request.url.path.startswith(f"/{_HASHED}"):
            raise Problem(404, "not-found", "There is nothing at this address.")
        return FileResponse(index, headers={"Cache-Control": _EACH_TIME})
