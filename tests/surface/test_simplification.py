"""Fewer faces, the same shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from gypsum.scene import Mesh
from gypsum.surface import simplify
from gypsum.surface.topology import border_edges

from .shapes import areas, edge_uses, grid_mesh

SLOW = settings(max_examples=15, deadline=None)


@SLOW
@given(
    seed=st.integers(0, 1000),
    share=st.floats(0.05, 0.9),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    shift=st.sampled_from([0.0, 5.0]),
)
def test_count_bounds_and_distance(seed: int, share: float, scale: float, shift: float) -> None:
    mesh = grid_mesh(40, np.random.default_rng(seed), bumps=0.1)
    moved = Mesh(((mesh.vertices + shift) * scale).astype(np.float32), mesh.faces)
    asked = int(share * len(mesh.faces))
    less = simplify(moved, asked)
    assert 0.98 * asked - 2 <= len(less.faces) <= asked
    assert areas(less).min() > 0
    assert edge_uses(less).max() <= 2
    assert np.all(less.face_normals()[:, 2] > 0)
    np.testing.assert_allclose(less.vertices.min(0), moved.vertices.min(0), atol=0.03 * scale)
    np.testing.assert_allclose(less.vertices.max(0), moved.vertices.max(0), atol=0.03 * scale)
    distance, _ = cKDTree(grid_points(moved)).query(less.vertices)
    assert distance.max() < 0.03 * scale


def grid_points(mesh: Mesh) -> np.ndarray:
    """Vertices and face centres."""
    return np.concatenate([mesh.vertices, mesh.vertices[mesh.faces].mean(axis=1)])


def test_flat_square_keeps_its_border() -> None:
    less = simplify(grid_mesh(50), 200)
    assert areas(less).sum() == pytest.approx(1.0, rel=0.02)
    ends = less.vertices[border_edges(less.faces)]
    on_border = np.min(np.minimum(ends[..., :2], 1 - ends[..., :2]), axis=-1)
    assert np.abs(on_border).max() < 0.03


def test_a_small_mesh_is_left_alone() -> None:
    mesh = grid_mesh(5)
    assert simplify(mesh, 50) is mesh


def test_impossible_count_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        simplify(grid_mesh(5), 3)
