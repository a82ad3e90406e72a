"""Colours of a cloud at places of a surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _cloud
from gypsum.scene import PointCloud

#: Points whose colours are mixed, the nearer the more.
MIXED = 4


def colors_near(
    cloud: PointCloud, places: NDArray[np.float32], threads: int = 0
) -> NDArray[np.uint8]:
    """sRGB (N, 3) at places (N, 3), by the nearest points."""
    nearest, distance = _cloud.nearest(
        cloud.points, np.ascontiguousarray(places), min(MIXED, len(cloud)), threads
    )
    # Shepard's weights, softened by the spacing, so that single points don't show as dots.
    soft = np.maximum(distance.mean(axis=1, keepdims=True), 1e-12)
    weight = 1 / (distance + 0.3 * soft) ** 2
    mixed = np.einsum("nk,nkc->nc", weight, cloud.colors[nearest].astype(np.float32))
    return np.asarray(np.rint(mixed / weight.sum(axis=1, keepdims=True)), np.uint8)
