"""Textured meshes with fewer triangles, and textures brought onto others."""

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

class Surface:
    """A surface on which places beside it are sought."""

    def __init__(self, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None: ...
    def along(
        self,
        points: NDArray[np.float32],
        directions: NDArray[np.float32],
        reach: float,
        threads: int,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Where lines through points (N, 3) along unit directions (N, 3) meet the surface.

        The place nearest to each point, at most ``reach`` away, on a face that looks along the
        direction: faces (N,), -1 where there is none, and weights of their corners (N, 3).
        """
