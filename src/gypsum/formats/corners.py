"""Vertices as graphics hardware wants them: one index for position, normal and texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Material, Mesh, TexturedMesh

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """The faces of one material, with vertices that are split where the texture has a seam."""

    material: Material
    vertices: Float32
    """(C, 3) positions, world."""
    normals: Float32
    """(C, 3) unit normals; equal on both sides of a seam, so that shading doesn't show it."""
    uvs: Float32 | None
    """(C, 2) texture coordinates, v up; None where the material has no texture."""
    colors: NDArray[np.uint8] | None
    """(C, 3) sRGB; None where the mesh has none or the texture shows them."""
    faces: NDArray[np.int32]
    """(F, 3) indices."""


def split_at_seams(model: TexturedMesh) -> list[Part]:
    """One part for every material, in their order."""
    normals = unit_normals(model.mesh)
    return [
        _part(model, material, model.face_materials == index, normals)
        for index, material in enumerate(model.materials)
    ]


def _part(
    model: TexturedMesh, material: Material, chosen: NDArray[np.bool_], normals: Float32
) -> Part:
    """One vertex of every pair of vertex and texture coordinate in use."""
    textured, colors = material.is_textured, model.mesh.colors
    corners = model.mesh.faces[chosen].ravel().astype(np.int64)
    count = len(model.uvs) if textured else 1
    uv = model.uv_faces[chosen].ravel() if textured else 0
    pairs, faces = np.unique(corners * count + uv, return_inverse=True)
    vertex, uv = np.divmod(pairs, count)
    return Part(
        material,
        model.mesh.vertices[vertex],
        normals[vertex],
        model.uvs[uv] if textured else None,
        colors[vertex] if colors is not None and material.base_color is None else None,
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


def z_up(vectors: Float32) -> Float32:
    """Vectors (N, 3), Y up, in the world: (x, y, z) becomes (x, -z, y)."""
    turned: Float32 = vectors[:, [0, 2, 1]] * np.array([1, -1, 1], np.float32)
    return turned
