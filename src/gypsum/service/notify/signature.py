"""Signatures of webhooks: who gets a call can tell that it is ours, whole and new.

``Gypsum-Signature: t=<seconds since 1970>,v1=<hex>``, where ``v1`` is the HMAC-SHA256, by the
webhook's secret, of the time, a dot and the body as it was sent.
"""

from __future__ import annotations

import hashlib
import hmac
import time

HEADER = "Gypsum-Signature"

#: Seconds by which a call may be late before a receiver should refuse it as repeated.
TOLERANCE = 300


def sign(secret: str, body: bytes, now: int | None = None) -> str:
    """The header's value."""
    at = int(time.time()) if now is None else now
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


def verify(secret: str, body: bytes, header: str, now: int | None = None) -> bool:
    """Whether a call is ours and not older than `TOLERANCE`: what a receiver does."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    if not parts.get("t", "").isdigit():
        return False
    at = int(parts["t"])
    expected = sign(secret, body, at).split("v1=", 1)[1]
    fresh = abs((int(time.time()) if now is None else now) - at) <= TOLERANCE
    return fresh and hmac.compare_digest(expected.encode(), parts.get("v1", "").encode())
