"""Where more Gaussians are needed, and which do no work.

A Gaussian's score is the error of the pixels that it makes, summed over all photos of a round
(Rota Bulò et al. 2024). Those with the highest are split along their longest axis. The nearly
transparent are moved to such places instead of being lost (Kheradmand et al. 2024), so the number
of Gaussians is bounded and known in advance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Float32 = NDArray[np.float32]

#: Gaussians of less opacity do no work.
DEAD = 0.05

#: How far from the parent's centre its two parts lie, in its standard deviations; how long and how
#: opaque they are, as parts of what it was: together they look much as it did.
_APART, _SHORTER, _CLEARER = 0.5, 0.6, 0.85

_MEAN, _SCALE, _TURN, _OPACITY = slice(0, 3), slice(3, 6), slice(6, 10), 10


def find_dead(rows: Float32) -> NDArray[np.int64]:
    """Indices of what is nearly transparent or no number any more, of rows (N, 59)."""
    limit = np.log(DEAD / (1 - DEAD))
    return np.flatnonzero(~(rows[:, _OPACITY] > limit) | ~np.isfinite(rows[:, :11]).all(1))


@dataclass(frozen=True)
class Clearings:
    """Balls around the cameras in which nothing can be: all that a photo shows is further away.

    What floats there is before few photos, which it hardly harms, and hides all from a place
    between them.
    """

    centers: NDArray[np.float64]
    """(P, 3) world"""
    radii: NDArray[np.float64]
    """(P,)"""

    def find(self, means: Float32) -> NDArray[np.int64]:
        """Indices of those of ``means`` (N, 3) that are in the nearest camera's ball."""
        finite = np.where(np.isfinite(means), means, np.inf).clip(-1e9, 1e9)
        distances, nearest = cKDTree(self.centers).query(finite)
        return np.flatnonzero(distances < self.radii[nearest])


def choose(scores: Float32, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` different indices, drawn with chances as their scores (N,)."""
    useful = np.flatnonzero(scores > 0)
    count = min(count, len(useful))
    # The largest of log(score) + Gumbel noise are a draw without replacement (Vieira 2014).
    keys = np.log(scores[useful].astype(np.float64)) + rng.gumbel(size=len(useful))
    return np.sort(useful[np.argsort(-keys, kind="stable")[:count]])


def split(rows: Float32, parents: NDArray[np.int64], places: NDArray[np.int64]) -> None:
    """Replace each parent by two halves: one in its own row, one in the row ``places`` names."""
    chosen = rows[parents]
    longest = np.argmax(chosen[:, _SCALE], axis=1)
    each = np.arange(len(parents))
    directions = axes(chosen[:, _TURN])[each, :, longest]
    deviations = np.exp(chosen[each, 3 + longest])
    opacity = _CLEARER / (1 + np.exp(-chosen[:, _OPACITY]))
    chosen[each, 3 + longest] += np.log(_SHORTER)
    chosen[:, _OPACITY] = np.log(opacity / (1 - opacity))
    step = _APART * deviations[:, None] * directions
    rows[places] = chosen
    rows[parents] = chosen
    rows[places, _MEAN] += step
    rows[parents, _MEAN] -= step


def axes(quaternions: Float32) -> Float32:
    """(N, 3, 3) rotations, an axis in each column."""
    q = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    w, x, y, z = q.T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
        ],
        1,
    )
