"""Fewer triangles under the same textures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.formats.assembly import unique_rows
from gypsum.native import _reduce
from gypsum.scene import Mesh, TexturedMesh

Float64 = NDArray[np.float64]

MOST_ERROR = 0.006
"""Of the model's diagonal, by which shape or texture may shift: beyond, the texture tears."""

MOST_SEAMS = 1.5
"""Texture coordinates for each vertex; with more, most vertices lie on seams, which hold them back:
a new texture on a free shape then shows more than is lost by baking it."""


def reduce_faces(model: TexturedMesh, faces: int) -> TexturedMesh:
    """The model with at most ``faces`` triangles, or as few as the seams of its textures allow.

    Textures, texture coordinates and vertices stay as they are; there are fewer of them.
    """
    mesh = model.mesh
    if len(mesh.faces) <= faces:
        return model
    # A vertex looks different on the two sides of a seam, or of a border between materials.
    corners = np.column_stack(
        [mesh.faces.ravel(), model.uv_faces.ravel(), np.repeat(model.face_materials, 3)]
    )
    first, wedge = unique_rows(corners)
    vertex, uv, material = corners[first].T
    # Where vertices were split to keep an edge hard, the surface goes on all the same.
    places, place = unique_rows(mesh.vertices)
    shift = mesh.vertices.mean(axis=0, dtype=np.float64)
    coordinates = model.uvs[uv] * _world_sizes(model)[material, None]
    kept, left = _reduce.collapse(
        np.hstack([mesh.vertices[vertex] - shift, coordinates]),
        place[mesh.faces].astype(np.int32),
        wedge.reshape(-1, 3).astype(np.int32),
        len(places),
        faces,
        MOST_ERROR * float(np.linalg.norm(np.ptp(mesh.vertices, axis=0))),
    )
    return replace(
        model,
        mesh=Mesh(mesh.vertices, vertex[left].astype(np.int32), mesh.colors),
        uv_faces=uv[left].astype(np.int32),
        face_materials=model.face_materials[kept],
    )


def seams_bind(before: TexturedMesh, after: TexturedMesh, faces: int) -> bool:
    """Whether seams rather than the shape decide which triangles are left of the wanted ``faces``.

    Where textures repeat, baking them anew would blur them: there only what can't be otherwise
    counts.
    """
    if len(after.mesh.faces) > faces:
        return True
    if len(before.mesh.faces) == len(after.mesh.faces) or _repeats(before):
        return False
    places = len(unique_rows(after.mesh.vertices[np.unique(after.mesh.faces)])[0])
    return len(np.unique(after.uv_faces)) > MOST_SEAMS * places


def _repeats(model: TexturedMesh) -> bool:
    """Whether some texture is shown at more than one place."""
    p, q, r = (model.uvs[model.uv_faces[:, i]].astype(np.float64) for i in range(3))
    (ux, uy), (vx, vy) = (q - p).T, (r - p).T
    shown = np.bincount(model.face_materials, np.abs(ux * vy - uy * vx) / 2)
    return bool(shown.max() > 1.01)


def recolored(mesh: Mesh, like: Mesh) -> Mesh:
    """The mesh with the colours of the nearest vertices of another."""
    assert like.colors is not None
    _, nearest = cKDTree(like.vertices).query(mesh.vertices)
    return replace(mesh, colors=like.colors[nearest])


def _world_sizes(model: TexturedMesh) -> Float64:
    """(M,) what a side of each material's texture takes up in the world; 0 where it has none."""
    a, b, c = (model.mesh.vertices[model.mesh.faces[:, i]].astype(np.float64) for i in range(3))
    world = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    p, q, r = (model.uvs[model.uv_faces[:, i]].astype(np.float64) for i in range(3))
    (ux, uy), (vx, vy) = (q - p).T, (r - p).T
    count = len(model.materials)
    used = np.bincount(model.face_materials, np.abs(ux * vy - uy * vx), count)
    shown = np.bincount(model.face_materials, world, count)
    textured = np.array([material.is_textured for material in model.materials]) & (used > 0)
    return np.where(textured, np.sqrt(shown / np.maximum(used, 1e-30)), 0)
