"""How the colours of a clip are meant, as its container says: primaries and transfer function.

Decoders hand out pictures and keep this to themselves. Numbers are those of ITU-T H.273, which
MP4 and QuickTime (box ``colr``, ISO/IEC 14496-12) and Matroska (element ``Colour``) share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PQ, HLG = 16, 18
"""Transfer functions of SMPTE ST 2084 and ARIB STD-B67: high dynamic range."""
BT2020 = 9
"""Primaries of ITU-R BT.2020."""
_UNSPECIFIED = 2

_PARTS_MAX = 5_000
"""Boxes or elements looked at: a file made of millions of empty ones must not take minutes."""

_ISO_FOLDERS = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"stsd": 8}
"""Boxes that hold others, and the bytes before these."""
_SAMPLE_ENTRY = 78
"""Bytes of a visual sample entry before its boxes."""

_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_PATH = (0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x55B0)
"""Segment, Tracks, TrackEntry, Video, Colour."""
_TRANSFER, _PRIMARIES = 0x55BA, 0x55BB


@dataclass(frozen=True)
class ColorTags:
    """What a container says about colours; 2 where it says nothing."""

    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED

    @property
    def is_hdr(self) -> bool:
        """Whether the pictures need tone mapping."""
        return self.transfer in (PQ, HLG)


@dataclass(frozen=True)
class _Part:
    """A box or element: what it is, and where its content lies."""

    kind: bytes | int
    start: int
    end: int


def read_color_tags(path: Path) -> ColorTags:
    """The tags of the first track that has some; none for what can't be read."""
    with path.open("rb") as file:
        matroska = file.read(4) == _EBML
        end = file.seek(0, 2)
        try:
            parts = _matroska(file, 0, end, 0) if matroska else _iso(file, 0, end, b"")
            return next(parts, ColorTags())
        except (EOFError, RecursionError):
            return ColorTags()


def _iso(file: BinaryIO, start: int, end: int, inside: bytes) -> Iterator[ColorTags]:
    for box in _boxes(file, start, end):
        assert isinstance(box.kind, bytes)
        if box.kind in _ISO_FOLDERS:
            yield from _iso(file, box.start + _ISO_FOLDERS[box.kind], box.end, box.kind)
        elif inside == b"stsd":
            yield from _iso(file, box.start + _SAMPLE_ENTRY, box.end, b"entry")
        elif inside == b"entry" and box.kind == b"colr":
            file.seek(box.start)
            content = _exactly(file, 8)
            if content[:4] in (b"nclx", b"nclc"):
                yield ColorTags(_number(content[4:6]), _number(content[6:8]))


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Part]:
    for _ in range(_PARTS_MAX):
        if start + 8 > end:
            return
        file.seek(start)
        head = _exactly(file, 8)
        size, content = _number(head[:4]), start + 8
        if size == 1:
            size, content = _number(_exactly(file, 8)), start + 16
        after = end if size == 0 else start + size
        if not content <= after <= end:
            return
        yield _Part(head[4:8], content, after)
        start = after


def _matroska(file: BinaryIO, start: int, end: int, depth: int) -> Iterator[ColorTags]:
    if depth == len(_MATROSKA_PATH):
        values = {part.kind: _value(file, part) for part in _elements(file, start, end)}
        yield ColorTags(values.get(_PRIMARIES, _UNSPECIFIED), values.get(_TRANSFER, _UNSPECIFIED))
        return
    for part in _elements(file, start, end):
        if part.kind == _MATROSKA_PATH[depth]:
            yield from _matroska(file, part.start, part.end, depth + 1)


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[_Part]:
    for _ in range(_PARTS_MAX):
        if start >= end:
            return
        file.seek(start)
        kind, _ = _variable(file, keep_marker=True)
        size, unknown = _variable(file, keep_marker=False)
        content = file.tell()
        after = end if unknown else content + size
        if after > end:
            return
        yield _Part(kind, content, after)
        start = after


def _variable(file: BinaryIO, keep_marker: bool) -> tuple[int, bool]:
    """A number of 1 to 8 bytes (RFC 8794), and whether it stands for "unknown"."""
    first = _exactly(file, 1)[0]
    length = 9 - first.bit_length()
    if length > 8:
        raise EOFError
    content = bytes([first]) + (_exactly(file, length - 1) if length > 1 else b"")
    value, marker = _number(content), 1 << (7 * length)
    return (value if keep_marker else value - marker), value == 2 * marker - 1


def _value(file: BinaryIO, part: _Part) -> int:
    file.seek(part.start)
    return _number(_exactly(file, min(8, part.end - part.start)))


def _exactly(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")
