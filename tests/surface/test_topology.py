"""Cleaning triangle meshes."""

from __future__ import annotations

import numpy as np

from gypsum.scene import Mesh
from gypsum.surface.topology import (
    border_edges,
    compact,
    face_components,
    manifold,
    without_degenerate_faces,
    without_ears,
    without_small_parts,
)

from .shapes import areas, edge_uses, grid_mesh


def moved(mesh: Mesh, scale: float, shift: float) -> Mesh:
    return Mesh((mesh.vertices * scale + shift).astype(np.float32), mesh.faces)


def both(a: Mesh, b: Mesh) -> Mesh:
    return Mesh(
        np.concatenate([a.vertices, b.vertices]),
        np.concatenate([a.faces, b.faces + len(a.vertices)]).astype(np.int32),
    )


def test_small_parts_go_and_large_ones_stay() -> None:
    mesh = both(both(grid_mesh(10), moved(grid_mesh(3), 0.03, 2)), moved(grid_mesh(8), 0.5, 5))
    kept = compact(without_small_parts(mesh, 0.01))
    assert face_components(kept.faces)[0] == 2
    np.testing.assert_allclose(areas(kept).sum(), 1.25, rtol=1e-5)
    assert len(kept.vertices) == 11 * 11 + 9 * 9


def test_degenerate_and_repeated_faces_go() -> None:
    mesh = grid_mesh(4)
    junk = np.array([[0, 0, 1], [0, 1, 2], mesh.faces[3][[1, 2, 0]]], np.int32)
    dirty = Mesh(mesh.vertices, np.concatenate([mesh.faces, junk]))
    np.testing.assert_array_equal(without_degenerate_faces(dirty).faces, mesh.faces)


def test_ears_are_cut_off() -> None:
    mesh = grid_mesh(4)
    tip = np.array([[0.5, -1, 0]], np.float32)
    edge = np.array([[len(mesh.vertices), 2, 1]], np.int32)
    eared = Mesh(np.concatenate([mesh.vertices, tip]), np.concatenate([mesh.faces, edge]))
    assert compact(without_ears(eared)).vertices[:, 1].min() == 0


def test_fans_that_touch_in_a_vertex_are_parted() -> None:
    square = grid_mesh(2)
    other = moved(square, 1.0, 0.0)
    mesh = both(square, Mesh(other.vertices + np.float32([1, 1, 0]), other.faces))
    corner = len(square.vertices) - 1
    faces = np.where(mesh.faces == len(square.vertices), corner, mesh.faces).astype(np.int32)
    touching = compact(Mesh(mesh.vertices, faces))
    assert len(touching.vertices) == 17
    parted = manifold(touching)
    assert len(parted.vertices) == 18
    np.testing.assert_array_equal(parted.vertices[parted.faces], touching.vertices[touching.faces])


def test_no_edge_keeps_three_faces() -> None:
    mesh = grid_mesh(3)
    fin = np.array([[0, 0, 1]], np.float32)
    a, b = mesh.faces[0][:2]
    faces = np.concatenate([mesh.faces, np.array([[a, b, len(mesh.vertices)]], np.int32)])
    clean = manifold(Mesh(np.concatenate([mesh.vertices, fin]), faces))
    assert edge_uses(clean).max() <= 2


def test_a_sound_mesh_stays_as_it_is() -> None:
    mesh = grid_mesh(6)
    clean = compact(manifold(without_degenerate_faces(mesh)))
    np.testing.assert_array_equal(clean.vertices[clean.faces], mesh.vertices[mesh.faces])
    assert len(border_edges(mesh.faces)) == 4 * 6
