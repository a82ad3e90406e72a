"""Reading glTF and GLB, also compressed ones."""

from __future__ import annotations

import base64
import json
import struct
from collections import deque
from collections.abc import Iterator
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.assembly import PLAIN, Piece, assemble, turned
from gypsum.formats.colors import to_linear, to_srgb
from gypsum.formats.gltf import splats
from gypsum.formats.gltf.accessors import Accessors, Json
from gypsum.formats.limits import DEEPEST, MOST_ELEMENTS, MOST_NODES
from gypsum.formats.source import Source
from gypsum.formats.splats.frames import to_world
from gypsum.scene import Material, Mesh, PointCloud, Splats, TexturedMesh

_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6

_KNOWN = {
    "KHR_draco_mesh_compression",
    "EXT_meshopt_compression",
    "KHR_meshopt_compression",
    "KHR_mesh_quantization",
    "KHR_texture_transform",
    "KHR_texture_basisu",
    "EXT_texture_webp",
    "KHR_materials_unlit",
    splats.EXTENSION,
    splats.PACKED,
}
"""Extensions that a file may require."""

Float64 = NDArray[np.float64]


def read(source: Source) -> TexturedMesh | Mesh | PointCloud | Splats:
    """Everything that the default scene shows, as one model.

    Skins, animations and metalness are left out.
    """
    scene = _Scene(source, *_open(source))
    pieces, points, fields = [], [], []
    total = 0
    for mesh, matrix in scene.meshes():
        for primitive in mesh["primitives"]:
            if splats.are_splats(primitive):
                fields.append(scene.splats(primitive, matrix))
                continue
            total += scene.accessors.count(primitive)
            if total > MOST_ELEMENTS:
                raise source.fail("shows more triangles than can be read")
            mode = primitive.get("mode", _TRIANGLES)
            if mode in (_TRIANGLES, _STRIP, _FAN):
                pieces.append(turned(scene.piece(primitive, mode, matrix), "y"))
            elif mode == _POINTS:
                points.append(turned(scene.piece(primitive, mode, matrix), "y"))
    if fields and not pieces:
        return to_world(splats.joined(fields), "y")
    if points and not pieces:
        return _cloud(points)
    return assemble(source, pieces)


def _open(source: Source) -> tuple[Json, bytes]:
    """The document and, of a GLB, its binary part."""
    data = source.read()
    binary = b""
    if data[:4] == b"glTF":
        data, binary = _chunks(source, data)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise source.fail("is no glTF file, or is damaged") from None
    if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
        raise source.fail("is no glTF file")
    if not str(document["asset"].get("version", "")).startswith("2"):
        raise source.fail("is of another version of glTF than 2.0")
    unknown = set(document.get("extensionsRequired", [])) - _KNOWN
    if unknown:
        raise source.fail(f"needs the extension {sorted(unknown)[0][:60]}, which is not known here")
    return document, binary


def _chunks(source: Source, data: bytes) -> tuple[bytes, bytes]:
    if len(data) < 20:
        raise source.fail("is cut off; write it again")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > len(data):
            raise source.fail("is cut off; write it again")
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return chunks.get(b"JSON", b""), chunks.get(b"BIN\0", b"")


def _cloud(pieces: list[Piece]) -> PointCloud:
    positions = np.vstack([piece.positions for piece in pieces])
    normals = [np.zeros_like(p.positions) if p.normals is None else p.normals for p in pieces]
    gray = [np.full(p.positions.shape, 190, np.uint8) for p in pieces]
    colors = [g if p.colors is None else p.colors for p, g in zip(pieces, gray, strict=True)]
    return PointCloud(positions, np.vstack(normals), np.vstack(colors))


class _Scene:
    """A document, and what was already made of it."""

    def __init__(self, source: Source, document: Json, binary: bytes) -> None:
        self._source, self._document = source, document
        self._buffers: dict[int, bytes] = {}
        self._binary = binary
        self.accessors = Accessors(source, document, self._buffer)
        self._materials: dict[int, Material] = {}
        self._pictures: dict[tuple[int, int | None], NDArray[np.uint8] | None] = {}

    def meshes(self) -> Iterator[tuple[Json, Float64]]:
        """What the nodes of the default scene show, each with its matrix to the scene."""
        scenes = self._document.get("scenes", [])
        if not scenes:
            for mesh in self._document.get("meshes", []):
                yield mesh, np.eye(4)
            return
        nodes = self._document.get("nodes", [])
        roots = scenes[self._document.get("scene", 0)].get("nodes", [])
        todo = deque((index, np.eye(4), 0) for index in roots)
        seen = 0
        while todo:
            index, above, depth = todo.popleft()
            seen += 1
            if seen > MOST_NODES or depth > DEEPEST:
                raise self._source.fail("has too many nodes, or some inside of themselves")
            node = nodes[index]
            matrix = above @ _matrix(node)
            if "mesh" in node:
                yield self._document["meshes"][node["mesh"]], matrix
            todo.extend((child, matrix, depth + 1) for child in node.get("children", []))

    def splats(self, primitive: Json, matrix: Float64) -> Splats:
        """A primitive's splats in the scene's frame, Y up."""
        size = self._source.path.stat().st_size
        found = splats.decode(self._source, self._document, self.accessors, primitive, size)
        return splats.placed(self._source, found, matrix)

    def piece(self, primitive: Json, mode: int, matrix: Float64) -> Piece:
        """A primitive in the scene's frame, Y up."""
        attributes, indices = self.accessors.attributes(primitive)
        positions = attributes["POSITION"][:, :3] @ matrix[:3, :3].T + matrix[:3, 3]
        faces = _triangles(indices, mode)
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces = faces[:, ::-1]
        normals = None
        if "NORMAL" in attributes:
            turn = _cofactors(matrix[:3, :3]).T
            normals = (attributes["NORMAL"][:, :3] @ turn).astype(np.float32)
        material = self._material(primitive.get("material"))
        uvs = self._uvs(primitive.get("material"), attributes)
        colors = attributes.get("COLOR_0") if material.base_color is None else None
        return Piece(
            positions.astype(np.float32),
            np.ascontiguousarray(faces, np.int32),
            material,
            uvs if material.is_textured else None,
            normals=normals,
            colors=None if colors is None else to_srgb(colors[:, :3]),
        )

    def _uvs(
        self, material: int | None, attributes: dict[str, Float64]
    ) -> NDArray[np.float32] | None:
        """The texture coordinates that the base colour, or else another map, goes by; v up."""
        entry = {} if material is None else self._document["materials"][material]
        pbr = entry.get("pbrMetallicRoughness", {})
        used = [pbr.get("baseColorTexture"), entry.get("normalTexture"),
                entry.get("occlusionTexture"), pbr.get("metallicRoughnessTexture")]  # fmt: skip
        reference: Json = next((texture for texture in used if texture), {})
        moved = reference.get("extensions", {}).get("KHR_texture_transform", {})
        number = int(moved.get("texCoord", reference.get("texCoord", 0)))
        uvs = attributes.get(f"TEXCOORD_{number}")
        if uvs is None:
            return None
        uvs = uvs[:, :2] * moved.get("scale", [1, 1])
        sine, cosine = np.sin(moved.get("rotation", 0.0)), np.cos(moved.get("rotation", 0.0))
        uvs = uvs @ np.array([[cosine, -sine], [sine, cosine]]) + moved.get("offset", [0, 0])
        return np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1).astype(np.float32)

    def _material(self, index: int | None) -> Material:
        if index is None:
            return PLAIN
        if index not in self._materials:
            self._materials[index] = self._new_material(self._document["materials"][index], index)
        return self._materials[index]

    def _new_material(self, entry: Json, index: int) -> Material:
        pbr = entry.get("pbrMetallicRoughness", {})
        factor = [float(value) for value in pbr.get("baseColorFactor", [1, 1, 1, 1])[:3]]
        base = self._texture(pbr.get("baseColorTexture"))
        if base is not None and factor != [1, 1, 1]:
            base = to_srgb(to_linear(base) * factor)
        rough = self._texture(pbr.get("metallicRoughnessTexture"), 1)
        scale = float(pbr.get("roughnessFactor", 1.0))
        if rough is not None and scale != 1:
            rough = np.rint(rough * scale).clip(0, 255).astype(np.uint8)
        red, green, blue = factor
        return Material(
            str(entry.get("name", f"material_{index + 1}")),
            base,
            (red, green, blue),
            self._texture(entry.get("normalTexture")),
            self._texture(entry.get("occlusionTexture"), 0),
            rough,
        )

    def _texture(
        self, reference: Json | None, channel: int | None = None
    ) -> NDArray[np.uint8] | None:
        if not reference:
            return None
        texture = self._document["textures"][reference["index"]]
        extensions = texture.get("extensions", {})
        index = extensions.get("EXT_texture_webp", texture).get("source")
        if index is None:
            index = extensions.get("KHR_texture_basisu", {}).get("source")
        if index is None:
            return None
        if (index, channel) not in self._pictures:
            self._pictures[index, channel] = self._picture(self._document["images"][index], channel)
        return self._pictures[index, channel]

    def _picture(self, image: Json, channel: int | None) -> NDArray[np.uint8] | None:
        if "bufferView" in image:
            data = self.accessors.view(image["bufferView"])
            return self._source.picture(data, str(image.get("name", "inside")), channel)
        uri = image["uri"]
        if uri.startswith("data:"):
            return self._source.picture(_inline(uri), "inside", channel)
        return self._source.picture_beside(unquote(uri), channel)

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            self._buffers[index] = self._load(index)
        return self._buffers[index]

    def _load(self, index: int) -> bytes:
        uri = self._document["buffers"][index].get("uri")
        if uri is None:
            return self._binary if index == 0 else b""
        if uri.startswith("data:"):
            return _inline(uri)
        data = self._source.file_beside(unquote(uri))
        if data is None:
            raise self._source.fail(f"needs {unquote(uri)[:80]!r}, which is not beside it")
        return data


def _inline(uri: str) -> bytes:
    return base64.b64decode(uri.split(",", 1)[1])


def _matrix(node: Json) -> Float64:
    """(4, 4) from a node to the one above it."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", [0, 0, 0, 1]), float)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", [1, 1, 1]), float)
    matrix[:3, 3] = node.get("translation", [0, 0, 0])
    return matrix


def _cofactors(matrix: Float64) -> Float64:
    """(3, 3) what normals are multiplied with: the inverse's transpose, also where there is none.

    Of mirrors too: the faces are turned around then, and normals stay outside.
    """
    a, b, c = matrix
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    return cofactors if np.linalg.det(matrix) >= 0 else -cofactors


def _triangles(indices: NDArray[np.int64], mode: int) -> NDArray[np.int64]:
    """(F, 3) of a list, a strip or a fan."""
    if mode == _STRIP:
        faces = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
        faces[1::2] = faces[1::2, [1, 0, 2]]
        return faces
    if mode == _FAN:
        return np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], axis=1)
    if mode == _POINTS:
        return np.empty((0, 3), np.int64)
    return indices[: len(indices) // 3 * 3].reshape(-1, 3)
