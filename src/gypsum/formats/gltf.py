"""glTF 2.0 and its binary form GLB: Y up, metres, one rough dielectric material.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.corners import split_at_seams, y_up
from gypsum.formats.texture import (
    TextureFile,
    companion,
    encode_texture,
    only_texture,
    texture_path,
)
from gypsum.scene import TexturedMesh

Json = dict[str, Any]

_FLOAT, _UINT16, _UINT32 = 5126, 5123, 5125
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071


class _Buffer:
    """The binary part under construction: arrays in a row, each at a multiple of 4 bytes."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.views: list[Json] = []
        self.accessors: list[Json] = []

    def add_view(self, data: bytes, **properties: int) -> int:
        """Append raw bytes; returns the number of their buffer view."""
        self.views.append(
            {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(data)} | properties
        )
        self.content += data + bytes(-len(data) % 4)
        return len(self.views) - 1

    def add_vectors(self, values: NDArray[np.float32], bounds: bool = False) -> int:
        """Append a vertex attribute (N, 2 or 3); returns the number of its accessor."""
        accessor: Json = {
            "bufferView": self.add_view(np.asarray(values, "<f4").tobytes(), target=_ARRAY_BUFFER),
            "componentType": _FLOAT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
        }
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_indices(self, faces: NDArray[np.int32], vertices: int) -> int:
        """Append triangles; 16-bit where they reach, without the value that restarts a strip."""
        short = vertices < 0xFFFF
        data = faces.astype("<u2" if short else "<u4").tobytes()
        self.accessors.append(
            {
                "bufferView": self.add_view(data, target=_ELEMENT_ARRAY_BUFFER),
                "componentType": _UINT16 if short else _UINT32,
                "count": faces.size,
                "type": "SCALAR",
            }
        )
        return len(self.accessors) - 1


def glb(path: Path, model: TexturedMesh) -> dict[Path, bytes]:
    """One self-contained file."""
    texture, buffer = encode_texture(only_texture(model)), _Buffer()
    document = _document(path.stem, model, buffer)
    view = buffer.add_view(texture.content)
    document["images"] = [{"bufferView": view, "mimeType": texture.mime_type, "name": "texture"}]
    document["buffers"] = [{"byteLength": len(buffer.content)}]
    text = _text(document)
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(buffer.content), b"BIN\0") + buffer.content
    return {path: struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks}


def gltf(path: Path, model: TexturedMesh) -> dict[Path, bytes]:
    """A JSON file, with its numbers and its texture beside it."""
    texture, buffer = encode_texture(only_texture(model)), _Buffer()
    document = _document(path.stem, model, buffer)
    image, binary = texture_path(path, texture), companion(path, ".bin")
    document["images"] = [_image_file(image, texture)]
    document["buffers"] = [{"byteLength": len(buffer.content), "uri": binary.name}]
    return {image: texture.content, binary: bytes(buffer.content), path: _text(document)}


def _image_file(path: Path, texture: TextureFile) -> Json:
    return {"uri": path.name, "mimeType": texture.mime_type, "name": "texture"}


def _document(name: str, model: TexturedMesh, buffer: _Buffer) -> Json:
    """Everything but ``images`` and ``buffers``; geometry goes into ``buffer``."""
    corners = split_at_seams(model)
    uvs = np.stack([corners.uvs[:, 0], 1 - corners.uvs[:, 1]], axis=1)
    primitive = {
        "attributes": {
            "POSITION": buffer.add_vectors(y_up(corners.vertices), bounds=True),
            "NORMAL": buffer.add_vectors(y_up(corners.normals)),
            "TEXCOORD_0": buffer.add_vectors(uvs),
        },
        "indices": buffer.add_indices(corners.faces, len(corners.vertices)),
        "material": 0,
    }
    return {
        "asset": {"version": "2.0", "generator": f"Gypsum {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"primitives": [primitive], "name": name}],
        "materials": [_MATERIAL],
        "textures": [{"sampler": 0, "source": 0}],
        "samplers": [_SAMPLER],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }


_MATERIAL: Json = {
    "name": "scan",
    "pbrMetallicRoughness": {
        "baseColorTexture": {"index": 0},
        "metallicFactor": 0.0,
        "roughnessFactor": 1.0,
    },
    # Scans are often open below: without this, one looks through the far side from there.
    "doubleSided": True,
}

_SAMPLER: Json = {
    "magFilter": _LINEAR,
    "minFilter": _LINEAR_MIPMAP_LINEAR,
    "wrapS": _CLAMP_TO_EDGE,
    "wrapT": _CLAMP_TO_EDGE,
}


def _text(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
