"""Reading FBX 7: meshes with their materials and textures, where their nodes put them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.assembly import PLAIN, Piece, assemble, triangulated
from gypsum.formats.fbx.nodes import Node
from gypsum.formats.fbx.parse import parse
from gypsum.formats.limits import DEEPEST, MOST_ELEMENTS
from gypsum.formats.source import Source
from gypsum.scene import Material, Mesh, TexturedMesh

_CENTIMETRES_PER_METRE = 100.0

Float64 = NDArray[np.float64]
Index = NDArray[np.int64]


def read(source: Source) -> TexturedMesh | Mesh:
    """All meshes as one model; skins and animations are left out."""
    scene = _Scene(source, parse(source))
    return assemble(source, scene.pieces())


@dataclass(frozen=True)
class _Layer:
    """Values that belong to corners of polygons."""

    values: Float64
    """(N, width)"""
    corners: Index
    """(C,) index of the value of each corner."""


class _Scene:
    """A file's objects by their numbers, and what belongs to what."""

    def __init__(self, source: Source, root: Node) -> None:
        self._source = source
        objects = root.find("Objects")
        if objects is None or not any(isinstance(_id(node), int) for node in objects.children):
            raise source.fail("is an FBX file without objects, or older than FBX 2011")
        self._objects = {_id(node): node for node in objects.children}
        self._parents: dict[Any, list[tuple[Any, str]]] = {}
        self._children: dict[Any, list[tuple[Any, str]]] = {}
        connections = root.find("Connections")
        for link in [] if connections is None else connections.children:
            if link.name in ("C", "Connect") and len(link.values) >= 3:
                _, child, parent, *slot = link.values
                name = str(slot[0]) if slot else ""
                self._parents.setdefault(child, []).append((parent, name))
                self._children.setdefault(parent, []).append((child, name))
        self._to_world = _world_matrix(root)
        self._materials: dict[Any, Material] = {}
        self._left = MOST_ELEMENTS

    def pieces(self) -> list[Piece]:
        """Every geometry at every model that shows it."""
        found = []
        for number, node in self._objects.items():
            if node.name == "Geometry" and node.find("PolygonVertexIndex") is not None:
                for parent, _ in self._parents.get(number, []):
                    model = self._objects.get(parent)
                    if model is not None and model.name == "Model":
                        found += self._of_geometry(node, parent, model)
        return found

    def _of_geometry(self, node: Node, number: Any, model: Node) -> list[Piece]:
        matrix = self._to_world @ self._placed(number) @ _geometric(model)
        points = _array(node, "Vertices").reshape(-1, 3)
        corners, counts = _polygons(node)
        self._left -= len(corners)
        if self._left < 0:
            raise self._source.fail("shows more triangles than can be read")
        uv = _layer(node, "UV", "UV", 2, corners, counts)
        normal = _layer(node, "Normal", "Normals", 3, corners, counts)
        color = _layer(node, "Color", "Colors", 4, corners, counts)
        order = np.arange(len(corners))
        (faces, places), polygon = triangulated([corners, order], counts)
        if np.linalg.det(matrix[:3, :3]) < 0:
            faces, places = faces[:, ::-1], places[:, ::-1]
        whole = Piece(
            (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32),
            faces,
            PLAIN,
            None if uv is None else uv.values.astype(np.float32),
            None if uv is None else uv.corners[places].astype(np.int32),
            None if normal is None else _turned(normal.values, matrix),
            None if normal is None else normal.corners[places].astype(np.int32),
            None if color is None else _vertex_colors(color, corners, len(points)),
        )
        owners = _owners(node, corners, counts)[polygon]
        materials = [
            self._material(child)
            for child, _ in self._children.get(number, [])
            if child in self._objects and self._objects[child].name == "Material"
        ]
        return [
            _part(whole, owners == index, materials[index] if index < len(materials) else PLAIN)
            for index in np.unique(owners)
        ]

    def _placed(self, number: Any) -> Float64:
        """(4, 4) from a model to the scene."""
        matrix = np.eye(4)
        for _ in range(DEEPEST):
            node = self._objects.get(number)
            if node is None or node.name != "Model":
                return matrix
            matrix = _local(node) @ matrix
            above = self._parents.get(number, [])
            number = above[0][0] if above else None
        raise self._source.fail("has models inside of themselves")

    def _material(self, number: Any) -> Material:
        if number not in self._materials:
            node = self._objects[number]
            red, green, blue = (float(v) for v in _property(node, "DiffuseColor", (1, 1, 1))[:3])
            base = self._texture(number, "DiffuseColor")
            color = (1.0, 1.0, 1.0) if base is not None else (red, green, blue)
            normal = self._texture(number, "NormalMap")
            self._materials[number] = Material(_name(node), base, color, normal)
        return self._materials[number]

    def _texture(self, material: Any, slot: str) -> NDArray[np.uint8] | None:
        for number, name in self._children.get(material, []):
            node = self._objects.get(number)
            if name == slot and node is not None and node.name == "Texture":
                return self._picture(number, node)
        return None

    def _picture(self, number: Any, texture: Node) -> NDArray[np.uint8] | None:
        """Embedded, or from a file beside the model."""
        for child, _ in self._children.get(number, []):
            video = self._objects.get(child)
            if video is not None and video.name == "Video":
                content = video.value("Content")
                if isinstance(content, str):
                    content = base64.b64decode(content)
                if isinstance(content, bytes) and content:
                    return self._source.picture(content, _name(video))
        for key in ("RelativeFilename", "FileName"):
            name = texture.value(key)
            if isinstance(name, str) and name:
                return self._source.picture_beside(name)
        return None


def _id(node: Node) -> Any:
    return node.values[0] if node.values else None


def _name(node: Node) -> str:
    """Without the kind: binary files put it behind the name, text files before it."""
    text = str(node.values[1]) if len(node.values) > 1 else ""
    return text.split("\x00")[0].split("::")[-1]


def _array(node: Node, name: str) -> Float64:
    value = node.value(name)
    return np.empty(0) if value is None else np.asarray(value, np.float64).ravel()


def _property(node: Node, name: str, default: Any) -> Any:
    """The values of one of a node's properties."""
    properties = node.find("Properties70")
    for entry in [] if properties is None else properties.children:
        if entry.values and entry.values[0] == name:
            return entry.values[4:]
    return default


def _world_matrix(root: Node) -> Float64:
    """(4, 4) from the file's axes and unit to the world: X right, Z up, Y away, metres."""
    settings = root.find("GlobalSettings") or Node("")
    matrix = np.zeros((4, 4))
    # FBX's front points to the viewer.
    for row, (name, usual, sign) in enumerate((("Coord", 0, 1), ("Front", 2, -1), ("Up", 1, 1))):
        axis = int(_property(settings, f"{name}Axis", [usual])[0])
        toward = int(_property(settings, f"{name}AxisSign", [1])[0])
        matrix[row, axis] = sign * toward
    if abs(np.linalg.det(matrix[:3, :3])) != 1:
        matrix[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    unit = float(_property(settings, "UnitScaleFactor", [1.0])[0]) / _CENTIMETRES_PER_METRE
    matrix[:3] *= unit if unit > 0 else 1 / _CENTIMETRES_PER_METRE
    matrix[3, 3] = 1
    return matrix


def _local(node: Node) -> Float64:
    """(4, 4) from a model to the one above it, as the SDK's documentation composes it."""

    def vector(name: str) -> Float64:
        return np.array(_property(node, name, (0, 0, 0))[:3], np.float64)

    order = int(_property(node, "RotationOrder", [0])[0])
    pivot, scale_pivot = vector("RotationPivot"), vector("ScalingPivot")
    scaling = np.array(_property(node, "Lcl Scaling", (1, 1, 1))[:3], np.float64)
    matrix = _moved(vector("Lcl Translation") + vector("RotationOffset") + pivot)
    matrix = matrix @ _rotation(vector("PreRotation"), 0) @ _rotation(vector("Lcl Rotation"), order)
    matrix = matrix @ np.linalg.inv(_rotation(vector("PostRotation"), 0))
    matrix = matrix @ _moved(vector("ScalingOffset") + scale_pivot - pivot)
    return matrix @ np.diag([*scaling, 1]) @ _moved(-scale_pivot)


def _geometric(node: Node) -> Float64:
    """(4, 4) of a model's own geometry alone, not of the models below it."""
    scaling = np.array(_property(node, "GeometricScaling", (1, 1, 1))[:3], np.float64)
    rotation = np.array(_property(node, "GeometricRotation", (0, 0, 0))[:3], np.float64)
    shift = np.array(_property(node, "GeometricTranslation", (0, 0, 0))[:3], np.float64)
    return _moved(shift) @ _rotation(rotation, 0) @ np.diag([*scaling, 1])


def _moved(shift: Float64) -> Float64:
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return matrix


_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 2, 0), (1, 0, 2), (2, 0, 1), (2, 1, 0))
"""Axes in the order in which Euler angles turn around them."""


def _rotation(degrees: Float64, order: int) -> Float64:
    """(4, 4) of Euler angles."""
    matrix = np.eye(4)
    for axis in _ORDERS[order if 0 <= order < len(_ORDERS) else 0]:
        sine, cosine = np.sin(np.radians(degrees[axis])), np.cos(np.radians(degrees[axis]))
        turn = np.eye(4)
        second, third = (axis + 1) % 3, (axis + 2) % 3
        turn[second, second] = turn[third, third] = cosine
        turn[third, second], turn[second, third] = sine, -sine
        matrix = turn @ matrix
    return matrix


def _turned(normals: Float64, matrix: Float64) -> NDArray[np.float32]:
    """In the world; their length does not matter."""
    a, b, c = matrix[:3, :3]
    cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    sign = np.sign(np.linalg.det(matrix[:3, :3])) or 1.0
    turned = normals @ (sign * cofactors).T
    scale = np.abs(turned).max(initial=0)
    return np.asarray(turned / (scale or 1), np.float32)


def _polygons(node: Node) -> tuple[Index, Index]:
    """Vertices of all corners (C,), and how many each polygon has (P,)."""
    corners = _array(node, "PolygonVertexIndex").astype(np.int64)
    ends = np.flatnonzero(corners < 0)
    corners = np.where(corners < 0, ~corners, corners)[: ends[-1] + 1 if len(ends) else 0]
    return corners, np.diff(np.concatenate([[-1], ends]))


def _by_corner(node: Node, corners: Index, counts: Index) -> Index:
    """(C,) which of a layer's entries belongs to each corner."""
    mapping = node.value("MappingInformationType", "AllSame")
    if mapping == "ByPolygonVertex":
        return np.arange(len(corners))
    if mapping in ("ByVertice", "ByVertex"):
        return corners
    if mapping == "ByPolygon":
        return np.repeat(np.arange(len(counts)), counts)
    return np.zeros(len(corners), np.int64)


def _layer(
    node: Node, kind: str, name: str, width: int, corners: Index, counts: Index
) -> _Layer | None:
    """A layer of values; None where there is none that fits."""
    layer = node.find(f"LayerElement{kind}")
    if layer is None:
        return None
    values = _array(layer, name)
    index = _by_corner(layer, corners, counts)
    listed = _array(layer, {"Normals": "NormalsIndex", "Colors": "ColorIndex"}.get(name, "UVIndex"))
    if layer.value("ReferenceInformationType") != "Direct" and len(listed):
        index = listed.astype(np.int64)[index]
    values = values[: len(values) // width * width].reshape(-1, width)
    fits = len(index) == 0 or (index.min() >= 0 and index.max() < len(values))
    return _Layer(values, index) if fits and len(values) else None


def _owners(node: Node, corners: Index, counts: Index) -> Index:
    """(P,) which of the model's materials each polygon has."""
    layer = node.find("LayerElementMaterial")
    listed = np.empty(0) if layer is None else _array(layer, "Materials")
    if layer is None or len(listed) == 0:
        return np.zeros(len(counts), np.int64)
    index = _by_corner(layer, corners, counts)[np.cumsum(counts) - counts]
    return np.asarray(listed.astype(np.int64)[index])


def _vertex_colors(color: _Layer, corners: Index, count: int) -> NDArray[np.uint8]:
    """(V, 3) sRGB: of each vertex the colour of one of its corners."""
    colors = np.full((count, 3), 255, np.uint8)
    inside = corners < count
    shown = np.nan_to_num(color.values[color.corners[inside], :3]).clip(0, 1)
    colors[corners[inside]] = np.rint(shown * 255)
    return colors


def _part(whole: Piece, chosen: NDArray[np.bool_], material: Material) -> Piece:
    def some(faces: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
        return None if faces is None else faces[chosen]

    textured = material.is_textured
    return Piece(
        whole.positions,
        whole.faces[chosen],
        material,
        whole.uvs if textured else None,
        some(whole.uv_faces) if textured else None,
        whole.normals,
        some(whole.normal_faces),
        whole.colors if material.base_color is None else None,
    )
