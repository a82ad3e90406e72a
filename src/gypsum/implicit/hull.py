"""The visual hull: all of space that no silhouette excludes (Laurentini, PAMI 1994).

A point's distance to a silhouette's outline in the photo, times the size of a pixel at the point's
depth, is about its distance to the cone that the silhouette and the camera span. The least of these
over all photos is positive inside every cone, and its zero level is the hull without the stairs of
voxels. Masks are wrong here and there, so a few photos may contradict: the k-th least counts
instead (Landabaso, Pardas, Casas 2008 argue for such tests over a strict intersection).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.implicit.observation import Observation
from gypsum.implicit.parts import large_parts
from gypsum.scene import Box

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: A mask is the object from here on.
_INSIDE = 0.5
#: Voxels at work at a time: bounds memory.
_CHUNK = 1 << 17
#: A point counts where at least this share of the photos show it.
_SEEN = 0.5
#: Distances are told up to so many voxels outside.
_FAR = 4.0
#: Points are sorted out when more than this share of them would remain at most.
_WORTH = 0.8
#: Voxels along the longest side while the box is sought, how often it is narrowed, and the room
#: that it has around what it holds.
_COARSE, _ROUNDS, _ROOM = 56, 3, 1.08
#: Voxels along the longest side while masks are healed; the share of the photos that may deny what
#: is given back, and how many times as many photos have to need it.
_HEALING, _DENIED, _NEEDED = 96, 0.2, 2.0
#: When more than this share of the hull would come back, the cameras don't fit together.
_HEALED_MOST = 0.3


@dataclass(frozen=True)
class Hull:
    """Signed distances to the visual hull on a grid of voxels, roughly."""

    box: Box
    values: Float32
    """(nx, ny, nz) at the voxels' centres, along the box's axes; world units, positive inside."""

    @property
    def voxel(self) -> Float64:
        """(3,) sides of a voxel."""
        sides: Float64 = 2 * self.box.half / np.array(self.values.shape)
        return sides

    def occupied(self, margin: float = 0.0) -> Bool:
        """(nx, ny, nz) the voxels inside, and those nearer to it than ``margin``, world units."""
        inside: Bool = self.values > -margin
        return inside

    @property
    def is_empty(self) -> bool:
        """Whether the silhouettes have nothing in common."""
        return not (self.values > 0).any()


def find_box(
    observations: Sequence[Observation],
    center: Float64,
    reach: float,
    *,
    contradictions: int,
    plane: Float64 | None = None,
    threads: int = 0,
) -> Box | None:
    """The box around what the silhouettes have in common; None where that is nothing.

    It is sought within ``reach`` of ``center`` (3,), world; for the others see :func:`carve`.
    """
    box: Box | None = Box(np.asarray(center, np.float64), np.eye(3), np.full(3, float(reach)))
    for _ in range(_ROUNDS):
        assert box is not None
        voxel = float(2 * box.half.max()) / _COARSE
        hull = carve(
            observations, box, voxel, contradictions=contradictions, plane=plane, threads=threads
        )
        # Thinner things than a voxel lie between the centres.
        box = _around(hull, hull.occupied(float(hull.voxel.max())))
        if box is None:
            return None
    return box


def _around(hull: Hull, occupied: Bool) -> Box | None:
    index = np.argwhere(large_parts(occupied, by_corners=True))
    if not len(index):
        return None
    low, high = index.min(0), index.max(0) + 1
    offset = ((low + high) / 2 - np.array(hull.values.shape) / 2) * hull.voxel
    half = (high - low) / 2 * hull.voxel * _ROOM + hull.voxel / 2
    return Box(hull.box.center + hull.box.axes.T @ offset, hull.box.axes, half)


def carve(
    observations: Sequence[Observation],
    box: Box,
    voxel: float,
    *,
    contradictions: int = 0,
    plane: Float64 | None = None,
    threads: int = 0,
) -> Hull:
    """The hull within a box.

    Args:
        observations: photos with masks; pixels beyond a photo's border say nothing.
        box: where it lies.
        voxel: side of a voxel at most, world units.
        contradictions: photos that may call a point background although it is the object's.
        plane: (4,) of what the object stands on, ``n · x + d`` is the height above it: nothing is
            below.
        threads: 0 is all cores; the result does not depend on it.
    """
    shape = tuple(int(n) for n in np.maximum(np.ceil(2 * box.half / voxel), 4))
    outlines = [_outline_distance(one.mask) for one in observations]
    axes = [((np.arange(n) + 0.5) / n * 2 - 1) * h for n, h in zip(shape, box.half, strict=True)]
    rows = max(1, _CHUNK // (shape[1] * shape[2]))
    starts = range(0, shape[0], rows)
    values = np.empty(shape, np.float32)
    far = _FAR * voxel

    def one(start: int) -> None:
        local = np.stack(
            np.meshgrid(axes[0][start : start + rows], axes[1], axes[2], indexing="ij"), -1
        )
        points = local.reshape(-1, 3) @ box.axes + box.center
        found = _distances(observations, outlines, points.astype(np.float32), contradictions, far)
        if plane is not None:
            height = (points @ plane[:3] + plane[3]).astype(np.float32)
            found = np.minimum(found, height)
        values[start : start + rows] = found.reshape(local.shape[:3])

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        list(pool.map(one, starts))
    return Hull(box, values)


def _outline_distance(mask: Float32) -> Float32:
    """(h, w) pixels from each pixel's centre to the mask's outline, positive inside.

    At the outline itself the mask's own values tell the place within the pixel, where they pass
    from 0 to 1.
    """
    inside = (mask >= _INSIDE).astype(np.uint8)
    padded = np.pad(inside, 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance -= cv2.distanceTransform(1 - padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = distance[1:-1, 1:-1]
    # Centres of pixels beside the outline are half a pixel away from it.
    distance -= 0.5 * np.sign(distance)
    rim = np.abs(distance) < 1
    soft = rim & (mask > 0) & (mask < 1)
    distance[soft] = np.clip(mask[soft] - 0.5, -0.5, 0.5)
    return np.asarray(distance, np.float32)


def _distances(
    observations: Sequence[Observation],
    outlines: Sequence[Float32],
    points: Float32,
    contradictions: int,
    far: float,
) -> Float32:
    """(N,) the least distance inside, but for so many photos, of world points (N, 3).

    Outside it is right up to ``far``, and at most ``-far`` beyond.
    """
    found = np.empty(len(points), np.float32)
    left = np.arange(len(points))
    least = np.full((contradictions + 1, len(points)), np.inf, np.float32)
    seen = np.zeros(len(points), np.int32)
    for one, outline in zip(observations, outlines, strict=True):
        if not len(left):
            break
        distance, shown = _one_distance(one, outline, points)
        seen += shown
        # The smallest few, in order: the new one finds its place among them.
        for row in least:
            lower = np.minimum(row, distance)
            distance = np.maximum(row, distance)
            row[:] = lower
        # What is far outside stays there, whatever the other photos say.
        alive = least[-1] > -far
        if np.count_nonzero(alive) < _WORTH * len(left):
            found[left[~alive]] = least[-1][~alive]
            left, points, least, seen = left[alive], points[alive], least[:, alive], seen[alive]
    found[left] = np.where(seen < _SEEN * len(observations), -far, least[-1])
    # What no photo bounds is far inside.
    return np.asarray(np.minimum(found, np.float32(1e6)), np.float32)


def _one_distance(one: Observation, outline: Float32, points: Float32) -> tuple[Float32, Bool]:
    camera = points @ one.R.T.astype(np.float32) + one.t.astype(np.float32)
    depth = np.maximum(camera[:, 2], 1e-9)
    focal = float(one.K[0, 0] + one.K[1, 1]) / 2
    height, width = outline.shape
    x = camera[:, 0] / depth * np.float32(one.K[0, 0]) + np.float32(one.K[0, 2])
    y = camera[:, 1] / depth * np.float32(one.K[1, 1]) + np.float32(one.K[1, 2])
    shown = (camera[:, 2] > 1e-9) & (x > 0.5) & (y > 0.5) & (x < width - 0.5) & (y < height - 0.5)
    sampled = _bilinear(outline, x.astype(np.float32), y.astype(np.float32))
    distance = sampled * depth / np.float32(focal)
    return np.where(shown, distance, np.float32(np.inf)).astype(np.float32), shown


def _bilinear(values: Float32, x: Float32, y: Float32) -> Float32:
    # OpenCV takes pictures of less than 2^15 columns: points are laid out as one.
    rows = -(-len(x) // 4096)
    maps = np.zeros((2, rows * 4096), np.float32)
    maps[0, : len(x)], maps[1, : len(y)] = x - 0.5, y - 0.5
    sampled = cv2.remap(
        values, maps[0].reshape(rows, 4096), maps[1].reshape(rows, 4096), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(sampled.reshape(-1)[: len(x)], np.float32)


def without_strays(hull: Hull) -> Hull:
    """The hull without small parts: places that a few wrong masks have in common."""
    inside = hull.values > 0
    kept = large_parts(inside, by_corners=True)
    outside = -0.5 * np.float32(hull.voxel.min())
    return Hull(hull.box, np.where(inside & ~kept, outside, hull.values).astype(np.float32))


def heal_masks(
    observations: Sequence[Observation],
    box: Box,
    *,
    contradictions: int = 0,
    plane: Float64 | None = None,
    threads: int = 0,
) -> list[Observation]:
    """The photos with masks that have back what only they lack.

    A part of the object in deep shadow, or one that a network missed, is cut off in a few masks;
    carved by these, it is missing from the outlines in many others, where nothing else can be in
    its place. Space that few masks deny and more others need is the object's, and so
    are the pixels that show it.
    """
    voxel = float(2 * box.half.max()) / _HEALING
    hull = carve(
        observations, box, voxel, contradictions=contradictions, plane=plane, threads=threads
    )
    size, inside = float(hull.voxel.max()), hull.occupied()
    if not inside.any():
        return list(observations)
    centers = _centers(hull)
    points, denied = centers, np.zeros(len(centers), np.int16)
    for one in observations:
        distance, _ = _one_distance(one, _outline_distance(one.mask), points)
        denied += distance < -size / 2
    most = max(1, round(_DENIED * len(observations)))
    possible = (denied <= most) & ~inside.ravel()
    if plane is not None:
        possible &= points @ plane[:3] + plane[3] > 0
    points, denied = points[possible], denied[possible]
    needed = np.zeros(len(points), np.int16)
    for one in observations:
        x, y, shown = _pixels(one, points)
        lacking = _lacking(one, centers[inside.ravel()], size)
        needed[shown] += lacking[y[shown], x[shown]]
    back = points[needed >= np.maximum(2, _NEEDED * np.maximum(denied, 1))]
    if not len(back) or len(back) > _HEALED_MOST * np.count_nonzero(inside):
        return list(observations)
    return [_with_back(one, back, size) for one in observations]


def _centers(hull: Hull) -> Float32:
    """(N, 3) world, of all voxels."""
    local = (np.indices(hull.values.shape).reshape(3, -1).T + 0.5) * hull.voxel - hull.box.half
    return np.asarray(local @ hull.box.axes + hull.box.center, np.float32)


def _pixels(one: Observation, points: Float32) -> tuple[NDArray[np.int64], NDArray[np.int64], Bool]:
    """Columns and rows (N,) of the pixels that show world points, and whether the photo does."""
    camera = points @ one.R.T.astype(np.float32) + one.t.astype(np.float32)
    depth = np.maximum(camera[:, 2], 1e-9)
    height, width = one.mask.shape
    x = np.floor(camera[:, 0] / depth * one.K[0, 0] + one.K[0, 2]).astype(np.int64)
    y = np.floor(camera[:, 1] / depth * one.K[1, 1] + one.K[1, 2]).astype(np.int64)
    return x, y, (x >= 0) & (y >= 0) & (x < width) & (y < height)


def _drawn(one: Observation, points: Float32, size: float) -> Bool:
    """(h, w) where a photo shows voxels of side ``size`` around points (N, 3)."""
    depth = float(np.median(points @ one.R[2].astype(np.float32)) + one.t[2])
    reach = max(1, int(np.ceil(0.6 * size * one.K[0, 0] / max(depth, 1e-9))))
    x, y, shown = _pixels(one, points)
    seen = np.zeros(one.mask.shape, np.uint8)
    seen[y[shown], x[shown]] = 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(seen, kernel) > 0)


def _lacking(one: Observation, points: Float32, size: float) -> Bool:
    """(h, w) the object's pixels in which a photo shows none of the voxels."""
    bare = (one.mask >= _INSIDE) & ~_drawn(one, points, size)
    # Outlines that differ by a pixel lack nothing.
    opened = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened > 0)


def _with_back(one: Observation, points: Float32, size: float) -> Observation:
    """The photo with the pixels in its mask that show those of the points which it denied."""
    distance, _ = _one_distance(one, _outline_distance(one.mask), points)
    denied = points[distance < -size / 2]
    if not len(denied):
        return one
    shown = _drawn(one, denied, size) & (one.mask < _INSIDE)
    return replace(one, mask=np.where(shown, np.float32(1), one.mask))
