"""Models of another size, at another place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.formats import Model
from gypsum.scene import Mesh, PointCloud

Float32 = NDArray[np.float32]


def scaled(model: Model, factor: float) -> Model:
    """The model ``factor`` times as large, seen from the origin."""
    moved = _moved(model, lambda points: (points * factor).astype(np.float32))
    if isinstance(moved, PointCloud) and moved.radii is not None:
        return replace(moved, radii=moved.radii * np.float32(factor))
    return moved


def centered(model: Model) -> Model:
    """The model standing on the origin: its box's middle in x and y, its lowest point in z."""

    def stand(points: Float32) -> Float32:
        low, high = points.min(axis=0), points.max(axis=0)
        middle = (low.astype(np.float64) + high) / 2
        return np.asarray(points - [middle[0], middle[1], low[2]], np.float32)

    return _moved(model, stand)


def _moved(model: Model, move: Callable[[Float32], Float32]) -> Model:
    if isinstance(model, PointCloud):
        return replace(model, points=move(model.points))
    if isinstance(model, Mesh):
        return replace(model, vertices=move(model.vertices))
    return replace(model, mesh=replace(model.mesh, vertices=move(model.mesh.vertices)))
