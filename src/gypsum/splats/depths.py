"""How far away what splats show is, and which way it faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.scene import Splats, View
from gypsum.splats.render import ALPHA_MIN, BLUR, NEAR, TRANSMITTANCE_MIN, pose

Float32 = NDArray[np.float32]

#: The share of the light at which depths are those of a surface: with one half it is the median.
MEDIAN = 0.5


@dataclass(frozen=True)
class Depths:
    """Depths and normals of a picture of splats.

    A ray meets a Gaussian where the Gaussian's density along it is largest, which for a flat one
    is its plane (Zhang et al. 2024, RaDe-GS).
    """

    surface: Float32
    """(height, width) along z, where so much of the light is stopped that a surface is there; 0
    where less is."""
    expected: Float32
    """(height, width) mean of the depths, each by its share in the colour; 0 where nothing is."""
    normals: Float32
    """(height, width, 3) unit, camera frame (x right, y down, z forward), towards the camera."""
    opacity: Float32
    """(height, width)"""


def draw_depths(
    splats: Splats,
    view: View,
    extent: float = 1.0,
    stopped: float = MEDIAN,
    front: float = 0.0,
    threads: int = 0,
) -> Depths:
    """Depths of splats from a view, in a scene whose cameras are spread over ``extent``.

    The surface is where the share ``stopped`` of the light is, ``front`` standard deviations of the
    Gaussian that does it nearer than its densest point.
    """
    shape = (view.height, view.width)
    surface, expected, transmittance = (np.empty(shape, np.float32) for _ in range(3))
    normal = np.empty((3, *shape), np.float32)
    _splats.draw_depths(
        splats.rows(), np.ascontiguousarray(view.K, np.float64), pose(view),
        ALPHA_MIN, TRANSMITTANCE_MIN, NEAR * extent, BLUR, 1 - stopped, front,
        surface, expected, normal, transmittance, threads,
    )  # fmt: skip
    normals = np.ascontiguousarray(normal.transpose(1, 2, 0))
    return Depths(surface, expected, normals, 1 - transmittance)
