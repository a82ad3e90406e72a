"""Solids for printing, checked with an independent library."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from gypsum.scene import Mesh
from gypsum.surface import SurfaceOptions, reconstruct_surface, simplify
from gypsum.surface.closing import base_points, border_loops, solid

from .shapes import cloud_of, grid_mesh, joined, plane_points, sphere_points, volume

SOLID = SurfaceOptions(cells_per_pixel=0.7, watertight=True)


def checked(mesh: Mesh) -> trimesh.Trimesh:
    """As read from a file without indices: equal places become one vertex."""
    soup = trimesh.Trimesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(mesh.faces.size).reshape(-1, 3)
    )
    soup.merge_vertices()
    return soup


def test_object_on_a_table_stands_on_a_flat_base() -> None:
    ball, outward = sphere_points(20_000, 0.2)
    table, up = plane_points(0.5, 0.01, -0.1)
    free = np.linalg.norm(table, axis=1) > 0.2
    above = ball[:, 2] > -0.1
    cloud = joined(cloud_of(ball[above], outward[above]), cloud_of(table[free], up[free]))
    mesh = reconstruct_surface(cloud, [], SOLID, threads=1)
    low = mesh.vertices[:, 2].min()
    assert low < -0.11
    normals, areas = mesh.face_normals(), trimesh.Trimesh(mesh.vertices, mesh.faces).area_faces
    base = (normals[:, 2] < -0.99) & (mesh.vertices[mesh.faces][:, :, 2].max(axis=1) < low + 0.01)
    assert areas[base].sum() == pytest.approx(1.0, rel=0.1)
    for faces in (len(mesh.faces), 3_000, 300):
        found = checked(simplify(mesh, faces))
        assert found.is_watertight
        assert found.is_volume
        assert found.body_count == 1
        assert abs(len(found.faces) - faces) <= 0.01 * faces
        assert found.volume == pytest.approx(volume(mesh), rel=0.05)


def test_bust_without_its_underside_becomes_whole() -> None:
    ball, outward = sphere_points(20_000, 0.5)
    seen = ball[:, 2] > -0.3
    mesh = reconstruct_surface(cloud_of(ball[seen], outward[seen]), [], SOLID, threads=1)
    found = checked(mesh)
    assert found.is_volume
    assert found.body_count == 1
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.3, abs=0.05)


def test_feet_of_an_object_that_stood_share_one_level_base() -> None:
    """Rims are ragged, and those of one foot end higher."""
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    tubes = []
    for x, end in ((-0.5, 0.0), (0.5, 0.02)):
        low = end + rng.exponential(0.004, len(angle))
        rings = [
            np.stack([x + 0.2 * np.cos(angle), 0.2 * np.sin(angle), z], axis=1)
            for z in (low, np.full(len(angle), 0.3))
        ]
        tubes.append(np.concatenate(rings))
    i, n = np.arange(len(angle)), len(angle)
    after = (i + 1) % n
    side = np.concatenate(
        [np.stack([i, after, n + i], axis=1), np.stack([after, n + after, n + i], axis=1)]
    )
    faces = np.concatenate([side, side + 2 * n]).astype(np.int32)
    sheet = Mesh(np.concatenate(tubes).astype(np.float32), faces)
    base = base_points(sheet, 0.01, stood=True, closed=False)
    floor = base.normals[:, 2] < -0.9
    assert {-1.0, 1.0} == set(np.sign(base.points[floor, 0]))
    assert np.degrees(np.arccos(-base.normals[floor, 2])).max() < 0.5
    assert np.abs(base.points[floor, 2] - 0.002).max() < 0.006
    # Walls only where a rim ends above the base.
    assert base.points[~floor, 2].max() < 0.05


def test_wall_gets_a_back() -> None:
    points, normals = plane_points(0.5, 0.01)
    upright, facing = points[:, [2, 0, 1]], normals[:, [2, 0, 1]]
    mesh = reconstruct_surface(cloud_of(upright, facing), [], SOLID, threads=1)
    assert checked(mesh).is_volume
    assert np.ptp(mesh.vertices[:, 0]) < 0.1


def test_solid_closes_openings_and_drops_hollows() -> None:
    ball = trimesh.creation.icosphere(3)
    inner = trimesh.creation.icosphere(3, radius=0.5)
    vertices = np.concatenate([ball.vertices, inner.vertices]).astype(np.float32)
    faces = np.concatenate([ball.faces[7:], inner.faces[:, ::-1] + len(ball.vertices)])
    mesh = Mesh(vertices, faces.astype(np.int32))
    closed = checked(solid(mesh))
    assert closed.is_volume
    assert closed.body_count == 1
    assert closed.volume == pytest.approx(ball.volume, rel=0.02)


def test_vertices_in_one_place_are_parted() -> None:
    """Two boxes that share an edge are two solids, also for a file that only lists positions."""
    first = trimesh.creation.box((1, 1, 1))
    second = first.vertices + np.array([1, 1, 0])
    mesh = Mesh(
        np.concatenate([first.vertices, second]).astype(np.float32),
        np.concatenate([first.faces, first.faces + len(first.vertices)]).astype(np.int32),
    )
    assert not checked(mesh).is_watertight
    assert checked(solid(mesh)).is_volume


def test_loops_run_around_holes() -> None:
    loops = border_loops(grid_mesh(4))
    assert [len(loop) for loop in loops] == [16]
