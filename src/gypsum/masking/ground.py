"""What the object stands on, told from it by measured depths.

A network and a visual hull both take the ground between legs, behind a tail or in a contact shadow
for the object: no photo shows anything else there. Depths tell: it lies in the plane that carries
the object.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.masking.hull import looked_at
from gypsum.scene import Progress, View, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Lengths in distances of the cameras: where points count, how far they may be off the plane, and
#: below what height a pixel shows the ground.
_NEAR, _OFF, _HEIGHT = 0.6, 0.004, 0.005
#: Points and share of the points near the object that make a ground.
_POINTS, _SHARE = 60, 0.2
_TRIALS = 500
#: When more of the masks is ground, the plane is part of the object, like a wall with a relief.
_GROUND_MOST = 0.4
#: Pixels of a depth map between ground on both sides that are ground too.
_GAP = 5


def find_ground(views: Sequence[View], points: Float64) -> Float64 | None:
    """The plane (4,), world, below the object: ``n · x + d`` is the height of ``x``. None without.

    ``points`` (N, 3) are those of the sparse model. RANSAC (Fischler and Bolles 1981).
    """
    center, distance = looked_at(views)
    near = points[np.linalg.norm(points - center, axis=1) < _NEAR * distance]
    if len(near) < _POINTS:
        return None
    off, random = _OFF * distance, np.random.default_rng(0)
    best = np.zeros(len(near), np.bool_)
    for _ in range(_TRIALS):
        plane = _through(near[random.choice(len(near), 3, replace=False)])
        close = np.abs(near @ plane[:3] + plane[3]) < off
        if np.count_nonzero(close) > np.count_nonzero(best):
            best = close
    if np.count_nonzero(best) < max(_POINTS, _SHARE * len(near)):
        return None
    plane = _through(near[best])
    heights = np.array([view.center for view in views]) @ plane[:3] + plane[3]
    return plane if np.median(heights) > 0 else -plane


def _through(points: Float64) -> Float64:
    """The plane (4,) through points (N, 3), by least squares."""
    center = points.mean(0)
    normal = np.linalg.svd(points - center, full_matrices=False)[2][2]
    return np.append(normal, -normal @ center)


def clear_ground(
    views: Sequence[View],
    plane: Float64,
    depth_of: Callable[[View], Float32],
    folder: Path,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> dict[str, Path]:
    """Write the views' masks without the ground as ``folder/NAME.png``; those written, by photo.

    ``depth_of`` gives the depth map (H, W) of a view, of any size, 0 where unknown. None are
    written when most of the masks is ground.
    """
    folder.mkdir(parents=True, exist_ok=True)
    limit = _HEIGHT * looked_at(views)[1]
    masked = [view for view in views if view.mask is not None]

    def one(view: View) -> tuple[View, float]:
        mask = view.read_mask()
        assert mask is not None
        ground = ground_of(view, depth_of(view), plane, limit)
        cleared = mask & ~ground
        with atomic_write(folder / f"{view.name}.png") as file:
            Image.fromarray(cleared.astype(np.uint8) * 255).save(file, "PNG")
        return view, int(np.count_nonzero(mask & ground)) / max(1, int(np.count_nonzero(mask)))

    shares = []
    with ThreadPoolExecutor(min(threads or os.cpu_count() or 1, 8)) as pool:
        for done, (_, share) in enumerate(pool.map(one, masked), 1):
            shares.append(share)
            progress(done / len(masked), f"photo {done} of {len(masked)}")
    written = {view.name: folder / f"{view.name}.png" for view in masked}
    if shares and np.median(shares) > _GROUND_MOST:
        for path in written.values():
            path.unlink()
        return {}
    return written


def ground_of(view: View, depth: Float32, plane: Float64, limit: float) -> Bool:
    """(height, width) of the view: what is at most ``limit`` above the plane, or just below it."""
    height, width = depth.shape
    small = view.resized(width, height)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(rows)], 2) @ np.linalg.inv(small.K).T
    # Height along a ray: that of the camera's centre, and so much more for each unit of depth.
    slope = (rays @ (small.R @ plane[:3])).astype(np.float32)
    heights = np.float32(plane[:3] @ view.center + plane[3]) + depth * slope
    ground = (depth > 0) & (heights < limit) & (heights > -2 * limit)
    kernel = np.ones((_GAP, _GAP), np.uint8)
    closed = cv2.morphologyEx(ground.astype(np.uint8) * 255, cv2.MORPH_CLOSE, kernel)
    large = cv2.resize(closed, (view.width, view.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large >= 128)
