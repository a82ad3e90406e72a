"""Fewer faces with the least change of shape: quadric error metrics (Garland and Heckbert 1997)."""

from __future__ import annotations

import numpy as np

from gypsum.native import _simplify
from gypsum.scene import Mesh
from gypsum.surface.topology import (
    compact,
    face_areas,
    face_components,
    manifold,
    without_degenerate_faces,
)


def simplify(mesh: Mesh, faces: int) -> Mesh:
    """The mesh with ``faces`` faces, or one less; the mesh itself when it has no more.

    Closed stays closed, borders stay borders and handles stay handles: where these take more faces
    than are wanted, parts are left out, smallest first, and a single part keeps what it needs.
    Vertex colours are dropped: the vertices are new.
    """
    if faces < 4:
        raise ValueError(f"a mesh can't be simplified to {faces} faces; ask for at least 4")
    if len(mesh.faces) <= faces:
        return mesh
    mesh = compact(manifold(without_degenerate_faces(mesh)))
    found = _collapsed(mesh, faces)
    while len(found.faces) > faces:
        # A closed part takes four faces at least.
        fewer = _without_smallest_parts(mesh, -(-(len(found.faces) - faces) // 4))
        if len(fewer.faces) == len(mesh.faces):
            break
        mesh, found = fewer, _collapsed(fewer, faces)
    return found


def _collapsed(mesh: Mesh, faces: int) -> Mesh:
    if len(mesh.faces) <= faces:
        return mesh
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    center = (low.astype(np.float64) + high) / 2
    size = max(float(np.linalg.norm(high - low)), 1e-30)
    vertices, triangles = _simplify.collapse((mesh.vertices - center) / size, mesh.faces, faces)
    return Mesh((vertices * size + center).astype(np.float32), triangles)


def _without_smallest_parts(mesh: Mesh, count: int) -> Mesh:
    """One part always stays."""
    parts, label = face_components(mesh.faces)
    order = np.argsort(np.bincount(label, face_areas(mesh), parts), kind="stable")
    keep = np.ones(parts, bool)
    keep[order[: min(count, parts - 1)]] = False
    return compact(Mesh(mesh.vertices, mesh.faces[keep[label]]))
