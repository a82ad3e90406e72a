"""Calls to addresses of users: signed, and never to a place of ours."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gypsum.service.notify import call, sign, verify
from gypsum.service.notify.call import RefusedError, check_webhook, parse_target, post


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "[::1]",
        "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[::]",
        "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "192.0.2.1",
        "198.18.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1",
    ],
)  # fmt: skip
def test_no_private_address_is_called(host: str) -> None:
    """However it is written: what counts is the address that the name leads to."""
    with pytest.raises((RefusedError, OSError)) as raised:
        asyncio.run(post(f"http://{host}:9/", b"", {}))
    if not isinstance(raised.value, RefusedError):
        assert "can't be found" in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://1.1.1.1/hook", "https://[2606:4700::1111]/", "http://a.example/"]
)
def test_public_ones_may_become_webhooks(url: str) -> None:
    check_webhook(url)


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example/", "http:///x", "https://user:pass@a.example/", "http://a.example/\r\nX: y",
     "http://a.example:99999/", "file:///etc/passwd", "http://169.254.169.254/latest", "//x", ""],
)  # fmt: skip
def test_what_can_be_no_webhook_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        check_webhook(url)


def test_a_name_is_looked_up_once_and_the_call_goes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere a moment later (DNS rebinding) is no way in."""
    answers = iter([["1.1.1.1"], ["127.0.0.1"]])
    called: list[Any] = []

    def lookup(_host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in next(answers)]

    def connect(address: Any, **_: Any) -> Any:
        called.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OSError, match="unreachable"):
        asyncio.run(post("http://rebinding.example/", b"", {}))
    assert called == [("1.1.1.1", 80)]
    with pytest.raises(RefusedError):
        asyncio.run(post("http://rebinding.example/", b"", {}))
    assert len(called) == 1


def test_one_private_address_among_public_ones_refuses_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(socket.AF_INET, 1, 6, "", (a, 80)) for a in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(RefusedError):
        call.resolve(parse_target("http://mixed.example/"))


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is told, and answers as asked by the path."""

    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((dict(self.headers), body))
        status = int(self.path.strip("/") or 200)
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    handler = type("Own", (Receiver,), {"got": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.got
    server.shutdown()
    server.server_close()


def test_a_call_arrives_whole_and_signed(receiver: Any) -> None:
    url, got = receiver
    body = '{"title":"Väse"}'.encode()
    header = {"Gypsum-Signature": sign("secret", body)}
    assert asyncio.run(post(f"{url}/202", body, header, private=True)) == 202
    ((headers, received),) = got
    assert received == body
    assert verify("secret", received, headers["Gypsum-Signature"])


def test_redirects_are_not_followed(receiver: Any) -> None:
    url, got = receiver
    assert asyncio.run(post(f"{url}/302", b"{}", {}, private=True)) == 302
    assert len(got) == 1


def test_a_receiver_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "_TIME", 0.5)
    monkeypatch.setattr(call, "_WAIT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(OSError, match=r"answer|timed out"):
            asyncio.run(post(url, b"{}", {}, private=True))


def test_a_signature_is_of_this_body_this_secret_and_now() -> None:
    header = sign("secret", b"body", 1_000_000)
    # As `printf 1000000.body | openssl dgst -sha256 -hmac secret` has it.
    assert header == "t=1000000,v1=11d4eb93b1bf0a7b9071554bb76194056128298a81337d8992a52da94db636e1"
    assert verify("secret", b"body", header, 1_000_200)
    assert not verify("secret", b"body", header, 1_000_400)
    assert not verify("other", b"body", header, 1_000_000)
    assert not verify("secret", b"bodx", header, 1_000_000)


@given(st.text(max_size=200))
def test_no_header_is_believed_by_chance(header: str) -> None:
    assert not verify("secret", b"body", header, 1_000_000)
