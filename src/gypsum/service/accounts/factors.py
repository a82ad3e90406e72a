"""The second factor: time-based one-time passwords (RFC 6238) and recovery codes.

What the database holds is of no use without the service's secret: an authenticator's key is made of
both, and recovery codes are kept as keyed hashes.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from urllib.parse import quote, urlencode
from uuid import UUID

import segno

from gypsum.service.database import Connection

#: What all authenticators do without being told: HMAC-SHA-1, six digits, half a minute.
DIGITS, SECONDS = 6, 30
#: Codes of one step before and after are taken, for clocks that are off.
_DRIFT = 1
#: Bytes of the random seed and of the key: RFC 4226 recommends 160 bits.
_BYTES = 20
#: Recovery codes: how many, and random bytes of each (80 bits, 16 letters).
_CODES, _CODE_BYTES = 10, 10
_ISSUER = "Gypsum"
#: Modules of a QR code's quiet zone (ISO/IEC 18004).
_QUIET = 4


def code_at(key: bytes, step: int) -> str:
    """The one-time password of a step of time (RFC 4226, section 5.3)."""
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def matching_step(key: bytes, code: str, now: float, after: int) -> int | None:
    """The step, later than ``after``, whose password this is; None where there is none."""
    current = int(now) // SECONDS
    found = None
    for step in range(current - _DRIFT, current + _DRIFT + 1):
        if hmac.compare_digest(code_at(key, step).encode(), code.encode()) and step > after:
            found = step
    return found


def uri(key: bytes, email: str) -> str:
    """What authenticator apps open (Key URI format)."""
    label = quote(f"{_ISSUER}:{email}")
    return f"otpauth://totp/{label}?{urlencode({'secret': shown(key), 'issuer': _ISSUER})}"


def picture(uri: str) -> str:
    """The same as a QR code for an app's camera: an SVG, dark on light whatever is around it."""
    rows = list(segno.make_qr(uri, error="m").matrix_iter(border=_QUIET))
    squares = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    side = len(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path d="{squares}"/></svg>'
    )


def shown(key: bytes) -> str:
    """The key as people type it."""
    return base64.b32encode(key).decode()


async def begin(connection: Connection, secret: bytes, user_id: UUID) -> bytes | None:
    """A new authenticator's key, not asked for until it is confirmed; None where one is in use."""
    seed = secrets.token_bytes(_BYTES)
    found = await connection.execute(
        "update users set factor_seed = %s, factor_step = 0 where id = %s and factor_since is null",
        [seed, user_id],
    )
    return _key(secret, user_id, seed) if found.rowcount else None


async def confirm(
    connection: Connection, secret: bytes, user_id: UUID, code: str
) -> list[str] | None:
    """Ask for codes from now on; the recovery codes, or None where the code is wrong."""
    if not await _spend_password(connection, secret, user_id, code, confirmed=False):
        return None
    await connection.execute("update users set factor_since = now() where id = %s", [user_id])
    return await _new_codes(connection, secret, user_id)


async def spend(connection: Connection, secret: bytes, user_id: UUID, code: str) -> bool:
    """Whether this is the password of now, or a recovery code; either is good once."""
    plain = "".join(code.split()).replace("-", "").upper()
    if await _spend_password(connection, secret, user_id, plain, confirmed=True):
        return True
    found = await connection.execute(
        "delete from recovery_codes where user_id = %s and hash = %s",
        [user_id, _hash(secret, user_id, plain)],
    )
    return found.rowcount > 0


async def drop(connection: Connection, user_id: UUID) -> None:
    """Ask for no codes any more."""
    await connection.execute(
        "update users set factor_seed = null, factor_since = null where id = %s", [user_id]
    )
    await connection.execute("delete from recovery_codes where user_id = %s", [user_id])


async def _spend_password(
    connection: Connection, secret: bytes, user_id: UUID, code: str, *, confirmed: bool
) -> bool:
    # Locked, so that of two requests with the same password one is refused.
    found = await connection.execute(
        "select factor_seed, factor_step from users where id = %s and factor_seed is not null "
        "and (factor_since is not null) = %s for update",
        [user_id, confirmed],
    )
    row = await found.fetchone()
    if row is None:
        return False
    key = _key(secret, user_id, row["factor_seed"])
    step = matching_step(key, code, time.time(), row["factor_step"])
    if step is None:
        return False
    await connection.execute("update users set factor_step = %s where id = %s", [step, user_id])
    return True


async def _new_codes(connection: Connection, secret: bytes, user_id: UUID) -> list[str]:
    await connection.execute("delete from recovery_codes where user_id = %s", [user_id])
    codes = [base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode() for _ in range(_CODES)]
    for code in codes:
        await connection.execute(
            "insert into recovery_codes (user_id, hash) values (%s, %s)",
            [user_id, _hash(secret, user_id, code)],
        )
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def _key(secret: bytes, user_id: UUID, seed: bytes) -> bytes:
    return hmac.digest(secret, b"authenticator\0" + user_id.bytes + seed, "sha256")[:_BYTES]


def _hash(secret: bytes, user_id: UUID, code: str) -> bytes:
    return hmac.digest(secret, b"recovery code\0" + user_id.bytes + code.encode(), "sha256")
