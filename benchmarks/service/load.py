"""How fast the service answers while people upload: pollers, uploads and scans at the same time.

Starts ``gypsum serve`` with an empty data folder, makes people in its database, and then, all at
once: everybody asks for the state of a scan every two seconds, some upload a clip each, and scans
of the sample capture run. Times are of whole answers, as the asking side sees them; it runs on the
same machine and takes its share of it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from gypsum.service.accounts import sessions, users
from gypsum.service.database import open_pool

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = 16 << 20
EVERY = 2.0
CLIP = b"\0\0\0\x18ftypisom\0\0\2\0isommp41"


class Browser:
    """One connection that is kept, as a browser does; little more than its bytes."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._common = (
            f"Host: localhost:{port}\r\nCookie: gypsum_session={token}\r\n"
            "Sec-Fetch-Site: same-origin\r\n"
        )
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._reader is not None
        lines = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items())
        head = f"{method} {path} HTTP/1.1\r\n{self._common}{lines}Content-Length: {len(body)}\r\n"
        self._writer.write(head.encode() + b"\r\n")
        if body:
            self._writer.write(body)
        await self._writer.drain()
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {n.lower(): v for n, _, v in (line.partition(": ") for line in rest)}
        content = await self._reader.readexactly(int(found.get("content-length", "0")))
        return int(first.split()[1]), found, content

    async def scan(self, title: str) -> str:
        """A new scan."""
        body = json.dumps({"title": title, "options": {"quality": "draft"}}).encode()
        status, _, content = await self.ask(
            "POST", "/api/v1/scans", body, Content_Type="application/json"
        )
        assert status == 201, content
        return str(json.loads(content)["id"])

    async def upload(self, scan: str, name: str, pieces: list[bytes]) -> None:
        """Upload a file."""
        encoded = base64.b64encode(name.encode()).decode()
        size = sum(map(len, pieces))
        status, headers, content = await self.ask(
            "POST", f"/api/v1/scans/{scan}/uploads", Tus_Resumable="1.0.0",
            Upload_Length=str(size), Upload_Metadata=f"filename {encoded}",
        )  # fmt: skip
        assert status == 201, content
        offset = 0
        for piece in pieces:
            status, _, content = await self.ask(
                "PATCH", headers["location"], piece, Tus_Resumable="1.0.0",
                Upload_Offset=str(offset), Content_Type="application/offset+octet-stream",
            )  # fmt: skip
            assert status == 204, content
            offset += len(piece)


def processor_seconds(folder: Path) -> dict[str, float]:
    """CPU seconds so far of the process that answers, and of the database."""
    found = {"API": 0.0, "database": 0.0}
    for process in psutil.process_iter(["cmdline", "cpu_times", "name"]):
        words = process.info["cmdline"] or []
        times = process.info["cpu_times"]
        if times is None:
            continue
        if "gypsum.service.api" in words and process.environ().get("GYPSUM_DATA") == str(
            folder / "data"
        ):
            found["API"] += times.user + times.system
        elif process.info["name"] == "postgres" and process.parent() is not None:
            cwd = process.cwd()
            if cwd == str(folder / "data" / "database"):
                found["database"] += times.user + times.system
    return found


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[int]:
    """The service; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "gypsum", "serve", "--data", str(folder / "data"),
         "--port", str(port), "--workers", str(workers)],
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(60)


async def make_people(folder: Path, count: int) -> list[str]:
    """Signed-in people: their cookies."""
    socket_folder = folder / "data" / "database"
    pool = await open_pool(f"postgresql://postgres@/gypsum?host={socket_folder}", size=2)
    tokens = []
    async with pool.connection() as connection:
        for number in range(count):
            user = await users.create(connection, f"{number}@example.org", "Load", "none")
            tokens.append(await sessions.begin(connection, user.id, "load", "127.0.0.1"))
    await pool.close()
    return tokens


async def poll(browser: Browser, scan: str, start: float, until: asyncio.Event,
               times: list[float]) -> None:  # fmt: skip
    """Ask every two seconds, until the others are done."""
    await asyncio.sleep(start)
    while not until.is_set():
        began = time.perf_counter()
        status, _, content = await browser.ask("GET", f"/api/v1/scans/{scan}")
        times.append(time.perf_counter() - began)
        assert status == 200, content
        await asyncio.sleep(max(0.0, EVERY - (time.perf_counter() - began)))


async def load(
    port: int, tokens: list[str], options: argparse.Namespace, folder: Path, sample: Path
) -> None:
    """All at once; prints what it took."""
    people = [Browser(port, token) for token in tokens]
    scans = [await person.scan("Load") for person in people]
    for number in range(options.scans):
        person, scan = people[-1 - number], scans[-1 - number]
        for photo in sorted(sample.glob("*.jpg")):
            await person.upload(scan, photo.name, [photo.read_bytes()])
        status, _, content = await person.ask("POST", f"/api/v1/scans/{scan}/start")
        assert status == 200, content
    piece = os.urandom(PIECE)
    size = options.megabytes * 1_000_000
    pieces = [piece] * (size // PIECE) + [piece[: size % PIECE]]
    pieces[0] = CLIP + piece[len(CLIP) :] if len(pieces) > 1 else CLIP + pieces[0]
    times: list[float] = []
    until = asyncio.Event()
    before = processor_seconds(folder)
    began = time.perf_counter()
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    step = EVERY / max(1, options.pollers)
    pollers = [
        asyncio.create_task(poll(people[n], scans[n], n * step, until, times))
        for n in range(options.pollers)
    ]
    uploads = [
        Browser(port, tokens[n]).upload(scans[n], "clip.mp4", pieces)
        for n in range(options.uploads)
    ]
    await asyncio.gather(*uploads)
    uploaded = time.perf_counter() - began
    await asyncio.sleep(max(0.0, options.seconds - uploaded))
    until.set()
    await asyncio.gather(*pollers)
    # Their connections were closed meanwhile: nothing was asked on them.
    late = [Browser(port, token) for token in tokens[-options.scans :][::-1]]
    states = [json.loads((await late[n].ask("GET", f"/api/v1/scans/{scans[-1 - n]}"))[2])
              for n in range(options.scans)]  # fmt: skip
    after = processor_seconds(folder)
    marks = statistics.quantiles(times, n=100)
    total = options.uploads * size / 1e6
    print(f"{len(times)} polls of {options.pollers} people: median {1000 * marks[49]:.0f} ms, "
          f"p95 {1000 * marks[94]:.0f} ms, p99 {1000 * marks[98]:.0f} ms, "
          f"worst {1000 * max(times):.0f} ms")  # fmt: skip
    print(f"{options.uploads} uploads, {total:,.0f} MB: {uploaded:.1f} s, "
          f"{total / uploaded:.0f} MB/s")  # fmt: skip
    took = ", ".join(f"{name} {after[name] - before[name]:.1f}" for name in after)
    print(f"CPU seconds in {time.perf_counter() - began:.0f} s: {took}")
    print(f"scans: {', '.join(s['state'] + ' ' + str(s['stage']) for s in states) or 'none'}; this "
          f"script took {resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu:.1f} CPU seconds, "
          f"load average {os.getloadavg()[0]:.1f}")  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--scans", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30.0, help="at least so long")
    parser.add_argument("--on", type=Path, default=Path("/tmp"), help="where the data is kept")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gypsum-load-", dir=options.on))
    try:
        sample = folder / "sample"
        if options.scans:
            command = ["sample", str(sample), "--photos", "12", "--width", "640", "--height", "480"]
            subprocess.run([sys.executable, "-m", "gypsum", *command], check=True, stdout=-3)
        people = max(options.pollers, options.uploads) + options.scans
        with serving(folder, options.scans) as port:
            tokens = asyncio.run(make_people(folder, people))
            photos = next((f for f in (sample / "photos", sample) if f.is_dir()), sample)
            asyncio.run(load(port, tokens, options, folder, photos))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
