"""Exports, read back by trimesh, which did not write them."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from gypsum.errors import InputError, ReconstructionError, ResourceError
from gypsum.formats import FORMATS, atomic, format_of, read_model, write_model, xyz
from gypsum.formats.colors import sample_texture
from gypsum.formats.texture import encode_texture
from gypsum.scene import Material, Mesh, PointCloud, TexturedMesh

TEXTURED = ["glb", "gltf", "obj", "ply"]
Y_UP = {"glb", "gltf", "obj"}


@st.composite
def models(draw: st.DrawFn) -> TexturedMesh:
    """Random triangles over shared vertices and texture coordinates, some used by no face."""
    coordinates = st.floats(-5, 5, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
    vertices = draw(hnp.arrays(np.float32, (draw(st.integers(3, 12)), 3), elements=coordinates))
    uvs = draw(
        hnp.arrays(np.float32, (draw(st.integers(3, 12)), 2), elements=st.floats(0, 1, width=16))
    )
    count = draw(st.integers(1, 15))
    faces = draw(hnp.arrays(np.int32, (count, 3), elements=st.integers(0, len(vertices) - 1)))
    uv_faces = draw(hnp.arrays(np.int32, (count, 3), elements=st.integers(0, len(uvs) - 1)))
    seed = draw(st.integers(0, 1000))
    atlas = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return TexturedMesh.of_one(Mesh(vertices, faces), uvs, uv_faces, Material("scan", atlas))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xyz, "POINTS", 5_000)


@pytest.fixture
def tetrahedron() -> TexturedMesh:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    uvs = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    uv_faces = np.array([[0, 1, 2], [1, 2, 3], [0, 2, 3], [3, 1, 0]], np.int32)
    atlas = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return TexturedMesh.of_one(Mesh(vertices, faces), uvs, uv_faces, Material("scan", atlas))


def load(path: Path) -> trimesh.Trimesh:
    scene = trimesh.load_scene(path, process=False)
    (mesh,) = scene.geometry.values()
    (node,) = scene.graph.nodes_geometry
    np.testing.assert_array_equal(scene.graph[node][0], np.eye(4))
    return mesh


def z_up(points: np.ndarray, suffix: str) -> np.ndarray:
    """File coordinates (..., 3) back to the world."""
    return points[..., [0, 2, 1]] * [1, -1, 1] if suffix in Y_UP else points


def texture_of(mesh: trimesh.Trimesh) -> np.ndarray:
    material = mesh.visual.material
    image = getattr(material, "baseColorTexture", None) or material.image
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("name", TEXTURED)
@settings(max_examples=25, deadline=None)
@given(model=models())
def test_geometry_texture_and_their_fit_survive(name: str, model: TexturedMesh, folder: Path):
    path = folder / f"some model.{name}"
    written = write_model(path, model, name)
    assert written[0] == path
    assert all(file.is_file() for file in written)
    mesh = load(path)
    corners = z_up(np.asarray(mesh.vertices), name)[mesh.faces]
    np.testing.assert_allclose(corners, model.mesh.vertices[model.mesh.faces], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(texture_of(mesh), model.materials[0].base_color)
    # What a viewer shows at the centre of each face, which fails for a flipped or swapped UV.
    centre = np.asarray(mesh.visual.uv)[mesh.faces].mean(axis=1)
    np.testing.assert_allclose(
        sample_texture(texture_of(mesh), centre).astype(int),
        sample_texture(
            model.materials[0].base_color, model.uvs[model.uv_faces].mean(axis=1)
        ).astype(int),
        atol=1,
    )


@settings(max_examples=25, deadline=None)
@given(model=models())
def test_stl_holds_the_triangles(model: TexturedMesh, folder: Path):
    write_model(folder / "model.stl", model, "stl")
    mesh = trimesh.load_mesh(folder / "model.stl", process=False)
    np.testing.assert_array_equal(mesh.triangles, model.mesh.vertices[model.mesh.faces])
    assert not (folder / "model.stl").read_bytes().startswith(b"solid")


@pytest.mark.usefixtures("few_points")
def test_xyz_points_lie_on_the_surface(tetrahedron: TexturedMesh, tmp_path: Path):
    write_model(tmp_path / "model.xyz", tetrahedron, "xyz")
    table = np.loadtxt(tmp_path / "model.xyz")
    assert len(table) == 5_000
    assert table.shape[1] == 9
    np.testing.assert_array_equal(table[:4, :3], tetrahedron.mesh.vertices)
    x, y, z = table[:, :3].T
    plane = (6 * x + 3 * y + 2 * z - 6) / 7
    np.testing.assert_allclose(np.min([x, y, z, np.abs(plane)], axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(table[:, 3:6], axis=1), 1, atol=1e-3)
    assert table[:, 6:].min() >= 0
    assert table[:, 6:].max() <= 255


@pytest.mark.usefixtures("few_points")
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_one_size(name: str, tetrahedron: TexturedMesh, tmp_path: Path):
    path = tmp_path / f"model{FORMATS[name].suffix}"
    write_model(path, tetrahedron, name)
    if name in ("fbx", "usdz"):  # which nothing else that is installed reads
        model = read_model(path)
        assert isinstance(model, TexturedMesh)
        extent = np.ptp(model.mesh.vertices, axis=0)
    elif name in ("las", "laz"):
        cloud = read_model(path)
        assert isinstance(cloud, PointCloud)
        extent = np.ptp(cloud.points, axis=0)
    else:
        points = np.loadtxt(path)[:, :3] if name == "xyz" else load(path).vertices
        extent = np.ptp(z_up(np.asarray(points), name), axis=0)
    np.testing.assert_allclose(extent, [1, 2, 3], rtol=1e-6)


@pytest.mark.parametrize("name", ["glb", "gltf", "obj", "ply"])
def test_shading_does_not_show_seams(name: str, tetrahedron: TexturedMesh, tmp_path: Path):
    path = tmp_path / f"model.{name}"
    write_model(path, tetrahedron, name)
    mesh = load(path)
    found = z_up(np.asarray(mesh.vertex_normals), name)
    truth = tetrahedron.mesh.vertex_normals()
    for position, normal in zip(z_up(np.asarray(mesh.vertices), name), found, strict=True):
        (index,) = np.flatnonzero((tetrahedron.mesh.vertices == position).all(axis=1))
        np.testing.assert_allclose(normal, truth[index], atol=1e-3)


def glb_chunks(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    return json.loads(data[20 : 20 + size]), data[28 + size :]


@settings(max_examples=25, deadline=None)
@given(model=models())
def test_glb_keeps_the_rules_of_gltf(model: TexturedMesh, folder: Path):
    write_model(folder / "model.glb", model, "glb")
    document, binary = glb_chunks(folder / "model.glb")
    assert document["buffers"] == [{"byteLength": len(binary)}]
    for view in document["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= len(binary)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    position = document["accessors"][attributes["POSITION"]]
    assert set(attributes) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    used = model.mesh.vertices[np.unique(model.mesh.faces)][:, [0, 2, 1]] * [1, 1, -1]
    np.testing.assert_array_equal(position["min"], used.min(axis=0))
    np.testing.assert_array_equal(position["max"], used.max(axis=0))
    view = document["bufferViews"][document["accessors"][attributes["NORMAL"]]["bufferView"]]
    normals = np.frombuffer(binary, "<f4", view["byteLength"] // 4, view["byteOffset"])
    np.testing.assert_allclose(np.linalg.norm(normals.reshape(-1, 3), axis=1), 1, atol=1e-5)


def test_glb_materials_have_their_maps(tmp_path: Path):
    """Roughness is the green and occlusion the red of one picture, as the standard wants."""
    random = np.random.default_rng(0)
    maps = {
        name: random.integers(0, 256, shape, dtype=np.uint8)
        for name, shape in (("normal", (4, 4, 3)), ("occlusion", (4, 4)), ("roughness", (4, 4)))
    }
    faces = np.array([[0, 1, 2]], np.int32)
    model = TexturedMesh.of_one(
        Mesh(np.eye(3, dtype=np.float32), faces),
        np.eye(3, 2, dtype=np.float32),
        faces,
        Material("stone", random.integers(0, 256, (8, 8, 3), dtype=np.uint8), **maps),
    )
    write_model(tmp_path / "model.glb", model, "glb")
    material = load(tmp_path / "model.glb").visual.material
    assert material.name == "stone"
    surface = np.asarray(material.metallicRoughnessTexture)
    np.testing.assert_array_equal(surface[..., 1], maps["roughness"])
    np.testing.assert_array_equal(surface[..., 2], 0)
    np.testing.assert_array_equal(np.asarray(material.occlusionTexture)[..., 0], maps["occlusion"])
    np.testing.assert_array_equal(np.asarray(material.normalTexture), maps["normal"])


def test_usdz_keeps_the_rules_of_packages(tetrahedron: TexturedMesh, tmp_path: Path):
    """Stored, aligned to 64 bytes, the binary scene first; sound to USD's own validators."""
    from pxr import Usd, UsdGeom, UsdValidation

    (path,) = write_model(tmp_path / "1 vase.usdz", tetrahedron, "usdz")
    before = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        assert archive.testzip() is None
    assert [entry.filename for entry in entries] == ["model.usdc", "textures/scan_base_color.png"]
    for entry in entries:
        assert entry.compress_type == zipfile.ZIP_STORED
        name, extra = struct.unpack_from("<HH", before, entry.header_offset + 26)
        assert (entry.header_offset + 30 + name + extra) % 64 == 0
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in errors] == []
    write_model(path, tetrahedron, "usdz")
    assert path.read_bytes() == before


def test_fbx_is_framed_as_readers_expect(tetrahedron: TexturedMesh, tmp_path: Path):
    """Nodes end where they say, and what closes the file lies at a multiple of 16."""
    (path,) = write_model(tmp_path / "vase.fbx", tetrahedron, "fbx")
    data = path.read_bytes()
    assert data.startswith(b"Kaydara FBX Binary  \0\x1a\0" + struct.pack("<I", 7400))
    at, names = 27, []
    while (end := struct.unpack_from("<I", data, at)[0]) != 0:
        length = data[at + 12]
        names.append(data[at + 13 : at + 13 + length].decode())
        at = end
    assert names[0] == "FBXHeaderExtension"
    assert names[-3:] == ["Objects", "Connections", "Takes"]
    assert (len(data) - 140) % 16 == 0
    assert b"\x89PNG" in data


@pytest.mark.parametrize("name", ["gltf", "obj", "ply"])
def test_large_textures_are_jpeg_and_named_after_the_model(name: str, tmp_path: Path):
    ramp = np.linspace(0, 255, 2048).astype(np.uint8)
    atlas = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(90)), axis=2)
    corners = np.array([[0, 1, 2]], np.int32)
    model = TexturedMesh.of_one(
        Mesh(np.eye(3, dtype=np.float32), corners),
        np.eye(3, 2, dtype=np.float32),
        corners,
        Material("scan", atlas),
    )
    files = write_model(tmp_path / f"größe 1 #2.{name}", model, name)
    (image,) = (file for file in files if file.suffix == ".jpg")
    assert re.fullmatch(r"gr__e_1__2-[0-9a-f]{8}_texture\.jpg", image.name)
    error = np.asarray(Image.open(image)).astype(float) - atlas
    assert np.sqrt((error**2).mean()) < 2
    assert texture_of(load(files[0])).shape == atlas.shape


def test_even_noise_can_be_encoded():
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    assert len(encode_texture(noise).content) > 1e6


def test_suffixes_name_formats():
    assert format_of(Path("a/vase.GLB")) == "glb"
    with pytest.raises(InputError, match=r"vase\.blend: no format ends in '\.blend'"):
        format_of(Path("vase.blend"))


def test_nothing_to_export(tetrahedron: TexturedMesh, tmp_path: Path):
    none = np.empty((0, 3), np.int32)
    empty = TexturedMesh.of_one(
        Mesh(tetrahedron.mesh.vertices, none), tetrahedron.uvs, none, tetrahedron.materials[0]
    )
    with pytest.raises(ReconstructionError, match="no surface"):
        write_model(tmp_path / "model.glb", empty, "glb")
    with pytest.raises(InputError, match="no format"):
        write_model(tmp_path / "model.glb", tetrahedron, "blend")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "can't be written to. Choose another place"),
        (errno.EIO, "can't be written: Input/output error"),
    ],
)
def test_failed_writes_are_one_sentence_and_leave_the_old_files(
    number: int,
    words: str,
    tetrahedron: TexturedMesh,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    path = tmp_path / "model.obj"
    before = {file: file.read_bytes() for file in write_model(path, tetrahedron, "obj")}
    write = Path.write_bytes

    def fail(self: Path, data: bytes) -> int:
        if "obj" in self.name:
            raise OSError(number, os.strerror(number))
        return write(self, data)

    monkeypatch.setattr(atomic.Path, "write_bytes", fail)
    with pytest.raises(ResourceError, match=words):
        write_model(path, tetrahedron, "obj")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
