"""One-time passwords are those that every authenticator shows."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest

from gypsum.service.accounts import factors

KEY = b"12345678901234567890"


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_examples_of_rfc_6238(moment: int, code: str) -> None:
    """Appendix B, of whose eight digits these are the last six."""
    assert factors.code_at(KEY, moment // factors.SECONDS) == code


def test_clocks_may_be_off_by_half_a_minute_and_codes_are_good_once() -> None:
    code = factors.code_at(KEY, 100)
    for now in (99 * 30, 100 * 30 + 15, 101 * 30 + 29):
        assert factors.matching_step(KEY, code, now, 0) == 100
    assert factors.matching_step(KEY, code, 98 * 30 + 29, 0) is None
    assert factors.matching_step(KEY, code, 102 * 30, 0) is None
    assert factors.matching_step(KEY, code, 100 * 30, 100) is None
    for wrong in ("", "1", "abcdef", "12345678"):
        assert factors.matching_step(KEY, wrong, 3000, 0) is None


def test_apps_get_the_key_with_its_name() -> None:
    address = urlsplit(factors.uri(KEY, "ada+1@example.org"))
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert address.path == "/Gypsum%3Aada%2B1%40example.org"
    asked = parse_qs(address.query)
    assert base64.b32decode(asked["secret"][0]) == KEY
    assert asked["issuer"] == ["Gypsum"]


@pytest.mark.parametrize("email", ["a@b.example", f"{'long' * 16}@{'example.' * 20}org"])
def test_cameras_read_the_picture(email: str) -> None:
    """By another's reader; the picture's path is drawn by hand here, in squares of 6 pixels."""
    wanted = factors.uri(KEY, email)
    picture = factors.picture(wanted)
    found = re.search(r'viewBox="0 0 (\d+) \1"', picture)
    assert found
    pixels = np.full((int(found[1]), int(found[1])), 255, np.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", picture):
        pixels[int(y), int(x)] = 0
    assert cv2.QRCodeDetector().detectAndDecode(pixels.repeat(6, 0).repeat(6, 1))[0] == wanted
