"""Writing glTF and GLB."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.corners import split_at_seams
from gypsum.formats.gltf.buffer import BufferBuilder, Json
from gypsum.formats.gltf.geometry import Geometry
from gypsum.formats.options import Compression, WriteOptions
from gypsum.formats.texture import TextureFile, companion, encode_texture, texture_path
from gypsum.options import TextureFormat
from gypsum.scene import Material, TexturedMesh

_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE, _REPEAT = 9729, 9987, 33071, 10497

_BLUE = 0
"""Metalness, where occlusion and roughness take the red and the green of one picture."""


def glb(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:
    """One self-contained file."""
    document, buffer, images = _document(path.stem, model, options)
    document["images"] = [
        {"bufferView": buffer.add_view(file.content), "mimeType": file.mime_type, "name": name}
        for name, file in images
    ]
    document = buffer.finish(document)
    text = _text(document)
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(buffer.content), b"BIN\0") + buffer.content
    return {path: struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks}


def gltf(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:
    """A JSON file, with its numbers and its textures beside it."""
    document, buffer, images = _document(path.stem, model, options)
    files: dict[Path, bytes] = {}
    document["images"] = []
    for name, file in images:
        image = texture_path(path, name.removeprefix("texture") + file.suffix)
        files[image] = file.content
        document["images"].append({"uri": image.name, "mimeType": file.mime_type, "name": name})
    binary = companion(path, ".bin")
    document = buffer.finish(document, binary.name)
    return files | {binary: bytes(buffer.content), path: _text(document)}


def _document(
    name: str, model: TexturedMesh, options: WriteOptions
) -> tuple[Json, BufferBuilder, list[tuple[str, TextureFile]]]:
    """Everything but the pictures, the buffer with the geometry, and the pictures' names."""
    buffer = BufferBuilder()
    geometry = _geometry(model, options.compression, buffer)
    textures = _Textures(options.textures, len(model.materials) > 1)
    materials = [
        _material(material, textures, number)
        for number, material in enumerate(model.materials, start=1)
    ]
    document = {
        "asset": {"version": "2.0", "generator": f"Gypsum {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name} | geometry.node],
        "meshes": [{"primitives": geometry.primitives, "name": name}],
        "materials": materials,
        "textures": textures.entries,
        "samplers": [_sampler(model)] if textures.entries else [],
    }
    for extension in [*geometry.extensions, *textures.extensions]:
        for list_name in ("extensionsUsed", "extensionsRequired"):
            document.setdefault(list_name, []).append(extension)  # type: ignore[attr-defined]
    return document, buffer, textures.images


def _geometry(model: TexturedMesh, wanted: Compression | None, buffer: BufferBuilder) -> Geometry:
    parts = split_at_seams(model)
    if wanted is None:
        return Geometry.plain(parts, buffer)
    # Only here, because the packers take a moment to load.
    from gypsum.formats.gltf import compression

    pack = compression.draco if wanted is Compression.DRACO else compression.meshopt
    return pack(parts, buffer)


class _Textures:
    """The pictures and their uses, as they come up."""

    def __init__(self, wanted: TextureFormat, several: bool) -> None:
        self._wanted = wanted
        self._several = several
        self.images: list[tuple[str, TextureFile]] = []
        self.entries: list[Json] = []
        self.extensions: list[str] = []

    def add(self, pixels: NDArray[np.uint8], number: int, ending: str, srgb: bool = False) -> Json:
        """A reference to a new texture of the material with this number."""
        file = encode_texture(pixels, self._wanted, srgb)
        name = "texture" + (f"_{number}" if self._several else "") + ending
        entry: Json = {"sampler": 0}
        extension = _PICTURES.get(file.mime_type)
        if extension is not None:
            entry["extensions"] = {extension: {"source": len(self.images)}}
            if extension not in self.extensions:
                self.extensions.append(extension)
        else:
            entry["source"] = len(self.images)
        self.images.append((name, file))
        self.entries.append(entry)
        return {"index": len(self.entries) - 1}


_PICTURES = {"image/webp": "EXT_texture_webp", "image/ktx2": "KHR_texture_basisu"}
"""Extensions for what glTF itself does not know."""


def _material(material: Material, textures: _Textures, number: int) -> Json:
    pbr: Json = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    entry: Json = {
        "name": material.name,
        "pbrMetallicRoughness": pbr,
        # Scans are often open below: without this, one looks through the far side from there.
        "doubleSided": True,
    }
    if material.base_color is not None:
        pbr["baseColorTexture"] = textures.add(material.base_color, number, "", srgb=True)
    elif material.color != (1.0, 1.0, 1.0):
        pbr["baseColorFactor"] = [*material.color, 1.0]
    if material.normal is not None:
        entry["normalTexture"] = textures.add(material.normal, number, "_normal")
    for use, picture, ending in _surface_maps(material):
        reference = textures.add(picture, number, ending)
        if "occlusion" in use:
            entry["occlusionTexture"] = reference
        if "roughness" in use:
            pbr["metallicRoughnessTexture"] = reference
            # The picture's blue is 0 as well; viewers that take only one of the two agree.
            pbr["metallicFactor"] = 0.0
    return entry


def _surface_maps(material: Material) -> list[tuple[str, NDArray[np.uint8], str]]:
    """What it is for, the picture and its name's ending: one picture for both where they fit."""
    occlusion, roughness = material.occlusion, material.roughness
    if occlusion is not None and roughness is not None and occlusion.shape == roughness.shape:
        return [("occlusion roughness", _packed(occlusion, roughness), "_surface")]
    maps = []
    if occlusion is not None:
        maps.append(("occlusion", _packed(occlusion, np.full_like(occlusion, 255)), "_occlusion"))
    if roughness is not None:
        maps.append(("roughness", _packed(np.full_like(roughness, 255), roughness), "_roughness"))
    return maps


def _packed(red: NDArray[np.uint8], green: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([red, green, np.full_like(red, _BLUE)], axis=2)


def _sampler(model: TexturedMesh) -> Json:
    inside = len(model.uvs) == 0 or (model.uvs.min() >= 0 and model.uvs.max() <= 1)
    wrap = _CLAMP_TO_EDGE if inside else _REPEAT
    return {
        "magFilter": _LINEAR,
        "minFilter": _LINEAR_MIPMAP_LINEAR,
        "wrapS": wrap,
        "wrapT": wrap,
    }


def _text(document: Json) -> bytes:
    """Without empty lists, which the schema forbids."""
    held: dict[str, Any] = {key: value for key, value in document.items() if value != []}
    return json.dumps(held, separators=(",", ":"), ensure_ascii=False).encode()
