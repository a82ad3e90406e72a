"""Focal lengths from matches alone, for photos whose EXIF tells none.

The fundamental matrix of two photos becomes an essential matrix, which has two equal singular
values, when it is multiplied by the right focal lengths (Mendonça and Cipolla 1999). One pair tells
little; over many pairs the focal length with the least robust sum of the differences stands out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.pairs import Pair
from gypsum.scene.capture import PhotoFile

Float64 = NDArray[np.float64]

#: Focal lengths that are tried, as shares of the longer side: a fisheye's to a long lens's.
_SHARES = np.geomspace(0.35, 4.0, 96)
#: Pairs with fewer matches say nothing; fewer pairs are not believed, and more are not needed.
_MIN_MATCHES = 25
_MIN_PAIRS = 30
_MAX_PAIRS = 120
#: Differences of singular values beyond this are all as bad.
_CAP = 0.15
#: Other focal lengths, this factor away, must be worse by this factor.
_AWAY = 1.6
_WORSE = 1.05


def find_focal_lengths(
    photos: Sequence[PhotoFile],
    points: Sequence[Float64],
    matches: Mapping[Pair, NDArray[np.uint32]],
) -> dict[str, float]:
    """The focal length in pixels of cameras without one in EXIF, where the matches tell it.

    ``points`` are (N, 2) pixels for each photo. Photos with a longer side of equal length, upright
    or not, are taken as of one camera here.
    """
    found = {}
    for side in sorted({max(p.width, p.height) for p in photos if p.focal_px is None}):
        members = {
            i for i, p in enumerate(photos) if p.focal_px is None and max(p.width, p.height) == side
        }
        own = {pair: m for pair, m in matches.items() if members.issuperset(pair)}
        share = focal_share(fundamental_matrices(photos, points, own, side))
        if share is not None:
            found.update({photos[i].camera: share * side for i in members})
    return found


def fundamental_matrices(
    photos: Sequence[PhotoFile],
    points: Sequence[Float64],
    matches: Mapping[Pair, NDArray[np.uint32]],
    side: int,
) -> Float64:
    """(K, 3, 3) of pairs sampled evenly from the best to the least matched.

    In coordinates from the middle of the photo, in units of ``side``.
    """
    import pycolmap

    options = pycolmap.RANSACOptions(
        max_error=2.0, min_num_trials=50, max_num_trials=2000, random_seed=1
    )
    ranked = sorted(
        (pair for pair, found in matches.items() if len(found) >= _MIN_MATCHES),
        key=lambda pair: (-len(matches[pair]), pair),
    )
    sample = np.unique(np.linspace(0, len(ranked) - 1, min(len(ranked), _MAX_PAIRS)).astype(int))
    found = []
    for i, j in (ranked[k] for k in sample):
        first, second = matches[i, j].T
        result = pycolmap.estimate_fundamental_matrix(points[i][first], points[j][second], options)
        if result is not None and result["num_inliers"] >= _MIN_MATCHES:
            F = _middle(photos[j], side).T @ result["F"] @ _middle(photos[i], side)
            found.append(F / np.linalg.norm(F))
    return np.array(found).reshape(-1, 3, 3)


def focal_share(fundamental: Float64) -> float | None:
    """The focal length that fits fundamental matrices (K, 3, 3) best; None when they don't tell."""
    if len(fundamental) < _MIN_PAIRS:
        return None
    cameras = np.array([np.diag([share, share, 1.0]) for share in _SHARES])
    essential = np.einsum("cij,fjk,ckl->cfil", cameras, fundamental, cameras)
    values = np.linalg.svd(essential, compute_uv=False)
    cost = np.minimum(1 - values[..., 1] / values[..., 0], _CAP).mean(axis=1)
    best = int(cost.argmin())
    away = round(np.log(_AWAY) / np.log(_SHARES[1] / _SHARES[0]))
    if best < away or best + away >= len(cost):
        return None
    if min(cost[best - away], cost[best + away]) < _WORSE * cost[best]:
        return None
    return float(_SHARES[best])


def _middle(photo: PhotoFile, side: int) -> Float64:
    """(3, 3) from coordinates about the middle, in units of ``side``, to pixels."""
    return np.array([[side, 0, photo.width / 2], [0, side, photo.height / 2], [0, 0, 1]], float)
