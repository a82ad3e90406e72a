"""From the bytes of an FBX file, binary or text, to its nodes."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

import numpy as np

from gypsum.formats.fbx.nodes import MAGIC, Node
from gypsum.formats.limits import DEEPEST, MOST_BYTES
from gypsum.formats.source import Source

_MOST_RECORDS = 5_000_000
_WIDE_FROM = 7500
"""From this version on, offsets have 64 bits."""

_SCALARS = {b"Y": "<h", b"C": "<?", b"I": "<i", b"F": "<f", b"D": "<d", b"L": "<q"}
_ARRAYS = {b"f": "<f4", b"d": "<f8", b"i": "<i4", b"l": "<i8", b"b": "u1"}


def parse(source: Source) -> Node:
    """A nameless node with all nodes of the file."""
    data = source.read()
    if data.startswith(MAGIC[:18]):
        return _Binary(source, data).root()
    if b"FBXHeaderExtension" in data[:10_000]:
        return _Text(source, data.decode(errors="replace")).root()
    raise source.fail("is no FBX file")


class _Binary:
    def __init__(self, source: Source, data: bytes) -> None:
        self._source, self._data = source, data
        (self._version,) = struct.unpack_from("<I", data, len(MAGIC))
        wide = self._version >= _WIDE_FROM
        self._header = struct.Struct("<QQQB" if wide else "<IIIB")
        self._records = 0
        self._unpacked = 0

    def root(self) -> Node:
        return Node("", [], self._children(len(MAGIC) + 4, len(self._data), 0)[0])

    def _children(self, at: int, end: int, depth: int) -> tuple[list[Node], int]:
        """The nodes from ``at`` to the empty one that ends a list."""
        if depth > DEEPEST:
            raise self._source.fail("has nodes inside of nodes without end; it is damaged")
        nodes: list[Node] = []
        while at + self._header.size <= end:
            stop, count, length, name_length = self._header.unpack_from(self._data, at)
            if stop == 0:
                return nodes, at + self._header.size
            name_at = at + self._header.size
            values_at = name_at + name_length
            self._records += 1
            if not values_at + length <= stop <= end or self._records > _MOST_RECORDS:
                raise self._source.fail("is cut off or damaged")
            name = self._data[name_at:values_at].decode(errors="replace")
            values = self._values(values_at, values_at + length, count)
            children, _ = self._children(values_at + length, stop, depth + 1)
            nodes.append(Node(name, values, children))
            at = stop
        return nodes, at

    def _values(self, at: int, end: int, count: int) -> list[Any]:
        values: list[Any] = []
        while len(values) < count and at < end:
            kind = self._data[at : at + 1]
            at += 1
            if kind in _SCALARS:
                values += struct.unpack_from(_SCALARS[kind], self._data, at)
                at += struct.calcsize(_SCALARS[kind])
            elif kind in _ARRAYS:
                size, packed, length = struct.unpack_from("<III", self._data, at)
                at += 12
                values.append(
                    self._array(_ARRAYS[kind], size, packed, self._data[at : at + length])
                )
                at += length
            elif kind in (b"S", b"R"):
                (length,) = struct.unpack_from("<I", self._data, at)
                raw = self._data[at + 4 : at + 4 + length]
                values.append(raw.decode(errors="replace") if kind == b"S" else raw)
                at += 4 + length
            else:
                raise self._source.fail("has a value of an unknown kind; it is damaged")
        return values

    def _array(self, kind: str, count: int, packed: int, data: bytes) -> Any:
        size = count * np.dtype(kind).itemsize
        self._unpacked += size
        if self._unpacked > MOST_BYTES:
            raise self._source.fail("says that it holds too much; it is damaged")
        if packed:
            try:
                data = zlib.decompressobj().decompress(data, size) if size else b""
            except zlib.error as error:
                raise self._source.fail("has numbers that can't be unpacked") from error
        if len(data) < size:
            raise self._source.fail("is cut off or damaged")
        return np.frombuffer(data, kind, count)


_TOKEN = re.compile(
    r"""\s+ | ;[^\n]* | (?P<text>"[^"]*") | (?P<name>[A-Za-z_][\w|]*)\s*: | (?P<open>\{)
    | (?P<close>\}) | (?P<count>\*\d+) | (?P<number>[-+]?[\d.][\d.eE+-]*) | (?P<word>\w+) | ,""",
    re.VERBOSE,
)


class _Text:
    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._tokens = (
            (match.lastgroup, match[match.lastgroup])
            for match in _TOKEN.finditer(text)
            if match.lastgroup
        )

    def root(self) -> Node:
        return Node("", [], self._children(0))

    def _children(self, depth: int) -> list[Node]:
        """The nodes up to the closing brace."""
        if depth > DEEPEST:
            raise self._source.fail("has nodes inside of nodes without end; it is damaged")
        nodes: list[Node] = []
        for kind, text in self._tokens:
            if kind == "close":
                break
            if kind == "name":
                nodes.append(Node(text))
            elif kind == "open" and nodes:
                node = nodes[-1]
                children = self._children(depth + 1)
                (only,) = children if len(children) == 1 else (None,)
                # ``Vertices: *9 { a: 0,1,2 }`` is an array.
                if only is not None and only.name == "a":
                    node.values[:] = [np.array(only.values, float)]
                else:
                    node.children.extend(children)
            elif nodes and kind in ("text", "number", "word"):
                nodes[-1].values.append(_value(str(kind), text))
        return nodes


def _value(kind: str, text: str) -> Any:
    if kind == "text":
        return text[1:-1]
    if kind == "number":
        return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
    return text
