"""Maps of the material beside closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture import bake_texture
from gypsum.texture.delight import shading
from gypsum.texture.maps import upright_normals
from gypsum.texture.tangents import tangent_frames

from .scenes import grid, joined, random_spots, ring, shoot, sphere, waves

LAMP = np.array([0.48, -0.36, 0.8])


def bumps(points: np.ndarray) -> np.ndarray:
    """Height of the bumps on a ball, at unit directions (N, 3)."""
    x, y, z = points.T
    return 0.004 * np.sin(14 * x) * np.sin(14 * y + 1) * np.cos(11 * z)


def bumpy(mesh: Mesh) -> Mesh:
    """A ball with bumps along its radius."""
    length = np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    unit = mesh.vertices / length
    return Mesh((unit * (length + bumps(unit)[:, None])).astype(np.float32), mesh.faces)


def interpolated(values: np.ndarray, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nkc->nc", weights, values[index])


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_normal_map_brings_the_fine_shape_back(tmp_path: Path) -> None:
    """A coarse ball with the map is shaded like the fine bumpy one, as a glTF viewer does it."""
    coarse, fine = sphere(0.5, 24), bumpy(sphere(0.5, 160))
    views = ring(tmp_path, 10, 2.0, 0.6)
    for view in views:
        shoot(view, coarse, waves)
    textured, _ = bake_texture(coarse, views, 1024, detail=fine, threads=2)
    map_ = textured.materials[0].normal
    assert map_ is not None
    normals = upright_normals(coarse)
    tangents, signs = tangent_frames(coarse, normals, textured.uvs, textured.uv_faces)
    spots, weights = random_spots(coarse, 20_000, np.random.default_rng(0))
    uv = interpolated(textured.uvs, textured.uv_faces[spots], weights)
    x, y = (uv[:, 0] * 1024).astype(int), ((1 - uv[:, 1]) * 1024).astype(int)
    local = map_[y, x] / 127.5 - 1
    n = interpolated(normals, coarse.faces[spots], weights)
    t = interpolated(tangents, textured.uv_faces[spots], weights)
    b = np.cross(n, t) * signs[textured.uv_faces[spots, :1]]
    shown = unit(local[:, :1] * t + local[:, 1:2] * b + local[:, 2:] * n)

    at = unit(interpolated(coarse.vertices, coarse.faces[spots], weights))
    step = 1e-4
    slope = np.stack(
        [(bumps(unit(at + step * e)) - bumps(unit(at - step * e))) / (2 * step) for e in np.eye(3)],
        axis=1,
    )
    truth = unit(at - (slope - at * np.einsum("ni,ni->n", slope, at)[:, None]) / 0.5)
    with_map = np.abs(shown @ LAMP - truth @ LAMP)
    without = np.abs(unit(n) @ LAMP - truth @ LAMP)
    assert np.median(with_map) < 0.01
    assert with_map.mean() < 0.15 * without.mean()


def test_flat_detail_makes_a_flat_map(tmp_path: Path) -> None:
    mesh = grid(1.0, 8)
    views = ring(tmp_path, 6, 1.0, 1.6)
    for view in views:
        shoot(view, mesh, waves)
    textured, _ = bake_texture(mesh, views, 256, detail=grid(1.0, 31), threads=2)
    map_ = textured.materials[0].normal
    assert map_ is not None
    assert np.abs(map_.astype(int) - (128, 128, 255)).max() <= 1


def test_tangents_follow_the_texture() -> None:
    """On a plate whose u grows along x and v along y, and on its mirror image."""
    mesh = grid(2.0, 3)
    normals = upright_normals(mesh)
    uvs = (mesh.vertices[:, :2] / 2 + 0.5).astype(np.float32)
    tangents, signs = tangent_frames(mesh, normals, uvs, mesh.faces)
    np.testing.assert_allclose(tangents, np.tile([1, 0, 0], (len(uvs), 1)), atol=1e-6)
    assert np.all(signs == 1)
    uvs[:, 0] = 1 - uvs[:, 0]
    tangents, signs = tangent_frames(mesh, normals, uvs, mesh.faces)
    np.testing.assert_allclose(tangents, np.tile([-1, 0, 0], (len(uvs), 1)), atol=1e-6)
    assert np.all(signs == -1)


def test_occlusion_beside_a_wall_is_its_form_factor() -> None:
    """A point at distance d from a wide wall of height h sees 1 - (1 - d / sqrt(d² + h²)) / 2."""
    height = 1.0
    floor, plate = grid(4.0, 80), grid(40.0, 40)
    x, y, _ = plate.vertices.T
    wall = Mesh(np.stack([0 * x, y, (x + 20) / 40 * height], 1).astype(np.float32), plate.faces)
    scene = joined(floor, wall)
    open_ = _texture.ambient_occlusion(
        scene.vertices, scene.faces, upright_normals(scene), 256, 1e-4, 2
    )
    points = floor.vertices
    inner = (np.abs(points[:, 0]) > 0.01) & (np.abs(points[:, 1]) < 1.5)
    distance = np.abs(points[inner, 0])
    expected = 0.5 + 0.5 * distance / np.hypot(distance, height)
    error = open_[: len(points)][inner] - expected
    assert np.abs(error).mean() < 0.01
    assert np.abs(error).max() < 0.04


def test_light_is_taken_out() -> None:
    """Paint in patches, lit from a window and the room: most of the light's contrast goes."""
    mesh = bumpy(sphere(0.5, 90))
    normals = upright_normals(mesh)
    n = normals.astype(np.float64)
    light = 0.5 + 0.25 * n[:, 2:] * (1, 1.05, 1.2) + 0.9 * np.maximum(n @ LAMP, 0)[:, None]
    patch = np.floor(mesh.vertices * 9 + 100).astype(int)
    paint = 0.15 + 0.7 * np.random.default_rng(5).random((20, 20, 20, 3))
    albedo = paint[tuple((patch - patch.min(axis=0)).T)]
    found = shading(mesh, normals, np.ones(len(n), np.float32), 0.5 * albedo * light)
    before, after = np.log(light), np.log(light / found)
    assert after.std() < 0.35 * before.std()


def test_all_maps_arrive(tmp_path: Path) -> None:
    mesh = sphere(0.5, 20)
    views = ring(tmp_path, 8, 2.0, 0.6)
    for view in views:
        shoot(view, mesh, waves)
    textured, facts = bake_texture(mesh, views, 256, pbr=True, detail=sphere(0.5, 60), threads=2)
    material = textured.materials[0]
    assert material.base_color is not None
    assert material.normal is not None
    assert material.occlusion is not None
    assert material.roughness is not None
    assert material.normal.shape == material.base_color.shape == (256, 256, 3)
    assert material.occlusion.shape == material.roughness.shape == (256, 256)
    # A ball throws no shadow on itself, and waves painted on it don't gleam.
    assert material.occlusion.min() > 240
    assert material.roughness.min() / 255 == pytest.approx(0.9, abs=0.1)
    assert facts.seconds["maps"] > 0
