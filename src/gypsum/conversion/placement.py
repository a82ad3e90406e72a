"""Models of another size, at another place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.formats import Asset
from gypsum.scene import Mesh, PointCloud, Splats

Float32 = NDArray[np.float32]

_STRAY = 0.01
"""This share of splats may be anywhere around what they show."""


def scaled(model: Asset, factor: float) -> Asset:
    """The model ``factor`` times as large, seen from the origin."""
    if isinstance(model, Splats):
        return model.moved(np.eye(3), factor)
    moved = _moved(model, lambda points: (points * factor).astype(np.float32))
    if isinstance(moved, PointCloud) and moved.radii is not None:
        return replace(moved, radii=moved.radii * np.float32(factor))
    return moved


def centered(model: Asset) -> Asset:
    """The model standing on the origin: its box's middle in x and y, its lowest point in z."""
    stray = _STRAY if isinstance(model, Splats) else 0.0

    def stand(points: Float32) -> Float32:
        low, high = np.quantile(points, [stray, 1 - stray], axis=0)
        middle = (low + high) / 2
        return np.asarray(points - [middle[0], middle[1], low[2]], np.float32)

    return _moved(model, stand)


def _moved(model: Asset, move: Callable[[Float32], Float32]) -> Asset:
    if isinstance(model, Splats):
        return replace(model, means=move(model.means))
    if isinstance(model, PointCloud):
        return replace(model, points=move(model.points), place=None)
    if isinstance(model, Mesh):
        return replace(model, vertices=move(model.vertices))
    return replace(model, mesh=replace(model.mesh, vertices=move(model.mesh.vertices)))
