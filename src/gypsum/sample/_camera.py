"""Where a person with a phone would stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: What the phone claims, and what its lens really has: makers round, and lenses vary.
NOMINAL_FOCAL_35MM = 28.0
TRUE_FOCAL_35MM = 27.7
#: Diagonal of the 35 mm format, millimetres (CIPA DCG-001 compares diagonals).
DIAGONAL_35MM = 43.267
#: Radial distortion of the lens: x_d = x_u (1 + K1 r_u^2).
K1 = -0.028

#: Rings around the sculpture: elevation in degrees, distance in metres, share of the photos.
RINGS = ((13.0, 0.49, 0.40), (31.0, 0.48, 0.36), (52.0, 0.47, 0.24))
#: The middle of the sculpture, where people aim.
AIM = (0.0, 0.0, 0.135)
TEST_RINGS = ((22.0, 0.48, 0.6), (42.0, 0.48, 0.4))


@dataclass(frozen=True)
class SampleView:
    """A camera in front of the sculpture; frames and pixels as in :class:`gypsum.scene.View`."""

    name: str
    width: int
    height: int
    K: Float64
    """(3, 3) pixels; the centre of the top-left pixel is (0.5, 0.5)."""
    R: Float64
    """(3, 3) world-to-camera rotation."""
    t: Float64
    """(3,) world-to-camera translation, metres."""
    k1: float = 0.0
    """Radial distortion, OpenCV's and COLMAP's first coefficient; 0 is a pinhole."""

    @property
    def center(self) -> Float64:
        """(3,) camera centre, world, metres."""
        center: Float64 = -self.R.T @ self.t
        return center


def intrinsics(width: int, height: int) -> Float64:
    """(3, 3) K of the phone's true lens for a picture of this size, pixels."""
    focal = TRUE_FOCAL_35MM / DIAGONAL_35MM * math.hypot(width, height)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float64)


def look_at(center: Float64, target: Float64, roll: float = 0.0) -> tuple[Float64, Float64]:
    """World-to-camera R, t of a camera at ``center`` that aims at ``target``, turned by ``roll``
    radians around its axis; upright (image y down) for zero roll."""
    forward = (target - center) / np.linalg.norm(target - center)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    R = np.stack([c * right + s * down, -s * right + c * down, forward])
    return R, -R @ center


def hand_held_views(
    count: int,
    width: int,
    height: int,
    seed: int = 0,
    k1: float = K1,
    arc: float = 2 * math.pi,
) -> list[SampleView]:
    """``count`` views on three uneven rings, as one walks around the table with a phone.

    An ``arc`` (radians) of less than a full turn stays on one side.
    """
    return _walk(RINGS, count, width, height, np.random.default_rng([seed, 1]), k1, arc)


def held_out_views(count: int, width: int, height: int, seed: int = 0) -> list[SampleView]:
    """Views between the rings, without distortion, to judge a model by."""
    return _walk(TEST_RINGS, count, width, height, np.random.default_rng([seed, 2]), 0.0)


def _walk(
    rings: tuple[tuple[float, float, float], ...],
    count: int,
    width: int,
    height: int,
    rng: np.random.Generator,
    k1: float,
    arc: float = 2 * math.pi,
) -> list[SampleView]:
    shares = np.cumsum([0.0] + [share for *_, share in rings])
    stops = np.round(shares * count).astype(int)
    K = intrinsics(width, height)
    views: list[SampleView] = []
    full = arc >= 2 * math.pi
    first = rng.uniform(0, 2 * math.pi) if not full else 0.0
    for ring, (elevation, distance, _) in enumerate(rings):
        stations = int(stops[ring + 1] - stops[ring])
        start = rng.uniform(0, 2 * math.pi) if full else first
        for station in range(stations):
            turn = start + arc * (station + rng.uniform(-0.22, 0.22)) / stations
            lift = math.radians(elevation + rng.normal(0, 1.8))
            away = distance * rng.uniform(0.95, 1.07)
            offset = np.array(
                [
                    math.sin(turn) * math.cos(lift),
                    -math.cos(turn) * math.cos(lift),
                    math.sin(lift),
                ]
            )
            aim = np.array(AIM) + rng.normal(0, 0.008, 3)
            R, t = look_at(aim + away * offset, aim, rng.normal(0, math.radians(1.8)))
            views.append(SampleView(f"{len(views) + 1:04d}.jpg", width, height, K, R, t, k1))
    return views
