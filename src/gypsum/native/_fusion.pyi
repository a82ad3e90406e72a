from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def compare_maps(
    depth: NDArray[np.float32],
    normal: NDArray[np.float32],
    K: NDArray[np.float64],
    pose: NDArray[np.float64],
    coarseness: float,
    depths: Sequence[NDArray[np.float32]],
    source_normals: Sequence[NDArray[np.float32]],
    Ks: Sequence[NDArray[np.float64]],
    poses: Sequence[NDArray[np.float64]],
    coarsenesses: Sequence[float],
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

class Cells:
    """The fused cloud while it grows: points gathered in the cells of a grid."""

    def __init__(self, edge: float, cells_per_pixel: float, most: int) -> None: ...
    def add(
        self,
        chosen: NDArray[np.uint8],
        agree: NDArray[np.uint8],
        points: NDArray[np.float32],
        normals: NDArray[np.float32],
        colors: NDArray[np.uint8],
        radii: NDArray[np.float32],
        confidence: NDArray[np.float32],
    ) -> None:
        """Gather a photo's chosen pixels; all arrays have the depth map's size."""

    def judge(
        self,
        number: int,
        depth: NDArray[np.float32],
        normal: NDArray[np.float32],
        K: NDArray[np.float64],
        pose: NDArray[np.float64],
        trusted: NDArray[np.uint8],
        mask: NDArray[np.uint8],
        max_depth: float,
        min_cosine: float,
        behind: float,
        threads: int,
    ) -> None:
        """Ask a photo which of the points it sees, and through which it looks.

        ``mask`` is 0 beside the object; an empty array where there is none.
        """

    def finish(
        self,
        fewest: int,
        per_conflict: float,
        most_outside: float = 1.0,
        least_seeing: float = 0.0,
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.uint8],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.uint16],
        NDArray[np.int64],
        NDArray[np.uint16],
    ]:
        """Points, normals, colours, radii, confidence, support; starts and photos of the lists."""

    def __len__(self) -> int: ...
    @property
    def merged(self) -> int: ...
