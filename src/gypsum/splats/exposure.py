"""How each photo's exposure and white balance differ from the scene's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-12


@dataclass
class Exposures:
    """An affine map of colours for each photo, found along with the scene by Adam.

    Their mean over the photos that were used stays the identity: a common change belongs to the
    scene.
    """

    maps: Float32
    """(P, 3, 4): the photo's colours = map (scene's colours, 1)."""
    first: Float64
    second: Float64
    steps: NDArray[np.int64]
    """(P,)"""

    @classmethod
    def of(cls, photos: int) -> Exposures:
        """All alike."""
        shape = (photos, 3, 4)
        maps = np.tile(np.eye(3, 4, dtype=np.float32), (photos, 1, 1))
        return cls(maps, np.zeros(shape), np.zeros(shape), np.zeros(photos, np.int64))

    def step(self, photo: int, derivative: Float64, rate: float) -> None:
        """Follow the derivative (3, 4) of the loss by one photo's map."""
        self.steps[photo] += 1
        count = int(self.steps[photo])
        m, v = self.first[photo], self.second[photo]
        m += (1 - _BETA1) * (derivative - m)
        v += (1 - _BETA2) * (derivative**2 - v)
        size = (m / (1 - _BETA1**count)) / (np.sqrt(v / (1 - _BETA2**count)) + _EPSILON)
        self.maps[photo] -= (rate * size).astype(np.float32)

    def center(self) -> None:
        """Take the photos' common change out."""
        used = self.steps > 0
        self.maps[used] += np.eye(3, 4, dtype=np.float32) - self.maps[used].mean(0)
