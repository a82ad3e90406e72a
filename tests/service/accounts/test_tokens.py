"""Tokens: random, or signed for one thing and a time."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gypsum.service.accounts.passwords import weakness
from gypsum.service.accounts.tokens import digest, new_token, sign_id, signed_id

KEY = b"k" * 32


@given(st.uuids(), st.integers(1, 10**6))
def test_a_signed_identifier_comes_back(identifier: uuid.UUID, seconds: int) -> None:
    assert signed_id(KEY, "download", sign_id(KEY, "download", identifier, seconds)) == identifier


@given(st.uuids(), st.integers(0, 400), st.integers(1, 255))
def test_no_bit_can_change(identifier: uuid.UUID, place: int, change: int) -> None:
    token = sign_id(KEY, "download", identifier, 100)
    at = place % len(token)
    other = token[:at] + chr(33 + (ord(token[at]) - 33 + change % 93 + 1) % 94) + token[at + 1 :]
    if other != token:
        # The last letter of Base64 has bits that stand for nothing.
        found = signed_id(KEY, "download", other)
        assert found is None or (at == len(token) - 1 and found == identifier)


def test_tokens_are_for_one_purpose_one_key_and_a_time() -> None:
    identifier = uuid.uuid4()
    token = sign_id(KEY, "download", identifier, 100)
    assert signed_id(KEY, "archive", token) is None
    assert signed_id(b"x" * 32, "download", token) is None
    assert signed_id(KEY, "download", sign_id(KEY, "download", identifier, -10)) is None


@given(st.text())
def test_rubbish_is_no_token(text: str) -> None:
    assert signed_id(KEY, "download", text) is None


def test_tokens_can_not_be_guessed() -> None:
    made = {new_token("gyp_") for _ in range(100)}
    assert len(made) == 100
    assert all(token.startswith("gyp_") and len(token) == 47 for token in made)
    assert len({digest(token) for token in made}) == 100


@pytest.mark.parametrize(
    "password",
    ["violet-harbour-candle", "Tr0ub4dor&3xyz!", "пароль из слов", "🦉🌵🪨🌋🧊🦉🌋🪨🌵🧊"],
)
def test_good_passwords(password: str) -> None:
    assert weakness(password) is None


def test_looking_at_a_password_takes_no_time_worth_attacking() -> None:
    began = time.process_time()
    for password in ("a" * 200, "ab" * 100, "password" * 25, "1q2w3e4r" * 25):
        weakness(password, ["ada@example.org", "Ada " * 20])
    assert time.process_time() - began < 4
