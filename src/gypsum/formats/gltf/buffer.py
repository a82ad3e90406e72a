"""The binary part of a glTF file under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]

FLOAT, UINT16, UINT32, UINT8, INT8 = 5126, 5123, 5125, 5121, 5120
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963

_COMPONENT = {
    np.dtype("<f4"): FLOAT,
    np.dtype("<u2"): UINT16,
    np.dtype("<u4"): UINT32,
    np.dtype("u1"): UINT8,
    np.dtype("i1"): INT8,
}


class BufferBuilder:
    """Arrays in a row, each at a multiple of 4 bytes, with their views and accessors."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.views: list[Json] = []
        self.accessors: list[Json] = []
        self.unpacked = 0
        """Bytes that compressed views take when they are unpacked: a buffer without content."""

    def add_view(self, data: bytes, **properties: Any) -> int:
        """Append raw bytes; returns the number of their buffer view."""
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(data)} | properties
        )
        self.content += data + bytes(-len(data) % 4)
        return len(self.views) - 1

    def add_vectors(
        self, values: NDArray[Any], bounds: bool = False, normalized: bool = False
    ) -> int:
        """Append a vertex attribute (N, 2 to 4); returns the number of its accessor."""
        view = self.add_view(values.tobytes(), target=ARRAY_BUFFER)
        return self.add_accessor(values, view, bounds=bounds, normalized=normalized)

    def add_accessor(
        self,
        values: NDArray[Any],
        view: int | None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Describe vectors (N, 2 to 4) or scalars (N,); returns the number of the accessor."""
        kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[1]}"
        accessor: Json = {
            "componentType": _COMPONENT[values.dtype],
            "count": len(values),
            "type": kind,
        }
        if view is not None:
            accessor["bufferView"] = view
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_indices(self, faces: NDArray[np.int32], vertices: int) -> int:
        """Append triangles; returns the number of their accessor."""
        indices = short_indices(faces, vertices)
        view = self.add_view(indices.tobytes(), target=ELEMENT_ARRAY_BUFFER)
        return self.add_accessor(indices, view)

    def finish(self, document: Json, uri: str | None = None) -> Json:
        """The document with its buffers; nothing can be added afterwards."""
        buffers: list[Json] = [{"byteLength": len(self.content)}]
        if uri is not None:
            buffers[0]["uri"] = uri
        if self.unpacked:
            fallback = {"EXT_meshopt_compression": {"fallback": True}}
            buffers.append({"byteLength": self.unpacked, "extensions": fallback})
        return document | {
            "buffers": buffers,
            "bufferViews": self.views,
            "accessors": self.accessors,
        }


def short_indices(faces: NDArray[np.int32], vertices: int) -> NDArray[Any]:
    """16 bits where they reach, without the value that restarts a strip."""
    return faces.ravel().astype("<u2" if vertices < 0xFFFF else "<u4")
