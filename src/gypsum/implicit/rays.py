"""Lines of sight through the pixels of photos, with what the photos show there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.implicit.grid import Frame
from gypsum.implicit.observation import Observation

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

#: Pixels so far outside the mask are looked at, as a share of the photo's longer side.
_AROUND = 0.015
#: Side of a tile, pixels.
_TILE = 4
#: Brighter pixels (of 1) are overexposed, or a highlight, and count less, down to that share.
_BRIGHT, _FULL, _LEAST = 0.94, 1.0, 0.2


@dataclass(frozen=True)
class Rays:
    """All lines of sight of a level in a frame's voxels; shapes as ``native/sdf`` takes them."""

    cameras: Float32
    """(V, 16) intrinsics, rotation and centre of each photo."""
    camera: NDArray[np.int16]
    """(N,)"""
    pixel: Float32
    """(N, 2)"""
    target: Float32
    """(N, 4) red, green, blue, mask; all 0 to 1."""
    trust: Float32
    """(N,) weight of the colour."""
    depth: Float32 | None
    """(N, 2) along z, and weight."""
    batches: tuple[Int32, ...]
    """Those of each step: tiles spread over all photos. Rays of a tile follow each other, as they
    need the same memory."""


def size_of(one: Observation, scale: float) -> tuple[int, int]:
    """Width and height of a photo at a level."""
    height, width = one.mask.shape
    return max(8, round(width * scale)), max(8, round(height * scale))


def scaled_intrinsics(one: Observation, scale: float) -> NDArray[np.float64]:
    """(3, 3) of the photo at a level."""
    height, width = one.mask.shape
    small = size_of(one, scale)
    return np.diag([small[0] / width, small[1] / height, 1]) @ one.K


def gather(
    observations: Sequence[Observation],
    scale: float,
    per_step: int,
    points: NDArray[np.floating],
    frame: Frame,
) -> Rays:
    """The rays of all photos at a share of their size, for steps of about ``per_step`` rays.

    ``points`` (P, 3), world, lie a voxel apart on the surface as it is now: where it shows, or the
    object does, there are rays.
    """
    parts = []
    for number, one in enumerate(observations):
        shown = _shown(one, scale, points, frame.voxel)
        parts.append(_of_photo(number, one, scale, shown))
    camera, column, row, target, trust, depth = (
        np.concatenate([part[k] for part in parts]) for k in range(6)
    )
    side = max(1, round(np.sqrt(len(camera) / per_step)))
    down, right = row // _TILE, column // _TILE
    order = np.lexsort((right, down, camera))
    depth = depth * np.array([1 / frame.voxel, 1], np.float32)
    cameras = [frame.camera(scaled_intrinsics(one, scale), one.R, one.t) for one in observations]
    return Rays(
        np.stack(cameras),
        camera[order],
        np.stack([column + 0.5, row + 0.5], 1).astype(np.float32)[order],
        target[order],
        trust[order],
        depth[order] if depth[:, 1].any() else None,
        _batches(((down % side) * side + right % side)[order], side**2),
    )


def _batches(place: NDArray[np.integer], count: int) -> tuple[Int32, ...]:
    """The rays of each place of a tile, of so many."""
    order = np.argsort(place, kind="stable").astype(np.int32)
    return tuple(np.split(order, np.searchsorted(place[order], np.arange(1, count))))


def _shown(
    one: Observation, scale: float, points: NDArray[np.floating], spacing: float
) -> NDArray[np.uint8]:
    """(h, w) 1 where points show, as large as they are apart."""
    width, height = size_of(one, scale)
    K = scaled_intrinsics(one, scale)
    x, y, z = (points @ one.R.T + one.t).T
    front = z > 1e-9
    column = np.floor(x[front] / z[front] * K[0, 0] + K[0, 2]).astype(np.int64)
    row = np.floor(y[front] / z[front] * K[1, 1] + K[1, 2]).astype(np.int64)
    inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    shown = np.zeros((height, width), np.uint8)
    shown[row[inside], column[inside]] = 1
    if not inside.any():
        return shown
    reach = 2 * int(np.ceil(spacing * K[0, 0] / np.median(z[front]))) + 1
    return np.asarray(cv2.dilate(shown, np.ones((reach, reach), np.uint8)), np.uint8)


def _of_photo(
    number: int, one: Observation, scale: float, shown: NDArray[np.uint8]
) -> tuple[NDArray[np.generic], ...]:
    size = size_of(one, scale)
    image = cv2.resize(one.image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mask = cv2.resize(one.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    reach = 2 * max(2, round(_AROUND * max(size))) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    row, column = np.nonzero(cv2.dilate((mask > 0.05).astype(np.uint8), kernel) | shown)
    bright = np.clip((image.max(-1) - _BRIGHT) / (_FULL - _BRIGHT), 0, 1)
    trust = 1 - (1 - _LEAST) * bright
    target = np.concatenate([image, mask[..., None]], -1)[row, column]
    depth = _depths(one, size)[row, column]
    return (
        np.full(len(row), number, np.int16),
        column,
        row,
        np.ascontiguousarray(target, np.float32),
        trust[row, column].astype(np.float32),
        depth,
    )


def _depths(one: Observation, size: tuple[int, int]) -> Float32:
    """(h, w, 2) depth and weight at a size: the depth of the pixel's middle."""
    if one.depth is None:
        return np.zeros((size[1], size[0], 2), np.float32)
    weight = (one.depth > 0).astype(np.float32)
    if one.depth_weight is not None:
        weight *= one.depth_weight
    maps = [cv2.resize(a, size, interpolation=cv2.INTER_NEAREST) for a in (one.depth, weight)]
    return np.stack(maps, -1).astype(np.float32)
