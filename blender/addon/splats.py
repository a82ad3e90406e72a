# SPDX-License-Identifier: GPL-3.0-or-later
"""3D Gaussians (Kerbl et al. 2023) as plain arrays, free of Blender."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .colmap import quaternion_of

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic: a colour is 1/2 + SH_C0 times its coefficient."""

TERMS = (1, 4, 9, 16)
"""Of the harmonics of degrees 0 to 3."""

_DIRECTIONS = 64
"""More than there are terms, so that the terms of each degree are told apart well."""


class SplatError(Exception):
    """One sentence for the person who chose the file."""


@dataclass(frozen=True)
class Splats:
    """Gaussians with the numbers that training works on and files hold."""

    means: Float32
    """(N, 3) centres."""
    log_scales: Float32
    """(N, 3) natural logarithms of the standard deviations along each one's axes."""
    quaternions: Float32
    """(N, 4) rotation (w, x, y, z) of the axes, of any length."""
    opacities: Float32
    """(N,) logits."""
    harmonics: Float32
    """(N, T, 3) coefficients of the sRGB colour, T = 1, 4, 9 or 16."""

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

    def moved(self, matrix: NDArray[np.floating]) -> Splats:
        """After a similarity (4, 4): turned, scaled alike along all axes, shifted.

        What is not changed is not touched, to the last bit.
        """
        linear = np.asarray(matrix, np.float64)[:3, :3]
        shift = np.asarray(matrix, np.float64)[:3, 3]
        scale = float(np.cbrt(np.linalg.det(linear)))
        turn = linear / scale if scale > 0 else linear
        if scale <= 0 or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4):
            raise SplatError(
                "Splats can be turned, shifted and scaled alike along all axes; "
                "mirroring or stretching them has no exact result."
            )
        turned = not np.allclose(turn, np.eye(3), rtol=0, atol=1e-6)
        scaled = abs(scale - 1) > 1e-6
        means = self.means
        if turned or scaled:
            means = (means @ linear.T).astype(np.float32)
        if np.abs(shift).max() > 1e-7:
            means = (means + shift).astype(np.float32)
        return Splats(
            means,
            (self.log_scales + np.float32(math.log(scale))) if scaled else self.log_scales,
            _product(quaternion_of(turn), self.quaternions) if turned else self.quaternions,
            self.opacities,
            turned_harmonics(self.harmonics, turn) if turned else self.harmonics,
        )

    def of_degree(self, degree: int) -> Splats:
        """With zeros for harmonics that it lacks, or without those beyond."""
        wanted, there = TERMS[degree], self.harmonics.shape[1]
        harmonics = self.harmonics[:, :wanted]
        if wanted > there:
            harmonics = np.pad(harmonics, ((0, 0), (0, wanted - there), (0, 0)))
        return Splats(self.means, self.log_scales, self.quaternions, self.opacities, harmonics)


def joined(parts: Sequence[Splats]) -> Splats:
    """All of them in one, of the highest degree among them."""
    degree = max(part.degree for part in parts)
    same = [part.of_degree(degree) for part in parts]
    return Splats(
        np.concatenate([part.means for part in same]),
        np.concatenate([part.log_scales for part in same]),
        np.concatenate([part.quaternions for part in same]),
        np.concatenate([part.opacities for part in same]),
        np.concatenate([part.harmonics for part in same]),
    )


def sigmoid(logits: Float32) -> Float64:
    """Opacities of 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))


def colors(splats: Splats) -> Float64:
    """(N, 3) mean sRGB colours over all directions, 0 to 1 where a screen can show them."""
    return np.asarray(0.5 + SH_C0 * splats.harmonics[:, 0].astype(np.float64))


def sizes(splats: Splats) -> Float64:
    """(N,) largest standard deviation of each."""
    return np.exp(splats.log_scales.max(axis=1).astype(np.float64))


def visibility(splats: Splats) -> Float64:
    """(N,) opacity times the area of the two largest axes: how much each one shows."""
    ordered = np.sort(splats.log_scales.astype(np.float64), axis=1)
    return np.asarray(sigmoid(splats.opacities) * np.exp(ordered[:, 1] + ordered[:, 2]))


def crowding(means: Float32, reach: Float64) -> NDArray[np.int64]:
    """(N,) splats around each one, itself included: in its cell of a grid and the 26 next to it.

    The grid is the finest in which half of all splats have 32 around them, whatever their scale.
    For a splat that reaches further than its cells are wide it is one that is as coarse: a table of
    few large splats is no dust.
    """
    low = means.min(axis=0).astype(np.float64)
    side = max(float((means.max(axis=0) - low).max()), 1e-9)
    counts = np.full(len(means), len(means))
    for level in range(1, _FINEST_GRID):
        cells = ((means - low) * (2**level / side)).astype(np.int64) + 1
        finer = _around(cells)
        if np.median(finer) < _CROWD:
            break
        wide = side / 2**level >= reach
        counts[wide] = finer[wide]
    return counts


_CROWD = 32
_FINEST_GRID = 20
"""Levels; so that three numbers of a cell fit into 64 bits."""


def _around(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) how many of the cells (N, 3), from 1 on, are at most one away along each axis."""
    shifts = np.array([1 << 42, 1 << 21, 1])
    keys, inverse, sizes = np.unique(cells @ shifts, return_inverse=True, return_counts=True)
    total = np.zeros(len(keys), np.int64)
    for x in (-1, 0, 1):
        for y in (-1, 0, 1):
            # Cells that differ in z alone have neighbouring keys.
            near = keys + np.array([x, y, 0]) @ shifts
            start, end = np.searchsorted(keys, near - 1), np.searchsorted(keys, near + 1, "right")
            sums = np.concatenate([[0], np.cumsum(sizes)])
            total += sums[end] - sums[start]
    return np.asarray(total[inverse])


def unit(quaternions: NDArray[np.floating]) -> Float64:
    """(N, 4) of length one; no turn where the length is zero."""
    values = np.asarray(quaternions, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, values / np.maximum(lengths, 1e-12), [1.0, 0, 0, 0])


def basis(directions: NDArray[np.floating]) -> Float64:
    """(N, 16) real spherical harmonics, as Kerbl et al. write them, in unit directions (N, 3)."""
    x, y, z = np.asarray(directions, np.float64).T
    values = [np.full_like(x, SH_C0)]
    for factor, polynomial in zip(FACTORS[1:], _polynomials(x, y, z), strict=True):
        values.append(factor * polynomial)
    return np.stack(values, axis=1)


FACTORS: tuple[float, ...] = (
    SH_C0,
    *(-math.sqrt(3 / (4 * math.pi)), math.sqrt(3 / (4 * math.pi)), -math.sqrt(3 / (4 * math.pi))),
    *(math.sqrt(15 / (4 * math.pi)), -math.sqrt(15 / (4 * math.pi))),
    *(math.sqrt(5 / (16 * math.pi)), -math.sqrt(15 / (4 * math.pi))),
    math.sqrt(15 / (16 * math.pi)),
    *(-math.sqrt(35 / (32 * math.pi)), math.sqrt(105 / (4 * math.pi))),
    *(-math.sqrt(21 / (32 * math.pi)), math.sqrt(7 / (16 * math.pi))),
    *(-math.sqrt(21 / (32 * math.pi)), math.sqrt(105 / (16 * math.pi))),
    -math.sqrt(35 / (32 * math.pi)),
)
"""Of each of the 16 terms, before its polynomial."""


def _polynomials(x: Float64, y: Float64, z: Float64) -> list[Float64]:
    """Those of terms 1 to 15."""
    return [
        *(y, z, x),
        *(x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y),
        *(y * (3 * x * x - y * y), x * y * z, y * (5 * z * z - 1), z * (5 * z * z - 3)),
        *(x * (5 * z * z - 1), z * (x * x - y * y), x * (x * x - 3 * y * y)),
    ]


def turned_harmonics(harmonics: Float32, turn: Float64) -> Float32:
    """Coefficients (N, T, 3) of the same colours after the object was turned by (3, 3).

    The turned function has in a direction what the old one had in the direction turned back. Both
    are known in enough directions to solve for the coefficients, which mix only within a degree.
    """
    number = np.arange(_DIRECTIONS)
    z = 1 - (2 * number + 1) / _DIRECTIONS
    angle, radius = number * np.pi * (3 - np.sqrt(5)), np.sqrt(1 - z * z)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    after, before = basis(directions), basis(directions @ turn)
    result = harmonics.copy()
    for degree in range(1, math.isqrt(harmonics.shape[1])):
        of = slice(degree**2, (degree + 1) ** 2)
        mix = np.linalg.lstsq(after[:, of], before[:, of], rcond=None)[0].astype(np.float32)
        result[:, of] = mix @ harmonics[:, of]
    return result


def _product(first: Float64, others: Float32) -> Float32:
    """(N, 4) quaternions of rotations (N, 4) with another one after them."""
    w, x, y, z = first
    left = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return np.asarray(others @ left.T, np.float32)
