"""One photo for every face: good photos, large charts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture.candidates import Candidates
from gypsum.texture.topology import Edges, face_areas

REFERENCE_FACES = 100_000
"""The unit of area is the seen surface divided by this, so that charts are equally large whatever
the number of faces."""
SMOOTHNESS = 1.5
"""Cost of a chart border for each unit of its length."""
CHART_COST = 40.0
"""Cost of each chart: its padding takes room, its borders are places where seams may show."""
SWEEPS = 30
UNSEEN = -1


def choose_photos(mesh: Mesh, candidates: Candidates, edges: Edges) -> NDArray[np.int32]:
    """(F,) the view of each face, ``UNSEEN`` where no photo shows it.

    A Potts model: a face costs the logarithm of the linear resolution it loses against its best
    photo, times its area; a border between two charts costs its length.
    """
    first = candidates.first
    seen = candidates.counts > 0
    if not seen.any():
        return np.full(len(mesh.faces), UNSEEN, np.int32)
    best = np.zeros(len(mesh.faces), np.float32)
    best[seen] = np.maximum.reduceat(candidates.scores, first[:-1][seen])
    areas = face_areas(mesh)
    unit = areas[seen].sum() / REFERENCE_FACES
    faces = candidates.faces
    loss = 0.5 * np.log(best[faces] / candidates.scores)
    costs = (loss * areas[faces] / unit).astype(np.float32)
    weights = (SMOOTHNESS * edges.lengths(mesh.vertices) / np.sqrt(unit)).astype(np.float32)
    labels, _, _ = _texture.label_faces(
        first, candidates.views, costs, edges.faces, weights, _sweep_order(mesh), SWEEPS
    )
    _texture.merge_patches(first, candidates.views, costs, edges.faces, weights, CHART_COST, labels)
    return labels


def _sweep_order(mesh: Mesh) -> NDArray[np.int32]:
    """Faces along the mesh's longest axis: messages then travel far in one sweep."""
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    longest = int(np.argmax(np.ptp(centers, axis=0)))
    return np.argsort(centers[:, longest], kind="stable").astype(np.int32)
