"""Laying a surface flat: which of some directions each face is seen from.

The charts of a texture that is baked anew are pictures of the surface from far away. Faces that
are seen from one direction and hang together make a chart; borders between charts cost their
length, so that charts are large (a Potts model, as in the labelling of a scan's photos).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _texture
from gypsum.scene import Mesh, View

Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]

DIRECTIONS: Float64 = np.array(
    [np.array(d) / np.linalg.norm(d) for d in product((-1, 0, 1), repeat=3) if any(d)]
)
"""(26, 3) towards the sides, edges and corners of a cube."""

LEAST_COSINE = 0.3
"""Of a face to the direction that it is seen from: at less it would be squeezed too thin."""
SMOOTHNESS = 0.5
"""Cost of a border between charts, by its length in units of the mean length of an edge."""
CHART_COST = 8.0
"""Cost of a chart, by the area of a mean face."""
SWEEPS = 30
FAR = 1e4
"""Distance of the eyes in radii of the model: perspective bends nothing by more than a texel."""


def far_views(mesh: Mesh, density: float) -> list[View]:
    """A view from each of ``DIRECTIONS``, with ``density`` pixels to each unit of the world."""
    points = mesh.vertices[mesh.faces].reshape(-1, 3).astype(np.float64)
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    distance = FAR * max(float(np.linalg.norm(np.ptp(points, axis=0))) / 2, 1e-30)
    views = []
    for number, direction in enumerate(DIRECTIONS):
        side = np.cross((0.0, 0.0, 1.0) if abs(direction[2]) < 0.9 else (0.0, 1.0, 0.0), direction)
        side /= np.linalg.norm(side)
        R = np.stack([side, np.cross(-direction, side), -direction])
        K = np.diag([distance * density, distance * density, 1.0])
        t = -R @ (center + distance * direction)
        views.append(View(f"direction {number}", Path(), 1, 1, K, R, t))
    return views


def choose_directions(mesh: Mesh, edges: Int32, lengths: Float64) -> Int32:
    """(F,) the direction that each face is seen from.

    ``edges`` (E, 2) are pairs of neighbouring faces, ``lengths`` (E,) those of their common edges.
    A face costs the logarithm of how much it is squeezed, times its area.
    """
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1) / 2
    cosines = (normals / np.maximum(2 * areas, 1e-30)[:, None]) @ DIRECTIONS.T
    best = cosines.argmax(axis=1)
    allowed = cosines >= LEAST_COSINE
    allowed[np.arange(len(best)), best] = True
    face, label = np.nonzero(allowed)
    squeezed = -np.log(np.maximum(cosines[face, label], LEAST_COSINE))
    unit = max(float(areas.mean()), 1e-30)
    first = np.concatenate([[0], np.cumsum(allowed.sum(axis=1))]).astype(np.int64)
    costs = (squeezed * areas[face] / unit).astype(np.float32)
    weights = (SMOOTHNESS * lengths / np.sqrt(unit)).astype(np.float32)
    order = np.argsort((a + b + c)[:, int(np.argmax(np.ptp(a, axis=0)))], kind="stable")
    labels, _, _ = _texture.label_faces(
        first, label.astype(np.int32), costs, edges, weights, order.astype(np.int32), SWEEPS
    )
    _texture.merge_patches(first, label.astype(np.int32), costs, edges, weights, CHART_COST, labels)
    return labels
