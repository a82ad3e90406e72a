"""The large parts of what is in a grid of voxels; small ones are mistakes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Bool = NDArray[np.bool_]

#: Parts with less than this share of the largest one's volume are small.
_SMALL = 0.02


def large_parts(inside: Bool, *, by_corners: bool = False) -> Bool:
    """Those voxels (nx, ny, nz) that belong to a large part.

    Parts hang together by voxels' faces, or by edges and corners, too.
    """
    labels, count = ndimage.label(inside, np.ones((3, 3, 3)) if by_corners else None)
    if count <= 1:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: Bool = (sizes >= _SMALL * sizes.max())[labels]
    return large
