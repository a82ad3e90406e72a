"""Depth maps of splats from many places, and what of them can be trusted as a surface.

Splats are trained to look right, not to lie on surfaces: what shines is partly made by Gaussians
behind its surface, as its mirror images are, and all are held inside of outlines by their own
thickness. Three things find the surface all the same. Depths are taken where a fifth of the light
is stopped, before the median, and at the Gaussian's front. Of two depths at a place, other views
mostly show the nearer one, and the further one goes. And what only one view shows goes too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.atomic import atomic_write
from gypsum.native import _splats
from gypsum.scene import Progress, Splats, View, no_progress
from gypsum.splats.depths import draw_depths

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: The share of the light that a surface stops.
STOPPED = 0.2
#: How far before a Gaussian's densest point its front is, in its standard deviations along the ray.
FRONT = 1.5
#: Pixels that let more through, or see the surface more obliquely than this cosine, show none.
OPAQUE, GRAZING = 0.7, 0.2
#: Views with which each is compared: those nearest to it.
NEIGHBOURS = 8
#: Depths agree within this share; so far before a surface another one counts against it.
TOLERANCE, REACH = 0.01, 0.1
#: A depth is kept when so many others agree, and no more than this share show a nearer surface.
AGREEING, NEARER = 2, 0.5


class SeenDepths:
    """What splats show from views, as depth maps in a folder."""

    def __init__(
        self,
        splats: Splats,
        views: Sequence[View],
        folder: Path,
        extent: float,
        *,
        threads: int = 0,
        progress: Progress = no_progress,
    ) -> None:
        self.views = list(views)
        self._folder = folder
        self._threads = threads
        centers = np.array([view.center for view in views])
        self._near = [
            np.argsort(np.linalg.norm(centers - center, axis=1), kind="stable")[1 : NEIGHBOURS + 1]
            for center in centers
        ]
        folder.mkdir(parents=True, exist_ok=True)
        for number, view in enumerate(self.views):
            progress(number / len(self.views), f"depths of view {number + 1} of {len(self.views)}")
            depth, weight = _surface(splats, view, extent, threads)
            self._write(number, "depth", depth)
            self._write(number, "weight", weight)

    def __len__(self) -> int:
        return len(self.views)

    def trusted(self) -> Iterator[tuple[View, Float32, Float32]]:
        """Each view with its depths (height, width), 0 where other views contradict them, and
        how much they count (height, width)."""
        for number, view in enumerate(self.views):
            depth = np.array(self._read(number, "depth"))
            near = self._near[number]
            agree, before = (np.empty(depth.shape, np.uint8) for _ in range(2))
            _splats.compare_depths(
                depth, to_world(view), [self._read(int(other), "depth") for other in near],
                [from_world(self.views[int(other)]) for other in near],
                TOLERANCE, REACH, self._threads, agree, before,
            )  # fmt: skip
            wanted = min(AGREEING, len(near))
            nearer = before > NEARER * (agree.astype(np.float32) + before)
            depth[(agree < wanted) | nearer] = 0
            yield view, depth, np.array(self._read(number, "weight"))

    def _write(self, number: int, what: str, values: Float32) -> None:
        with atomic_write(self._path(number, what)) as file:
            np.save(file, values)

    def _read(self, number: int, what: str) -> Float32:
        return np.asarray(np.load(self._path(number, what), mmap_mode="r"))

    def _path(self, number: int, what: str) -> Path:
        return self._folder / f"{number:05d}-{what}.npy"


def _surface(splats: Splats, view: View, extent: float, threads: int) -> tuple[Float32, Float32]:
    """Depths (height, width) where there is a surface, and how squarely it is seen."""
    depths = draw_depths(splats, view, extent, STOPPED, FRONT, threads)
    x = (np.arange(view.width) + 0.5 - view.K[0, 2]) / view.K[0, 0]
    y = (np.arange(view.height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
    n = depths.normals
    across = n[..., 0] * x + n[..., 1] * y[:, None] + n[..., 2]
    facing = -across / np.sqrt(x**2 + y[:, None] ** 2 + 1)
    kept = (depths.opacity >= OPAQUE) & (facing >= GRAZING)
    mask = view.read_mask()
    if mask is not None:
        kept &= mask
    depth = np.where(kept, depths.surface, 0).astype(np.float32)
    return depth, facing.clip(0, 1).astype(np.float32)


def to_world(view: View) -> Float64:
    """(3, 4): a pixel at its depth, (x z, y z, z, 1), to the world."""
    return np.ascontiguousarray(np.c_[view.R.T @ np.linalg.inv(view.K), view.center])


def from_world(view: View) -> Float64:
    """(3, 4): a point of the world (X, 1) to (x z, y z, z)."""
    return np.ascontiguousarray(view.K @ np.c_[view.R, view.t])
