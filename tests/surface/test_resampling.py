"""Triangles as large as the photos' pixels want them."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from gypsum.scene import Mesh
from gypsum.surface.resampling import resample, split_long_edges

from .shapes import areas, edge_uses, euler, grid_mesh, volume


def ball(subdivisions: int) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions)
    return Mesh(made.vertices.astype(np.float32), made.faces.astype(np.int32))


def test_splitting_moves_nothing_and_opens_nothing() -> None:
    mesh = ball(2)
    scale = np.where(mesh.vertices[:, 2] > 0, 0.5, 3.0)
    finer, carried = split_long_edges(mesh, scale, 0.3)
    assert 1.5 * len(mesh.faces) < len(finer.faces) < 4 * len(mesh.faces)
    assert np.all(edge_uses(finer) == 2)
    assert euler(finer) == 2
    assert volume(finer) == pytest.approx(volume(mesh), rel=1e-5)
    assert areas(finer).sum() == pytest.approx(areas(mesh).sum(), rel=1e-5)
    assert len(carried) == len(finer.vertices)


@pytest.mark.parametrize("pixels", [2.0, 30.0])
def test_triangles_get_the_wanted_size(pixels: float) -> None:
    mesh = grid_mesh(60)
    pixel = np.full(len(mesh.vertices), 0.01)
    made = resample(mesh, pixel, pixels)
    wanted = 1 / (pixels * 0.01**2)
    assert 0.5 * wanted < len(made.faces) < 2 * wanted
    assert areas(made).max() < 4 * pixels * 0.01**2
    assert areas(made).sum() == pytest.approx(1.0, rel=1e-4)
