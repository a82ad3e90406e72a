"""The visual hull of an object: the part of space that photos from all around call object.

Laurentini, "The visual hull concept for silhouette-based image understanding", PAMI 1994. Masks of
single photos have mistakes, so a voxel counts by the share of photos that agree, each with a
weight, rather than by all of them.
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
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: Voxels projected at a time: bounds memory.
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Grid:
    """A cube of voxels, world frame."""

    center: Float64
    """(3,)"""
    half: float
    """Half its side."""
    count: int
    """Voxels along a side."""

    @property
    def voxel(self) -> float:
        """Side of a voxel."""
        return 2 * self.half / self.count

    def points(self) -> Float32:
        """(count³, 3) centres of the voxels, x slowest."""
        axis = (np.arange(self.count) + 0.5) * self.voxel - self.half
        x, y, z = np.meshgrid(*(axis + c for c in self.center), indexing="ij")
        return np.stack([x.ravel(), y.ravel(), z.ravel()], 1).astype(np.float32)

    def around(self, occupied: Bool, margin: float, count: int) -> Grid:
        """A cube around the voxels that are set (count, count, count), ``margin`` times as large as
        they need."""
        index = np.argwhere(occupied)
        low, high = index.min(0), index.max(0) + 1
        center = self.center - self.half + (low + high) / 2 * self.voxel
        return Grid(center, float((high - low).max()) / 2 * self.voxel * margin, count)


def looked_at(views: Sequence[View]) -> tuple[Float64, float]:
    """The point (3,) nearest to all lines of sight, and the cameras' median distance from it."""
    directions = np.array([view.direction for view in views])
    centers = np.array([view.center for view in views])
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    # A trace of the identity keeps it solvable when all look the same way.
    system = across.sum(0) + 1e-6 * len(views) * np.eye(3)
    mean = centers.mean(0)
    offset = np.einsum("nij,nj->i", across, centers - mean)
    point: Float64 = mean + np.linalg.solve(system, offset)
    return point, float(np.median(np.linalg.norm(centers - point, axis=1)))


def vote(
    views: Sequence[View], maps: Sequence[UInt8], weights: Float64, points: Float32
) -> tuple[Float32, Float32]:
    """For points (N, 3), world: how much of the photos that see each calls it object, 0 to 1, and
    the share of all photos, by weight, that see it.

    ``maps`` are how much each pixel is object, 0 to 255, at any size.
    """
    score = np.zeros(len(points), np.float32)
    seen = np.zeros(len(points), np.float32)
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        for view, values, weight in zip(views, maps, weights, strict=True):
            height, width = values.shape
            pixels, inside = _project(view.resized(width, height), points[part])
            column, row = pixels[inside].T.astype(np.int32)
            score[part][inside] += np.float32(weight / 255) * values[row, column]
            seen[part][inside] += np.float32(weight)
    total = float(weights.sum()) or 1.0
    shares: Float32 = (score / np.maximum(seen, 1e-9)).astype(np.float32)
    return shares, (seen / total).astype(np.float32)


def _project(view: View, points: Float32) -> tuple[Float32, Bool]:
    """Pixels (N, 2) and which of them are within the photo, in single precision."""
    camera = points @ view.R.T.astype(np.float32) + view.t.astype(np.float32)
    depth = camera[:, 2:]
    pixels: Float32 = (camera[:, :2] / np.maximum(depth, 1e-6)).astype(np.float32)
    pixels *= np.array([view.K[0, 0], view.K[1, 1]], np.float32)
    pixels += np.array([view.K[0, 2], view.K[1, 2]], np.float32)
    inside = (depth[:, 0] > 1e-6) & (pixels >= 0).all(1)
    inside &= (pixels[:, 0] < view.width) & (pixels[:, 1] < view.height)
    return pixels, inside


def largest_part(occupied: Bool) -> Bool:
    """The largest connected part of the voxels that are set, and all that is not much smaller."""
    labels, count = ndimage.label(occupied, np.ones((3, 3, 3)))
    if count <= 1:
        return occupied
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept: Bool = (sizes >= 0.2 * sizes.max())[labels]
    return kept & occupied


def surface_of(occupied: Bool) -> Bool:
    """The voxels that are set and border on one that isn't: they have the same silhouette."""
    inner: Bool = ndimage.binary_erosion(occupied, np.ones((3, 3, 3)))
    return occupied & ~inner


def silhouette(view: View, points: Float32, voxel: float) -> Bool:
    """(height, width) where voxels of side ``voxel`` at ``points`` (N, 3) are seen by the view."""
    # Drawn with pixels as large as the nearest voxels, so that neighbours touch; then enlarged.
    depth = points @ view.R[2].astype(np.float32) + np.float32(view.t[2])
    near = max(float(np.percentile(depth, 5)), 1e-6) if len(points) else 1.0
    size = float(np.clip(view.K[0, 0] * voxel / near, 1, 32))
    small = view.resized(max(1, round(view.width / size)), max(1, round(view.height / size)))
    pixels, inside = _project(small, points)
    drawn = np.zeros((small.height, small.width), np.uint8)
    column, row = pixels[inside].T.astype(np.int32)
    drawn[row, column] = 255
    drawn = cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    large = cv2.resize(drawn, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
    # Holes that the shell of voxels leaves are not of the object.
    filled: Bool = large >= 128
    return filled
