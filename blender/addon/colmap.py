# SPDX-License-Identifier: GPL-3.0-or-later
"""COLMAP's models of cameras, free of Blender: binary ones read, text ones written.

Cameras look along +Z with Y down, ``x_cam = R x_world + t``, and the centre of the top-left pixel
is at (0.5, 0.5).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MODELS = (
    ("SIMPLE_PINHOLE", 3, 1),
    ("PINHOLE", 4, 2),
    ("SIMPLE_RADIAL", 4, 1),
    ("RADIAL", 5, 1),
    ("OPENCV", 8, 2),
    ("OPENCV_FISHEYE", 8, 2),
    ("FULL_OPENCV", 12, 2),
    ("FOV", 5, 2),
    ("SIMPLE_RADIAL_FISHEYE", 4, 1),
    ("RADIAL_FISHEYE", 5, 1),
    ("THIN_PRISM_FISHEYE", 12, 2),
)
"""By COLMAP's number: name, parameters, and how many of these are focal lengths; two of the centre
follow, and the rest is distortion."""

_PIXEL = 24
"""Bytes of a keypoint: x, y and the number of its point."""


class ModelError(Exception):
    """One sentence for the person who chose the folder."""


@dataclass(frozen=True)
class Lens:
    """Intrinsics that photos share."""

    number: int
    model: str
    width: int
    height: int
    params: tuple[float, ...]

    @property
    def focals(self) -> tuple[float, float]:
        """Along x and y, pixels."""
        return self.params[0], self.params[_focals(self.model) - 1]

    @property
    def center(self) -> tuple[float, float]:
        """Principal point, pixels."""
        start = _focals(self.model)
        return self.params[start], self.params[start + 1]

    @property
    def distortion(self) -> tuple[float, ...]:
        """What is left: none for a pinhole."""
        return self.params[_focals(self.model) + 2 :]


@dataclass(frozen=True)
class Shot:
    """A photo's place."""

    number: int
    name: str
    lens: Lens
    R: Float64
    """(3, 3) from the world to the camera."""
    t: Float64
    """(3,)"""

    def moved(self, similarity: Float64) -> Shot:
        """After the world was turned, scaled and shifted by (4, 4)."""
        scale = float(np.cbrt(np.linalg.det(similarity[:3, :3])))
        R = self.R @ (similarity[:3, :3] / scale).T
        return replace(self, R=R, t=scale * self.t - R @ similarity[:3, 3])


def read_model(folder: Path) -> list[Shot]:
    """The photos of a binary model, by name."""
    try:
        lenses = _lenses((folder / "cameras.bin").read_bytes())
        shots = _shots((folder / "images.bin").read_bytes(), lenses)
    except OSError as error:
        raise ModelError(f"The cameras in {folder} can't be read: {error.strerror}.") from None
    except (struct.error, ValueError, KeyError, IndexError):
        raise ModelError(f"The cameras in {folder} are damaged or of an unknown kind.") from None
    return sorted(shots, key=lambda shot: shot.name)


def write_model(folder: Path, shots: Sequence[Shot]) -> None:
    """As text, without points; COLMAP and ``gypsum scan --cameras`` read it."""
    folder.mkdir(parents=True, exist_ok=True)
    lenses = {shot.lens.number: shot.lens for shot in shots}
    cameras = [
        " ".join([str(lens.number), lens.model, str(lens.width), str(lens.height),
                  *(f"{value:.17g}" for value in lens.params)])
        for lens in lenses.values()
    ]  # fmt: skip
    images = []
    for shot in shots:
        numbers = [*quaternion_of(shot.R), *shot.t]
        pose = " ".join(f"{value:.17g}" for value in numbers)
        images += [f"{shot.number} {pose} {shot.lens.number} {shot.name}", ""]
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", [])):
        (folder / f"{name}.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def quaternion_of(turn: Float64) -> Float64:
    """(w, x, y, z) of a rotation: the eigenvector of its largest eigenvalue (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = turn
    symmetric = np.array(
        [
            [a + e + i, h - f, c - g, d - b],
            [h - f, a - e - i, b + d, c + g],
            [c - g, b + d, e - a - i, f + h],
            [d - b, c + g, f + h, i - a - e],
        ]
    )
    return np.asarray(np.linalg.eigh(symmetric)[1][:, -1], np.float64)


def rotation_of(quaternion: Float64) -> Float64:
    """(3, 3) of (w, x, y, z)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _focals(model: str) -> int:
    return next(focals for name, _, focals in MODELS if name == model)


def _lenses(data: bytes) -> dict[int, Lens]:
    (count,) = struct.unpack_from("<Q", data)
    at, lenses = 8, {}
    for _ in range(count):
        number, kind, width, height = struct.unpack_from("<iiQQ", data, at)
        name, size, _ = MODELS[kind]
        params = struct.unpack_from(f"<{size}d", data, at + 24)
        lenses[number] = Lens(number, name, width, height, params)
        at += 24 + 8 * size
    return lenses


def _shots(data: bytes, lenses: dict[int, Lens]) -> list[Shot]:
    (count,) = struct.unpack_from("<Q", data)
    at, shots = 8, []
    for _ in range(count):
        number, *pose, lens = struct.unpack_from("<i7di", data, at)
        end = data.index(b"\0", at + 64)
        (keypoints,) = struct.unpack_from("<Q", data, end + 1)
        name = data[at + 64 : end].decode("utf-8", "replace")
        R = rotation_of(np.array(pose[:4]))
        shots.append(Shot(number, name, lenses[lens], R, np.array(pose[4:])))
        at = end + 9 + _PIXEL * keypoints
    return shots
