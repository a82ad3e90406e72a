"""Pictures of splats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.scene import Splats, View

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: A Gaussian ends where it would change a pixel by less than one level.
ALPHA_MIN = 1 / 255
#: Pixels of which less shows through are finished.
TRANSMITTANCE_MIN = 1e-4
#: Variance of the pixels' own filter, pixels²; what viewers with anti-aliasing take.
BLUR = 0.3
#: Gaussians nearer than this part of the scene's size are left out.
NEAR = 0.01


def rasterizer(
    extent: float,
    threads: int = 0,
    alpha_min: float = ALPHA_MIN,
    transmittance_min: float = TRANSMITTANCE_MIN,
) -> _splats.Rasterizer:
    """A rasteriser for a scene whose cameras are spread over ``extent``, world units."""
    return _splats.Rasterizer(alpha_min, transmittance_min, NEAR * extent, BLUR, threads)


def pose(view: View) -> NDArray[np.float64]:
    """(3, 4) world to camera."""
    return np.ascontiguousarray(np.c_[view.R, view.t])


@dataclass
class Canvas:
    """A picture as the kernels draw it."""

    color: Float32
    """(3, height, width) sRGB, 0 to 1 but for overshoot."""
    transmittance: Float32
    """(height, width) how much of the background shows."""

    @classmethod
    def of(cls, width: int, height: int) -> Canvas:
        """An empty one."""
        return cls(np.empty((3, height, width), np.float32), np.empty((height, width), np.float32))

    def picture(self) -> UInt8:
        """(height, width, 3) sRGB."""
        levels = np.rint(self.color.transpose(1, 2, 0) * 255).clip(0, 255)
        return np.ascontiguousarray(levels.astype(np.uint8))


def render(
    splats: Splats,
    view: View,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    extent: float = 1.0,
    threads: int = 0,
) -> tuple[UInt8, Float32]:
    """Picture (height, width, 3), sRGB, and opacity (height, width) seen from a view."""
    canvas = Canvas.of(view.width, view.height)
    rasterizer(extent, threads).draw(
        splats.rows(), splats.degree, np.ascontiguousarray(view.K, np.float64), pose(view),
        np.array(background, np.float32), canvas.color, canvas.transmittance,
    )  # fmt: skip
    return canvas.picture(), 1 - canvas.transmittance
