"""Numbers of a glTF file: plain, normalised, sparse and compressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.limits import MOST_ELEMENTS
from gypsum.formats.source import Source

Json = dict[str, Any]

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_NAMES = ("POSITION", "NORMAL", "COLOR_0", "TEXCOORD_0", "TEXCOORD_1", "TEXCOORD_2", "TEXCOORD_3")
_LONGEST_STRIDE = 252
_PACKED = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_DRACO = "KHR_draco_mesh_compression"


class Accessors:
    """Reads the arrays that a document describes."""

    def __init__(self, source: Source, document: Json, buffer: Callable[[int], bytes]) -> None:
        self._source, self._document, self._buffer = source, document, buffer
        self._unpacked: dict[int, bytes] = {}

    def count(self, primitive: Json) -> int:
        """How many corners a primitive says that it has."""
        index = primitive.get("indices", primitive["attributes"]["POSITION"])
        return int(self._document["accessors"][index]["count"])

    def attributes(
        self, primitive: Json
    ) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
        """Vertex attributes by name, and the vertices of the primitive's corners."""
        packed = primitive.get("extensions", {}).get(_DRACO)
        if packed is not None:
            return self._draco(primitive, packed)
        held = primitive["attributes"]
        attributes = {name: self.values(held[name]) for name in _NAMES if name in held}
        count = len(attributes["POSITION"])
        if any(len(values) != count for values in attributes.values()):
            raise self._source.fail("has vertices without some of their properties; it is damaged")
        if "indices" not in primitive:
            return attributes, np.arange(count)
        return attributes, self.values(primitive["indices"])[:, 0].astype(np.int64)

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view, unpacked."""
        if index not in self._unpacked:
            entry = self._document["bufferViews"][index]
            extensions = entry.get("extensions", {})
            packed = next((extensions[name] for name in _PACKED if name in extensions), None)
            self._unpacked[index] = self._slice(entry) if packed is None else self._unpack(packed)
        return self._unpacked[index]

    def _slice(self, entry: Json) -> bytes:
        buffer, start = self._buffer(entry["buffer"]), entry.get("byteOffset", 0)
        end = start + entry["byteLength"]
        if not 0 <= start <= end <= len(buffer):
            raise self._source.fail("is cut off, or a file beside it is")
        return buffer[start:end]

    def _unpack(self, packed: Json) -> bytes:
        import meshopt

        if packed["count"] * packed["byteStride"] > 16 * MOST_ELEMENTS:
            raise self._source.fail("says that it holds too much; it is damaged")
        try:
            rows = meshopt.decode_gltf_buffer(
                self._slice(packed),
                packed["count"],
                packed["byteStride"],
                packed["mode"],
                packed.get("filter", "NONE"),
            )
        except (ValueError, RuntimeError) as error:
            raise self._source.fail(
                "has triangles that can't be unpacked; it is damaged"
            ) from error
        return bytes(rows.tobytes())

    def values(self, index: int) -> NDArray[np.float64]:
        """(N, 1 to 16) values; integers that stand for fractions as fractions."""
        accessor = self._document["accessors"][index]
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        count = accessor["count"]
        if not 0 < count <= MOST_ELEMENTS:
            raise self._source.fail("has an array of an impossible length; it is damaged")
        if "bufferView" in accessor:
            raw = self._raw(accessor["bufferView"], accessor, dtype, (count, width))
        else:
            raw = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            raw = self._replaced(raw, accessor["sparse"], dtype, width)
        values = raw.astype(np.float64)
        if accessor.get("normalized") and dtype.kind in "iu":
            values = np.maximum(values / np.iinfo(dtype).max, -1)
        return values

    def _raw(
        self, view: int, accessor: Json, dtype: np.dtype[Any], shape: tuple[int, int]
    ) -> NDArray[Any]:
        size = dtype.itemsize * shape[1]
        stride = self._document["bufferViews"][view].get("byteStride", size)
        start = accessor.get("byteOffset", 0)
        if not size <= stride <= max(size, _LONGEST_STRIDE) or start < 0:
            raise self._source.fail("has an array of overlapping elements; it is damaged")
        data = self.view(view)
        if start + stride * (shape[0] - 1) + size > len(data):
            raise self._source.fail("has an array that is cut off; it is damaged")
        return np.ndarray(shape, dtype, data, start, (stride, dtype.itemsize))

    def _replaced(
        self, raw: NDArray[Any], sparse: Json, dtype: np.dtype[Any], width: int
    ) -> NDArray[Any]:
        """Some of the rows replaced by others."""
        count, places = sparse["count"], sparse["indices"]
        kind = np.dtype(_TYPES[places["componentType"]])
        index = self._raw(places["bufferView"], places, kind, (count, 1))[:, 0]
        values = self._raw(sparse["values"]["bufferView"], sparse["values"], dtype, (count, width))
        replaced = raw.copy()
        replaced[index] = values
        return replaced

    def _draco(
        self, primitive: Json, packed: Json
    ) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
        import DracoPy

        try:
            decoded = DracoPy.decode(self.view(packed["bufferView"]))
        # Whatever Draco finds wrong with its data; it has exceptions of its own.
        except Exception as error:
            raise self._source.fail(
                "has triangles that can't be unpacked; it is damaged"
            ) from error
        by_id = {attribute["unique_id"]: attribute["data"] for attribute in decoded.attributes}
        attributes = {}
        for name, number in packed["attributes"].items():
            if name not in _NAMES:
                continue
            values = np.asarray(by_id[number])
            accessor = self._document["accessors"][primitive["attributes"][name]]
            kind = np.dtype(_TYPES[accessor["componentType"]])
            attributes[name] = values.astype(np.float64)
            if accessor.get("normalized") and kind.kind in "iu":
                attributes[name] = np.maximum(attributes[name] / np.iinfo(kind).max, -1)
        return attributes, np.asarray(decoded.faces).astype(np.int64).ravel()
