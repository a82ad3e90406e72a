"""XYZ: a text file of coloured, oriented points, one a line: x y z nx ny nz red green blue."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from gypsum.formats.colors import colors_at, vertex_colors
from gypsum.formats.corners import unit_normals
from gypsum.formats.options import WriteOptions
from gypsum.formats.sampling import blend, draw_on_surface
from gypsum.scene import PointCloud, TexturedMesh

POINTS = 200_000
"""Enough for a dense look; about 12 MB of text."""


def xyz(
    path: Path,
    model: TexturedMesh | PointCloud,
    options: WriteOptions,  # noqa: ARG001
) -> dict[Path, bytes]:
    """A cloud's points; of a mesh the vertices, and points spread evenly over it; Z up, metres."""
    cloud = model if isinstance(model, PointCloud) else surface_points(model, POINTS)
    table = np.hstack([cloud.points, cloud.normals, cloud.colors])
    buffer = io.BytesIO()
    np.savetxt(buffer, table, "%.7g %.7g %.7g %.4f %.4f %.4f %d %d %d")
    return {path: buffer.getvalue()}


def surface_points(model: TexturedMesh, count: int) -> PointCloud:
    """All vertices, then points drawn uniformly from the surface up to ``count`` in all."""
    mesh = model.mesh
    normals = unit_normals(mesh)
    extra = max(0, count - len(mesh.vertices))
    face, weights = draw_on_surface(mesh.vertices[mesh.faces], extra)
    blended = blend(weights, normals[mesh.faces[face]])
    length = np.linalg.norm(blended, axis=1, keepdims=True)
    # Opposite normals may cancel out at a fold: any of the three will do there.
    drawn = np.where(
        length > 1e-6, blended / np.maximum(length, 1e-6), normals[mesh.faces[face, 0]]
    )
    return PointCloud(
        np.vstack([mesh.vertices, blend(weights, mesh.vertices[mesh.faces[face]])]),
        np.vstack([normals, drawn.astype(np.float32)]),
        np.vstack([vertex_colors(model), colors_at(model, face, weights)]),
    )
