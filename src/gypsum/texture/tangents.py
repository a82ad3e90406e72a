"""Tangent frames for normal maps, as every viewer makes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def tangent_frames(
    mesh: Mesh, normals: Float32, uvs: Float32, uv_faces: NDArray[np.int32]
) -> tuple[Float32, Float32]:
    """Tangents (T, 3) and signs (T,) at the texture coordinates ``uvs`` (T, 2), v upwards.

    MikkTSpace (Mikkelsen 2008, "Simulation of Wrinkled Surfaces Revisited"), which glTF names as
    what viewers use: at each corner the direction in which u grows, projected onto the plane of
    the vertex normal (``normals`` (V, 3), unit), averaged over the faces by their angle there. The
    bitangent is sign * cross(normal, tangent).
    """
    points = mesh.vertices[mesh.faces].astype(np.float64)
    texture = uvs[uv_faces].astype(np.float64)
    side1, side2 = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    t1, t2 = texture[:, 1] - texture[:, 0], texture[:, 2] - texture[:, 0]
    area = t1[:, 0] * t2[:, 1] - t1[:, 1] * t2[:, 0]
    along = _unit((t2[:, 1:] * side1 - t1[:, 1:] * side2) * np.sign(area)[:, None])
    sums = np.zeros((len(uvs), 3))
    turns = np.zeros(len(uvs))
    for corner in range(3):
        at = uv_faces[:, corner]
        normal = normals[mesh.faces[:, corner]].astype(np.float64)
        before = _in_plane(points[:, corner - 1] - points[:, corner], normal)
        after = _in_plane(points[:, (corner + 1) % 3] - points[:, corner], normal)
        angle = np.arccos(np.clip(np.einsum("fi,fi->f", before, after), -1, 1))
        weighted = angle[:, None] * _in_plane(along, normal)
        for axis in range(3):
            sums[:, axis] += np.bincount(at, weighted[:, axis], len(uvs))
        turns += np.bincount(at, angle * np.sign(area), len(uvs))
    return _unit(sums).astype(np.float32), np.where(turns < 0, -1, 1).astype(np.float32)


def _in_plane(vectors: Float64, normals: Float64) -> Float64:
    """Unit vectors (N, 3) without their part along unit normals (N, 3)."""
    return _unit(vectors - normals * np.einsum("fi,fi->f", vectors, normals)[:, None])


def _unit(vectors: Float64) -> Float64:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Float64 = vectors / np.where(length > 0, length, 1)
    return unit
