"""Vertices as graphics hardware wants them: one index for position, normal and texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh, TexturedMesh

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Corners:
    """A mesh whose vertices are split where the texture has a seam."""

    vertices: Float32
    """(C, 3) positions, world."""
    normals: Float32
    """(C, 3) unit normals; equal on both sides of a seam, so that shading doesn't show it."""
    uvs: Float32
    """(C, 2) texture coordinates, v up."""
    faces: NDArray[np.int32]
    """(F, 3) indices."""


def split_at_seams(model: TexturedMesh) -> Corners:
    """Make one vertex of every pair of vertex and texture coordinate in use."""
    vertex, uv = model.mesh.faces.ravel().astype(np.int64), model.uv_faces.ravel().astype(np.int64)
    pairs, faces = np.unique(vertex * len(model.uvs) + uv, return_inverse=True)
    vertex, uv = np.divmod(pairs, len(model.uvs))
    return Corners(
        model.mesh.vertices[vertex],
        unit_normals(model.mesh)[vertex],
        model.uvs[uv],
        faces.reshape(-1, 3).astype(np.int32),
    )


def unit_normals(mesh: Mesh) -> Float32:
    """(V, 3) vertex normals; up where the faces around have no area and so no direction."""
    normals = mesh.vertex_normals()
    normals[~normals.any(axis=1)] = (0, 0, 1)
    return normals


def y_up(vectors: Float32) -> Float32:
    """World vectors (N, 3), Z up, as glTF and OBJ want them: (x, y, z) becomes (x, z, -y)."""
    turned: Float32 = vectors[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    return turned
