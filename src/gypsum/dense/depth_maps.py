"""Depth maps by PatchMatch multi-view stereo, coarse to fine, with geometric consistency.

Every photo goes through three passes. The first finds depths from nothing on a quarter and half of
the size; the second works at full size, starts from the first and already asks that the depths of
neighbouring photos agree; the third polishes with the neighbours' full-size depths. Each pass keeps
one file per photo, so a stopped run continues where it was.

Nothing is spent on pixels outside the photo's mask, or whose line of sight misses the box that is
asked for. When the box is not known before, the first pass tells: its depths, fused, are a rough
cloud of everything.
"""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.dense.colmap_workspace import (
    box_path,
    map_path,
    read_box,
    write_box,
    write_map,
    write_settings,
)
from gypsum.dense.fusion import fuse
from gypsum.dense.neighbors import Neighborhood
from gypsum.formats.atomic import atomic_write
from gypsum.native._patchmatch import Matcher
from gypsum.scene import Box, PointCloud, Progress, View, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Planes = NDArray[np.float32]

#: Weight of a pixel of forward-backward error against the NCC cost (ACMM, Xu & Tao 2019).
_GEOMETRIC_WEIGHT = 0.1
#: Bytes of grey pictures and depth maps that are kept between photos, when memory allows.
_CACHE_BYTES = 512 << 20
#: What the libraries take, and a photo at work with each pixel of its own and of its sources.
_BASE_BYTES, _BYTES_PER_PIXEL, _BYTES_PER_SOURCE_PIXEL = 200 << 20, 70, 10
#: Smaller pictures than this have nothing left to match on.
_MIN_LEVEL_SIDE = 120
#: How many times smaller than the depth maps those of the rough cloud are.
_ROUGH_SHRINK = 4
#: What a pixel outside the mask costs: more than any match.
_WORST_COST = 2.0

FindBox = Callable[[PointCloud, Sequence[View]], Box | None]
"""From a rough cloud and the photos to the box that is worth measuring; None: everything."""


@dataclass(frozen=True)
class Step:
    """Some sweeps at one size of the photo."""

    shrink: int
    """The photo is this many times smaller."""
    sweeps: int
    reach: int
    """How far along the axes hypotheses are fetched, pixels."""
    depth_range: float
    """Largest random change of depth in the first sweep, pixels of match displacement."""
    angle_range: float
    """Largest random change of the normal in the first sweep, radians."""


@dataclass(frozen=True)
class Pass:
    """What is done to every photo before the next pass begins."""

    name: str
    steps: tuple[Step, ...]
    geometric: bool


PASSES = (
    Pass("coarse", (Step(4, 7, 21, 4.0, 0.5), Step(2, 3, 9, 1.0, 0.25)), geometric=False),
    Pass("fine", (Step(1, 2, 7, 0.7, 0.15),), geometric=True),
    Pass("final", (Step(1, 1, 5, 0.25, 0.06),), geometric=True),
)


def estimate_depth_maps(
    views: Sequence[View],
    neighborhoods: Sequence[Neighborhood],
    folder: Path,
    *,
    long_side: int,
    box: Box | FindBox | None = None,
    seed: int = 0,
    memory: int | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> Box | None:
    """Write a depth, normal and confidence map for every view into the dense workspace ``folder``.

    Maps have the size of ``view.limited(long_side)``. Depth is along the optical axis in world
    units, 0 where unknown; normals are unit vectors in the camera frame, towards the camera;
    confidence is the NCC of the chosen plane, 0 to 1. The passes keep their results in
    ``folder/passes`` until all maps are written. One photo is at work at a time; what ``memory``
    bytes leave besides keeps pictures and depths of other photos, which are read again otherwise.

    Pixels outside the photos' masks, or that can't show the ``box``, stay unknown. Returns the box;
    a function finds it from a rough cloud that the first pass gives.
    """
    views = [view.limited(long_side) for view in views]
    names = [view.name for view in views]
    write_settings(
        folder,
        {v.name: [names[j] for j in n.sources] for v, n in zip(views, neighborhoods, strict=True)},
    )
    passes = folder / "passes"
    cache = _cache_bytes(memory, views, neighborhoods)
    estimator = _Estimator(views, neighborhoods, passes, seed, threads, cache)
    if isinstance(box, Box):
        write_box(folder, box)
    estimator.box = read_box(folder)
    if not all(map_path(folder, "depth", name).exists() for name in names):
        _run_passes(estimator, None if isinstance(box, Box) else box, folder, progress)
        for i in range(len(views)):
            estimator.export(i, folder)
    shutil.rmtree(passes, ignore_errors=True)
    progress(1.0)
    return estimator.box


def _run_passes(
    estimator: _Estimator, find_box: FindBox | None, folder: Path, progress: Progress
) -> None:
    weights = [sum(s.sweeps / s.shrink**2 for s in p.steps) for p in PASSES]
    count = len(estimator.views)
    total, done = sum(weights) * count, 0.0
    for number, weight in enumerate(weights):
        if number == 1 and find_box is not None and not box_path(folder).exists():
            progress(done / total, "finding what the photos are about")
            estimator.box = find_box(estimator.rough_cloud(), estimator.views)
            write_box(folder, estimator.box)
        for i in range(count):
            progress(done / total, f"pass {number + 1} of {len(PASSES)}, photo {i + 1} of {count}")
            if estimator.neighborhoods[i].sources and not estimator.path(number, i).exists():
                estimator.run(number, i)
            done += weight


def _cache_bytes(
    memory: int | None, views: Sequence[View], neighborhoods: Sequence[Neighborhood]
) -> int:
    """What the largest photo with its sources leaves of ``memory``, up to what is useful."""
    if memory is None:
        return _CACHE_BYTES
    pixels = max((view.width * view.height for view in views), default=0)
    sources = max((len(here.sources) for here in neighborhoods), default=0)
    work = pixels * (_BYTES_PER_PIXEL + sources * _BYTES_PER_SOURCE_PIXEL)
    return max(0, min(_CACHE_BYTES, memory - _BASE_BYTES - work))


class _Estimator:
    def __init__(
        self,
        views: Sequence[View],
        neighborhoods: Sequence[Neighborhood],
        folder: Path,
        seed: int,
        threads: int,
        cache: int = _CACHE_BYTES,
    ) -> None:
        self.views, self.neighborhoods, self.folder = views, neighborhoods, folder
        self.seed, self.threads = seed, threads
        self.cache = _Cache(cache)
        self.box: Box | None = None

    def path(self, number: int, i: int) -> Path:
        return self.folder / PASSES[number].name / f"{self.views[i].name}.npz"

    def run(self, number: int, i: int) -> None:
        """One pass over one photo."""
        state = None if number == 0 else self.load(number - 1, i)
        for step in PASSES[number].steps:
            view = self.level(i, step.shrink)
            if step.shrink > 1 and max(view.width, view.height) < _MIN_LEVEL_SIDE:
                continue
            matcher = self.matcher(number, i, step.shrink)
            size = (view.height, view.width)
            if state is None:
                state = _State.empty(size)
                matcher.initialise(state.planes, state.cost, state.chosen)
            else:
                state = state.resized(size)
            weight = _GEOMETRIC_WEIGHT * step.shrink if PASSES[number].geometric else 0.0
            for sweep in range(step.sweeps):
                narrower = 0.6**sweep
                matcher.sweep(
                    state.planes, state.cost, state.chosen, sweep + 3 * number, step.reach,
                    step.depth_range * narrower, step.angle_range * narrower,
                    number == 0 and sweep % 2 == 0, weight,
                )  # fmt: skip
        if state is None:
            raise ValueError(f"{self.views[i].name}: too small for stereo")
        state.write(self.path(number, i))

    def level(self, i: int, shrink: int) -> View:
        view = self.views[i]
        return view.resized(max(1, view.width // shrink), max(1, view.height // shrink))

    def gray(self, i: int, shrink: int) -> UInt8:
        """The photo's luma at a level of its pyramid."""

        def make() -> UInt8:
            if shrink == 1:
                return np.asarray(cv2.cvtColor(self.views[i].read(), cv2.COLOR_RGB2GRAY))
            view = self.level(i, shrink)
            size = (view.width, view.height)
            return np.asarray(cv2.resize(self.gray(i, 1), size, interpolation=cv2.INTER_AREA))

        return self.cache.get(("gray", i, shrink), make)

    def mask(self, i: int, shrink: int) -> UInt8 | None:
        """255 where the photo's pixels are worth measuring; None: everywhere.

        A little more of smaller pictures, so that every pixel of the next larger one finds a plane.
        """
        mask = self.views[i].read_mask()
        if self.box is not None:
            shown = self.box.silhouette(self.views[i])
            mask = shown if mask is None else mask & shown
        if mask is None:
            return None
        values = np.where(mask, np.uint8(255), np.uint8(0))
        if shrink == 1:
            return values
        view = self.level(i, shrink)
        small = cv2.resize(values, (view.width, view.height), interpolation=cv2.INTER_AREA)
        wider = cv2.dilate(small, np.ones((3, 3), np.uint8))
        return np.where(wider > 0, np.uint8(255), np.uint8(0))

    def rough_cloud(self) -> PointCloud:
        """What the first pass's depths agree on, at a fraction of the resolution."""
        views = [self.level(i, _ROUGH_SHRINK) for i in range(len(self.views))]
        folder = self.folder / "rough"
        for i, view in enumerate(views):
            if self.neighborhoods[i].sources:
                state = self.load(0, i).resized((view.height, view.width))
                _write_maps(folder, view, state)
        cloud = fuse(views, [n.sources for n in self.neighborhoods], folder, threads=self.threads)
        shutil.rmtree(folder)
        return cloud

    def load(self, number: int, i: int) -> _State:
        return _State.read(self.path(number, i))

    def inverse_depth(self, number: int, i: int) -> Float32:
        def make() -> Float32:
            return np.ascontiguousarray(self.load(number, i).planes[..., 0])

        return self.cache.get(("depth", number, i), make)

    def matcher(self, number: int, i: int, shrink: int) -> Matcher:
        view, here = self.level(i, shrink), self.neighborhoods[i]
        K = view.K
        matcher = Matcher(
            self.gray(i, shrink), [K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
            1 / here.far, 1 / here.near, self.seed * 1000 + i, self.threads,
        )  # fmt: skip
        mask = self.mask(i, shrink)
        if mask is not None:
            matcher.set_mask(mask)
        for index, j in enumerate(here.sources):
            source = self.level(j, shrink)
            matcher.add_source(self.gray(j, shrink), _transfer(view, source))
            if PASSES[number].geometric and self.neighborhoods[j].sources:
                matcher.set_geometry(
                    index, self.inverse_depth(number - 1, j), _transfer(source, view)
                )
        return matcher

    def export(self, i: int, folder: Path) -> None:
        """Turn the last pass's planes into COLMAP's maps."""
        view = self.views[i]
        if map_path(folder, "depth", view.name).exists():
            return
        if not self.neighborhoods[i].sources:
            state = _State.empty((view.height, view.width))
        else:
            state = self.load(len(PASSES) - 1, i)
            mask = self.mask(i, 1)
            if mask is not None:
                state.planes[mask == 0], state.cost[mask == 0] = 0, _WORST_COST
        _write_maps(folder, view, state)


@dataclass(frozen=True)
class _State:
    """What is known of one photo at one size."""

    planes: Planes
    """(H, W, 3) inverse depth and its change per pixel to the right and down."""
    cost: Float32
    """(H, W)"""
    chosen: NDArray[np.uint16]
    """(H, W) bit set of the sources that carry the pixel."""

    @classmethod
    def empty(cls, size: tuple[int, int]) -> _State:
        return cls(
            np.zeros((*size, 3), np.float32),
            np.full(size, _WORST_COST, np.float32),
            np.zeros(size, np.uint16),
        )

    @classmethod
    def read(cls, path: Path) -> _State:
        with np.load(path) as data:
            return cls(data["planes"], data["cost"].astype(np.float32), data["chosen"])

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            cost = self.cost.astype(np.float16)
            np.savez(file, planes=self.planes, cost=cost, chosen=self.chosen)

    def resized(self, size: tuple[int, int]) -> _State:
        """The nearest pixel's plane, moved to where each new pixel's centre lies."""
        height, width = self.cost.shape
        if (height, width) == size:
            return self
        y = (np.arange(size[0]) + 0.5) * height / size[0]
        x = (np.arange(size[1]) + 0.5) * width / size[1]
        rows = np.minimum(y.astype(int), height - 1)[:, None]
        columns = np.minimum(x.astype(int), width - 1)[None]
        planes = self.planes[rows, columns]
        planes[..., 0] += planes[..., 1] * (x[None] - columns - 0.5).astype(np.float32)
        planes[..., 0] += planes[..., 2] * (y[:, None] - rows - 0.5).astype(np.float32)
        planes[..., 1] *= np.float32(width / size[1])
        planes[..., 2] *= np.float32(height / size[0])
        return _State(planes, self.cost[rows, columns], self.chosen[rows, columns])


class _Cache:
    """The most recently used arrays, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0
        self.items: OrderedDict[tuple[object, ...], NDArray[Any]] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        if key in self.items:
            self.items.move_to_end(key)
            return self.items[key]
        value = make()
        self.items[key] = value
        self.used += value.nbytes
        while self.used > self.limit and len(self.items) > 1:
            _, old = self.items.popitem(last=False)
            self.used -= old.nbytes
        return value


def _write_maps(folder: Path, view: View, state: _State) -> None:
    """COLMAP's maps, and the confidence; the depth last, as the sign that all are there."""
    inverse = state.planes[..., 0]
    known = inverse > 0
    depth = np.where(known, 1 / np.where(known, inverse, 1), 0).astype(np.float32)
    confidence = np.where(known, np.clip(1 - state.cost, 0, 1), 0).astype(np.float32)
    write_map(map_path(folder, "normal", view.name), plane_normals(state.planes, view.K))
    write_map(map_path(folder, "confidence", view.name), confidence)
    write_map(map_path(folder, "depth", view.name), depth)


def _transfer(view: View, other: View) -> Float32:
    """(3, 4) [M v]: pixel (x, y, 1) = p with inverse depth w goes to ``M p + v w`` in ``other``."""
    R = other.R @ view.R.T
    t = other.t - R @ view.t
    M = other.K @ R @ np.linalg.inv(view.K)
    return np.ascontiguousarray(np.column_stack([M, other.K @ t]), np.float32)


def plane_normals(planes: Planes, K: Float64) -> Float32:
    """(H, W, 3) planes (inverse depth, its change per pixel right and down) to unit normals.

    Camera frame, towards the camera; zero where the plane is zero.
    """
    height, width = planes.shape[:2]
    x = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
    y = (np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]
    normals = np.empty(planes.shape, np.float32)
    normals[..., 0] = planes[..., 1] * K[0, 0]
    normals[..., 1] = planes[..., 2] * K[1, 1]
    normals[..., 2] = planes[..., 0] - normals[..., 0] * x - normals[..., 1] * y[:, None]
    length = np.linalg.norm(normals, axis=2, keepdims=True)
    return np.asarray(-normals / np.where(length > 0, length, 1), np.float32)
