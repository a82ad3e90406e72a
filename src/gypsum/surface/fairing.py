"""Roughness of a mesh smoothed away without making it smaller."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from gypsum.scene import Mesh

#: Shares of the way to the neighbours' mean, and back a little further.
_THERE, _BACK = 0.5, -0.53


def faired(mesh: Mesh, steps: int) -> Mesh:
    """The mesh after some steps of Taubin's (1995) smoothing: waves of a few edges vanish, longer
    ones stay, and so does its size."""
    count = len(mesh.vertices)
    if not len(mesh.faces):
        return mesh
    sides = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    ones = np.ones(2 * len(sides), np.float32)
    rows, columns = np.concatenate([sides, sides[:, ::-1]]).T
    near = csr_matrix((ones, (rows, columns)), (count, count))
    near.data[:] = 1  # Two faces share most sides.
    near.data /= np.repeat(np.maximum(np.diff(near.indptr), 1), np.diff(near.indptr))
    # In the middle, so that few digits are lost far from the origin.
    middle = mesh.vertices.mean(axis=0)
    places = (mesh.vertices - middle).astype(np.float32)
    lonely = np.diff(near.indptr) == 0
    for _ in range(steps):
        for share in (_THERE, _BACK):
            moved = near @ places
            moved[lonely] = places[lonely]
            places += np.float32(share) * (moved - places)
    return Mesh((places + middle).astype(np.float32), mesh.faces, mesh.colors)
