# SPDX-License-Identifier: GPL-3.0-or-later
"""A Gypsum server's scans over its REST interface, free of Blender and of other packages."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from .jobs import Job

_API = "api/v1/"
_PIECE = 8 * 2**20
"""Bytes of an upload that are sent at once."""
_TRIES = 5
_TIMEOUT = 60.0
_POLL = 2.0
"""Seconds between questions how far a scan is."""
_TUS = {"Tus-Resumable": "1.0.0"}
_STOPPED = "Stopped; what was sent stays on the server."
_ENDS = {"done": "", "failed": "The scan failed.", "cancelled": _STOPPED}
_UPLOADED = 0.1
"""Share of the progress that uploads make."""


class ServiceError(Exception):
    """One sentence for the person who asked."""


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but takes the key to no other server."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and _origin(newurl) != _origin(req.full_url):
            following.remove_header("Authorization")
        return following


class Service:
    """A server and the key with which it is asked."""

    def __init__(self, url: str, key: str) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ServiceError("The server's address begins with https:// or http://.")
        if not key:
            raise ServiceError("Set the server's API key in the add-on's preferences.")
        self._root = url.rstrip("/") + "/"
        self._key = key
        self._opener = urllib.request.build_opener(_SameHost)

    def options(self) -> dict[str, Any]:
        """Modes and their options, as ``gypsum options --json`` has them."""
        return self._json("GET", "options")

    def create(self, title: str, mode: str, options: dict[str, Any]) -> str:
        """A new scan's id."""
        asked = {"title": title, "mode": mode, "options": options, "privacy": "private"}
        return str(self._json("POST", "scans", asked)["id"])

    def state(self, scan: str) -> dict[str, Any]:
        """How far a scan is."""
        return self._json("GET", f"scans/{scan}")

    def act(self, scan: str, action: str) -> None:
        """``start`` or ``cancel``."""
        self._json("POST", f"scans/{scan}/{action}")

    def upload(self, scan: str, path: Path, sent: Callable[[int], bool]) -> None:
        """A file by tus 1.0.0, gone on with when the connection fails; ``sent`` hears of each
        piece's bytes and says whether to go on."""
        name = base64.b64encode(path.name.encode()).decode()
        headers = {
            **_TUS,
            "Upload-Length": str(path.stat().st_size),
            "Upload-Metadata": f"filename {name}",
        }
        with self._open("POST", f"scans/{scan}/uploads", headers=headers) as answer:
            place = urllib.parse.urljoin(answer.url, answer.headers.get("Location", ""))
        offset, tries = 0, 0
        with path.open("rb") as file:
            while offset < path.stat().st_size:
                try:
                    end = self._patch(place, file, offset)
                except ServiceError:
                    tries += 1
                    if tries == _TRIES:
                        raise
                    time.sleep(0.2 * 2**tries)
                    end = self._offset(place)
                if not sent(max(0, end - offset)):
                    return
                offset = end

    def models(self, scan: str) -> list[dict[str, Any]]:
        """Models that a scan made: name, format, bytes, url."""
        items = self._json("GET", f"scans/{scan}/results").get("items", [])
        return [item for item in items if item.get("kind") == "model"]

    def download(self, url: str, path: Path, going: Callable[[], bool]) -> None:
        """Into a file, under another name until it is whole; ``going`` says whether to go on."""
        part = path.with_name(f".{path.name}.part")
        with self._open("GET", url) as answer, part.open("wb") as file:
            while going() and (piece := answer.read(2**20)):
                file.write(piece)
        if going():
            part.replace(path)
        else:
            part.unlink()

    def _patch(self, place: str, file: BinaryIO, offset: int) -> int:
        file.seek(offset)
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        with self._open("PATCH", place, file.read(_PIECE), headers) as answer:
            return int(answer.headers["Upload-Offset"])

    def _offset(self, place: str) -> int:
        with self._open("HEAD", place, headers=_TUS) as answer:
            return int(answer.headers["Upload-Offset"])

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        with self._open(method, path, data, headers) as answer:
            text = answer.read()
        try:
            found = json.loads(text or b"{}")
        except ValueError:
            raise ServiceError(f"{self._root} does not answer as a Gypsum server.") from None
        return found if isinstance(found, dict) else {}

    def _open(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        url = urllib.parse.urljoin(self._root + _API, path)
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ServiceError("The server points to an address that is none of the web.")
        if method == "POST" and data is None:
            data = b""
        request = urllib.request.Request(url, data, headers or {}, method=method)
        if _origin(url) == _origin(self._root):
            request.add_header("Authorization", f"Bearer {self._key}")
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            raise ServiceError(_told(error)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ServiceError(f"{self._root} can't be reached: {reason}.") from None
        return answer


class ServerScan(Job):
    """Photos to a server, and its models into a folder."""

    def __init__(
        self,
        service: Service,
        inputs: Sequence[Path],
        mode: str,
        options: dict[str, Any],
        folder: Path,
    ) -> None:
        super().__init__()
        self._service, self._inputs, self._folder = service, inputs, folder
        self._mode, self._options = mode, options

    def _work(self) -> None:
        try:
            self._scan()
        except ServiceError as error:
            self._fail(str(error))

    def _scan(self) -> None:
        files = list(_files(self._inputs))
        if not files:
            self._fail("There are no photos or clips to send.")
            return
        scan = self._service.create(self._folder.stem, self._mode, self._options)
        total, sent = max(1, sum(path.stat().st_size for path in files)), 0
        for number, path in enumerate(files, 1):

            def heard(count: int, number: int = number) -> bool:
                nonlocal sent
                sent += count
                doing = f"Sending file {number} of {len(files)}"
                self._progress(_UPLOADED * sent / total, doing, None)
                return not self._stop.is_set()

            self._service.upload(scan, path, heard)
            if self._stop.is_set():
                self._fail(_STOPPED)
                return
        self._service.act(scan, "start")
        if self._followed(scan):
            self._fetch(scan)

    def _followed(self, scan: str) -> bool:
        """Until the scan's end; whether it made models."""
        asked_to_stop = False
        while True:
            state = self._service.state(scan)
            if state["state"] in _ENDS:
                break
            share = _UPLOADED + (1 - _UPLOADED) * float(state.get("progress") or 0)
            doing = state.get("doing") or state.get("stage") or str(state["state"]).capitalize()
            self._progress(share, str(doing), state.get("seconds_left"))
            if self._stop.wait(_POLL) and not asked_to_stop:
                asked_to_stop = True
                self._service.act(scan, "cancel")
            elif asked_to_stop:
                time.sleep(_POLL / 4)
        if state["state"] != "done":
            self._fail(str(state.get("message") or _ENDS[state["state"]]))
            return False
        return True

    def _fetch(self, scan: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        models = []
        for item in self._service.models(scan):
            # What a server calls a file must not lead out of the folder.
            path = self._folder / Path(str(item["name"]).replace("\\", "/")).name
            self._progress(1.0, f"Fetching {path.name}", None)
            self._service.download(str(item["url"]), path, lambda: not self._stop.is_set())
            if self._stop.is_set():
                self._fail(_STOPPED)
                return
            models.append(str(path))
        self._send({"event": "done", "models": models, "workspace": None})

    def _progress(self, overall: float, doing: str, left: float | None) -> None:
        self._send({"event": "progress", "overall": overall, "doing": doing, "left": left})


def _files(inputs: Sequence[Path]) -> Iterator[Path]:
    """Files, and those in folders."""
    for path in inputs:
        if path.is_dir():
            found = (inside for inside in path.rglob("*") if inside.is_file())
            yield from sorted(inside for inside in found if not inside.name.startswith("."))
        else:
            yield path


def _origin(url: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.netloc


def _told(error: urllib.error.HTTPError) -> str:
    """The sentence of a problem+json answer."""
    try:
        found = json.loads(error.read(2**16))
        text = str(found.get("detail") or found["title"])
    except (ValueError, KeyError, AttributeError, OSError):
        text = f"The server answers {error.code} {error.reason}."
    if error.code in (401, 403):
        text += " Check the API key in the add-on's preferences."
    return text
