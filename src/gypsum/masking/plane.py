"""What shows the ground, told by the other photos: they see the same ground from elsewhere.

Through the plane that carries the object, every photo is turned into any other. Where it shows the
same, that is the ground, also through a loop or as a mirror image on shiny metal, where neither
colour nor a network tells; where it differs, something stands before the ground. How much the
ground differs between photos, by gloss, unevenness or focus, is measured beside the object, so that
a ground that tells nothing has no say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gypsum.scene import View

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]

#: Other photos that each is compared with.
_OTHERS = 16
#: Steps of the difference of colours (CIELAB, each axis 0 to 255), and what blurs before it.
_STEPS, _STEP, _BLUR = 32, 2.0, 0.8
#: Differences met seldom count for a little everywhere.
_FLOOR = 2e-3
#: No photo alone is surer than this, as a logarithm of odds.
_SUREST = 2.0
#: A pixel of another photo shows free ground from this weight on; so many calibrate.
_FREE, _FEWEST = 0.7, 200
#: Weight of photos that say nothing, against those that speak.
_SILENT = 0.5


@dataclass(frozen=True)
class Reference:
    """A photo in which others look for the ground that they show."""

    view: View
    """Of the picture's size."""
    lab: Float32
    """(height, width, 3) CIELAB, each axis 0 to 255."""
    free: Float32
    """(height, width) how likely each pixel isn't the object, 0 to 1."""

    @classmethod
    def of(cls, view: View, free: Float32) -> Reference:
        """``view`` is of the size to work in."""
        return cls(view, _lab(view.read()), free)


class GroundOdds:
    """Tells the object from the ground that other photos show."""

    def __init__(self, plane: Float64, references: Sequence[Reference], side: int) -> None:
        """``plane`` (4,), world, seen from above where ``n · x + d > 0``; ``side`` is the longer
        one of the pictures compared."""
        self._plane, self._references, self._side = plane, references, side

    @staticmethod
    def choose(views: Sequence[View]) -> list[View]:
        """Those to be references: few, evenly spread over the order in which they were taken."""
        count = min(len(views), _OTHERS + 1)
        return [views[i] for i in np.linspace(0, len(views) - 1, count).round().astype(int)]

    def __call__(self, view: View, picture: UInt8, core: Bool, around: Bool) -> Float32:
        """(height, width) of ``picture``: logarithm of the odds for the object, 0 where unknown.

        ``core`` and ``around`` are pixels that surely are and aren't the object.
        """
        small = view.limited(self._side)
        size = (small.width, small.height)
        lab = _lab(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        core, around = (
            cv2.resize(part.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            for part in (core, around)
        )
        pairs = [
            pair
            for reference in self._references
            if reference.view.name != view.name
            and (pair := _compare(small, lab, around, self._plane, reference)) is not None
        ]
        if not pairs:
            return np.zeros(picture.shape[:2], np.float32)
        inside, outside = (_distribution(pairs, part) for part in (core, around))
        table = np.log(inside / outside).clip(-_SUREST, _SUREST).astype(np.float32)
        said, weights = np.zeros(lab.shape[:2], np.float32), np.full(lab.shape[:2], _SILENT)
        for steps, free in pairs:
            said += free * table[steps]
            weights += free
        odds = (said / weights).astype(np.float32)
        return np.asarray(cv2.resize(odds, picture.shape[1::-1]), np.float32)


def _lab(picture: UInt8) -> Float32:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), _BLUR), np.float32)


def onto_plane(view: View, plane: Float64) -> Float64:
    """(4, 3) from homogeneous pixels, of OpenCV, to homogeneous points of the plane, world; the
    last row is negative where the view, above the plane, sees it."""
    rays = view.R.T @ np.linalg.inv(_opencv(view))
    normal = plane[:3]
    height = normal @ view.center + plane[3]
    return np.vstack([np.outer(view.center, normal @ rays) - height * rays, normal @ rays])


def _opencv(view: View) -> Float64:
    """(3, 3) the camera's matrix with the first pixel's centre at (0, 0)."""
    matrix = view.K.copy()
    matrix[:2, 2] -= 0.5
    return matrix


def _compare(
    view: View, lab: Float32, around: Bool, plane: Float64, other: Reference
) -> tuple[NDArray[np.uint8], Float32] | None:
    """(height, width) the step of each pixel's difference from the other photo, and how likely
    that shows the ground there. None when they have too little ground in common."""
    size = (view.width, view.height)
    points = onto_plane(view, plane)
    pose = np.hstack([other.view.R, other.view.t[:, None]])
    across = _opencv(other.view) @ pose @ points
    x, y = np.arange(view.width), np.arange(view.height)[:, None]
    # Both see the point: the scale of homogeneous points is negative there.
    seen = points[3, 0] * x + points[3, 1] * y + points[3, 2] < 0
    seen &= across[2, 0] * x + across[2, 1] * y + across[2, 2] < 0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    free = np.where(seen, cv2.warpPerspective(other.free, across, size, flags=flags), 0)
    common = around & (free > _FREE)
    if np.count_nonzero(common) < _FEWEST:
        return None
    difference = cv2.warpPerspective(other.lab, across, size, flags=flags) - lab
    difference -= np.median(difference[common], axis=0)  # Exposure and white balance.
    steps = np.sqrt((difference * difference).sum(2)) / _STEP
    return steps.clip(0, _STEPS - 1).astype(np.uint8), free.astype(np.float32)


def _distribution(pairs: Sequence[tuple[NDArray[np.uint8], Float32]], part: Bool) -> Float64:
    """(steps,) how often each difference is met in a part of the photo."""
    counts = sum(np.bincount(steps[part], free[part], _STEPS) for steps, free in pairs)
    smooth = ndimage.gaussian_filter1d(np.asarray(counts, np.float64), 1.0)
    shares: Float64 = smooth / max(float(smooth.sum()), 1e-9) + _FLOOR
    return shares
