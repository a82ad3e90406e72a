"""XYZ: a text file of coloured, oriented points, one a line: x y z nx ny nz red green blue."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import sample_atlas, vertex_colors
from gypsum.formats.corners import unit_normals
from gypsum.scene import PointCloud, TexturedMesh

POINTS = 200_000
"""Enough for a dense look; about 12 MB of text."""


def xyz(path: Path, model: TexturedMesh) -> dict[Path, bytes]:
    """The vertices, and points spread evenly over the surface; Z up, metres."""
    cloud = surface_points(model, POINTS)
    table = np.hstack([cloud.points, cloud.normals, cloud.colors])
    buffer = io.BytesIO()
    np.savetxt(buffer, table, "%.7g %.7g %.7g %.4f %.4f %.4f %d %d %d")
    return {path: buffer.getvalue()}


def surface_points(model: TexturedMesh, count: int) -> PointCloud:
    """All vertices, then points drawn uniformly from the surface up to ``count`` in all."""
    mesh = model.mesh
    normals = unit_normals(mesh)
    extra = max(0, count - len(mesh.vertices))
    face, weights = _draw(mesh.vertices[mesh.faces], extra)
    uvs = _blend(weights, model.uvs[model.uv_faces[face]])
    blended = _blend(weights, normals[mesh.faces[face]])
    length = np.linalg.norm(blended, axis=1, keepdims=True)
    # Opposite normals may cancel out at a fold: any of the three will do there.
    drawn = np.where(
        length > 1e-6, blended / np.maximum(length, 1e-6), normals[mesh.faces[face, 0]]
    )
    return PointCloud(
        np.vstack([mesh.vertices, _blend(weights, mesh.vertices[mesh.faces[face]])]),
        np.vstack([normals, drawn.astype(np.float32)]),
        np.vstack([vertex_colors(model), sample_atlas(model.atlas, uvs)]),
    )


def _draw(
    triangles: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Faces (count,) and barycentric weights (count, 3), uniform by area; the same on every run."""
    a, b, c = (triangles[:, i].astype(np.float64) for i in range(3))
    cumulative = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    if cumulative[-1] <= 0:
        count = 0
    random = np.random.default_rng(0)
    # Stratified over the total area, so that the points spread more evenly than independent draws.
    place = (np.arange(count) + random.random(count)) / max(count, 1) * cumulative[-1]
    face = np.minimum(np.searchsorted(cumulative, place, side="right"), len(triangles) - 1)
    u, v = random.random((2, count))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], axis=1).astype(np.float32)


def _blend(weights: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    blended: NDArray[np.float32] = np.einsum("nk,nkd->nd", weights, corners)
    return blended
