"""Normals of meshes against shapes whose normals are known."""

from __future__ import annotations

import numpy as np
import trimesh

from gypsum.scene import Mesh


def sphere() -> Mesh:
    ball = trimesh.creation.icosphere(3)
    return Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32))


def test_vertex_normals_of_a_sphere_point_outwards() -> None:
    mesh = sphere()
    cosines = np.sum(mesh.vertex_normals() * mesh.vertices, axis=1)
    assert cosines.min() > 0.999


def test_face_normals_of_a_sphere_point_outwards() -> None:
    mesh = sphere()
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    assert np.sum(mesh.face_normals() * centers, axis=1).min() > 0.999


def test_a_triangle_without_area_has_no_normal() -> None:
    line = Mesh(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]], np.float32), np.array([[0, 1, 2]]))
    assert not line.face_normals().any()
    assert not line.vertex_normals().any()
    assert np.isfinite(line.vertex_normals()).all()
