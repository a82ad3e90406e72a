"""Passwords: Argon2id, and a sentence for those that are guessed first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: Characters of a password. OWASP asks for 8 at least, and for 64 to be allowed.
SHORTEST, LONGEST = 10, 200
#: zxcvbn's scores go from 0 to 4; 2 withstands 10^6 guesses.
_SCORE = 2
#: zxcvbn looks at no more characters.
_LOOKED_AT = 72
#: Hashes made at the same time: each takes a core and 19 MiB.
_AT_ONCE = 4

#: OWASP's parameters: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def weakness(password: str, known: Sequence[str] = ()) -> str | None:
    """What is wrong with a password, in a sentence; ``known`` are words that tell of its user."""
    from zxcvbn import zxcvbn

    if len(password) < SHORTEST:
        return f"A password has {SHORTEST} characters at least; four random words are a good one."
    if len(password) > LONGEST:
        return f"A password has {LONGEST} characters at most."
    words = [part for word in known for part in (word, *word.split("@"))] + ["gypsum"]
    if zxcvbn(password[:_LOOKED_AT], user_inputs=words)["score"] < _SCORE:
        return "This password is among those that are guessed first; four random words are better."
    return None


async def hash_password(password: str) -> str:
    """The password as it is stored, with salt and parameters."""
    async with _slots():
        return await asyncio.to_thread(_HASHER.hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether it is the password. Without a stored one, it takes as long and is not."""
    async with _slots():
        return await asyncio.to_thread(_verify, stored or _nobody(), password) and bool(stored)


def outdated(stored: str) -> bool:
    """Whether the password should be hashed again, with the parameters of today."""
    return _HASHER.check_needs_rehash(stored)


def _verify(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _HASHER.hash("nobody has this password")


_SLOTS: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}


def _slots() -> asyncio.Semaphore:
    """One semaphore for each event loop."""
    return _SLOTS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))
