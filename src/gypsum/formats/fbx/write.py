"""Writing FBX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gypsum._version import __version__
from gypsum.formats.corners import unit_normals, y_up
from gypsum.formats.fbx.nodes import CREATION_TIME, FILE_ID, Node, encode
from gypsum.formats.options import WriteOptions
from gypsum.formats.texture import companion, encode_texture, plain_names, widely_read
from gypsum.options import TextureFormat
from gypsum.scene import Material, TexturedMesh

CENTIMETRES = 100.0
"""FBX's own unit; Unreal takes numbers as such whatever the file says."""

_UV_SET = "UVMap"


def fbx(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:
    """One self-contained file."""
    scene = _Scene()
    name = companion(path, "").name
    mesh = scene.add("Model", name, "Mesh", _model())
    geometry = scene.add("Geometry", name, "Mesh", _geometry(model))
    scene.connect(mesh, _ROOT)
    scene.connect(geometry, mesh)
    for material, plain in zip(model.materials, plain_names(model.materials), strict=True):
        scene.connect(_add_material(scene, material, plain, options.textures), mesh)
    return {path: encode(scene.nodes())}


_ROOT = np.int64(0)
_FIRST_ID = 1_000_000


class _Scene:
    """Objects and what belongs to what."""

    def __init__(self) -> None:
        self._objects: list[Node] = []
        self._connections: list[Node] = []

    def add(self, kind: str, name: str, use: str, children: list[Node]) -> np.int64:
        """A new object; returns its number."""
        number = np.int64(_FIRST_ID + len(self._objects))
        self._objects.append(Node(kind, [number, f"{name}\x00\x01{kind}", use], children))
        return number

    def connect(self, child: np.int64, parent: np.int64, slot: str = "") -> None:
        """Say that an object belongs to another one, or to one of its properties."""
        values = ["OP", child, parent, slot] if slot else ["OO", child, parent]
        self._connections.append(Node("C", values))

    def nodes(self) -> list[Node]:
        """Everything in a file, in the order in which readers expect it."""
        kinds = [node.name for node in self._objects]
        types = [Node("ObjectType", ["GlobalSettings"], [Node("Count", [1])])]
        types += [
            Node("ObjectType", [kind], [Node("Count", [kinds.count(kind)])])
            for kind in dict.fromkeys(kinds)
        ]
        return [
            _header(),
            Node("FileId", [FILE_ID]),
            Node("CreationTime", [CREATION_TIME]),
            Node("Creator", [_CREATOR]),
            _global_settings(),
            _documents(),
            Node("References"),
            Node(
                "Definitions",
                children=[Node("Version", [100]), Node("Count", [len(kinds) + 1]), *types],
            ),
            Node("Objects", children=self._objects),
            Node("Connections", children=self._connections),
            Node("Takes", children=[Node("Current", [""])]),
        ]


_CREATOR = f"Gypsum {__version__}"


def _header() -> Node:
    time = zip(
        ("Version", "Year", "Month", "Day", "Hour", "Minute", "Second", "Millisecond"),
        (1000, 1970, 1, 1, 10, 0, 0, 0),
        strict=True,
    )
    return Node(
        "FBXHeaderExtension",
        children=[
            Node("FBXHeaderVersion", [1003]),
            Node("FBXVersion", [7400]),
            Node("EncryptionType", [0]),
            Node("CreationTimeStamp", children=[Node(name, [value]) for name, value in time]),
            Node("Creator", [_CREATOR]),
        ],
    )


def _global_settings() -> Node:
    """Y up, Z to the front, X to the right; one unit is a centimetre."""
    whole = {
        "UpAxis": 1, "UpAxisSign": 1, "FrontAxis": 2, "FrontAxisSign": 1, "CoordAxis": 0,
        "CoordAxisSign": 1, "OriginalUpAxis": 1, "OriginalUpAxisSign": 1,
    }  # fmt: skip
    settings = [_property(name, "int", "Integer", value) for name, value in whole.items()]
    settings += [
        _property(name, "double", "Number", 1.0)
        for name in ("UnitScaleFactor", "OriginalUnitScaleFactor")
    ]
    return Node("GlobalSettings", children=[Node("Version", [1000]), _properties(settings)])


def _documents() -> Node:
    document = Node(
        "Document", [np.int64(_FIRST_ID - 1), "Scene", "Scene"], [Node("RootNode", [_ROOT])]
    )
    return Node("Documents", children=[Node("Count", [1]), document])


def _model() -> list[Node]:
    settings = [
        _property("DefaultAttributeIndex", "int", "Integer", 0),
        _property("InheritType", "enum", "", 1),
        _property("Lcl Scaling", "Lcl Scaling", "", 1.0, 1.0, 1.0, flags="A"),
    ]
    return [
        Node("Version", [232]),
        _properties(settings),
        Node("Shading", [True]),
        # Scans are often open below; some readers then show the inside too.
        Node("Culling", ["CullingOff"]),
    ]


def _geometry(model: TexturedMesh) -> list[Node]:
    """Vertices are shared across seams: texture coordinates belong to the corners of faces."""
    mesh = model.mesh
    corners = mesh.faces.astype("<i4")
    # The last corner of a polygon is marked by its complement.
    corners[:, 2] = ~corners[:, 2]
    layers = [
        _layer("Normal", "ByVertice", "Direct", Normals=_doubles(y_up(unit_normals(mesh)))),
    ]
    if any(material.is_textured for material in model.materials):
        index = model.uv_faces.astype("<i4")
        layers.append(
            _layer("UV", "ByPolygonVertex", "IndexToDirect", UV=_doubles(model.uvs), UVIndex=index)
        )
    if mesh.colors is not None and any(m.base_color is None for m in model.materials):
        opaque = np.hstack([mesh.colors / 255, np.ones((len(mesh.colors), 1))])
        layers.append(
            _layer(
                "Color",
                "ByPolygonVertex",
                "IndexToDirect",
                Colors=_doubles(opaque),
                ColorIndex=mesh.faces.astype("<i4"),
            )
        )
    several = len(model.materials) > 1
    layers.append(
        _layer(
            "Material",
            "ByPolygon" if several else "AllSame",
            "IndexToDirect",
            Materials=model.face_materials.astype("<i4") if several else np.zeros(1, "<i4"),
        )
    )
    elements = [
        Node("LayerElement", children=[Node("Type", [layer.name]), Node("TypedIndex", [0])])
        for layer in layers
    ]
    return [
        Node("GeometryVersion", [124]),
        Node("Vertices", [_doubles(y_up(mesh.vertices)) * CENTIMETRES]),
        Node("PolygonVertexIndex", [corners]),
        *layers,
        Node("Layer", [0], [Node("Version", [100]), *elements]),
    ]


def _layer(kind: str, mapping: str, reference: str, **arrays: Any) -> Node:
    return Node(
        f"LayerElement{kind}",
        [0],
        [
            Node("Version", [101]),
            Node("Name", [_UV_SET if kind == "UV" else ""]),
            Node("MappingInformationType", [mapping]),
            Node("ReferenceInformationType", [reference]),
            *(Node(name, [values]) for name, values in arrays.items()),
        ],
    )


def _add_material(scene: _Scene, material: Material, name: str, wanted: TextureFormat) -> np.int64:
    """Matt Phong, which all readers know; its diffuse and normal textures."""
    color = (1.0, 1.0, 1.0) if material.base_color is not None else material.color
    settings = [
        _property("DiffuseColor", "Color", "", *map(float, color), flags="A"),
        _property("DiffuseFactor", "Number", "", 1.0, flags="A"),
        _property("SpecularColor", "Color", "", 0.0, 0.0, 0.0, flags="A"),
        _property("SpecularFactor", "Number", "", 0.0, flags="A"),
        _property("ShininessExponent", "Number", "", 0.0, flags="A"),
        _property("ReflectionFactor", "Number", "", 0.0, flags="A"),
        _property("Opacity", "double", "Number", 1.0),
    ]
    number = scene.add(
        "Material",
        name,
        "",
        [
            Node("Version", [102]),
            Node("ShadingModel", ["phong"]),
            Node("MultiLayer", [0]),
            _properties(settings),
        ],
    )
    wanted = widely_read(wanted)
    for slot, pixels, ending in (
        ("DiffuseColor", material.base_color, ""),
        ("NormalMap", material.normal, "_normal"),
    ):
        if pixels is not None:
            file = encode_texture(pixels, wanted)
            texture = _add_texture(scene, name + ending, file.suffix, file.content)
            scene.connect(texture, number, slot)
    return number


def _add_texture(scene: _Scene, name: str, suffix: str, content: bytes) -> np.int64:
    """A texture and the embedded picture that it shows."""
    file = f"{name}_texture{suffix}"
    paths = [Node("FileName", [file]), Node("RelativeFilename", [file])]
    settings = [
        _property("UVSet", "KString", "", _UV_SET),
        _property("UseMaterial", "bool", "", 1),
        _property("WrapModeU", "enum", "", 0),
        _property("WrapModeV", "enum", "", 0),
    ]
    texture = scene.add(
        "Texture",
        name,
        "",
        [
            Node("Type", ["TextureVideoClip"]),
            Node("Version", [202]),
            Node("TextureName", [f"{name}\x00\x01Texture"]),
            _properties(settings),
            Node("Media", [f"{name}\x00\x01Video"]),
            *paths,
            Node("ModelUVTranslation", [0.0, 0.0]),
            Node("ModelUVScaling", [1.0, 1.0]),
            Node("Texture_Alpha_Source", ["None"]),
            Node("Cropping", [0, 0, 0, 0]),
        ],
    )
    video = scene.add(
        "Video",
        name,
        "Clip",
        [
            Node("Type", ["Clip"]),
            _properties([_property("Path", "KString", "XRefUrl", file)]),
            Node("UseMipMap", [0]),
            Node("Filename", [file]),
            Node("RelativeFilename", [file]),
            Node("Content", [content]),
        ],
    )
    scene.connect(video, texture)
    return texture


def _properties(settings: list[Node]) -> Node:
    return Node("Properties70", children=settings)


def _property(name: str, kind: str, label: str, *values: Any, flags: str = "") -> Node:
    return Node("P", [name, kind, label, flags, *values])


def _doubles(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    return np.asarray(values, "<f8")
