"""Real spherical harmonics as Kerbl et al. 2023 write them: 16 terms, up to degree 3."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_DIRECTIONS = 64
"""More than there are terms, so that the terms of each degree are told apart well."""


def basis(directions: NDArray[np.floating]) -> Float64:
    """(N, 16) the terms' values in unit directions (N, 3)."""
    x, y, z = np.asarray(directions, np.float64).T
    one, two = np.sqrt(3 / (4 * np.pi)), np.sqrt(15 / (4 * np.pi))
    return np.stack(
        [
            np.full_like(x, 0.5 / np.sqrt(np.pi)),
            -one * y,
            one * z,
            -one * x,
            two * x * y,
            -two * y * z,
            np.sqrt(5 / (16 * np.pi)) * (3 * z * z - 1),
            -two * x * z,
            two / 2 * (x * x - y * y),
            -np.sqrt(35 / (32 * np.pi)) * y * (3 * x * x - y * y),
            np.sqrt(105 / (4 * np.pi)) * x * y * z,
            -np.sqrt(21 / (32 * np.pi)) * y * (5 * z * z - 1),
            np.sqrt(7 / (16 * np.pi)) * z * (5 * z * z - 3),
            -np.sqrt(21 / (32 * np.pi)) * x * (5 * z * z - 1),
            np.sqrt(105 / (16 * np.pi)) * z * (x * x - y * y),
            -np.sqrt(35 / (32 * np.pi)) * x * (x * x - 3 * y * y),
        ],
        axis=1,
    )


def turned(harmonics: Float32, rotation: NDArray[np.floating]) -> Float32:
    """Coefficients (N, T, 3) of the same colours after the object was turned by (3, 3).

    The turned function has in a direction what the old one had in the direction turned back. Both
    are known in enough directions to solve for the coefficients, which mix only within a degree.
    """
    terms = harmonics.shape[1]
    directions = _spread(_DIRECTIONS)
    after, before = basis(directions), basis(directions @ np.asarray(rotation, np.float64))
    result = harmonics.copy()
    for degree in range(1, int(np.sqrt(terms))):
        of = slice(degree**2, (degree + 1) ** 2)
        mix = np.linalg.lstsq(after[:, of], before[:, of], rcond=None)[0]
        result[:, of] = np.einsum("ij,njc->nic", mix.astype(np.float32), harmonics[:, of])
    return result


def _spread(count: int) -> Float64:
    """Directions (N, 3) spread evenly over the sphere, on a spiral."""
    number = np.arange(count)
    z = 1 - (2 * number + 1) / count
    angle = number * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
