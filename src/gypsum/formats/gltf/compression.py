"""Compressed triangles: Draco and meshoptimizer's.

KHR_draco_mesh_compression, EXT_meshopt_compression and KHR_mesh_quantization in
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0
"""

from __future__ import annotations

from typing import Any

import DracoPy
import meshopt as packer
import numpy as np
from numpy.typing import NDArray

from gypsum.formats.corners import Part
from gypsum.formats.gltf.buffer import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, BufferBuilder, Json
from gypsum.formats.gltf.geometry import Geometry, attributes_of

DRACO = "KHR_draco_mesh_compression"
MESHOPT = "EXT_meshopt_compression"
QUANTIZATION = "KHR_mesh_quantization"

POSITION_BITS = 16
"""Of the longest side of the bounding box: 0.015 mm of a metre."""
UV_BITS = 16
"""An eighth of a texel of an 8k texture."""
NORMAL_BITS = 10

_DRACO_LEVEL = 7
"""Higher levels take twice the time for one more per cent."""
_STEPS = 2**POSITION_BITS - 1


def draco(parts: list[Part], buffer: BufferBuilder) -> Geometry:
    """Edgebreaker connectivity and predicted attributes; vertices come in another order."""
    held = [attributes_of(part) for part in parts]
    positions = np.vstack([attributes["POSITION"] for attributes in held])
    low = positions.min(axis=0)
    # The same for all parts, so that they meet without gaps.
    box = (low, float((positions.max(axis=0) - low).max()) or 1.0)
    primitives = [
        _draco_primitive(part, attributes, box, index, buffer)
        for index, (part, attributes) in enumerate(zip(parts, held, strict=True))
    ]
    return Geometry(primitives, extensions=(DRACO,))


def _draco_primitive(
    part: Part,
    attributes: dict[str, NDArray[Any]],
    box: tuple[NDArray[np.float32], float],
    material: int,
    buffer: BufferBuilder,
) -> Json:
    uvs, colors = attributes.get("TEXCOORD_0"), attributes.get("COLOR_0")
    data = DracoPy.encode(
        attributes["POSITION"],
        faces=part.faces.astype(np.uint32),
        quantization_bits=POSITION_BITS,
        quantization_range=box[1],
        quantization_origin=box[0],
        compression_level=_DRACO_LEVEL,
        tex_coord=None if uvs is None else uvs.astype(np.float64),
        normals=attributes["NORMAL"].astype(np.float64),
        tex_coord_quantization_bits=UV_BITS,
        normal_quantization_bits=NORMAL_BITS,
        # As a generic attribute, because Draco's own colours have 8 bits.
        generic_attributes=None if colors is None else {_COLOR_ID: colors},
    )
    decoded = DracoPy.decode(data)
    ids: dict[str, int] = {}
    accessors: dict[str, int] = {}
    for attribute in decoded.attributes:
        name = _DRACO_NAMES[attribute["attribute_type"]]
        values = np.asarray(attribute["data"]).astype(attributes[name].dtype)
        ids[name] = attribute["unique_id"]
        accessors[name] = buffer.add_accessor(
            values, None, bounds=name == "POSITION", normalized=name == "COLOR_0"
        )
    indices = np.asarray(decoded.faces).ravel().astype("<u4")
    extension = {"bufferView": buffer.add_view(data), "attributes": ids}
    return {
        "attributes": accessors,
        "indices": buffer.add_accessor(indices, None),
        "material": material,
        "extensions": {DRACO: extension},
    }


_DRACO_NAMES = {0: "POSITION", 1: "NORMAL", 3: "TEXCOORD_0", 4: "COLOR_0"}
"""Of Draco's kinds of attributes."""
_COLOR_ID = 7


def meshopt(parts: list[Part], buffer: BufferBuilder) -> Geometry:
    """Quantised vertices in the order in which triangles use them, packed byte by byte."""
    attributes = [attributes_of(part) for part in parts]
    positions = np.vstack([held["POSITION"] for held in attributes])
    low = positions.min(axis=0)
    scale = float((positions.max(axis=0) - low).max()) or 1.0
    primitives = [
        _meshopt_primitive(part, held, low, scale, index, buffer)
        for index, (part, held) in enumerate(zip(parts, attributes, strict=True))
    ]
    node: Json = {"translation": low.astype(float).tolist(), "scale": [scale] * 3}
    return Geometry(primitives, node, (MESHOPT, QUANTIZATION))


def _meshopt_primitive(
    part: Part,
    attributes: dict[str, NDArray[Any]],
    low: NDArray[np.float32],
    scale: float,
    material: int,
    buffer: BufferBuilder,
) -> Json:
    indices, places, count = packer.reorder_mesh(part.faces.astype(np.uint32), True, True)
    order = np.argsort(places)[:count]
    accessors: dict[str, int] = {}
    for name, values in attributes.items():
        rows, width, kind = _quantized(name, values[order], low, scale)
        view = _add_packed(
            buffer,
            packer.encode_gltf_buffer(rows, "ATTRIBUTES"),
            {"byteStride": rows.nbytes // len(rows), "mode": "ATTRIBUTES", "count": len(rows)}
            | ({"filter": kind} if kind else {}),
            {"target": ARRAY_BUFFER, "byteStride": rows.nbytes // len(rows)},
        )
        shown = rows.view(np.int8) if kind else rows
        accessors[name] = buffer.add_accessor(
            shown[:, :width], view, bounds=name == "POSITION", normalized=rows.dtype != "<f4"
        )
    indices = indices.astype("<u4")
    view = _add_packed(
        buffer,
        packer.encode_gltf_buffer(indices, "TRIANGLES"),
        {"byteStride": 4, "mode": "TRIANGLES", "count": len(indices)},
        {"target": ELEMENT_ARRAY_BUFFER},
    )
    return {
        "attributes": accessors,
        "indices": buffer.add_accessor(indices, view),
        "material": material,
    }


def _quantized(
    name: str, values: NDArray[Any], low: NDArray[np.float32], scale: float
) -> tuple[NDArray[Any], int, str]:
    """Rows of whole 4 bytes, how many of their columns count, and the filter that unpacks them."""
    if name == "POSITION":
        rows = np.zeros((len(values), 4), "<u2")
        rows[:, :3] = np.rint((values - low) / scale * _STEPS)
        return rows, 3, ""
    if name == "NORMAL":
        signed = np.hstack([values, np.ones((len(values), 1), np.float32)])
        return packer.encode_filter_oct(signed, 4, 8), 3, "OCTAHEDRAL"
    if name == "TEXCOORD_0" and len(values) and values.min() >= 0 and values.max() <= 1:
        return np.rint(values * (2**UV_BITS - 1)).astype("<u2"), 2, ""
    return values, values.shape[1], ""


def _add_packed(buffer: BufferBuilder, data: bytes, packing: Json, properties: Json) -> int:
    """Append a compressed view, which stands for a place in a buffer without content."""
    view = buffer.add_view(data)
    packed = buffer.views[view] | packing
    length = packing["count"] * packing["byteStride"]
    buffer.views[view] = properties | {
        "buffer": 1,
        "byteOffset": buffer.unpacked,
        "byteLength": length,
        "extensions": {MESHOPT: packed},
    }
    buffer.unpacked += length + -length % 4
    return view
