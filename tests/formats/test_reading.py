"""What other programs write: every form of a format, against what it stands for."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from gypsum.formats import read_model
from gypsum.formats.corners import z_up
from gypsum.scene import Mesh, PointCloud, TexturedMesh

SQUARE = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], np.float32)


def area(mesh: Mesh) -> float:
    return float(mesh_normals(mesh)[:, 2].sum())


def mesh_normals(mesh: Mesh) -> np.ndarray:
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
    return np.cross(b - a, c - a) / 2


# --- OBJ ---


@pytest.mark.parametrize(
    "face",
    ["f 1 2 3 4", "f 1/1 2/1 3/1 4/1", "f 1//1 2//1 3//1 4//1", "f 1/1/1 2/1/1 3/1/1 4/1/1",
     "f -4 -3 -2 -1", "f -4/-1/-1 -3/-1/-1 -2/-1/-1 -1/-1/-1", "f 1 2 3\nf 1//1 3//1 4//1",
     "f 1 2 \\\n3 4"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_obj_faces_in_every_spelling(face: str, end: str, tmp_path: Path):
    rows = [f"v {x} {y} {z}" for x, y, z in SQUARE]
    text = ["# a comment", "o thing", "s 1", *rows, "vt 0.5 0.5", "vn 0 0 1", *face.split("\n"), ""]
    (tmp_path / "a.obj").write_bytes(end.join(text).encode())
    mesh = read_model(tmp_path / "a.obj", up_axis="z")
    assert isinstance(mesh, Mesh)
    assert len(mesh.faces) == 2
    assert area(mesh) == pytest.approx(2)


def test_obj_is_y_up_unless_told_otherwise(tmp_path: Path):
    (tmp_path / "a.obj").write_text("v 1 2 3\nv 4 5 6\nv 7 8 10\nf 1 2 3\n")
    for up_axis, first in ((None, [1, -3, 2]), ("y", [1, -3, 2]), ("z", [1, 2, 3])):
        mesh = read_model(tmp_path / "a.obj", up_axis=up_axis)
        np.testing.assert_array_equal(mesh.vertices[mesh.faces[0, 0]], first)


def test_obj_with_coloured_vertices_and_with_points_alone(tmp_path: Path):
    rows = "".join(f"v {x} {y} {z} 1 0.5 0\n" for x, y, z in SQUARE)
    (tmp_path / "a.obj").write_text(rows + "f 1 2 3\n")
    mesh = read_model(tmp_path / "a.obj")
    assert isinstance(mesh, Mesh)
    np.testing.assert_array_equal(mesh.colors[0], [255, 128, 0])
    (tmp_path / "a.obj").write_text(rows)
    cloud = read_model(tmp_path / "a.obj", up_axis="z")
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points, SQUARE)


# --- STL ---


def test_stl_text_and_binary_are_the_same(tmp_path: Path):
    ball = trimesh.creation.icosphere(1)
    (tmp_path / "text.stl").write_text(trimesh.exchange.stl.export_stl_ascii(ball))
    binary = bytearray(trimesh.exchange.stl.export_stl(ball))
    binary[:5] = b"solid"  # as some programs begin their binary files
    (tmp_path / "binary.stl").write_bytes(binary)
    for name in ("text.stl", "binary.stl"):
        mesh = read_model(tmp_path / name)
        assert isinstance(mesh, Mesh)
        assert (len(mesh.vertices), len(mesh.faces)) == (len(ball.vertices), len(ball.faces))
        np.testing.assert_allclose(mesh.vertices[mesh.faces], ball.triangles, atol=1e-6)


# --- PLY ---


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("polygons", [False, True])
def test_ply_in_every_form(order: str, polygons: bool, tmp_path: Path):
    """Doubles, an element that nobody knows, and faces of three and of four corners."""
    lists = [[0, 1, 2, 3], [0, 1, 2]] if polygons else [[0, 1, 2], [0, 2, 3]]
    header = [
        "ply", f"format {order} 1.0", "comment by hand", "element vertex 4",
        "property double x", "property double y", "property double z",
        "property float red", "property float green", "property float blue",
        "element camera 1", "property float focal",
        f"element face {len(lists)}", "property uchar flags",
        "property list uchar uint vertex_index", "end_header", "",
    ]  # fmt: skip
    mark = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[order]
    if mark:
        body = b"".join(struct.pack(f"{mark}3d3f", *p, 1, 0.5, 0) for p in SQUARE)
        body += struct.pack(f"{mark}f", 35)
        for corners in lists:
            body += struct.pack(f"{mark}BB{len(corners)}I", 7, len(corners), *corners)
    else:
        rows = [f"{x} {y} {z} 1 0.5 0" for x, y, z in SQUARE] + ["35"]
        rows += [f"7 {len(corners)} " + " ".join(map(str, corners)) for corners in lists]
        body = "\n".join(rows).encode()
    (tmp_path / "a.ply").write_bytes("\n".join(header).encode() + body)
    mesh = read_model(tmp_path / "a.ply")
    assert isinstance(mesh, Mesh)
    assert area(mesh) == pytest.approx(3 if polygons else 2)
    np.testing.assert_array_equal(mesh.colors[0], [255, 128, 0])


# --- XYZ ---


@pytest.mark.parametrize(
    ("text", "normals", "colors"),
    [
        ("1 2 3\n4 5 6\n", [0, 0, 0], [190, 190, 190]),
        ("2\n1 2 3 10 20 30\n4 5 6 40 50 60\n", [0, 0, 0], [10, 20, 30]),
        ("x,y,z,r,g,b\n1,2,3,10,20,30\n4,5,6,40,50,60\n", [0, 0, 0], [10, 20, 30]),
        ("# hello\n1 2 3 0 0 1\n4 5 6 0 1 0\n", [0, 0, 1], [190, 190, 190]),
        ("1;2;3;0;0;1;10;20;30\n4;5;6;0;1;0;1;2;3\n", [0, 0, 1], [10, 20, 30]),
        ("1 2 3 10 20 30 0 0 1\n4 5 6 1 2 3 0 1 0\n", [0, 0, 1], [10, 20, 30]),
        ("1 2 3 0.5 10 20 30\n4 5 6 0.1 40 50 60\n", [0, 0, 0], [10, 20, 30]),
        ("1 2 3 1.0 0.5 0.2\n4 5 6 0.1 0.1 0.1\n", [0, 0, 0], [255, 128, 51]),
    ],
)
def test_xyz_in_every_order(text: str, normals: list, colors: list, tmp_path: Path):
    (tmp_path / "a.xyz").write_text(text)
    cloud = read_model(tmp_path / "a.xyz")
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(cloud.normals[0], normals)
    np.testing.assert_array_equal(cloud.colors[0], colors)


# --- glTF ---


def write_gltf(path: Path, arrays: list[np.ndarray], **document: object) -> None:
    """One accessor for each array; the rest of the document as it is."""
    kinds = {"f4": 5126, "u2": 5123, "u1": 5121, "i1": 5120}
    views, accessors, data = [], [], b""
    for array in arrays:
        raw = array.tobytes()
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": len(raw)})
        kind = "SCALAR" if array.ndim == 1 else f"VEC{array.shape[1]}"
        accessors.append(
            {"bufferView": len(views) - 1, "componentType": kinds[array.dtype.str[1:]],
             "count": len(array), "type": kind}
        )  # fmt: skip
        data += raw + bytes(-len(raw) % 4)
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    whole = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": len(data), "uri": uri}],
        "bufferViews": views,
        "accessors": accessors,
        **document,
    }
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    ("mode", "indices"),
    [(4, [0, 1, 2, 0, 2, 3]), (5, [1, 2, 0, 3]), (6, [0, 1, 2, 3]), (4, None)],
)
def test_gltf_lists_strips_and_fans(mode: int, indices: list[int] | None, tmp_path: Path):
    primitive: dict = {"attributes": {"POSITION": 0}, "mode": mode}
    arrays = [SQUARE]
    if indices is None:
        arrays = [SQUARE[[0, 1, 2, 0, 2, 3]]]
    else:
        arrays.append(np.array(indices, np.uint16))
        primitive["indices"] = 1
    write_gltf(tmp_path / "a.gltf", arrays, meshes=[{"primitives": [primitive]}])
    mesh = read_model(tmp_path / "a.gltf")
    assert isinstance(mesh, Mesh)
    # Y up in the file: what faced z faces -y in the world.
    np.testing.assert_allclose(mesh_normals(mesh).sum(axis=0), [0, -2, 0])


def test_gltf_nodes_move_turn_scale_and_mirror(tmp_path: Path):
    half = float(np.sqrt(0.5))
    nodes = [
        {"children": [1], "translation": [10, 0, 0], "rotation": [0, 0, half, half]},
        {"mesh": 0, "scale": [2, 3, 1]},
        {"mesh": 0, "matrix": [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1]},
    ]
    indices = np.array([0, 1, 2, 0, 2, 3], np.uint16)
    write_gltf(
        tmp_path / "a.gltf",
        [SQUARE, indices],
        scenes=[{"nodes": [0, 2]}],
        nodes=nodes,
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
    )
    mesh = read_model(tmp_path / "a.gltf")
    assert isinstance(mesh, Mesh)
    # (x, y) to (10 - 3y, 2x), and (x, y, z) to (-x, y, z + 5): no face turns its back.
    expected = np.vstack(
        [[[10 - 3 * y, 2 * x, 0] for x, y, _ in SQUARE], [[-x, y, 5] for x, y, _ in SQUARE]]
    )
    found = np.unique(mesh.vertices.round(4), axis=0)
    np.testing.assert_allclose(
        found, np.unique(z_up(expected.astype(np.float32)).round(4), axis=0), atol=1e-4
    )
    np.testing.assert_allclose(mesh_normals(mesh).sum(axis=0), [0, -14, 0], atol=1e-4)


def test_gltf_sparse_and_normalised_numbers(tmp_path: Path):
    moved = np.array([[9, 9, 0]], np.float32)
    colors = np.array([[255, 0, 128, 255]] * 4, np.uint8)
    write_gltf(
        tmp_path / "a.gltf",
        [SQUARE, colors, np.array([2], np.uint16), moved],
        meshes=[{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "mode": 6}]}],
    )
    document = json.loads((tmp_path / "a.gltf").read_text())
    document["accessors"][1]["normalized"] = True
    document["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": 2, "componentType": 5123},
        "values": {"bufferView": 3},
    }
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    mesh = read_model(tmp_path / "a.gltf")
    assert isinstance(mesh, Mesh)
    assert mesh.vertices.max() == 9
    # Colours of vertices are linear in glTF: 128 of 255 is 188 in sRGB.
    np.testing.assert_array_equal(mesh.colors[0], [255, 0, 188])


def test_gltf_points(tmp_path: Path):
    write_gltf(
        tmp_path / "a.gltf",
        [SQUARE],
        meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "mode": 0}]}],
    )
    cloud = read_model(tmp_path / "a.gltf")
    assert isinstance(cloud, PointCloud)
    np.testing.assert_array_equal(cloud.points, z_up(SQUARE))


# --- USD ---


def test_usd_text_with_subsets_and_polygons(tmp_path: Path):
    (tmp_path / "a.usda").write_text(
        """#usda 1.0
(
    defaultPrim = "root"
    metersPerUnit = 0.01
    upAxis = "Z"
)
def Xform "root" {
    double3 xformOp:translate = (100, 0, 0)
    uniform token[] xformOpOrder = ["xformOp:translate"]
    def Mesh "sheet" {
        point3f[] points = [(0, 0, 0), (200, 0, 0), (200, 100, 0), (0, 100, 0)]
        int[] faceVertexCounts = [4, 3]
        int[] faceVertexIndices = [0, 1, 2, 3, 0, 1, 2]
        color3f[] primvars:displayColor = [(1, 0, 0)] ( interpolation = "constant" )
        def GeomSubset "part" (prepend apiSchemas = ["MaterialBindingAPI"]) {
            uniform token elementType = "face"
            uniform token familyName = "materialBind"
            int[] indices = [1]
            rel material:binding = </root/blue>
        }
    }
    def Mesh "hidden" {
        token visibility = "invisible"
        point3f[] points = [(0, 0, 0), (1, 0, 0), (0, 1, 0)]
        int[] faceVertexCounts = [3]
        int[] faceVertexIndices = [0, 1, 2]
    }
    def Material "blue" {
        token outputs:surface.connect = </root/blue/s.outputs:surface>
        def Shader "s" {
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor = (0, 0, 1)
            token outputs:surface
        }
    }
}
"""
    )
    model = read_model(tmp_path / "a.usda")
    assert isinstance(model, TexturedMesh)
    assert len(model.mesh.faces) == 3
    np.testing.assert_allclose(model.mesh.vertices.min(axis=0), [1, 0, 0])
    np.testing.assert_allclose(model.mesh.vertices.max(axis=0), [3, 1, 0])
    blue = [m.name for m in model.materials].index("blue")
    assert model.materials[blue].color == (0, 0, 1)
    assert np.bincount(model.face_materials).tolist()[blue] == 1


# --- FBX ---

FBX = """; FBX 7.3.0 project file
FBXHeaderExtension:  {
    FBXVersion: 7300
}
GlobalSettings:  {
    Properties70:  {
        P: "UpAxis", "int", "Integer", "",%(up)d
        P: "UpAxisSign", "int", "Integer", "",1
        P: "FrontAxis", "int", "Integer", "",%(front)d
        P: "FrontAxisSign", "int", "Integer", "",%(front_sign)d
        P: "CoordAxis", "int", "Integer", "",0
        P: "CoordAxisSign", "int", "Integer", "",1
        P: "UnitScaleFactor", "double", "Number", "",%(unit)g
    }
}
Objects:  {
    Geometry: 10, "Geometry::sheet", "Mesh" {
        Vertices: *12 {
            a: 0,0,0,2,0,0,2,1,0,0,1,0
        }
        PolygonVertexIndex: *4 {
            a: 0,1,2,-4
        }
        LayerElementMaterial: 0 {
            MappingInformationType: "AllSame"
            ReferenceInformationType: "IndexToDirect"
            Materials: *1 {
                a: 0
            }
        }
    }
    Model: 20, "Model::sheet", "Mesh" {
        Properties70:  {
            P: "Lcl Translation", "Lcl Translation", "", "A",0,0,3
            P: "Lcl Rotation", "Lcl Rotation", "", "A",0,0,90
            P: "Lcl Scaling", "Lcl Scaling", "", "A",2,2,2
        }
    }
    Material: 30, "Material::red", "" {
        Properties70:  {
            P: "DiffuseColor", "Color", "", "A",1,0,0
        }
    }
}
Connections:  {
    C: "OO",10,20
    C: "OO",20,0
    C: "OO",30,20
}
"""


@pytest.mark.parametrize(
    ("up", "front", "front_sign"), [(2, 1, -1), (1, 2, 1)], ids=["Z up", "Y up"]
)
@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_fbx_text_with_axes_units_and_transforms(
    up: int, front: int, front_sign: int, unit: float, tmp_path: Path
):
    text = FBX % {"up": up, "front": front, "front_sign": front_sign, "unit": unit}
    (tmp_path / "a.fbx").write_text(text)
    model = read_model(tmp_path / "a.fbx")
    assert isinstance(model, TexturedMesh)
    assert [(m.name, m.color) for m in model.materials] == [("red", (1, 0, 0))]
    # Doubled, turned by a quarter, lifted by 3.
    file = np.array([[-2 * y, 2 * x, 3] for x, y, _ in SQUARE], np.float32) * unit / 100
    world = file if up == 2 else z_up(file)
    np.testing.assert_allclose(
        np.unique(model.mesh.vertices.round(5), axis=0),
        np.unique(world.round(5), axis=0),
        atol=1e-5,
    )
    normal = mesh_normals(model.mesh).sum(axis=0)
    expected = np.array([0, 0, 8.0]) if up == 2 else np.array([0, -8.0, 0])
    np.testing.assert_allclose(normal, expected * (unit / 100) ** 2, atol=1e-4)


def test_fbx_older_than_2011_is_refused(tmp_path: Path):
    (tmp_path / "a.fbx").write_text(
        '; FBX 6.1.0\nFBXHeaderExtension: {\n}\nObjects: {\n Model: "Model::a", "Mesh" {\n }\n}\n'
    )
    with pytest.raises(Exception, match="older than FBX 2011"):
        read_model(tmp_path / "a.fbx")
