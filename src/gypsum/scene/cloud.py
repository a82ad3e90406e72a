"""A point cloud with the attributes that fusion knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PointCloud:
    """Oriented, coloured points in the world frame."""

    points: NDArray[np.float32]
    """(N, 3) positions."""
    normals: NDArray[np.float32]
    """(N, 3) unit normals, pointing to the side from which the points were seen."""
    colors: NDArray[np.uint8]
    """(N, 3) sRGB."""
    radii: NDArray[np.float32] | None = None
    """(N,) size of one photo pixel at the point in world units: the local resolution."""
    support: NDArray[np.uint16] | None = None
    """(N,) number of photos that agree on the point."""

    def __len__(self) -> int:
        return len(self.points)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> PointCloud:
        """The points chosen by a mask (N,) or by indices."""
        return PointCloud(
            self.points[keep],
            self.normals[keep],
            self.colors[keep],
            None if self.radii is None else self.radii[keep],
            None if self.support is None else self.support[keep],
        )
