"""Walls, floors and ceilings of a mesh made as flat as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gypsum.rooms.planes import Plane
from gypsum.scene import Mesh

REACH = 0.025
"""Metres from a plane within which the surface is taken for it."""
ALIKE = 0.9
"""Cosine of the angle of normals to the plane's, at least."""
CORNER = 0.04
"""Metres from a second plane within which the surface is taken for the corner of both."""


def flattened(mesh: Mesh, planes: Sequence[Plane]) -> Mesh:
    """The mesh with its vertices moved onto the planes that they lie near to.

    What stands before a wall further than ``REACH`` stays as it is.
    """
    vertices = mesh.vertices.astype(np.float64)
    normals = mesh.vertex_normals().astype(np.float64)
    away = np.array([plane.heights(vertices) for plane in planes]).reshape(len(planes), -1)
    alike = np.array([normals @ plane.normal for plane in planes]).reshape(away.shape)
    fits = (np.abs(away) <= REACH) & (alike >= ALIKE)
    best = np.where(fits, np.abs(away), np.inf).argmin(axis=0)
    flat = fits.any(axis=0)
    for number, plane in enumerate(planes):
        mine = flat & (best == number)
        vertices[mine] -= away[number, mine, None] * plane.normal
    return Mesh(vertices.astype(np.float32), mesh.faces, mesh.colors)


def sharpened(mesh: Mesh, planes: Sequence[Plane]) -> Mesh:
    """The mesh with its corners, which a smooth surface rounds, moved to where planes meet."""
    vertices, normals = mesh.vertices.astype(np.float64), mesh.vertex_normals().astype(np.float64)
    for first, one in enumerate(planes):
        for second in range(first + 1, len(planes)):
            other = planes[second]
            cosine = float(one.normal @ other.normal)
            if abs(cosine) > 0.95:
                continue
            here, there = one.heights(vertices), other.heights(vertices)
            near = (np.abs(here) <= CORNER) & (np.abs(there) <= CORNER)
            # Only where the surface bends from one to the other.
            near &= (normals @ one.normal > 0.2) & (normals @ other.normal > 0.2)
            here, there = here[near], there[near]
            share = 1 / (1 - cosine**2)
            vertices[near] -= (share * (here - cosine * there))[:, None] * one.normal
            vertices[near] -= (share * (there - cosine * here))[:, None] * other.normal
    return Mesh(vertices.astype(np.float32), mesh.faces, mesh.colors)
