"""Points spread over triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_on_surface(
    triangles: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Triangles (count,) and barycentric weights (count, 3), uniform by area; equal on every run.

    ``triangles`` is (F, 3, 3), corners by coordinates. Nothing is drawn where no triangle has area.
    """
    a, b, c = (triangles[:, i].astype(np.float64) for i in range(3))
    cumulative = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    if len(triangles) == 0 or cumulative[-1] <= 0:
        count = 0
    random = np.random.default_rng(0)
    # Stratified over the total area, so that the points spread more evenly than independent draws.
    share = (np.arange(count) + random.random(count)) / max(count, 1)
    place = share * cumulative[-1] if count else share
    face = np.minimum(np.searchsorted(cumulative, place, side="right"), len(triangles) - 1)
    u, v = random.random((2, count))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], axis=1).astype(np.float32)


def blend(weights: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values (N, D) at barycentric weights (N, 3) between those at the corners (N, 3, D)."""
    blended: NDArray[np.float32] = np.einsum("nk,nkd->nd", weights, corners)
    return blended
