"""A service to test: one database server for all tests, a database for each module."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import uvicorn
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gypsum.service.api import create_app
from gypsum.service.database import EmbeddedDatabase, migrate
from gypsum.service.settings import ServiceSettings, service_settings
from gypsum.service.storage import MissingObjectError, Store

#: A password that no list has.
PASSWORD = "violet-harbour-candle-71"
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = "application/offset+octet-stream"
_TEMPLATE = "gypsum_template"


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """URL of a server: ``GYPSUM_TEST_DATABASE_URL``, else an embedded one."""
    given = os.environ.get("GYPSUM_TEST_DATABASE_URL")
    if given:
        yield given
        return
    # A short path, as sockets need, and one that the server's own user can reach.
    with tempfile.TemporaryDirectory(prefix="gypsum-", dir="/tmp") as folder:
        database = EmbeddedDatabase(Path(folder) / "database")
        url = database.start()
        with psycopg.connect(url, autocommit=True) as connection:
            # Its rows need not outlive the machine; waiting for a busy disk takes most of the time.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
        yield url
        database.stop()


@pytest.fixture(scope="session")
def database_template(database_server: str) -> Iterator[str]:
    """Name of a database on the server that has all tables and no rows."""
    name = f"{_TEMPLATE}_{uuid.uuid4().hex[:8]}"
    _execute(database_server, "create database {}", name)
    migrate(make_conninfo(database_server, dbname=name))
    yield name
    _execute(database_server, "drop database {} with (force)", name)


@contextmanager
def fresh_database(server: str, template: str) -> Iterator[str]:
    """A database of its own with all tables, for as long as the block lasts."""
    name = f"gypsum_test_{uuid.uuid4().hex[:12]}"
    _execute(server, f"create database {{}} template {template}", name)
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _execute(server, "drop database {} with (force)", name)


def _execute(server: str, statement: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """URL of a server that speaks S3, on this machine."""
    pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with suppress(httpx.TransportError):
                httpx.get(address, timeout=1)
                break
            time.sleep(0.1)
        # Any will do: moto takes everyone.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "test")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            yield address
    finally:
        server.kill()
        server.wait()


def fresh_bucket(server: str) -> str:
    """URL of a storage of its own on the server."""
    bucket = f"b{uuid.uuid4().hex}"
    httpx.put(f"{server}/{bucket}", timeout=10).raise_for_status()
    return f"s3://{bucket}/gypsum?endpoint={server}"


@pytest.fixture(scope="module")
def storage_url(request: pytest.FixtureRequest) -> str | None:
    """With ``GYPSUM_TEST_STORAGE=s3`` a bucket, else none: the data folder."""
    if os.environ.get("GYPSUM_TEST_STORAGE") != "s3":
        return None
    return fresh_bucket(request.getfixturevalue("s3_server"))


@pytest.fixture(scope="module")
def settings(
    database_server: str,
    database_template: str,
    storage_url: str | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServiceSettings]:
    """Settings of a service with a database and a data folder of its own."""
    folder = tmp_path_factory.mktemp("service")
    with fresh_database(database_server, database_template) as url:
        # Machines with little room test as well.
        given = {"data": folder, "storage_url": storage_url, "spare_bytes": 2**26}
        yield service_settings(given, {}).model_copy(update={"database_url": url})


@dataclass
class RunningService:
    """A service that answers requests."""

    url: str
    settings: ServiceSettings

    def client(self, **options: Any) -> Client:
        """A new browser, not signed in."""
        return Client(base_url=self.url, timeout=30, **options)

    def person(self, name: str = "Ada") -> Client:
        """A new browser of a new person."""
        client = self.client()
        client.email = f"{uuid.uuid4().hex}@example.org"
        answer = client.post(
            "/api/v1/accounts", json={"email": client.email, "password": PASSWORD, "name": name}
        )
        assert answer.status_code == 201, answer.text
        return client

    def put(self, key: str, data: bytes) -> None:
        """Store an object, wherever the service stores them."""
        asyncio.run(Store.open(self.settings).put(key, data))

    def stored(self, file: str) -> bytes | None:
        """What is stored of a scan's file; None: nothing."""
        key = self.execute("select object_key from files where id = %s", [file])[0][0]
        assert key.endswith(f"/{file}")
        try:
            return asyncio.run(Store.open(self.settings).read(key))
        except MissingObjectError:
            return None

    def execute(self, statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """What the database says."""
        assert self.settings.database_url
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            found = connection.execute(statement, values or None)  # type: ignore[call-overload]
            return found.fetchall() if found.description else []


class Client(httpx.Client):
    """A browser: it tells where its requests come from."""

    email = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.headers["Sec-Fetch-Site"] = "same-origin"

    def scan(self, **body: Any) -> str:
        """A new scan's identifier."""
        answer = self.post("/api/v1/scans", json={"title": "A vase", **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def announce(self, scan: str, name: str, size: int) -> httpx.Response:
        """Announce an upload."""
        encoded = base64.b64encode(name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {encoded}"}
        return self.post(f"/api/v1/scans/{scan}/uploads", headers=headers)

    def append(self, upload: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
        """Send bytes."""
        usual = {**TUS, "Upload-Offset": str(offset), "Content-Type": OCTETS}
        return self.patch(upload, headers={**usual, **headers}, content=data)

    def upload(self, scan: str, name: str, data: bytes) -> dict[str, Any]:
        """Upload a file at once; its record."""
        made = self.announce(scan, name, len(data))
        assert made.status_code == 201, made.text
        sent = self.append(made.headers["location"], 0, data)
        assert sent.status_code == 204, sent.text
        items = self.get(f"/api/v1/scans/{scan}/files").json()["items"]
        return next(item for item in items if item["upload_url"] == made.headers["location"])


@contextmanager
def serving(settings: ServiceSettings) -> Iterator[RunningService]:
    """A service on a free port, in a thread."""
    config = uvicorn.Config(
        create_app(settings), port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="service", daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the service did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield RunningService(f"http://127.0.0.1:{port}", settings)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def service(settings: ServiceSettings) -> Iterator[RunningService]:
    """A service that answers requests; without workers."""
    with serving(settings) as running:
        yield running


@pytest.fixture(scope="module")
def ada(service: RunningService) -> Client:
    """A person's browser."""
    return service.person("Ada")


@pytest.fixture(scope="module")
def grace(service: RunningService) -> Client:
    """Another person's."""
    return service.person("Grace")
