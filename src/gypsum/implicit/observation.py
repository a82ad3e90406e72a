"""What one photo tells a surface that is fitted to all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Observation:
    """One undistorted photo at working size.

    ``x_cam = R @ x_world + t`` in OpenCV's axes; the top-left pixel's centre is (0.5, 0.5).
    """

    image: UInt8
    """(h, w, 3) sRGB."""
    mask: Float32
    """(h, w) how surely each pixel shows the object, 0 to 1."""
    K: Float64
    """(3, 3) intrinsics in pixels of this size."""
    R: Float64
    """(3, 3) world-to-camera rotation."""
    t: Float64
    """(3,) world-to-camera translation."""
    depth: Float32 | None = None
    """(h, w) along z, world units, 0 where unknown."""
    depth_weight: Float32 | None = None
    """(h, w) how much each of them counts."""
