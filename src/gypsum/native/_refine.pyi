"""Photo-consistency of a surface and its derivative."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def compare(
    faces: NDArray[np.int32],
    face_normals: NDArray[np.float32],
    vertex_normals: NDArray[np.float32],
    face: NDArray[np.int32],
    weights: NDArray[np.float32],
    lumas: Sequence[NDArray[np.uint8]],
    depths: Sequence[NDArray[np.float32]],
    Ks: Sequence[NDArray[np.float64]],
    poses: Sequence[NDArray[np.float64]],
    radius: int,
    noise: float,
    tolerance: float,
    min_cosine: float,
    threads: int,
    portable: bool,
    pull: NDArray[np.float64],
    stiffness: NDArray[np.float64],
) -> tuple[float, int]:
    """Compare the first photo with the others, carried into it over the surface.

    ``face`` (H, W) and ``weights`` (H, W, 2) are what the first photo's pixels show, as rasterised.
    Adds to ``pull`` (V) the derivative of the energy by each vertex's shift along its normal, and
    to ``stiffness`` (V) a diagonal approximation of the second derivative. Returns the energy, the
    sum of ``e * tolerance / (e + tolerance)`` with ``e = 1 - NCC``, and how many windows it sums.
    """
