"""Fewer faces, the same shape."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from gypsum.scene import Mesh
from gypsum.surface import simplify
from gypsum.surface.topology import border_edges, compact

from .shapes import areas, edge_uses, euler, grid_mesh, volume

SLOW = settings(max_examples=15, deadline=None)


@SLOW
@example(seed=456, share=0.75, scale=1.0, shift=0.0)  # a sliver on the border turned over
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
    assert asked - 1 <= len(less.faces) <= asked
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


def test_open_box_keeps_corners_creases_and_rim() -> None:
    """A box without its lid, of 9,600 faces with noise below a thousandth."""
    box = trimesh.creation.box((2, 1, 1)).subdivide().subdivide().subdivide().subdivide()
    up = np.all(box.vertices[box.faces][:, :, 2] > 0.499, axis=1)
    noise = np.random.default_rng(5).normal(0, 3e-4, box.vertices.shape)
    mesh = compact(Mesh((box.vertices + noise).astype(np.float32), box.faces[~up].astype(np.int32)))
    corners = trimesh.creation.box((2, 1, 1)).vertices
    for asked in (100, 101, 1_000, int(0.97 * len(mesh.faces))):
        less = simplify(mesh, asked)
        assert asked - 1 <= len(less.faces) <= asked
        distance, _ = cKDTree(less.vertices).query(corners)
        assert distance.max() < 0.01
        assert areas(less).sum() == pytest.approx(8.0, rel=0.005)
        rim = less.vertices[border_edges(less.faces)]
        assert np.abs(rim[..., 2] - 0.5).max() < 0.005
        length = np.linalg.norm(rim[:, 0] - rim[:, 1], axis=1).sum()
        assert length == pytest.approx(6.0, rel=0.005)


@pytest.mark.parametrize("asked", [100, 101, 20_000])
def test_ring_stays_a_ring(asked: int) -> None:
    ring = trimesh.creation.torus(1.0, 0.3, major_sections=200, minor_sections=60)
    mesh = Mesh(ring.vertices.astype(np.float32), ring.faces.astype(np.int32))
    less = simplify(mesh, asked)
    assert asked - 1 <= len(less.faces) <= asked
    assert np.all(edge_uses(less) == 2)
    assert euler(less) == 0
    assert volume(less) == pytest.approx(volume(mesh), rel=0.12)


def test_parts_that_do_not_fit_are_left_out() -> None:
    ball = trimesh.creation.icosphere(2)
    balls = [
        Mesh((ball.vertices * (1 + i / 40) + (3 * i, 0, 0)).astype(np.float32), ball.faces)
        for i in range(40)
    ]
    mesh = Mesh(
        np.concatenate([b.vertices for b in balls]),
        np.concatenate([b.faces + i * len(ball.vertices) for i, b in enumerate(balls)]).astype(
            np.int32
        ),
    )
    less = simplify(mesh, 100)
    assert 99 <= len(less.faces) <= 100
    assert np.all(edge_uses(less) == 2)
    # The largest are still there.
    assert less.vertices[:, 0].max() > 115


def test_a_small_mesh_is_left_alone() -> None:
    mesh = grid_mesh(5)
    assert simplify(mesh, 50) is mesh


def test_impossible_count_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        simplify(grid_mesh(5), 3)
