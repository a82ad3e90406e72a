"""Secrets that are given out, and how they are kept: as hashes, or not at all but signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from uuid import UUID

#: Random bytes of a token: 256 bits can't be guessed.
_BYTES = 32
#: Bytes of a signature that a link carries: 128 bits.
_SIGNATURE = 16


def new_token(prefix: str = "") -> str:
    """A token for the address bar or a cookie."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest(token: str) -> bytes:
    """What is stored of a token: it is random, so a fast hash keeps it as well as a slow one."""
    return hashlib.sha256(token.encode()).digest()


def sign_id(key: bytes, purpose: str, identifier: UUID, seconds: float) -> str:
    """A token that names ``identifier`` for so long, without any record of it."""
    expiry = int(time.time() + seconds)
    payload = identifier.bytes + expiry.to_bytes(6, "big")
    return _text(payload + _signature(key, purpose, payload))


def signed_id(key: bytes, purpose: str, token: str) -> UUID | None:
    """What :func:`sign_id` named; None for forged, foreign and old tokens."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    payload, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if len(payload) != 16 + 6 or not hmac.compare_digest(
        signature, _signature(key, purpose, payload)
    ):
        return None
    if int.from_bytes(payload[16:], "big") < time.time():
        return None
    return UUID(bytes=payload[:16])


def _signature(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + payload, "sha256")[:_SIGNATURE]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
