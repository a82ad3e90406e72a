"""The tree of named nodes that a binary FBX file is."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = b"Kaydara FBX Binary  \x00\x1a\x00"
VERSION = 7400
"""The last with 32-bit offsets; everything that reads FBX reads it."""

# The file's id and its footer belong to its time of creation. These three belong together and are
# what most writers use, because the rule that ties them is secret.
FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
CREATION_TIME = "1970-01-01 10:00:00:000"
_FOOTER_ID = bytes.fromhex("fabcab09d0c8d466b176fb831cf7267e")
_FOOTER_MAGIC = bytes.fromhex("f85a8c6adef5d97eece90ce3758f290b")

_NULL_RECORD = bytes(13)
_ARRAY_CODES = {"f4": b"f", "f8": b"d", "i4": b"i", "i8": b"l"}
_PACK_FROM = 128
"""Bytes; shorter arrays grow when they are packed."""


@dataclass(frozen=True)
class Node:
    """A name, values and child nodes.

    Values are bool, int, float, str, bytes or arrays. When written, ``int`` takes 32 bits and
    ``numpy.int64`` 64.
    """

    name: str
    values: list[Any] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def find(self, name: str) -> Node | None:
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list[Node]:
        """All children of a name."""
        return [child for child in self.children if child.name == name]

    def value(self, name: str, default: Any = None) -> Any:
        """The first value of the first child of a name."""
        child = self.find(name)
        return child.values[0] if child is not None and child.values else default


def encode(nodes: list[Node]) -> bytes:
    """A whole file."""
    content = bytearray(MAGIC + struct.pack("<I", VERSION))
    for node in nodes:
        _append(content, node)
    content += _NULL_RECORD + _FOOTER_ID + bytes(4)
    # At least one byte of padding, to a multiple of 16.
    content += bytes(16 - len(content) % 16)
    content += struct.pack("<I", VERSION) + bytes(120) + _FOOTER_MAGIC
    return bytes(content)


def _append(content: bytearray, node: Node) -> None:
    start, name = len(content), node.name.encode()
    values = b"".join(_encode_value(value) for value in node.values)
    content += bytes(12) + struct.pack("<B", len(name)) + name + values
    for child in node.children:
        _append(content, child)
    # Readers expect a list of children, even an empty one, where there are no values.
    if node.children or not node.values:
        content += _NULL_RECORD
    struct.pack_into("<III", content, start, len(content), len(node.values), len(values))


def _encode_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"C" + struct.pack("<?", value)
    if isinstance(value, np.int64):
        return b"L" + struct.pack("<q", value)
    if isinstance(value, int):
        return b"I" + struct.pack("<i", value)
    if isinstance(value, float):
        return b"D" + struct.pack("<d", value)
    if isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        return (b"S" if isinstance(value, str) else b"R") + struct.pack("<I", len(data)) + data
    return _encode_array(np.asarray(value))


def _encode_array(values: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    code, data = _ARRAY_CODES[values.dtype.str[1:]], values.ravel().tobytes()
    packed = len(data) >= _PACK_FROM
    data = zlib.compress(data, 6) if packed else data
    return code + struct.pack("<III", values.size, packed, len(data)) + data
