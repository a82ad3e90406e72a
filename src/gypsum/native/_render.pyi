"""Drawing triangle meshes."""

import numpy as np
from numpy.typing import NDArray

def rasterize(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    K: NDArray[np.float64],
    width: int,
    height: int,
    center: NDArray[np.float64],
    radius: float,
    threads: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]: ...
