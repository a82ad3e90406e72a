"""Files to a service by tus 1.0.0: several at once, each from where it ended."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from gypsum.remote.api import Api, FileOut
from gypsum.remote.connection import Connection, ServiceError

#: Files under way at once, and bytes of one request: what is lost when a line breaks is sent again.
_AT_ONCE, _PIECE = 4, 8 << 20
#: How often a file goes on after its line broke without a byte having arrived.
_AGAIN = 8
_TUS = {"Tus-Resumable": "1.0.0"}

Arrived = Callable[[int], None]
"""Told how many more bytes have arrived."""


def upload(api: Api, scan: str, files: Sequence[Path], arrived: Arrived) -> None:
    """Bring files to a scan; those that are there, from this or an earlier time, are left alone."""
    known = {(f["name"], f["bytes"]): f for f in api.list_files(scan)["items"]}
    stop = Event()

    def one(path: Path) -> None:
        if stop.is_set():
            return
        record = known.get((path.name, path.stat().st_size))
        _upload(api.connection, scan, path, record, arrived, stop)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tasks = [pool.submit(one, path) for path in files]
        try:
            for task in tasks:
                task.result()
        finally:
            # One that failed, or Ctrl-C, ends the others between two pieces.
            stop.set()
            pool.shutdown(cancel_futures=True)


def _upload(
    connection: Connection,
    scan: str,
    path: Path,
    record: FileOut | None,
    arrived: Arrived,
    stop: Event,
) -> None:
    size = path.stat().st_size
    if record is not None and record["state"] == "ready":
        arrived(size)
        return
    if record is None or record["state"] == "refused":
        place, offset = _announce(connection, scan, path, size), 0
    else:
        place = record["upload_url"]
        offset = _offset(connection, place)
    arrived(offset)
    failures = 0
    with path.open("rb") as file:
        while offset < size and not stop.is_set():
            file.seek(offset)
            headers = {**_TUS, "Upload-Offset": str(offset),
                       "Content-Type": "application/offset+octet-stream"}  # fmt: skip
            try:
                connection.send("PATCH", place, headers=headers, content=file.read(_PIECE))
                now = min(size, offset + _PIECE)
            except ServiceError as error:
                if error.status not in (0, 408, 409, 423, 503) or failures == _AGAIN:
                    raise
                time.sleep(0.5 * 2**failures)
                failures += 1
                now = _offset(connection, place)
            if now > offset:
                failures = 0
            arrived(now - offset)
            offset = now


def _announce(connection: Connection, scan: str, path: Path, size: int) -> str:
    name = base64.b64encode(path.name.encode()).decode()
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
    answer = connection.send("POST", f"/api/v1/scans/{scan}/uploads", headers=headers)
    return str(answer.headers["location"])


def _offset(connection: Connection, place: str) -> int:
    answer = connection.send("HEAD", place, headers=_TUS, repeatable=True)
    return int(answer.headers["upload-offset"])


def files_in(inputs: Sequence[Path], suffixes: Sequence[str]) -> Iterator[Path]:
    """Files, and those of folders that a service takes, by their suffixes."""
    for path in inputs:
        if path.is_dir():
            found = (p for p in sorted(path.rglob("*")) if p.suffix.lower() in suffixes)
            yield from (p for p in found if p.is_file() and not p.name.startswith("."))
        else:
            yield path
