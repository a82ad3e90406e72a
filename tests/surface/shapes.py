"""Clouds and meshes whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh, PointCloud, View

Float64 = NDArray[np.float64]


def cloud_of(
    points: Float64, normals: Float64, radius: float = 0.01, support: int = 6
) -> PointCloud:
    """A grey cloud of one resolution."""
    n = len(points)
    return PointCloud(
        points.astype(np.float32),
        normals.astype(np.float32),
        np.full((n, 3), 128, np.uint8),
        np.full(n, radius, np.float32),
        np.full(n, support, np.uint16),
    )


def joined(*clouds: PointCloud) -> PointCloud:
    """All points of several clouds."""
    return PointCloud(
        np.concatenate([c.points for c in clouds]),
        np.concatenate([c.normals for c in clouds]),
        np.concatenate([c.colors for c in clouds]),
        np.concatenate([c.radii for c in clouds if c.radii is not None]),
        np.concatenate([c.support for c in clouds if c.support is not None]),
    )


def sphere_points(count: int, radius: float = 0.5) -> tuple[Float64, Float64]:
    """Points (N, 3) spread evenly on a sphere about the origin (a spiral), and their normals."""
    i = np.arange(count) + 0.5
    z, angle = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z**2)
    normals = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    return radius * normals, normals


def plane_points(
    half: float, step: float, z: float = 0.0, rng: np.random.Generator | None = None
) -> tuple[Float64, Float64]:
    """A square grid (N, 3) at height ``z`` facing up; jittered by a third of a step when asked."""
    line = np.arange(-half, half + step / 2, step)
    x, y = (g.ravel() for g in np.meshgrid(line, line))
    points = np.stack([x, y, np.full(len(x), z)], axis=1)
    if rng is not None:
        points[:, :2] += rng.uniform(-step / 3, step / 3, (len(points), 2))
    return points, np.tile([0.0, 0.0, 1.0], (len(points), 1))


def box_points(half: float, step: float) -> tuple[Float64, Float64]:
    """The six faces of a cube about the origin."""
    points, normals = plane_points(half, step, half)
    turns = [np.roll(np.eye(3), k, axis=1) for k in range(3)]
    sides = [(sign * points @ t, sign * normals @ t) for t in turns for sign in (1, -1)]
    return np.concatenate([p for p, _ in sides]), np.concatenate([n for _, n in sides])


def looking_at(center: Float64, target: Float64, focal: float = 500.0) -> View:
    """A 400x300 view from ``center`` towards ``target``, upright."""
    forward = (target - center) / np.linalg.norm(target - center)
    up = np.array([0.0, 0, 1]) if abs(forward[2]) < 0.99 else np.array([0.0, 1, 0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    K = np.array([[focal, 0, 200], [0, focal, 150], [0, 0, 1]])
    return View("v.jpg", Path("v.jpg"), 400, 300, K, R, -R @ center)


def orbit(count: int, distance: float, height: float, focal: float = 500.0) -> list[View]:
    """Views on a circle around the origin, all looking at it."""
    angles = 2 * np.pi * np.arange(count) / count
    centers = [np.array([distance * np.cos(a), distance * np.sin(a), height]) for a in angles]
    return [looking_at(center, np.zeros(3), focal) for center in centers]


def grid_mesh(cells: int, rng: np.random.Generator | None = None, bumps: float = 0.0) -> Mesh:
    """A unit square of ``2 * cells**2`` faces in the plane z = 0, with smooth random bumps."""
    line = np.linspace(0, 1, cells + 1)
    x, y = np.meshgrid(line, line)
    z = np.zeros_like(x)
    if rng is not None and bumps > 0:
        for _ in range(4):
            kx, ky, phase = rng.uniform(1, 8), rng.uniform(1, 8), rng.uniform(0, 6)
            z += bumps / 4 * np.sin(kx * x + ky * y + phase)
    number = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    quads = [np.stack([a, b, c], -1), np.stack([a, c, d], -1)]
    faces = np.concatenate([q.reshape(-1, 3) for q in quads])
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def volume(mesh: Mesh) -> float:
    """Signed volume of a closed mesh: positive when it is oriented outward."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def edge_uses(mesh: Mesh) -> NDArray[np.intp]:
    """How many faces each edge has."""
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    return uses


def euler(mesh: Mesh) -> int:
    """Vertices minus edges plus faces."""
    return len(mesh.vertices) - len(edge_uses(mesh)) + len(mesh.faces)


def areas(mesh: Mesh) -> Float64:
    """(F,) face areas."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
