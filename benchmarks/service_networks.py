"""Two workers that share a database and a bucket only; one is cut off in the middle of a scan.

    python benchmarks/service_networks.py [--folder DIR]

Needs root, `ip netns`, a PostgreSQL (--postgres, its bin folder) and moto. Each worker runs in a
network namespace of its own, joined to this machine by a pair of virtual Ethernet devices. The
first takes a scan; as soon as stages of it are stored its device is taken down, so that packets
vanish as behind a broken switch. The second has to finish the scan; the first has to end its part
by itself, and must change nothing when its network comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gypsum.service.database import migrate
from gypsum.service.jobs import enqueue, sandbox
from gypsum.service.settings import as_environment, service_settings
from gypsum.service.storage import Store

NETS = (77, 78)
PORT_DATABASE, PORT_BUCKET = 15_477, 15_478
PATIENCE = 420.0
OPTIONS = {"faces": 2000, "texture": "1k", "format": ["ply"]}


def run(*words: str) -> None:
    """Run a program that has to work."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def network(number: int) -> Iterator[str]:
    """A namespace at 10.N.0.2, this machine at 10.N.0.1; gives its name."""
    name = f"gypsum{number}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "up0", "netns", name)
        run("ip", "address", "add", f"10.{number}.0.1/24", "dev", name)
        run("ip", "link", "set", name, "up")
        run("ip", "-n", name, "address", "add", f"10.{number}.0.2/24", "dev", "up0")
        run("ip", "-n", name, "link", "set", "up0", "up")
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", name, "route", "add", "default", "via", f"10.{number}.0.1")
        yield name
    finally:
        run("ip", "netns", "delete", name)


@contextmanager
def database(folder: Path, programs: Path) -> Iterator[None]:
    """A PostgreSQL server that both namespaces reach."""
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    folder.mkdir()
    shutil.chown(folder, "nobody", "nogroup")
    run(*user, str(programs / "initdb"), "-D", str(folder), "-U", "gypsum", "--auth=trust")
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.writelines(f"host all all 10.{net}.0.0/24 trust\n" for net in NETS)
    listen = ",".join(["127.0.0.1", *(f"10.{net}.0.1" for net in NETS)])
    options = f"-p {PORT_DATABASE} -c listen_addresses={listen} -k {folder}"
    control = [*user, str(programs / "pg_ctl"), "-w", "-D", str(folder), "-l", str(folder / "log")]
    run(*control, "-o", options, "start")
    try:
        yield
    finally:
        run(*control, "-m", "immediate", "stop")


@contextmanager
def bucket() -> Iterator[None]:
    """A server that speaks S3."""
    command = [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(PORT_BUCKET)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{PORT_BUCKET}/gypsum", method="PUT")
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(request, timeout=5).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield
    finally:
        server.kill()
        server.wait()


def settings_for(net: int | None, folder: Path) -> Any:
    """As this machine, or a namespace, reaches database and bucket."""
    host = "127.0.0.1" if net is None else f"10.{net}.0.1"
    return service_settings(
        {
            "data": folder,
            "database_url": f"postgresql://gypsum@{host}:{PORT_DATABASE}/postgres",
            "storage_url": f"s3://gypsum/service?endpoint=http://{host}:{PORT_BUCKET}",
        },
        {},
    )


@contextmanager
def worker(name: str, net: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a namespace."""
    command = ["ip", "netns", "exec", name, sys.executable, "-m", "gypsum", "worker"]
    with (folder.parent / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--name", name],
            env={**os.environ, **as_environment(settings_for(net, folder))},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def ball() -> bytes:
    """A small cloud of a coloured ball, as text."""
    rng = np.random.default_rng(1)
    places = rng.normal(size=(4000, 3))
    places /= np.linalg.norm(places, axis=1)[:, None]
    colors = (127 + 120 * places).astype(int)
    lines = np.hstack([places.round(5).astype(str), colors.astype(str)])
    return "\n".join(map(" ".join, lines)).encode()


class Desk:
    """The records, from this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = settings_for(None, folder)
        self.store = Store.open(self.settings)

    def query(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        with psycopg.connect(
            self.settings.database_url, autocommit=True, row_factory=dict_row
        ) as connection:
            found = connection.execute(text, values)  # type: ignore[call-overload]
            return found.fetchall() if found.description else []

    def begin(self) -> UUID:
        """A scan in the queue."""
        owner, scan, file = uuid4(), uuid4(), uuid4()
        content, key = ball(), f"scans/{scan}/input/{file}"
        asyncio.run(self.store.put(key, content))
        self.query(
            "insert into users (id, email, name, password_hash) values (%s, 'a@b.c', 'Ada', 'x')",
            owner,
        )
        self.query(
            "insert into scans (id, owner, title, mode, options) "
            "values (%s, %s, 'Ball', 'lidar', %s)",
            scan, owner, Jsonb(OPTIONS),
        )  # fmt: skip
        self.query(
            "insert into files (id, scan_id, name, bytes, object_key, state) "
            "values (%s, %s, 'ball.xyz', %s, %s, 'ready')",
            file, scan, len(content), key,
        )  # fmt: skip

        async def start() -> None:
            async with await psycopg.AsyncConnection.connect(
                self.settings.database_url
            ) as connection:
                await enqueue(connection, scan, self.settings)

        asyncio.run(start())
        return scan

    def until(self, what: str, wanted: Any) -> dict[str, Any]:
        """The scan's row once it is as wanted; tells how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            # Where this script's priority was raised, the scan's is.
            for process in sandbox.marked(self.folder.parent):
                sandbox.share_priority(process)
            (row,) = self.query("select * from scans")
            if wanted(row):
                print(f"{time.monotonic() - began:6.1f} s until {what}", flush=True)
                return row
            time.sleep(0.2)
        raise SystemExit(f"not {what} in time: {row}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--postgres", type=Path, default=Path("/usr/lib/postgresql/15/bin"))
    asked = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise SystemExit("this needs root and ip netns")
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="gypsum-networks-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with ExitStack() as stack:
        names = [stack.enter_context(network(net)) for net in NETS]
        stack.enter_context(database(folder / "postgres", asked.postgres))
        stack.enter_context(bucket())
        desk = Desk(folder / "desk")
        migrate(desk.settings.database_url)
        desk.begin()
        first, second = (folder / name for name in names)
        stack.enter_context(worker(names[0], NETS[0], first))
        desk.until("the first has stored stages", lambda row: row["stage"] == "simplify")
        run("ip", "link", "set", names[0], "down")
        stack.enter_context(worker(names[1], NETS[1], second))
        cut = time.monotonic()
        while list(sandbox.marked(first / "scratch")):
            time.sleep(0.2)
        print(f"{time.monotonic() - cut:6.1f} s until the first ended its part", flush=True)
        row = desk.until("the second has it", lambda row: row["worker"] == names[1])
        print(f"{time.monotonic() - cut:6.1f} s after the cut, attempt {row['attempts']}")
        desk.until("it is done", lambda row: row["state"] == "done")
        run("ip", "link", "set", names[0], "up")
        time.sleep(30)  # in which the first could do harm
        row = desk.until("the first is back", lambda row: row["state"] == "done")
        judge(desk, row, names[1])


def judge(desk: Desk, row: dict[str, Any], worker_name: str) -> None:
    """Print what is right and wrong; exit with 1 for the latter."""
    kept = desk.query(
        "select data ->> 'stage' as stage from scan_events where event = 'stage_finished' "
        "and (data ->> 'kept')::bool"
    )
    ends = desk.query(
        "select 1 from scan_events where event = 'state' and data ->> 'state' = 'done'"
    )
    alive = desk.query("select name from workers where seen_at > now() - interval '25 s'")
    results = desk.query("select revision, count(*) as count from results group by 1")
    checks = {
        "finished by the second, in its second attempt": (row["worker"], row["attempts"])
        == (worker_name, 2),
        f"went on after {', '.join(stage['stage'] for stage in kept)}": len(kept) >= 3,
        "ended once, with one set of results": len(ends) == 1 and len(results) == 1,
        "both workers are there again": len(alive) == 2,
    }
    for promise, holds in checks.items():
        print(f"{promise}: {'ok' if holds else 'NO'}")
    sys.exit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    main()
