"""Radiance fields with less in them: fewer splats, a part of the scene, fewer harmonics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Splats

_INVISIBLE = 1 / 255
"""Opacities below this change no pixel of a picture."""


def pruned(splats: Splats, share: float) -> Splats:
    """Without the invisible ones, and without this share of all: those that show least.

    What a splat shows is its opacity times its area, over all directions, as seen from the middle
    of the scene; all that is nearer than half of the splats counts as that far away.
    """
    opacity = 1 / (1 + np.exp(-splats.opacities.astype(np.float64)))
    a, b, c = np.exp(splats.log_scales.astype(np.float64)).T
    away = np.linalg.norm(splats.means - np.median(splats.means, axis=0), axis=1)
    shown = opacity * (a * b + b * c + c * a) / np.maximum(away, np.median(away) + 1e-12) ** 2
    shown[opacity < _INVISIBLE] = -1
    kept = max(1, len(splats) - int(share * len(splats)))
    most = np.argsort(-shown, kind="stable")[:kept]
    # In their old order: neighbours in space stay neighbours in the file.
    chosen = np.sort(most)
    return splats.select(chosen[shown[chosen] >= 0] if (shown > 0).any() else chosen)


def inside(points: NDArray[np.floating], corners: tuple[float, ...]) -> NDArray[np.bool_]:
    """(N,) which of the points (N, 3) are in the box between two opposite corners."""
    first, second = np.array(corners[:3]), np.array(corners[3:])
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def limited(splats: Splats, degree: int) -> Splats:
    """Without the harmonics above this degree."""
    return replace(splats, harmonics=splats.harmonics[:, : (degree + 1) ** 2])
