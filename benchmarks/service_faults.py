"""Kill the service's processes at random moments, and see that nothing is lost.

    python benchmarks/service_faults.py [--kills 50] [--scans 6] [--seed 1] [--folder DIR]

Starts `gypsum serve` with two workers on an embedded database and a folder as storage, gives it
tiny scans (a cloud of 4,000 points to a textured model), and sends SIGKILL to a worker, to the API,
to the database or to a process of a scan, one every few seconds, whichever the dice choose, until
so many were sent and all scans have ended. A scan counts once it is done; then it is started again
as a new revision with other options, so that there is always something to kill.

Judged at the end, each a line that says ok or what is wrong:

- every scan is done, and every start led to exactly one result (`state` events);
- equal options gave equal models, byte by byte, with and without kills;
- no process of a scan is left, no file in the workers' folders, no object without a record.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gypsum.service.jobs import enqueue, sandbox
from gypsum.service.settings import ServiceSettings, service_settings
from gypsum.service.storage import Store

#: Options that scans are started with in turn; a scan's later starts go on from its first stages.
CHOICES = ({"faces": 2000}, {"faces": 1000})
ALWAYS = {"texture": "1k", "format": ["ply"]}
PORT = 18_734
#: Seconds between two kills, and in which the service has to recover at the end.
PAUSE, PATIENCE = (4.0, 9.0), 420.0


def ball() -> bytes:
    """A small cloud of a coloured ball, as text."""
    rng = np.random.default_rng(1)
    places = rng.normal(size=(4000, 3))
    places /= np.linalg.norm(places, axis=1)[:, None]
    colors = (127 + 120 * places).astype(int)
    lines = np.hstack([places.round(5).astype(str), colors.astype(str)])
    return "\n".join(map(" ".join, lines)).encode()


class Service:
    """`gypsum serve` in a folder, and what can be killed of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"postgresql://postgres:@/gypsum?host={folder / 'database'}"
        self.settings: ServiceSettings = service_settings(
            {"data": folder, "database_url": self.url}, {}
        )
        self.store = Store.open(self.settings)
        command = [sys.executable, "-m", "gypsum", "serve", "--data", str(folder)]
        command += ["--port", str(PORT), "--workers", "2"]
        self.log = (folder / "serve.log").open("ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=2).close()
                return
            except OSError:
                time.sleep(0.3)
        raise SystemExit("the service did not start")

    def stop(self) -> None:
        """End it as a person would."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def processes(self) -> dict[str, list[int]]:
        """Process numbers of each kind."""
        found: dict[str, list[int]] = {"worker": [], "api": [], "database": [], "scan": []}
        found["scan"] = list(sandbox.marked(self.folder / "scratch"))
        for child in _children(self.process.pid):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            found["worker" if b"worker" in words else "api"].append(child)
        pid = self.folder / "database" / "postmaster.pid"
        if pid.exists():
            found["database"].append(int(pid.read_text().split()[0]))
        return found

    def hurry(self) -> None:
        """Give scans the priority that this script has, where it was raised: on a busy machine
        they would get nowhere between two kills."""
        for process in sandbox.marked(self.folder / "scratch"):
            sandbox.share_priority(process)

    def query(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database, which may be away for a moment."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with closing(
                    psycopg.connect(self.url, autocommit=True, row_factory=dict_row)
                ) as connection:
                    found = connection.execute(text, values)  # type: ignore[call-overload]
                    return found.fetchall() if found.description else []
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)

    def add(self, owner: UUID) -> UUID:
        """A scan with its file, not yet started."""
        scan, file = uuid4(), uuid4()
        content, key = ball(), f"scans/{scan}/input/{file}"
        asyncio.run(self.store.put(key, content))
        self.query(
            "insert into scans (id, owner, title, mode) values (%s, %s, 'Ball', 'lidar')",
            scan,
            owner,
        )
        self.query(
            "insert into files (id, scan_id, name, bytes, object_key, state) "
            "values (%s, %s, 'ball.xyz', %s, %s, 'ready')",
            file,
            scan,
            len(content),
            key,
        )
        return scan

    def start(self, scan: UUID, choice: int) -> None:
        """Start it, or start it again."""
        options = Jsonb({**ALWAYS, **CHOICES[choice]})

        async def work() -> None:
            async with await psycopg.AsyncConnection.connect(self.url) as connection:
                await connection.execute(
                    "update scans set options = %s where id = %s", [options, scan]
                )
                await enqueue(connection, scan, self.settings)

        while True:
            try:
                return asyncio.run(work())
            except psycopg.OperationalError:
                time.sleep(0.5)


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task")
    lists = [task.joinpath("children").read_text().split() for task in tasks.iterdir()]
    return [int(child) for each in lists for child in each]


def kill_one(service: Service, dice: random.Random) -> str | None:
    """Kill a process; returns of which kind."""
    alive = {kind: found for kind, found in service.processes().items() if found}
    if not alive:
        return None
    kind = dice.choice(sorted(alive))
    try:
        os.kill(dice.choice(sorted(alive[kind])), signal.SIGKILL)
    except ProcessLookupError:
        return None
    return kind


def model_digest(service: Service, scan: UUID) -> str:
    """Of the model that the records name."""
    (model,) = service.query(
        "select object_key from results where scan_id = %s and kind = 'model'", scan
    )
    content = asyncio.run(service.store.read(model["object_key"]))
    return hashlib.sha256(content).hexdigest()


class Board:
    """Which scans run with what, and what came of each start."""

    def __init__(self, service: Service, scans: list[UUID]) -> None:
        self.service = service
        self.choice = dict.fromkeys(scans, 0)
        self.starts = Counter(scans)
        self.digests: dict[int, set[str]] = {0: set(), 1: set()}
        self.failures: list[str] = []

    def look(self, more: bool) -> int:
        """Take what is done, start it again if there is ``more`` to do; how many are at work."""
        self.service.hurry()
        working = 0
        for row in self.service.query("select id, state, message, revision from scans"):
            scan = row["id"]
            if row["state"] in ("queued", "running"):
                working += 1
                continue
            if row["state"] != "done":
                self.failures.append(f"{scan} {row['state']}: {row['message']}")
            else:
                self.digests[self.choice[scan]].add(model_digest(self.service, scan))
            if more:
                self.choice[scan] = 1 - self.choice[scan]
                self.starts[scan] += 1
                self.service.start(scan, self.choice[scan])
                working += 1
        return working


def judge(service: Service, board: Board) -> bool:
    """Print a line for each promise; whether all are kept."""
    lines: list[tuple[str, str]] = []
    lines.append(("no scan failed", "; ".join(board.failures)))
    counts = service.query(
        "select scan_id, data ->> 'state' as state, count(*) as count, "
        "count(distinct data ->> 'revision') as revisions from scan_events "
        "where event = 'state' and data ->> 'state' = 'done' group by 1, 2"
    )
    done = {row["scan_id"]: (row["count"], row["revisions"]) for row in counts}
    wrong = {
        str(scan): (starts, done.get(scan))
        for scan, starts in board.starts.items()
        if done.get(scan) != (starts, starts)
    }
    lines.append(("each start ended once, with a result", str(wrong) if wrong else ""))
    different = {choice: len(found) for choice, found in board.digests.items() if len(found) > 1}
    lines.append(("equal options made equal models", str(different) if different else ""))
    time.sleep(5)  # chores are jobs of their own
    left = [str(pid) for pid in service.processes()["scan"]]
    lines.append(("no process is left", " ".join(left)))
    files = [str(path) for path in (service.folder / "scratch").glob("*/*") if path.name != ".lock"]
    lines.append(("no file is left in the workers' folders", " ".join(files)))
    lines.append(("no object is without a record", " ".join(orphans(service))))
    for promise, fault in lines:
        print(f"{promise}: {fault or 'ok'}")
    return not any(fault for _, fault in lines)


def orphans(service: Service) -> list[str]:
    """Objects that no record names and no revision can go on from."""
    until = time.monotonic() + 60
    while True:
        known = {
            row["object_key"]
            for row in service.query(
                "select object_key from files union select object_key from results"
            )
        }

        async def stored() -> list[str]:
            return [key async for key, _ in service.store.list("scans/")]

        found = [key for key in asyncio.run(stored()) if key not in known and "/stages/" not in key]
        if not found or time.monotonic() > until:
            return found
        time.sleep(2)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--scans", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=540.0, help="no more kills after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="gypsum-faults-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    service, dice = Service(folder), random.Random(asked.seed)
    began = time.monotonic()
    try:
        service.wait()
        owners = [uuid4() for _ in range(asked.scans)]
        for owner in owners:
            service.query(
                "insert into users (id, email, name, password_hash) values (%s, %s, 'Ada', 'x')",
                owner,
                f"{owner}@example.org",
            )
        scans = [service.add(owner) for owner in owners]
        board = Board(service, scans)
        for scan in scans:
            service.start(scan, 0)
        killed: Counter[str] = Counter()
        while killed.total() < asked.kills and time.monotonic() - began < asked.seconds:
            until = time.monotonic() + dice.uniform(*PAUSE)
            while time.monotonic() < until:
                service.hurry()
                time.sleep(0.5)
            kind = kill_one(service, dice)
            if kind is not None:
                killed[kind] += 1
                print(
                    f"{time.monotonic() - began:6.1f} s  kill {killed.total()}: {kind}", flush=True
                )
            board.look(more=killed.total() < asked.kills)
        until = time.monotonic() + PATIENCE
        while board.look(more=False) and time.monotonic() < until:
            time.sleep(1)
        attempts = service.query("select sum(attempts) as attempts from scans")[0]["attempts"]
        print(
            json.dumps(
                {
                    "kills": killed.total(),
                    "of": dict(killed),
                    "starts": board.starts.total(),
                    "attempts": attempts,
                    "seconds": round(time.monotonic() - began),
                }
            )
        )
        kept = judge(service, board)
    finally:
        service.stop()
    left = list(sandbox.marked(folder))
    print(f"nothing runs after the end: {left or 'ok'}")
    sys.exit(0 if kept and not left else 1)


if __name__ == "__main__":
    main()
