"""What is written in any format is read back: geometry, seams, materials and textures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from gypsum.formats import read_model, write_model, xyz
from gypsum.formats.models import with_materials
from gypsum.formats.options import Compression, WriteOptions
from gypsum.formats.texture import MAPS, plain_names
from gypsum.scene import Material, Mesh, PointCloud, TexturedMesh

from .models import corners, models, picture

KEPT = {
    "glb": MAPS,
    "gltf": MAPS,
    "usdz": MAPS,
    "obj": ("base_color", "normal", "roughness"),
    "fbx": ("base_color", "normal"),
}
"""The textures that each format holds."""

PRECISION = {"obj": 2e-6, "fbx": 1e-6}
"""Of coordinates up to 5; the others keep all bits."""

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOW = settings(QUICK, max_examples=3)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def again(path: Path, model: TexturedMesh | Mesh | PointCloud, options: WriteOptions | None = None):
    """Written and read, without a warning."""
    write_model(path, model, path.suffix[1:], options or WriteOptions())
    warnings: list[str] = []
    read = read_model(path, warn=warnings.append)
    assert warnings == []
    return read


def check(name: str, model: TexturedMesh, folder: Path) -> None:
    read = with_materials(again(folder / f"mödel 1.{name}", model))
    expected, positions, uvs = corners(model)
    found, found_positions, found_uvs = corners(read)
    np.testing.assert_allclose(found_positions, positions, rtol=1e-6, atol=PRECISION.get(name, 0))
    # glTF counts from the top: 1 - (1 - v) may differ in the last bit.
    np.testing.assert_allclose(found_uvs, uvs, atol=2e-7)
    names = [m.name for m in expected.materials]
    if name in ("obj", "fbx", "usdz"):
        names = plain_names(expected.materials)
    if isinstance(read, TexturedMesh) and len(found.materials) == len(names) > 1:
        assert [m.name for m in found.materials] == names
    for before, after in zip(expected.materials, found.materials, strict=True):
        for kind in MAPS:
            kept = getattr(before, kind) if kind in KEPT[name] else None
            np.testing.assert_array_equal(getattr(after, kind), kept)
        if before.base_color is None and not (name == "usdz" and before.is_textured):
            np.testing.assert_allclose(after.color, before.color, atol=1e-6)


@pytest.mark.parametrize("name", ["glb", "gltf", "obj", "fbx"])
@QUICK
@given(model=models())
def test_models_survive(name: str, model: TexturedMesh, folder: Path):
    check(name, model, folder)


@SLOW
@given(model=models())
def test_models_survive_usdz(model: TexturedMesh, folder: Path):
    check("usdz", model, folder)


@QUICK
@given(model=models())
def test_models_survive_ply(model: TexturedMesh, folder: Path):
    """PLY keeps colours alone, and the colours of plain materials as those of vertices."""
    read = with_materials(again(folder / "model.ply", model))
    _, positions, _ = corners(model)
    found, found_positions, _ = corners(read)
    order, found_order = (np.lexsort(p.reshape(len(p), -1).T) for p in (positions, found_positions))
    np.testing.assert_array_equal(found_positions[found_order], positions[order])
    shown = {m.base_color.tobytes() for m in found.materials if m.base_color is not None}
    wanted = {
        model.materials[i].base_color.tobytes()
        for i in np.unique(model.face_materials)
        if model.materials[i].base_color is not None
    }
    assert shown == wanted


@QUICK
@given(model=models())
def test_triangles_survive_stl(model: TexturedMesh, folder: Path):
    read = again(folder / "model.stl", model)
    assert isinstance(read, Mesh)
    np.testing.assert_array_equal(read.vertices[read.faces], model.mesh.vertices[model.mesh.faces])
    assert len(np.unique(read.vertices, axis=0)) == len(read.vertices)


@pytest.mark.parametrize("compression", list(Compression))
@QUICK
@given(model=models())
def test_compressed_models_stay_where_they_are(
    compression: Compression, model: TexturedMesh, folder: Path
):
    options = WriteOptions(compression=compression)
    read = with_materials(again(folder / "model.glb", model, options))
    _, positions, uvs = corners(model)
    found, found_positions, found_uvs = corners(read)
    assert len(found.materials) == len(np.unique(model.face_materials))
    # Triangles come in another order and may be turned; Draco leaves out doubles.
    step = np.ptp(model.mesh.vertices, axis=0).max() / 2**16
    for here, there, near in (
        (np.dstack([positions, uvs]), np.dstack([found_positions, found_uvs]), step),
        (np.dstack([found_positions, found_uvs]), np.dstack([positions, uvs]), step),
    ):
        turned = np.stack([np.roll(there, turn, axis=1) for turn in range(3)], axis=1)
        distance = np.abs(here[:, None, None] - turned[None]).max(axis=(3, 4)).min(axis=(1, 2))
        assert distance.max() <= max(2 * near, 2 / 2**16)


@pytest.mark.parametrize("name", ["glb", "obj", "fbx", "usdz", "ply"])
def test_colours_of_vertices_survive(name: str, tmp_path: Path):
    random = np.random.default_rng(3)
    mesh = Mesh(
        random.normal(size=(20, 3)).astype(np.float32),
        np.array([random.permutation(20)[:3] for _ in range(30)], np.int32),
        picture(4, 20, 3),
    )
    read = again(tmp_path / f"model.{name}", mesh)
    assert isinstance(read, Mesh)
    assert read.colors is not None
    used = read.faces.ravel()
    np.testing.assert_allclose(read.vertices[used], mesh.vertices[mesh.faces.ravel()], atol=2e-6)
    np.testing.assert_array_equal(read.colors[used], mesh.colors[mesh.faces.ravel()])


@pytest.mark.parametrize("name", ["ply", "xyz"])
def test_points_survive(name: str, tmp_path: Path):
    random = np.random.default_rng(0)
    normals = random.normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cloud = PointCloud(
        random.normal(size=(50, 3)).astype(np.float32),
        normals.astype(np.float32),
        picture(1, 50, 3),
    )
    read = again(tmp_path / f"model.{name}", cloud)
    assert isinstance(read, PointCloud)
    np.testing.assert_allclose(read.points, cloud.points, rtol=1e-6)
    np.testing.assert_allclose(read.normals, cloud.normals, atol=1e-4)
    np.testing.assert_array_equal(read.colors, cloud.colors)


@pytest.mark.parametrize("name", ["glb", "obj", "fbx", "usdz", "ply"])
def test_hard_edges_stay_hard_and_smooth_ones_smooth(name: str, tmp_path: Path):
    """A cube of split vertices keeps its flat sides; one of shared vertices its round look."""
    corner = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    sides = np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    )
    shared = sides[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3).astype(np.int32)
    split = np.arange(24).reshape(6, 4)[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3).astype(np.int32)
    for mesh, count in (
        (Mesh(corner[sides].reshape(-1, 3), split), 24),
        (Mesh(corner, shared), 8),
    ):
        read = again(tmp_path / f"model.{name}", mesh)
        assert isinstance(read, Mesh)
        assert len(read.vertices) == count
        np.testing.assert_allclose(
            np.abs(read.vertex_normals()[read.faces]),
            np.abs(mesh.vertex_normals()[mesh.faces]),
            atol=1e-6,
        )


@pytest.mark.parametrize("name", ["glb", "obj", "fbx", "usdz"])
def test_textures_may_repeat(name: str, tmp_path: Path):
    faces = np.array([[0, 1, 2]], np.int32)
    uvs = np.array([[-1.5, 0], [2.25, 0], [0, 3]], np.float32)
    mesh = Mesh(np.eye(3, dtype=np.float32), faces)
    model = TexturedMesh.of_one(mesh, uvs, faces, Material("tiles", picture(0, 8, 8, 3)))
    read = again(tmp_path / f"model.{name}", model)
    assert isinstance(read, TexturedMesh)
    np.testing.assert_allclose(read.uvs[read.uv_faces], uvs[faces], atol=1e-6)


def test_large_textures_survive_as_jpeg_up_to_its_noise(tmp_path: Path):
    ramp = np.linspace(0, 255, 2048).astype(np.uint8)
    texture = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(90)), axis=2)
    faces = np.array([[0, 1, 2]], np.int32)
    mesh = Mesh(np.eye(3, dtype=np.float32), faces)
    model = TexturedMesh.of_one(mesh, np.eye(3, 2, dtype=np.float32), faces, Material("m", texture))
    for name in ("glb", "fbx", "usdz"):
        (material,) = again(tmp_path / f"model.{name}", model).materials
        assert np.abs(material.base_color.astype(int) - texture).mean() < 1.5


@pytest.fixture
def _few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xyz, "POINTS", 1000)


@pytest.mark.usefixtures("_few_points")
def test_a_surface_becomes_points(tmp_path: Path):
    faces = np.array([[0, 1, 2]], np.int32)
    read = again(tmp_path / "model.xyz", Mesh(np.eye(3, dtype=np.float32), faces))
    assert isinstance(read, PointCloud)
    np.testing.assert_allclose(read.points.sum(axis=1), 1, atol=1e-5)
    assert read.colors.min() == 255
