"""Textures of another size, models of another size and at another place."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.conversion import centered, scaled, shrink_textures
from gypsum.scene import Material, Mesh, PointCloud, TexturedMesh

FACES = np.array([[0, 1, 2]], np.int32)
MESH = Mesh(np.array([[1, 2, 3], [3, 2, 5], [1, 6, 4]], np.float32), FACES)
POINTS = PointCloud(
    MESH.vertices, np.zeros((3, 3), np.float32), np.zeros((3, 3), np.uint8), np.ones(3, np.float32)
)
MODELS = (
    MESH,
    POINTS,
    TexturedMesh.of_one(MESH, np.zeros((3, 2), np.float32), FACES, Material("m")),
)


def points_of(model: TexturedMesh | Mesh | PointCloud) -> np.ndarray:
    model = model.mesh if isinstance(model, TexturedMesh) else model
    return model.points if isinstance(model, PointCloud) else model.vertices


@pytest.mark.parametrize("model", MODELS)
def test_sizes_and_places(model):
    np.testing.assert_allclose(points_of(scaled(model, 0.5)), MESH.vertices / 2)
    standing = points_of(centered(model))
    np.testing.assert_allclose(standing.min(axis=0), [-1, -2, 0])
    np.testing.assert_allclose(standing.max(axis=0), [1, 2, 2])


def test_points_keep_their_radius_in_proportion():
    assert scaled(POINTS, 3.0).radii.tolist() == [3, 3, 3]


def test_textures_shrink_to_means_and_never_grow():
    rows, columns = np.mgrid[:64, :128]
    checks = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
    material = Material(
        "m", np.dstack([checks] * 3), normal=np.full((64, 64, 3), (128, 128, 255), np.uint8),
        roughness=checks[:16, :16],
    )  # fmt: skip
    small = shrink_textures(material, 32)
    assert small.base_color.shape == (16, 32, 3)
    assert np.abs(small.base_color.astype(int) - 128).max() <= 1
    assert small.normal.shape == (32, 32, 3)
    assert np.abs(small.normal.astype(int) - (128, 128, 255)).max() <= 1
    assert small.roughness is material.roughness
    assert small.occlusion is None


def test_shrunk_normals_have_unit_length():
    random = np.random.default_rng(0).normal(size=(64, 64, 3)) + np.array([0, 0, 2])
    random /= np.linalg.norm(random, axis=2, keepdims=True)
    normal = np.rint((random + 1) * 127.5).astype(np.uint8)
    shrunk = shrink_textures(Material("m", normal=normal), 8).normal / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(shrunk, axis=2), 1, atol=0.02)
