"""A radiance field of 3D Gaussians (Kerbl et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic: a colour is 1/2 + SH_C0 times its coefficient."""


@dataclass(frozen=True)
class Splats:
    """Gaussians in the world frame, with the numbers that training works on."""

    means: Float32
    """(N, 3) centres."""
    log_scales: Float32
    """(N, 3) natural logarithms of the standard deviations along each one's axes."""
    quaternions: Float32
    """(N, 4) rotation (w, x, y, z) of the axes, of any length."""
    opacities: Float32
    """(N,) logits."""
    harmonics: Float32
    """(N, T, 3) coefficients of the sRGB colour, T = 1, 4, 9 or 16 for degrees 0 to 3."""

    def __len__(self) -> int:
        return len(self.means)

    @property
    def degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return math.isqrt(self.harmonics.shape[1]) - 1

    def select(self, keep: NDArray[np.bool_] | NDArray[np.integer]) -> Splats:
        """Those chosen by a mask (N,) or by indices."""
        return Splats(
            self.means[keep],
            self.log_scales[keep],
            self.quaternions[keep],
            self.opacities[keep],
            self.harmonics[keep],
        )

    def rows(self) -> Float32:
        """(N, 59) as the kernels take them: all of the above side by side, for 16 harmonics."""
        rows = np.zeros((len(self), 59), np.float32)
        rows[:, 0:3] = self.means
        rows[:, 3:6] = self.log_scales
        rows[:, 6:10] = self.quaternions
        rows[:, 10] = self.opacities
        flat = self.harmonics.reshape(len(self), -1)
        rows[:, 11 : 11 + flat.shape[1]] = flat
        return rows

    @classmethod
    def from_rows(cls, rows: Float32, degree: int) -> Splats:
        """The reverse of :meth:`rows`, without the harmonics above ``degree``."""
        terms = (degree + 1) ** 2
        return cls(
            rows[:, 0:3].copy(),
            rows[:, 3:6].copy(),
            rows[:, 6:10].copy(),
            rows[:, 10].copy(),
            rows[:, 11 : 11 + 3 * terms].reshape(-1, terms, 3).copy(),
        )
