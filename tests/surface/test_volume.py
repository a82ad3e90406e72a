"""Signed distance fields of depth maps: shapes whose surface is a formula, and a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.errors import ResourceError
from gypsum.native import _tsdf
from gypsum.scene import Mesh, View
from gypsum.surface import TsdfVolume
from gypsum.surface.volume import FREE_WEIGHT

from .shapes import edge_uses, euler, looking_at

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

RADIUS = 0.5


def rays(view: View) -> Float64:
    """(H, W, 3) directions with z = 1, camera."""
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    return np.stack(
        [(x - view.K[0, 2]) / view.K[0, 0], (y - view.K[1, 2]) / view.K[1, 1], np.ones_like(x)], -1
    )


def sphere_depth(view: View, radius: float = RADIUS) -> Float32:
    """(H, W) depth of a sphere about the origin, 0 beside it."""
    direction = rays(view) @ view.R
    a = (direction**2).sum(-1)
    b = direction @ view.center
    c = view.center @ view.center - radius**2
    inside = b * b - a * c
    return np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, 0).astype(np.float32)


def plane_depth(view: View, normal: Float64, offset: float) -> Float32:
    """(H, W) depth of the plane ``normal @ x = offset``, 0 where it is not met."""
    slope = rays(view) @ (view.R @ normal)
    depth = (offset - normal @ view.center) / slope
    return np.where(depth > 0, depth, 0).astype(np.float32)


def all_around(count: int = 24) -> list[View]:
    """Views at a distance of 2 from all directions, spread evenly."""
    i = np.arange(count) + 0.5
    z, angle = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z**2)
    spots = 2 * np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    return [looking_at(spot, np.zeros(3)) for spot in spots]


def sphere_mesh(voxel: float = 0.02, threads: int = 0, count: int = 24) -> Mesh:
    volume = TsdfVolume(voxel, threads=threads)
    for view in all_around(count):
        depth = sphere_depth(view)
        colors = np.full((*depth.shape, 3), (200, 100, 50), np.uint8)
        volume.integrate(depth, view, colors=colors)
    return volume.mesh()


def test_a_sphere_is_closed_and_where_it_is() -> None:
    mesh = sphere_mesh()
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(radii - RADIUS).max() < 0.006  # voxels of 0.02
    assert np.abs(radii - RADIUS).mean() < 0.001
    assert euler(mesh) == 2
    assert np.all(edge_uses(mesh) == 2)
    outward = (mesh.face_normals() * mesh.vertices[mesh.faces].mean(axis=1)).sum(axis=1)
    assert np.mean(outward > 0) > 0.999
    assert mesh.colors is not None
    assert np.abs(mesh.colors.astype(int) - (200, 100, 50)).max() <= 1


def test_finer_voxels_are_more_exact() -> None:
    errors = [
        np.abs(np.linalg.norm(sphere_mesh(voxel, count=12).vertices, axis=1) - RADIUS).mean()
        for voxel in (0.04, 0.02)
    ]
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_a_plane_is_exact_from_every_angle(tilt: float) -> None:
    """Distances along a line of sight vanish on the plane itself, and inverse depth is linear."""
    normal = np.array([np.sin(tilt), 0.1, np.cos(tilt)])
    normal /= np.linalg.norm(normal)
    volume = TsdfVolume(0.013)
    for spot in ([0.1, 0.2, 2.0], [0.3, -0.1, 2.2]):
        view = looking_at(np.array(spot), np.zeros(3))
        volume.integrate(plane_depth(view, normal, 0.031), view)
    mesh = volume.mesh()
    assert len(mesh.faces) > 1000
    assert np.abs(mesh.vertices @ normal - 0.031).max() < 0.1 * 0.013
    assert np.all(mesh.face_normals() @ normal > -1e-6)


def test_threads_change_no_bit() -> None:
    one, four = sphere_mesh(threads=1, count=6), sphere_mesh(threads=4, count=6)
    assert np.array_equal(one.vertices, four.vertices)
    assert np.array_equal(one.faces, four.faces)
    assert one.colors is not None
    assert four.colors is not None
    assert np.array_equal(one.colors, four.colors)


def test_processors_with_and_without_avx2_agree_to_the_bit() -> None:
    volumes = [_tsdf.Volume(0.03, 0.12, 0.1, 10**6) for _ in range(2)]
    for view in all_around(4):
        depth = sphere_depth(view)
        colors = np.random.default_rng(1).integers(0, 256, (*depth.shape, 3), np.uint8)
        for volume, portable in zip(volumes, (False, True), strict=True):
            weights = np.ones_like(depth)
            volume.integrate(depth, weights, colors, view.K, view.R, view.t, 2, portable)
    for fast, slow in zip(*(volume.surface(0.5, 2) for volume in volumes), strict=True):
        assert fast is not None
        assert slow is not None
        assert len(fast) > 100
        assert np.array_equal(fast, slow)


def test_blocks_lie_near_the_surface_only() -> None:
    voxel = 0.01
    volume = TsdfVolume(voxel)
    for view in all_around(12):
        volume.integrate(sphere_depth(view), view)
    area = 4 * np.pi * RADIUS**2
    shell = area * (2 * volume.truncation + 2 * 8 * voxel) / (8 * voxel) ** 3
    assert area / (8 * voxel) ** 2 < len(volume) < shell


def test_too_little_memory_is_said() -> None:
    view = all_around(1)[0]
    volume = TsdfVolume(0.01, memory=2**20)
    with pytest.raises(ResourceError, match="larger ones with --voxel"):
        volume.integrate(sphere_depth(view), view)
    assert len(volume) == 0


def test_what_is_seen_through_is_cleared() -> None:
    view = looking_at(np.array([0.0, 0, 2]), np.zeros(3))
    wall = plane_depth(view, np.array([0.0, 0, 1]), 0.0)
    ghost = wall.copy()
    ghost[100:200, 150:250] -= 0.5
    volume = TsdfVolume(0.02)
    volume.integrate(ghost, view)
    assert volume.mesh().vertices[:, 2].max() > 0.4
    for _ in range(round(2 / FREE_WEIGHT)):
        volume.integrate(wall, view)
    assert volume.mesh().vertices[:, 2].max() < 0.1


def test_weights_choose_between_depths() -> None:
    view = looking_at(np.array([0.0, 0, 2]), np.zeros(3))
    up = np.array([0.0, 0, 1])
    volume = TsdfVolume(0.02)
    for height, weight in ((0.0, 3.0), (0.02, 1.0)):
        depth = plane_depth(view, up, height)
        volume.integrate(depth, view, weights=np.full(depth.shape, weight, np.float32))
    inner = volume.mesh().vertices
    inner = inner[np.abs(inner[:, :2]).max(axis=1) < 0.3]
    assert np.abs(inner[:, 2] - 0.005).max() < 5e-4


def test_unknown_pixels_say_nothing() -> None:
    view = all_around(1)[0]
    volume = TsdfVolume(0.02)
    volume.integrate(np.zeros((300, 400), np.float32), view)
    volume.integrate(np.full((300, 400), np.nan, np.float32), view)
    volume.integrate(np.full((300, 400), np.inf, np.float32), view)
    depth = sphere_depth(view)
    volume.integrate(depth, view, weights=np.zeros_like(depth))
    assert len(volume) == 0
    assert len(volume.mesh().faces) == 0


def test_map_of_another_size_takes_the_views_intrinsics_along() -> None:
    volume = TsdfVolume(0.02)
    for view in all_around(24):
        volume.integrate(sphere_depth(view.resized(200, 150)), view)
    radii = np.linalg.norm(volume.mesh().vertices, axis=1)
    assert np.abs(radii - RADIUS).mean() < 0.002


def test_as_the_slow_twin() -> None:
    """Every vertex of the mesh is where a plain field, voxel by voxel, has its zeros."""
    voxel, count = 0.05, 3
    volume = TsdfVolume(voxel)
    views = all_around(24)[:count]
    for view in views:
        volume.integrate(sphere_depth(view), view)
    mesh = volume.mesh()
    low = np.floor(mesh.vertices.min(axis=0) / voxel).astype(int) - 1
    high = np.ceil(mesh.vertices.max(axis=0) / voxel).astype(int) + 2
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    field, weight = slow_field(grid * voxel, views, volume.truncation)
    expected = []
    for axis in range(3):
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(0, -1), slice(1, None)
        a, b = field[tuple(first)], field[tuple(second)]
        known = (weight[tuple(first)] >= 0.5) & (weight[tuple(second)] >= 0.5)
        where = known & ((a < 0) != (b < 0))
        share = np.clip(a[where] / (a[where] - b[where]), 0.01, 0.99)
        points = grid[tuple(first)][where].astype(float)
        points[:, axis] += share
        expected.append(points * voxel)
    truth = np.concatenate(expected)
    distance = np.linalg.norm(mesh.vertices[:, None] - truth[None], axis=2)
    assert len(mesh.vertices) > 300
    assert distance.min(axis=1).max() < 2e-4
    # Of the twin's zeros, only those at the rim of what was seen have no complete cell.
    assert np.mean(distance.min(axis=0) < 2e-4) > 0.85


def slow_field(points: Float64, views: list[View], truncation: float) -> tuple[Float64, Float64]:
    """Mean distances in truncations, and weights, at points (…, 3): the obvious way."""
    total, weight = np.zeros(points.shape[:-1]), np.zeros(points.shape[:-1])
    for view in views:
        depth = sphere_depth(view).astype(np.float64)
        for at in np.ndindex(points.shape[:-1]):
            (pixels,), (z,) = view.project(points[at][None])
            x, y = pixels - 0.5
            if z <= 0 or not (-0.5 <= x < 399.5 and -0.5 <= y < 299.5):
                continue
            found = interpolated(depth, np.clip(x, 0, 399), np.clip(y, 0, 299), truncation)
            distance = (found - z) / truncation
            if found == 0 or distance <= -1:
                continue
            share = FREE_WEIGHT if distance > 1 else min(1, (1 + distance) / 0.75)
            total[at] += share * min(distance, 1)
            weight[at] += share
    return total / np.maximum(weight, 1e-12), weight


def interpolated(depth: Float64, x: float, y: float, truncation: float) -> float:
    left, top = int(x), int(y)
    right, bottom = min(left + 1, depth.shape[1] - 1), min(top + 1, depth.shape[0] - 1)
    corners = depth[[top, top, bottom, bottom], [left, right, left, right]]
    if corners.min() <= 0 or corners.max() - corners.min() > truncation:
        return float(depth[int(y + 0.5), int(x + 0.5)])
    u, v = x - left, y - top
    shares = np.array([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
    return float(1 / (shares / corners).sum())
