"""Meshes with fewer triangles."""

import numpy as np
from numpy.typing import NDArray

def collapse(
    vertices: NDArray[np.float64], faces: NDArray[np.int32], wanted: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Collapse edges of a manifold mesh by least quadric error until ``wanted`` faces are left.

    The mesh should be about as large as one and centred. Topology and borders stay; where these
    forbid every further collapse, more faces are left. Returns vertices (V, 3) and faces (F, 3).
    """
