"""The headers of tus 1.0.0, the protocol of resumable uploads (tus.io)."""

from __future__ import annotations

import base64
import re
import unicodedata
from pathlib import PurePosixPath

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,checksum"
ALGORITHMS = ("sha256", "sha1")
MEDIA_TYPE = "application/offset+octet-stream"

#: Characters of a file's name; most file systems allow 255 bytes.
NAME_MOST = 200
#: More digits are no count of bytes that exist.
_DIGITS = 18


def count(text: str | None) -> int | None:
    """A header's count of bytes; None for anything else."""
    if text is None or not re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}", text):
        return None
    return int(text)


def metadata(header: str) -> dict[str, str] | None:
    """``Upload-Metadata``: names, each with a value in Base64; None where it is damaged."""
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = item.partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            return None
    return found


def checksum(header: str) -> tuple[str, bytes] | None:
    """``Upload-Checksum``: algorithm and digest; None where it is damaged."""
    algorithm, _, value = header.partition(" ")
    try:
        return algorithm, base64.b64decode(value.strip(), validate=True)
    except ValueError:
        return None


def shown_name(name: str) -> str:
    """A file's name as it is shown: its last part, without what can't be seen. May be empty.

    It is never used as a path.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    text = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in text)
    last = PurePosixPath(text.replace("\\", "/")).name.strip()
    if len(last) <= NAME_MOST:
        return "" if last in (".", "..") else last
    suffix = PurePosixPath(last).suffix[:10]
    return last[: NAME_MOST - len(suffix)] + suffix
