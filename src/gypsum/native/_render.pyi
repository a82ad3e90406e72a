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
def shade_atlas(
    face: NDArray[np.int32],
    weights: NDArray[np.float32],
    depth: NDArray[np.float32],
    focal: float,
    factor: int,
    uvs: NDArray[np.float32],
    uv_faces: NDArray[np.int32],
    material: NDArray[np.int32],
    density: NDArray[np.float32],
    levels: list[list[NDArray[np.uint8]]],
    threads: int = 0,
) -> NDArray[np.uint8]: ...
def shade_corners(
    face: NDArray[np.int32],
    weights: NDArray[np.float32],
    factor: int,
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
    threads: int = 0,
) -> NDArray[np.uint8]: ...
