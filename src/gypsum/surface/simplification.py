"""Fewer faces with the least change of shape: quadric error metrics (Garland and Heckbert 1997)."""

from __future__ import annotations

import numpy as np

from gypsum.scene import Mesh
from gypsum.surface.topology import compact, manifold, without_degenerate_faces

#: How boldly edges are collapsed, from careful to bold, until the face count is reached.
BOLDNESS = (5.0, 7.0, 10.0)


def simplify(mesh: Mesh, faces: int) -> Mesh:
    """The mesh with at most ``faces`` faces, close to as many where it has more now.

    Vertex colours are dropped: the vertices are new.
    """
    if faces < 4:
        raise ValueError(f"a mesh can't be simplified to {faces} faces; ask for at least 4")
    if len(mesh.faces) <= faces:
        return mesh
    import fast_simplification

    # The library's thresholds are absolute, made for shapes of size one.
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size = max(float(np.linalg.norm(high - low)), 1e-30)
    vertices = (mesh.vertices.astype(np.float64) - low) / size
    triangles = mesh.faces
    for boldness in BOLDNESS:
        vertices, triangles = fast_simplification.simplify(
            vertices, triangles, target_count=faces, agg=boldness
        )
        if len(triangles) <= faces:
            break
    found = Mesh((vertices * size + low).astype(np.float32), triangles.astype(np.int32))
    return compact(manifold(without_degenerate_faces(found)))
