"""From depth maps to one cloud: what several photos agree on, each place once.

Two rounds over the photos. The first lets every photo give the pixels on which enough others agree,
and gathers them in the cells of a grid as fine as the photos: memory follows the surface, not the
number of photos. The second asks every photo which of the points it sees; a point before what the
photos see is an outlier, and so is one beside the object in the photos' masks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.dense.colmap_workspace import map_path, read_map
from gypsum.dense.sharpness import coarseness
from gypsum.errors import InputError
from gypsum.native._fusion import Cells, compare_maps
from gypsum.scene import Box, PointCloud, Progress, View, ViewLists, no_progress

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Points that the cloud has at most, and bytes that each takes until the cloud is whole.
_MOST_POINTS = 8_000_000
_BYTES_PER_POINT = 170
#: Bytes of depth and normal maps kept between photos: neighbours of neighbours are mostly the same.
_CACHE_BYTES = 768 << 20
#: What the libraries, and a photo at work with each of its pixels, take besides.
_BASE_BYTES, _BYTES_PER_PIXEL = 200 << 20, 80
#: Bytes that a pixel of a kept photo takes.
_BYTES_PER_KEPT_PIXEL = 20
#: What a cloud knows of each of its points, besides the photos that see it.
_MEASURED = ("points", "normals", "colors", "radii", "support", "confidence")
#: How many times larger the cells of unsure points are.
_COARSER = 2.0
#: View lists hold 16-bit numbers.
_MOST_PHOTOS = 1 << 16


@dataclass(frozen=True)
class FusionLimits:
    """When two photos are said to see the same point, and how many must."""

    min_agree: int = 2
    """Other photos that must agree."""
    agree_per_conflict: float = 2.0
    """How many must agree for each photo that looks through the point."""
    max_pixels: float = 1.5
    """Forward-backward distance, pixels."""
    max_depth: float = 0.01
    """Relative difference of the depths."""
    max_angle: float = 45.0
    """Between the normals, degrees."""
    min_confidence: float = 0.25
    """Least NCC of a pixel's plane."""
    cells_per_pixel: float = 1.0
    """Points that the cloud keeps along the edge of a photo's pixel."""
    behind: float = 0.02
    """A photo looks through a point when what it sees is this much further away, relative."""
    least_seeing: float = 0.4
    """Share of the photos that face a point, with nothing known before it, that must see it; where
    only two photos agree, two thirds of that."""
    most_outside: float = 0.15
    """Share of the masks that may leave a point out: one bad mask does no harm."""
    gap: float = 4.0
    """Points on which only two photos agree stay where no other is this close, in their pixels."""
    mask_margin: int = 1
    """Masks reach this many pixels further when they speak against a point."""


def fuse(
    views: Sequence[View],
    sources: Sequence[Sequence[int]],
    folder: Path,
    *,
    kind: str = "geometric",
    limits: FusionLimits | None = None,
    box: Box | None = None,
    memory: int | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> PointCloud:
    """Fuse the depth maps of the dense workspace ``folder`` (ours, or COLMAP's of a ``kind``).

    A pixel becomes a point when enough other photos agree with its depth and normal, and clearly
    more of them than look through it. Photos are visited from the closest to the furthest; a place
    that an earlier photo has given is not given again, unless this photo sees it in much more
    detail. Points are means over all that agree, weighted by resolution, and over the cell of the
    grid they fall into. Then every photo is asked about every point: the point is dropped when too
    many look through it, and names up to twelve that see it, closest first.

    Pixels outside a photo's mask, and points outside the ``box``, give nothing. What has its place
    beside the object in several of the masks is dropped, hidden there or not: nothing but the
    object is inside all outlines.

    Where nothing better is near, a point stays when one other photo agrees: in dark corners, better
    a rough surface than a hole or a guess. Such points have a support of two and coarser cells.

    A blurred photo's pixels count as larger than they are: it comes later and weighs less.

    Photos are streamed; ``memory`` bytes bound how many are kept at a time and how many points the
    cloud can have. Photos that were not matched (no sources) add nothing.
    """
    if len(views) > _MOST_PHOTOS:
        raise InputError(f"At most {_MOST_PHOTOS:,} photos can be fused; these are {len(views):,}.")
    progress(0.0, "looking at the photos' sharpness")
    fusion = _Fusion(views, sources, folder, kind, limits or FusionLimits(), box, memory, threads)
    order = fusion.closest_first()
    for done, i in enumerate(order, 1):
        fusion.gather(i)
        progress(0.7 * done / len(order), f"photo {done} of {len(order)}")
    for done, i in enumerate(order, 1):
        fusion.judge(i)
        progress(0.7 + 0.3 * done / len(order), f"checking with photo {done} of {len(order)}")
    cloud = fusion.cloud()
    progress(1.0, f"{len(cloud):,} points")
    return cloud


class _Fusion:
    """The state between photos."""

    def __init__(
        self,
        views: Sequence[View],
        sources: Sequence[Sequence[int]],
        folder: Path,
        kind: str,
        limits: FusionLimits,
        box: Box | None,
        memory: int | None,
        threads: int,
    ) -> None:
        self.views, self.sources, self.limits, self.threads = views, sources, limits, threads
        self.box = box
        pixels = max((v.width * v.height for v in views), default=0)
        budget = _Budget.of(memory, pixels)
        coarse = coarseness(views, threads)
        self.loader = _Loader(views, coarse, folder, kind, limits.min_confidence, budget.photos)
        self.most_points = budget.points
        self.cells: Cells | None = None
        self.unsure: Cells | None = None
        self.kept, self.trusted = _Pixels(), _Pixels()
        self.cosine = float(np.cos(np.radians(limits.max_angle)))

    def closest_first(self) -> list[int]:
        """The matched photos by the size of their pixels on the scene, smallest first."""
        sizes, sample = {}, []
        for i in range(len(self.views)):
            if self.sources[i]:
                maps = self.loader.get(i)
                known = maps.depth[::4, ::4]
                radii = known[known > 0] * np.float32(maps.size)
                sizes[i] = float(np.median(radii)) if len(radii) else np.inf
                sample.append(radii[:: max(1, len(radii) // 2000)])
        radii = np.concatenate([*sample, np.empty(0, np.float32)])
        if len(radii):
            edge = float(np.quantile(radii, 0.05)) / self.limits.cells_per_pixel
            per_pixel, most = self.limits.cells_per_pixel, self.most_points
            self.cells = Cells(edge, per_pixel, most)
            self.unsure = Cells(_COARSER * edge, per_pixel / _COARSER, most // 4)
        return sorted(sizes, key=lambda i: (sizes[i], i))

    def gather(self, i: int) -> None:
        """Add what photo ``i`` sees, others confirm, and no earlier photo has given."""
        if self.cells is None or self.unsure is None:
            return
        here = self.loader.get(i)
        others = self.others(i)
        loaded = [self.loader.get(j) for j in others]
        limits, shape = self.limits, here.depth.shape
        agree, conflict, carried = (np.empty(shape, np.uint8) for _ in range(3))
        points, normals = (np.empty((*shape, 3), np.float32) for _ in range(2))
        compare_maps(
            here.depth, here.normal, here.K, here.pose, here.coarseness,
            [o.depth for o in loaded], [o.normal for o in loaded],
            [o.K for o in loaded], [o.pose for o in loaded],
            [o.coarseness for o in loaded], [self.kept.get(j) for j in others],
            limits.max_pixels, limits.max_depth, self.cosine, self.threads,
            agree, conflict, carried, points, normals,
        )  # fmt: skip
        open_space = agree > limits.agree_per_conflict * conflict
        trusted = (agree >= limits.min_agree) & open_space
        unsure = (agree == limits.min_agree - 1) & open_space
        fresh = (carried == 0) & (agree > 0)
        if self.box is not None:
            fresh[fresh] = self.box.contains(points[fresh])
        self.trusted.set(i, trusted)
        self.kept.set(i, trusted & fresh)
        photo = self.views[i].resized(shape[1], shape[0]).read()
        radii = here.depth * np.float32(here.size)
        for cells, chosen in ((self.cells, trusted & fresh), (self.unsure, unsure & fresh)):
            cells.add(chosen.view(np.uint8), agree, points, normals, photo, radii, here.confidence)

    def judge(self, i: int) -> None:
        """Ask photo ``i`` which of the points it sees, and through which it looks."""
        here, limits = self.loader.get(i), self.limits
        for cells in (self.cells, self.unsure):
            if cells is not None:
                cells.judge(
                    i, here.depth, here.normal, here.K, here.pose, self.trusted.get(i),
                    self.wide_mask(i, here), limits.max_depth, self.cosine, limits.behind,
                    self.threads,
                )  # fmt: skip

    def wide_mask(self, i: int, here: _Maps) -> NDArray[np.uint8]:
        """(H, W) 0 clearly beside the object; empty when the photo has no mask."""
        mask = _mask(self.views[i], here.depth)
        if mask is None:
            return np.zeros((0, 0), np.uint8)
        reach = 2 * self.limits.mask_margin + 1
        return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((reach, reach), np.uint8)))

    def cloud(self) -> PointCloud:
        """The points that enough photos see, and unsure ones in the gaps between them."""
        self.loader.items.clear()
        needed = self.limits.min_agree + 1
        sure = self.finished(self.cells, needed)
        if self.unsure is None or not len(self.unsure) or not len(sure):
            return sure
        unsure = self.finished(self.unsure, needed - 1)
        alone = _far_from(sure, unsure, self.limits.gap, self.threads)
        return _joined(sure, unsure.select(alone))

    def finished(self, cells: Cells | None, fewest: int) -> PointCloud:
        """The points of cells that at least ``fewest`` photos see."""
        limits = self.limits
        points, normals, colors, radii, confidence, support, starts, photos = (
            cells or Cells(1.0, 1.0, 1)
        ).finish(
            fewest,
            limits.agree_per_conflict,
            limits.most_outside,
            limits.least_seeing * fewest / (limits.min_agree + 1),
        )
        views = ViewLists(starts, photos)
        return PointCloud(points, normals, colors, radii, support, confidence, views)

    def others(self, i: int) -> list[int]:
        """The photos that ``i`` was matched against and those matched against ``i``, best first."""
        back = [j for j, s in enumerate(self.sources) if i in s and j not in self.sources[i]]
        matched = [j for j in [*self.sources[i], *back] if self.sources[j]]
        return matched[: self.loader.most - 1]


def _far_from(cloud: PointCloud, others: PointCloud, gap: float, threads: int) -> Bools:
    """(N,) which of the others have no point of the cloud within ``gap`` of their pixels."""
    assert cloud.radii is not None
    assert others.radii is not None
    # One point for each cell of a pixel or two stands for those around it.
    cell = np.floor(cloud.points / (2 * float(np.median(cloud.radii)))).astype(np.int64)
    cell -= cell.min(axis=0)
    extent = cell.max(axis=0) + 1
    _, some = np.unique((cell[:, 0] * extent[1] + cell[:, 1]) * extent[2] + cell[:, 2], True)
    reach = gap * others.radii
    distance, _ = cKDTree(cloud.points[some]).query(
        others.points, distance_upper_bound=float(reach.max(initial=0)), workers=threads or -1
    )
    return np.asarray(distance > reach)


def _joined(sure: PointCloud, unsure: PointCloud) -> PointCloud:
    """One cloud of both; unsure points count as coarser, so that they make no detail."""
    assert sure.views is not None
    assert unsure.views is not None
    views = ViewLists(
        np.concatenate([sure.views.starts, unsure.views.starts[1:] + sure.views.starts[-1]]),
        np.concatenate([sure.views.photos, unsure.views.photos]),
    )
    unsure = replace(unsure, radii=np.float32(_COARSER) * np.asarray(unsure.radii))
    measured: dict[str, Any] = {
        name: np.concatenate([getattr(sure, name), getattr(unsure, name)]) for name in _MEASURED
    }
    return PointCloud(**measured, views=views)


@dataclass(frozen=True)
class _Budget:
    """What fits into memory."""

    photos: int
    """Maps kept at a time: a photo and those that it is compared with."""
    points: int

    @classmethod
    def of(cls, memory: int | None, pixels: int) -> _Budget:
        """Half of what is left goes to the maps, half to the points, up to what is useful."""
        per_photo = max(1, pixels) * _BYTES_PER_KEPT_PIXEL
        maps, points = _CACHE_BYTES, _MOST_POINTS * _BYTES_PER_POINT
        if memory is not None:
            left = max(0, memory - _BASE_BYTES - pixels * _BYTES_PER_PIXEL)
            maps = min(maps, left // 2)
            points = min(points, left - maps)
        # Fewer than three other photos can't confirm a point.
        return cls(max(4, maps // per_photo), max(100_000, points // _BYTES_PER_POINT))


@dataclass(frozen=True)
class _Maps:
    """A photo's maps and camera as the kernel takes them."""

    depth: Float32
    """(H, W); 0 where unknown or doubtful."""
    normal: Float32
    """(H, W, 3) camera frame."""
    confidence: Float32
    """(H, W)"""
    K: NDArray[np.float64]
    pose: NDArray[np.float64]
    """(3, 4) world to camera."""

    coarseness: float

    @property
    def size(self) -> float:
        """Size of the finest detail at depth one."""
        return self.coarseness / float(np.sqrt(self.K[0, 0] * self.K[1, 1]))


class _Pixels:
    """A set of pixels of each photo: one bit each."""

    def __init__(self) -> None:
        self.bits: dict[int, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def set(self, i: int, pixels: Bools) -> None:
        self.bits[i] = np.packbits(pixels), pixels.shape

    def get(self, i: int) -> NDArray[np.uint8]:
        """(H, W), or an empty array when the photo has not been visited."""
        if i not in self.bits:
            return np.zeros((0, 0), np.uint8)
        bits, (height, width) = self.bits[i]
        return np.unpackbits(bits, count=height * width).reshape(height, width)


class _Loader:
    """The maps of the most recently used photos."""

    def __init__(
        self,
        views: Sequence[View],
        coarse: NDArray[np.float64],
        folder: Path,
        kind: str,
        confidence: float,
        most: int,
    ) -> None:
        self.views, self.coarse, self.folder, self.kind = views, coarse, folder, kind
        self.confidence, self.most = confidence, most
        self.items: OrderedDict[int, _Maps] = OrderedDict()

    def get(self, i: int) -> _Maps:
        if i in self.items:
            self.items.move_to_end(i)
            return self.items[i]
        while len(self.items) >= self.most:
            self.items.popitem(last=False)
        self.items[i] = self.read(i)
        return self.items[i]

    def read(self, i: int) -> _Maps:
        name = self.views[i].name
        depth = read_map(map_path(self.folder, "depth", name, self.kind))
        normal = read_map(map_path(self.folder, "normal", name, self.kind))
        # COLMAP writes no confidence: its own filters have already been applied.
        path = map_path(self.folder, "confidence", name, self.kind)
        confidence = read_map(path) if path.exists() else np.ones_like(depth)
        depth[confidence < self.confidence] = 0
        mask = _mask(self.views[i], depth)
        if mask is not None:
            depth[~mask] = 0
        view = self.views[i].resized(depth.shape[1], depth.shape[0])
        pose = np.ascontiguousarray(np.column_stack([view.R, view.t]))
        return _Maps(
            depth, normal, confidence, np.ascontiguousarray(view.K), pose, float(self.coarse[i])
        )


def _mask(view: View, depth: Float32) -> Bools | None:
    """The view's mask at the size of its depth map (H, W)."""
    return view.resized(depth.shape[1], depth.shape[0]).read_mask()
