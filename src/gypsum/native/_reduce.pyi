"""Textured meshes with fewer triangles."""

import numpy as np
from numpy.typing import NDArray

def collapse(
    wedges: NDArray[np.float64],
    places: NDArray[np.int32],
    corners: NDArray[np.int32],
    place_count: int,
    wanted: int,
    tolerance: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Move vertices onto neighbours by least quadric error until ``wanted`` triangles are left.

    ``wedges`` (W, 5) are positions with texture coordinates in the same unit; ``places`` and
    ``corners`` (F, 3) say at which place and of which wedge each corner is. Stops earlier when no
    triangle can go without folding shape or texture, or moving them by more than ``tolerance``
    (root of the mean square). Returns the triangles that are left (K,), and
    the wedges of their corners (K, 3).
    """
