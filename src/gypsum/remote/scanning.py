"""A scan on a service, from files here to models here."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import httpx

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.remote.api import Api, ModeOut, ResultOut, ScanOut
from gypsum.remote.connection import Connection, ServiceError
from gypsum.remote.uploads import files_in, upload

#: Seconds between two questions how far a scan is.
_EVERY = 2.0
_ENDED = ("done", "failed", "cancelled")
#: Bytes written at a time.
_CHUNK = 1 << 20

Report = Callable[[str, float, float | None], None]
"""Told what is done, how much of it (0 to 1), and the seconds left where they are known."""


def no_report(_what: str, _done: float, _left: float | None) -> None:
    """Tell nobody."""


class Remote:
    """A service, as one account uses it."""

    def __init__(self, url: str, key: str, client: httpx.Client | None = None) -> None:
        self.api = Api(Connection(url, key, client))

    def close(self) -> None:
        """Let go of the service."""
        self.api.connection.close()

    def begin(self, title: str, mode: str, options: Mapping[str, Any]) -> str:
        """A new scan, not started yet: its identifier. Raises ServiceError for wrong options."""
        body: Any = {"title": title, "mode": mode, "options": dict(options)}
        return self.api.create_scan(body, idempotency_key=uuid.uuid4().hex)["id"]

    def check_files(self, inputs: Sequence[Path], mode: str) -> list[Path]:
        """The files to send. Raises InputError where there are none, or some are not taken."""
        known = {m["name"]: m for m in self.api.get_options()["modes"]}
        if mode not in known:
            raise InputError(f"This service makes no {mode} scans, only {', '.join(known)}.")
        return _files(inputs, known[mode])

    def send(self, scan: str, files: Sequence[Path], report: Report = no_report) -> None:
        """Bring the files to the scan. Raises InputError for a file that the service refuses."""
        total = sum(path.stat().st_size for path in files)
        seen, lock = 0, Lock()

        def arrived(count: int) -> None:
            nonlocal seen
            with lock:
                seen += count
                report(f"Uploading {len(files)} files", seen / max(1, total), None)

        upload(self.api, scan, files, arrived)
        for file in self.api.list_files(scan)["items"]:
            if file["state"] == "refused":
                raise InputError(f"{file['name']}: {file['problem']}")

    def start(self, scan: str) -> None:
        """Put the scan into the queue, unless it is there."""
        if self.api.get_scan(scan)["state"] in ("draft", "failed", "cancelled"):
            self.api.start_scan(scan, idempotency_key=uuid.uuid4().hex)

    def wait(self, scan: str, report: Report = no_report) -> ScanOut:
        """The scan once it is done. Raises ServiceError where it fails, or is cancelled."""
        while True:
            now = self.api.get_scan(scan)
            if now["state"] in _ENDED:
                break
            queued = now["state"] == "queued"
            what = "Waiting for a worker" if queued else now["doing"] or now["stage"] or "Starting"
            report(what, now["progress"], now["seconds_left"])
            time.sleep(_EVERY)
        if now["state"] == "cancelled":
            raise ServiceError("The scan was cancelled.")
        if now["state"] == "failed":
            raise ServiceError(now["message"] or "The scan failed; its log tells why.")
        return now

    def fetch(self, scan: str, folder: Path, report: Report = no_report) -> list[Path]:
        """Download the models and the report into a folder; files appear whole or not at all."""
        made = self.api.list_results(scan)["items"]
        items = [item for item in made if item["kind"] in ("model", "report")]
        if not any(item["kind"] == "model" for item in items):
            raise ServiceError("This scan has no models yet.")
        folder.mkdir(parents=True, exist_ok=True)
        total, seen = max(1, sum(item["bytes"] for item in items)), 0
        paths = []
        for item in items:
            path = folder / Path(item["name"]).name
            report(f"Downloading {path.name}", seen / total, None)
            self._download(item, path)
            seen += item["bytes"]
            paths.append(path)
        return paths

    def _download(self, item: ResultOut, path: Path) -> None:
        try:
            with self.api.connection.stream(item["url"]) as answer, atomic_write(path) as file:
                if answer.status_code != 200:
                    raise ServiceError(f"{path.name} can't be downloaded; try again.")
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
        except httpx.TransportError as error:
            raise ServiceError(f"{path.name} can't be downloaded: {error}; try again.") from error


def _files(inputs: Sequence[Path], mode: ModeOut) -> list[Path]:
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path} does not exist.")
    taken = tuple(mode["accepts"])
    files = list(files_in(inputs, taken))
    for path in files:
        if path.suffix.lower() not in taken:
            raise InputError(f"{path} is no file that this scan takes: {' '.join(taken)}.")
    if not files:
        raise InputError(f"No files to send: the scan takes {' '.join(taken)}.")
    seen: dict[tuple[str, int], Path] = {}
    for path in files:
        # By these a file is known again when an upload goes on.
        same = seen.setdefault((path.name, path.stat().st_size), path)
        if same is not path:
            raise InputError(f"{path} and {same} have one name and one size; rename one of them.")
    return files
