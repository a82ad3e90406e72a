"""PLY keeps what it is given, and explains what it can't read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from gypsum.errors import InputError
from gypsum.formats import ply
from gypsum.scene import Mesh, PointCloud


@pytest.fixture
def cloud() -> PointCloud:
    random = np.random.default_rng(0)
    return PointCloud(
        random.normal(size=(50, 3)).astype(np.float32),
        random.normal(size=(50, 3)).astype(np.float32),
        random.integers(0, 256, (50, 3), dtype=np.uint8),
        random.random(50).astype(np.float32),
        random.integers(0, 60_000, 50, dtype=np.uint16),
    )


@pytest.fixture
def mesh() -> Mesh:
    random = np.random.default_rng(0)
    return Mesh(
        random.normal(size=(20, 3)).astype(np.float32),
        random.integers(0, 20, (30, 3), dtype=np.int32),
        random.integers(0, 256, (20, 3), dtype=np.uint8),
    )


def test_clouds_round_trip(cloud: PointCloud, tmp_path: Path):
    ply.write_cloud(tmp_path / "cloud.ply", cloud)
    again = ply.read_cloud(tmp_path / "cloud.ply")
    for name in ("points", "normals", "colors", "radii", "support"):
        np.testing.assert_array_equal(getattr(again, name), getattr(cloud, name))


def test_clouds_without_the_optional_columns(cloud: PointCloud, tmp_path: Path):
    ply.write_cloud(tmp_path / "cloud.ply", PointCloud(cloud.points, cloud.normals, cloud.colors))
    again = ply.read_cloud(tmp_path / "cloud.ply")
    assert again.radii is None
    assert again.support is None


@pytest.mark.parametrize("normals", [False, True])
def test_meshes_round_trip_and_open_elsewhere(mesh: Mesh, normals: bool, tmp_path: Path):
    path = tmp_path / "mesh.ply"
    ply.write_mesh(path, mesh, normals)
    again, other = ply.read_mesh(path), trimesh.load_mesh(path, process=False)
    assert again.colors is not None
    np.testing.assert_array_equal(again.colors, mesh.colors)
    for vertices, faces in ((again.vertices, again.faces), (other.vertices, other.faces)):
        np.testing.assert_array_equal(vertices, mesh.vertices)
        np.testing.assert_array_equal(faces, mesh.faces)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:-5], "is cut off"),
        (lambda data: data[5:], "is not a PLY file"),
        (
            lambda data: data.replace(b"binary_little_endian", b"ascii"),
            "words where numbers should be",
        ),
        (lambda data: data.replace(b" x\n", b" q\n"), "has no vertex property x"),
        (lambda data: data.replace(b"element face 30", b"element face 0"), None),
    ],
)
def test_damaged_files_are_explained(mesh: Mesh, damage, sentence: str | None, tmp_path: Path):
    path = tmp_path / "mesh.ply"
    ply.write_mesh(path, mesh)
    path.write_bytes(damage(path.read_bytes()))
    if sentence is None:
        assert len(ply.read_mesh(path).faces) == 0
        return
    with pytest.raises(InputError, match=sentence):
        ply.read_mesh(path)


def test_a_cloud_is_no_mesh(cloud: PointCloud, tmp_path: Path):
    ply.write_cloud(tmp_path / "cloud.ply", cloud)
    with pytest.raises(InputError, match="holds no faces"):
        ply.read_mesh(tmp_path / "cloud.ply")
