"""What an uploaded file holds, by its first bytes, and whether a scan may have it.

A name only says what a file should hold. Nothing is decoded here: that happens in confined
processes, when the scan runs.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from gypsum.capture import limits
from gypsum.capture.kinds import (
    CLIP_SUFFIXES,
    PHOTO_SUFFIXES,
    RAW_SUFFIXES,
    can_read_raw,
    starts_like,
)
from gypsum.errors import InputError
from gypsum.formats.clouds import CLOUD_SUFFIXES
from gypsum.options import Mode, format_bytes

_HEAD = 64
_TEXT = 4096
_READ = 1 << 20

_PICTURES = {
    rb"\xff\xd8\xff": "image/jpeg",
    rb"\x89PNG\r\n\x1a\n": "image/png",
    rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]": "image/tiff",
    rb"RIFF....WEBP": "image/webp",
    rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)": "image/heic",
}
_CLIPS = {rb"\x1a\x45\xdf\xa3": "video/x-matroska", rb"....ftypqt  ": "video/quicktime"}
_CLOUDS = {
    ".las": rb"LASF",
    ".laz": rb"LASF",
    ".e57": rb"ASTM-E57",
    ".ply": rb"ply\r?\n",
    ".pcd": rb"(#[^\n]*\n|\s)*VERSION",
}


class RefusedError(Exception):
    """The file can't be used; a sentence says why."""


@dataclass(frozen=True)
class Inspected:
    """What a file turned out to be."""

    media_type: str
    sha256: str


def accepted(mode: Mode) -> tuple[str, ...]:
    """Suffixes of what a scan of this mode takes, in small letters, with the dot."""
    raw = RAW_SUFFIXES if can_read_raw() else frozenset[str]()
    found = {".zip", *PHOTO_SUFFIXES, *CLIP_SUFFIXES, *raw}
    if mode is Mode.LIDAR:
        # A capture with depth comes as its app's zip.
        found = {".zip", ".r3d", *CLOUD_SUFFIXES}
    return tuple(sorted(found))


def inspect(path: Path, name: str, unpacked_most: int) -> Inspected:
    """What the file at ``path`` holds, whose user calls it ``name``. Raises RefusedError.

    Blocking: reads the whole file for its hash.
    """
    suffix = PurePosixPath(name).suffix.lower()
    with path.open("rb") as file:
        head = file.read(_TEXT)
        media_type = _media_type(suffix, head)
        if media_type is None:
            raise RefusedError(f"{name} does not hold what its name says; export it again.")
        size = path.stat().st_size
        if media_type.startswith("image/"):
            _check_picture(name, media_type, file, size)
        if media_type == "application/zip":
            _check_zip(path, name, unpacked_most)
        file.seek(0)
        return Inspected(media_type, _digest(file))


def _media_type(suffix: str, head: bytes) -> str | None:
    start = head[:_HEAD]
    if suffix in (".zip", ".r3d"):
        return "application/zip" if start.startswith((b"PK\3\4", b"PK\5\6")) else None
    if suffix in PHOTO_SUFFIXES | CLIP_SUFFIXES | RAW_SUFFIXES:
        if not starts_like(suffix, start):
            return None
        known = _CLIPS if suffix in CLIP_SUFFIXES else _PICTURES
        usual = "video/mp4" if suffix in CLIP_SUFFIXES else "image/x-raw"
        return next((kind for start_of, kind in known.items() if _begins(start_of, start)), usual)
    if suffix in _CLOUDS:
        return "application/octet-stream" if _begins(_CLOUDS[suffix], head) else None
    return "text/plain" if suffix in CLOUD_SUFFIXES and _is_text(head) else None


def _begins(pattern: bytes, data: bytes) -> bool:
    return re.match(pattern, data, re.DOTALL) is not None


def _is_text(head: bytes) -> bool:
    """Numbers in lines, perhaps below words."""
    printable = all(byte in b"\t\n\r" or 32 <= byte < 127 or byte >= 0x80 for byte in head)
    return printable and re.search(rb"[0-9]", head) is not None


def _check_picture(name: str, media_type: str, file: IO[bytes], size: int) -> None:
    if size > limits.PHOTO_BYTES_MAX:
        raise RefusedError(f"{name} is larger than {format_bytes(limits.PHOTO_BYTES_MAX)}.")
    measure = _MEASURES.get(media_type)
    if measure is None:
        return
    file.seek(0)
    try:
        found = measure(file)
    except struct.error:
        found = None
    if found is None:
        raise RefusedError(f"{name} is damaged: its size in pixels can't be read.")
    width, height = found
    if width * height > limits.PIXELS_MAX:
        raise RefusedError(
            f"{name} has {width * height / 1e6:,.0f} megapixels; at most "
            f"{limits.PIXELS_MAX / 1e6:.0f} are read."
        )


def _check_zip(path: Path, name: str, unpacked_most: int) -> None:
    """By its table of contents; what is unpacked later is held to what that says."""
    from gypsum.capture.sources import OpenZips, check_zip

    try:
        with OpenZips() as zips:
            entries = zips.of(path).infolist()
            check_zip(path, entries)
    except InputError as error:
        raise RefusedError(str(error).replace(str(path), name)) from None
    total = sum(entry.file_size for entry in entries)
    if total > unpacked_most:
        raise RefusedError(
            f"{name} would unpack to {format_bytes(total)}; at most {format_bytes(unpacked_most)} "
            "are taken."
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise RefusedError(f"{name} is protected by a password; zip it again without one.")


def _digest(file: IO[bytes]) -> str:
    hashed = hashlib.sha256()
    while chunk := file.read(_READ):
        hashed.update(chunk)
    return hashed.hexdigest()


Size = tuple[int, int] | None


def _png(file: IO[bytes]) -> Size:
    """Width and height stand first, in IHDR."""
    head = file.read(24)
    return struct.unpack(">II", head[16:]) if head[12:16] == b"IHDR" else None


def _jpeg(file: IO[bytes]) -> Size:
    """Segments are passed over until a start of frame."""
    file.read(2)
    for _ in range(10_000):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # Fill bytes may stand before a marker.
            file.seek(-1, 1)
            continue
        if marker[1] in (0x01, *range(0xD0, 0xD9)):  # These have no length.
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        if length < 2 or marker[1] == 0xDA:
            return None
        file.seek(length - 2, 1)
    return None


def _webp(file: IO[bytes]) -> Size:
    """Lossy, lossless and extended files have them in places of their own."""
    head = file.read(30)
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(head) == 30:
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return None


_MEASURES: dict[str, Callable[[IO[bytes]], Size]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
