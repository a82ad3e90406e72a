"""Exposure and white balance of the photos, equalised before anything is compared or mixed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gypsum.texture.candidates import Candidates

Float64 = NDArray[np.float64]

DARKEST, BRIGHTEST = 0.004, 0.85
"""Linear colours outside are noise or clipped, and say nothing about exposure."""
SPREAD = 0.08
"""Natural-log difference between two looks of one face that is nothing unusual."""
REWEIGHTINGS = 8
SAMPLE = 40_000
"""Faces that are used."""


def estimate_gains(candidates: Candidates, view_count: int) -> Float64:
    """(V, 3) linear gains that bring every photo to a common exposure and white balance.

    Each face has one unknown colour, each photo one gain for each channel: the logarithm of what a
    photo shows of a face is their difference. Least squares, reweighted so that highlights,
    shadows and people don't count (Cauchy). The median gain is one.
    """
    colors = candidates.colors
    usable = np.all((colors > DARKEST) & (colors < BRIGHTEST), axis=1)
    faces = candidates.faces
    usable &= np.bincount(faces[usable], minlength=len(candidates.counts))[faces] >= 2
    kept = np.unique(faces[usable])
    if len(kept) == 0:
        return np.ones((view_count, 3))
    chosen = np.zeros(len(candidates.counts), bool)
    chosen[kept[:: max(1, len(kept) // SAMPLE)]] = True
    usable &= chosen[faces]
    _, face = np.unique(faces[usable], return_inverse=True)
    view = candidates.views[usable]
    logs = np.log(colors[usable].astype(np.float64))
    gains = np.zeros((view_count, 3))
    for channel in range(3):
        gains[:, channel] = _solve(face, view, logs[:, channel], view_count)
    used = np.bincount(view, minlength=view_count) > 0
    gains -= np.median(gains[used], axis=0)
    gains[~used] = 0
    return np.exp(gains)


def _solve(
    face: NDArray[np.int64], view: NDArray[np.int32], log: Float64, view_count: int
) -> Float64:
    """(V,) log gains g such that log + g[view] agrees over the views of each face."""
    count = int(face.max()) + 1
    gains = np.zeros(view_count)
    weight = np.ones(len(log))
    for _ in range(REWEIGHTINGS):
        total = np.bincount(face, weight, count)
        # The faces' own colours are eliminated: what remains is one equation for each photo.
        seen = sparse.csr_matrix((weight, (face, view)), shape=(count, view_count))
        inverse = sparse.diags_array(1 / total)
        matrix = (
            np.diag(np.bincount(view, weight, view_count)) - (seen.T @ inverse @ seen).toarray()
        )
        mean = np.bincount(face, weight * log, count) / total
        right = np.bincount(view, weight * (mean[face] - log), view_count)
        # Photos that share nothing with the others stay as they are.
        matrix[np.diag_indices(view_count)] += 1e-6 * len(log) / view_count
        gains = np.linalg.solve(matrix, right)
        even = log + gains[view]
        mean = np.bincount(face, weight * even, count) / total
        weight = 1 / (1 + ((even - mean[face]) / SPREAD) ** 2)
    return gains
