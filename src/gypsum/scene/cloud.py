"""A point cloud with the attributes that fusion knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene.place import Place


@dataclass(frozen=True)
class ViewLists:
    """Photos that see each point, those closest to the scene first, as compressed rows."""

    starts: NDArray[np.int64]
    """(N + 1,) row i is ``photos[starts[i] : starts[i + 1]]``."""
    photos: NDArray[np.uint16]
    """(M,) indices into the list of views."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(N,) how many photos each row names."""
        return np.diff(self.starts)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> ViewLists:
        """The rows chosen by a mask (N,) or by indices."""
        rows = np.flatnonzero(keep) if keep.dtype == bool else keep
        counts = self.counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        source = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        return ViewLists(starts, self.photos[source])


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
    confidence: NDArray[np.float32] | None = None
    """(N,) how well the photos match at the point: NCC, 0 to 1."""
    views: ViewLists | None = None
    """Photos that see each point."""
    intensity: NDArray[np.float32] | None = None
    """(N,) how strongly a scanner's light came back; its unit is the scanner's."""
    classes: NDArray[np.uint8] | None = None
    """(N,) what each point is, as numbered by ASPRS (2 is ground)."""
    place: Place | None = None
    """Where the points lie in a larger frame; None: in no other than their own."""

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
            None if self.confidence is None else self.confidence[keep],
            None if self.views is None else self.views.select(keep),
            None if self.intensity is None else self.intensity[keep],
            None if self.classes is None else self.classes[keep],
            self.place,
        )
