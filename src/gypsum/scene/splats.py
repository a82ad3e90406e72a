"""A radiance field of 3D Gaussians (Kerbl et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import harmonics

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

    def moved(self, rotation: NDArray[np.floating], scale: float = 1.0) -> Splats:
        """Turned by (3, 3) and scaled about the origin; colours turn with them."""
        turn = np.asarray(rotation, np.float64)
        return Splats(
            np.asarray(self.means @ (scale * turn.T), np.float32),
            (self.log_scales + np.float32(math.log(scale))).astype(np.float32),
            _product(_quaternion(turn), self.quaternions),
            self.opacities,
            harmonics.turned(self.harmonics, turn),
        )

    def rows(self) -> Float32:
        """(N, 59) as the kernels take them: all of the above side by side, for 16 harmonics."""
        rows = np.zeros((len(self), 59), np.float32)
        rows[:, 0:3] = self.means
        rows[:, 3:6] = self.log_scales
        rows[:, 6:10] = self.quaternions
        rows[:, 10] = self.opacities
        flat = self.harmonics.reshape(len(self), 3 * self.harmonics.shape[1])
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


def _quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(w, x, y, z) of a rotation: the eigenvector of its largest eigenvalue (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    return np.asarray(np.linalg.eigh(symmetric)[1][:, -1], np.float64)


def _product(first: NDArray[np.float64], others: Float32) -> Float32:
    """(N, 4) quaternions of rotations (N, 4) with another one after them."""
    w, x, y, z = first
    left = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return np.asarray(others @ left.T, np.float32)
