"""What is true of any depth map (h, w), along z, 0 where unknown: its noise, its normals."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Noise is averaged over differences of so many times the noise, and this many pixels (standard
#: deviations).
_SHARE, _PIXELS = 3.0, 2.0


def noise_share(depth: Float32) -> float | None:
    """The noise's standard deviation as a share of the depth; None where too little is known.

    Immerkaer (1996): a mask that planes leave at zero, in inverse depth, where they are linear;
    the median of its answers tells the noise.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-6), 0).astype(np.float32)
    known = cv2.erode((depth > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not known.any():
        return None
    answers = np.abs(cv2.filter2D(inverse, -1, mask))[known] * depth[known]
    return 1.4826 * float(np.median(answers))


def denoised(depth: Float32, share: float) -> Float32:
    """The depth map with noise of this share of the depth averaged out, but not across edges.

    A bilateral filter (Tomasi and Manduchi 1998) of the depth's logarithm, in which such noise is
    the same everywhere.
    """
    known = depth > 0
    # What is unknown lies farther than any difference that is averaged.
    logarithm = np.log(np.where(known, depth, 1e3 * max(float(depth.max()), 1e-6)))
    mean = cv2.bilateralFilter(
        logarithm.astype(np.float32), -1, _SHARE * share, _PIXELS, borderType=cv2.BORDER_REPLICATE
    )
    return np.where(known, np.exp(mean), 0).astype(np.float32)


def normals_of(depth: Float32, K: Float64) -> Float32:
    """(h, w, 3) unit normals in the camera's frame, towards the camera.

    With the depth z, n = (fx z_u, fy z_v, -(z + (u - cx) z_u + (v - cy) z_v)); noise and gaps are
    smoothed over five pixels first.
    """
    height, width = depth.shape
    x = (np.arange(width) + 0.5 - K[0, 2]).astype(np.float32)
    y = (np.arange(height) + 0.5 - K[1, 2]).astype(np.float32)[:, None]
    known = cv2.blur((depth > 0).astype(np.float32), (5, 5))
    smooth = cv2.blur(depth, (5, 5)) / np.maximum(known, np.float32(0.04))
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    along = smooth + x * across + y * down
    normals = np.stack([np.float32(K[0, 0]) * across, np.float32(K[1, 1]) * down, -along], -1)
    lengths = np.sqrt((normals**2).sum(axis=-1, keepdims=True))
    return np.asarray(normals / np.maximum(lengths, 1e-20), np.float32)
