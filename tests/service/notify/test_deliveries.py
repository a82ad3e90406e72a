"""What happens is told once to each who asked, and again when it did not arrive."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from gypsum.service.database import open_pool
from gypsum.service.jobs.attempt import Workshop
from gypsum.service.jobs.engine import one, rows
from gypsum.service.notify import announce, call, send_mail, test_webhook, verify
from gypsum.service.notify.mail import MailError
from gypsum.service.notify.tasks import PAUSES, deliver, letter, write_letter
from gypsum.service.settings import ServiceSettings
from gypsum.service.storage import Store

test_webhook.__test__ = False  # type: ignore[attr-defined]  # no test, in spite of its name

SECRET = "of the webhook"


class Receiver(BaseHTTPRequestHandler):
    """Takes calls as its class says."""

    status = 200
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((dict(self.headers), body))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[Any]:
    handler = type("Own", (Receiver,), {"got": [], "status": 200})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_port}/hook"  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()


class Office:
    """A worker's things, and a user with a scan and a webhook."""

    def __init__(self, settings: ServiceSettings, pool: Any) -> None:
        self.settings, self.pool = settings, pool
        store = Store.open(settings)
        self.shop = Workshop("w", pool, store, settings, Path("/"), asyncio.Event())
        self.context: Any = SimpleNamespace(additional_context={"workshop": self.shop})

    async def begin(self, url: str, events: list[str]) -> tuple[UUID, UUID]:
        user, scan, hook = uuid4(), uuid4(), uuid4()
        async with self.pool.connection() as connection:
            await connection.execute(
                "insert into users (id, email, name, password_hash) "
                "values (%s, %s, 'Ada', 'x')", [user, f"{user}@example.org"],
            )  # fmt: skip
            await connection.execute(
                "insert into scans (id, owner, title, mode, state, notify_email) "
                "values (%s, %s, 'Vase', 'photo', 'done', true)", [scan, user],
            )  # fmt: skip
            await connection.execute(
                "insert into webhooks (id, user_id, url, secret, events) "
                "values (%s, %s, %s, %s, %s)", [hook, user, url, SECRET, events],
            )  # fmt: skip
        return scan, hook

    async def happens(self, scan: UUID, event: str) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            await announce(connection, scan, event)

    async def waiting(self, task: str) -> list[dict[str, Any]]:
        async with self.pool.connection() as connection:
            return await rows(
                connection,
                "select args, greatest(0, extract(epoch from scheduled_at - now())) as seconds "
                "from procrastinate_jobs where task_name = %s and status = 'todo' order by id",
                [task],
            )

    async def deliver(self) -> Any:
        """Do what waits, now; returns the delivery's row."""
        (job,) = await self.waiting("deliver")
        async with self.pool.connection() as connection:
            await connection.execute("delete from procrastinate_jobs where task_name = 'deliver'")
        await deliver(self.context, **job["args"])
        async with self.pool.connection() as connection:
            return await one(connection, "select * from webhook_deliveries")


@pytest.fixture
def in_office(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    # The receiver is a thread of ours, on machines that do other things too.
    monkeypatch.setattr(call, "_TIME", 60.0)
    monkeypatch.setattr(call, "_WAIT", 30.0)
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("truncate users, procrastinate_jobs cascade")

    def run(work: Callable[[Office], Any], **changes: Any) -> Any:
        async def whole() -> Any:
            assert settings.database_url is not None
            pool = await open_pool(settings.database_url, size=3)
            try:
                return await work(Office(settings.model_copy(update=changes), pool))
            finally:
                await pool.close()

        return asyncio.run(whole())

    return run


def test_a_delivery_is_signed_and_made_once(in_office: Any, receiver: Any) -> None:
    async def work(office: Office) -> None:
        scan, _ = await office.begin(receiver.url, ["scan.done"])
        await office.happens(scan, "scan.cancelled")  # not asked for
        await office.happens(scan, "scan.done")
        row = await office.deliver()
        assert (row["attempts"], row["last_status"]) == (1, "200")
        assert row["delivered_at"] is not None
        await deliver(office.context, delivery=str(row["id"]))  # a job done twice changes nothing
        ((headers, body),) = receiver.got
        assert verify(SECRET, body, headers["Gypsum-Signature"])
        told = json.loads(body)
        assert told["event"] == headers["Gypsum-Event"] == "scan.done"
        assert told["id"] == headers["Gypsum-Delivery"] == str(row["id"])
        assert (told["scan"]["id"], told["scan"]["state"]) == (str(scan), "done")

    in_office(work, allow_private_webhooks=True)


def test_what_did_not_arrive_is_told_again_later_and_later(in_office: Any, receiver: Any) -> None:
    async def work(office: Office) -> None:
        receiver.status = 503
        scan, _ = await office.begin(receiver.url, [])
        await office.happens(scan, "scan.failed")
        for attempt, pause in enumerate(PAUSES, 1):
            row = await office.deliver()
            assert (row["attempts"], row["last_status"]) == (attempt, "503")
            (job,) = await office.waiting("deliver")
            assert pause - 5 < job["seconds"] <= pause
        row = await office.deliver()
        assert row["delivered_at"] is None
        assert await office.waiting("deliver") == []  # given up

    in_office(work, allow_private_webhooks=True)


def test_who_is_gone_is_called_no_more(in_office: Any, receiver: Any) -> None:
    async def work(office: Office) -> None:
        receiver.status = 410
        scan, hook = await office.begin(receiver.url, [])
        await office.happens(scan, "scan.done")
        await office.deliver()
        assert await office.waiting("deliver") == []
        async with office.pool.connection() as connection:
            row = await one(connection, "select disabled_at from webhooks where id = %s", [hook])
        assert row is not None
        assert row["disabled_at"] is not None

    in_office(work, allow_private_webhooks=True)


def test_private_addresses_are_not_called(in_office: Any, receiver: Any) -> None:
    async def work(office: Office) -> None:
        _, hook = await office.begin(receiver.url, [])
        async with office.pool.connection() as connection, connection.transaction():
            await test_webhook(connection, hook)
        row = await office.deliver()
        assert "private network" in row["last_status"]
        assert await office.waiting("deliver") == []
        assert receiver.got == []

    in_office(work)


class Postbox:
    """A mail server that keeps what it gets, or takes none."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse, self.letters = refuse, list[str]()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                self._talk(stream)

    def _talk(self, stream: Any) -> None:
        stream.write(b"220 here\r\n")
        while line := stream.readline():
            word = line[:4].upper()
            if word == b"DATA":
                stream.write(b"354 go on\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += stream.readline()
                self.letters.append(text.decode())
            elif word == b"QUIT":
                stream.write(b"221 bye\r\n")
                return
            stream.write(b"550 no\r\n" if self.refuse and word == b"RCPT" else b"250 ok\r\n")

    def close(self) -> None:
        self._socket.close()


def test_a_letter_arrives(in_office: Any) -> None:
    postbox = Postbox()

    async def work(office: Office) -> None:
        scan, _ = await office.begin("http://a.example/", ["ping"])
        await office.happens(scan, "scan.done")
        (job,) = await office.waiting("letter")
        await write_letter(office.context, **job["args"])
        # Started again since: nobody wants to read of the revision before.
        await write_letter(office.context, scan=str(scan), revision=7)

    in_office(work, smtp_url=postbox.url, mail_from="gypsum@example.org")
    postbox.close()
    (text,) = postbox.letters
    assert "From: gypsum@example.org" in text
    assert "/scans/" in text


def test_letters_hold_no_other_headers(in_office: Any) -> None:
    del in_office
    postbox = Postbox()
    settings: Any = SimpleNamespace(smtp_url=postbox.url, mail_from="gypsum@example.org")
    assert asyncio.run(send_mail(settings, "a@b.example", "Hi\r\nBcc: all@b.example", "text"))
    postbox.close()
    assert "\r\nBcc:" not in postbox.letters[0]
    without: Any = SimpleNamespace(smtp_url=None, mail_from="x@y")
    assert asyncio.run(send_mail(without, "a@b.example", "Hi", "text")) is False


def test_a_server_that_refuses_is_an_error() -> None:
    postbox = Postbox(refuse=True)
    settings: Any = SimpleNamespace(smtp_url=postbox.url, mail_from="gypsum@example.org")
    with pytest.raises(MailError):
        asyncio.run(send_mail(settings, "a@b.example", "Hi", "text"))
    postbox.close()


def test_a_letter_tells_what_failed() -> None:
    scan = {"id": 1, "title": "Vase", "name": "Ada", "state": "failed", "message": "Too few."}
    subject, text = letter(scan, "https://scan.example.org")
    assert subject == "Your scan “Vase” failed"
    assert "Too few." in text
    assert "https://scan.example.org/scans/1" in text
