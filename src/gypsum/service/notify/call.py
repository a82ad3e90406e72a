"""A call to an address that a user gave, which reaches nothing of ours.

The name is resolved here and once; every address is looked at, and the connection is made to the
address that was looked at: a name that answers differently a moment later gains nothing. There are
no redirects, no proxies, and little is read of the answer.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from gypsum.errors import InputError

#: Seconds for the whole call, and for each wait in it.
_TIME, _WAIT = 15.0, 5.0
#: Bytes of an answer that are read.
_ANSWER_MOST = 16_384
_PORTS = {"http": 80, "https": 443}
#: Mapped, translated and tunnelled IPv4 within IPv6: what they lead to can't be told for sure.
_TUNNELS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16",
                                            "2001::/32", "::ffff:0:0/96", "::/96")))  # fmt: skip

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedError(InputError):
    """The address may not be called."""


@dataclass(frozen=True)
class Target:
    """Where a call goes."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """As browsers write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """The parts of a webhook's URL. Raises `RefusedError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise RefusedError("The webhook's URL can't be read.") from None
    if parts.scheme not in _PORTS or not host:
        raise RefusedError("A webhook's URL begins with https:// or http:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise RefusedError("A webhook's URL can't hold a password; calls are signed instead.")
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url) or not url.isascii():
        raise RefusedError("A webhook's URL holds letters, digits and signs of ASCII alone.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


def is_public(address: Address) -> bool:
    """Whether an address is of the open internet: not ours, not this machine's, no metadata."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in net for net in _TUNNELS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def resolve(target: Target, *, private: bool = False) -> list[str]:
    """The host's addresses, all of which may be called. Raises `RefusedError`."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"{target.host} can't be found") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not private and not is_public(ipaddress.ip_address(address.split("%", 1)[0])):
            raise RefusedError(
                f"{target.host} is an address of a private network; webhooks reach public ones."
            )
    return addresses


def check_webhook(url: str, *, private: bool = False) -> None:
    """Whether a URL may become a webhook; calls look again. Raises `RefusedError`."""
    target = parse_target(url)
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        return  # a name: what it leads to is looked at with each call
    if not private and not is_public(address):
        raise RefusedError(
            f"{target.host} is an address of a private network; webhooks reach public ones."
        )


async def post(url: str, body: bytes, headers: dict[str, str], *, private: bool = False) -> int:
    """POST ``body``; returns the answer's status.

    Raises:
        RefusedError: the address may not be called.
        OSError: there was no answer.
    """
    target = parse_target(url)
    try:
        async with asyncio.timeout(_TIME + _WAIT):
            return await asyncio.to_thread(_post, target, body, headers, private)
    except TimeoutError:
        raise OSError("no answer in time") from None


def _post(target: Target, body: bytes, headers: dict[str, str], private: bool) -> int:
    until = time.monotonic() + _TIME
    last: OSError = OSError("no address")
    for address in resolve(target, private=private):
        try:
            return _post_to(address, target, body, headers, until)
        except http.client.HTTPException as error:
            raise OSError(f"no answer of HTTP ({type(error).__name__})") from error
        except OSError as error:
            last = error
        if time.monotonic() > until:
            break
    raise last


def _post_to(
    address: str, target: Target, body: bytes, headers: dict[str, str], until: float
) -> int:
    wait = max(0.1, min(_WAIT, until - time.monotonic()))
    plain = socket.create_connection((address, target.port), timeout=wait)
    try:
        # A name is checked against the certificate, not the address that it was found at.
        stream = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
            if target.scheme == "https"
            else plain
        )
    except BaseException:
        plain.close()
        raise
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = stream
    try:
        connection.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", target.host_header)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read(_ANSWER_MOST)
        return answer.status
    finally:
        connection.close()
