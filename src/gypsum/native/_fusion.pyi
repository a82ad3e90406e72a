from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def compare_maps(
    depth: NDArray[np.float32],
    normal: NDArray[np.float32],
    K: NDArray[np.float64],
    pose: NDArray[np.float64],
    depths: Sequence[NDArray[np.float32]],
    source_normals: Sequence[NDArray[np.float32]],
    Ks: Sequence[NDArray[np.float64]],
    poses: Sequence[NDArray[np.float64]],
    kept: Sequence[NDArray[np.uint8]],
    max_pixels: float,
    max_depth: float,
    min_cosine: float,
    threads: int,
    agree: NDArray[np.uint8],
    conflict: NDArray[np.uint8],
    carried: NDArray[np.uint8],
    points: NDArray[np.float32],
    normals: NDArray[np.float32],
) -> None:
    """Compare a photo's maps with its sources', pixel by pixel; the last five arrays are filled."""
