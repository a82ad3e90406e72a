"""Smoothing of meshes."""

from __future__ import annotations

import numpy as np

from gypsum.scene import Mesh
from gypsum.surface.fairing import faired

from .test_volume import RADIUS, sphere_mesh


def test_roughness_goes_and_the_size_stays() -> None:
    smooth = sphere_mesh(0.03, count=12)
    rng = np.random.default_rng(0)
    rough = Mesh(
        smooth.vertices + 0.004 * rng.normal(size=smooth.vertices.shape).astype(np.float32),
        smooth.faces,
    )
    made = faired(rough, 5)
    before, after = (np.linalg.norm(mesh.vertices, axis=1) for mesh in (rough, made))
    assert after.std() < 0.6 * before.std()
    assert abs(after.mean() - RADIUS) < 0.002
    assert made.faces is smooth.faces


def test_planes_stay_and_lone_vertices_too() -> None:
    x, y = np.meshgrid(np.arange(6.0), np.arange(6.0))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(36)], axis=1)
    vertices = np.concatenate([vertices, [[9.0, 9, 9]]]).astype(np.float32)
    corner = (np.arange(5)[:, None] * 6 + np.arange(5)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 7], 1),
            np.stack([corner, corner + 7, corner + 6], 1),
        ]
    ).astype(np.int32)
    made = faired(Mesh(vertices, faces), 5)
    assert np.abs(made.vertices[:36, 2]).max() < 1e-5
    assert np.allclose(made.vertices[36], 9)
    assert not len(faired(Mesh(vertices, faces[:0]), 5).faces)
