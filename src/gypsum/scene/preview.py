"""What a quick look at the photos of a capture tells about how they belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class PairPreview:
    """Two photos that show the same, as far as a look at few features tells."""

    first: int
    second: int
    """Numbers of the photos."""
    matches: NDArray[np.uint32]
    """(M, 2) points of the first and of the second photo that look alike."""
    motion: NDArray[np.uint8]
    """(M,) 1 where a match fits the camera's motion, 2 where it fits another one, 0 where none."""
    rotation: Float64
    """(3, 3) from the first camera to the second."""
    translation: Float64
    """(3,) the same; its length is unknown and set to one, or zero where the camera only turned."""

    def matched(self, photo: int, motion: int = 1) -> NDArray[np.uint32]:
        """(K,) the points of one of the two photos whose matches fit a motion."""
        points: NDArray[np.uint32] = self.matches[
            self.motion == motion, 0 if photo == self.first else 1
        ]
        return points


@dataclass(frozen=True)
class Preview:
    """The points of n photos, and the pairs of photos that could be verified."""

    points: tuple[Float32, ...]
    """(N, 2) for each photo: pixels of the full-size photo, COLMAP's."""
    focal_px: tuple[float, ...]
    """For each photo: from EXIF, from the matches, or a guess."""
    pairs: tuple[PairPreview, ...]
    rotations: Float64
    """(n, 3, 3) world to camera, in a frame of each group's own."""
    group: NDArray[np.int64]
    """(n,) photos that hold together have the same number; the largest group is 0."""
