"""A truncated signed distance field on sparse blocks of voxels."""

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES: int
"""Memory of a block of voxels, and of its colours."""
COLOR_BYTES: int

class Volume:
    def __init__(
        self, voxel: float, truncation: float, free_weight: float, most_blocks: int
    ) -> None: ...
    def integrate(
        self,
        depth: NDArray[np.float32],
        weights: NDArray[np.float32],
        colors: NDArray[np.uint8],
        K: NDArray[np.float64],
        R: NDArray[np.float64],
        t: NDArray[np.float64],
        threads: int,
        portable: bool = False,
    ) -> bool:
        """Add a depth map (h, w), 0 where unknown; ``colors`` (h, w, 3) or an empty (0, 0, 3).

        False, and nothing changed, when it would need more blocks than there may be.
        """

    def surface(
        self, least_weight: float, threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.uint8] | None]:
        """Vertices (V, 3), faces (F, 3) and colours (V, 3) where pictures were given."""

    def __len__(self) -> int: ...
