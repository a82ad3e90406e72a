"""From depth maps to one cloud: what several photos agree on, each place once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.dense.colmap_workspace import map_path, read_map
from gypsum.native._fusion import compare_maps
from gypsum.scene import PointCloud, Progress, View, no_progress

Float32 = NDArray[np.float32]

#: Maps kept between photos: neighbours of neighbours are mostly the same photos.
_CACHED_MAPS = 24


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


def fuse(
    views: Sequence[View],
    sources: Sequence[Sequence[int]],
    folder: Path,
    *,
    kind: str = "geometric",
    limits: FusionLimits | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> PointCloud:
    """Fuse the depth maps of the dense workspace ``folder`` (ours, or COLMAP's of a ``kind``).

    A pixel becomes a point when enough other photos agree with its depth and normal, and clearly
    more of them than look through it. Photos are visited from the closest to the furthest; a place
    that an earlier photo has given is not given again, unless this photo sees it in much more
    detail. A point lies at the mean of all that agree, weighted by resolution. Photos are
    streamed: memory holds a photo's neighbours, never all. Photos that were not matched (no
    sources) add nothing.
    """
    limits = limits or FusionLimits()
    loader = _Loader(views, folder, kind, limits.min_confidence)
    given = _Given()
    parts = []
    for done, i in enumerate(_closest_first(views, sources, loader), 1):
        others = _mutual(i, sources)
        parts.append(_fuse_one(i, views[i], others, loader, given, limits, threads))
        progress(done / len(views), f"photo {done} of {len(views)}")
    if not parts:
        return PointCloud(
            np.empty((0, 3), np.float32), np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8),
            np.empty(0, np.float32), np.empty(0, np.uint16),
        )  # fmt: skip
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    progress(1.0)
    return PointCloud(*columns)


def _mutual(i: int, sources: Sequence[Sequence[int]]) -> list[int]:
    """The photos that ``i`` was matched against, and those that were matched against ``i``."""
    back = [j for j, others in enumerate(sources) if i in others and j not in sources[i]]
    return [j for j in [*sources[i], *back] if sources[j]]


def _closest_first(
    views: Sequence[View], sources: Sequence[Sequence[int]], loader: _Loader
) -> list[int]:
    """The matched photos by the size of their pixels on the scene, smallest first."""
    sizes = {}
    for i in range(len(views)):
        if sources[i]:
            view, depth, _ = loader.get(i)
            known = depth[::4, ::4]
            known = known[known > 0]
            focal = np.sqrt(view.K[0, 0] * view.K[1, 1])
            sizes[i] = float(np.median(known) / focal) if len(known) else np.inf
    return sorted(sizes, key=lambda i: (sizes[i], i))


class _Given:
    """Which pixels of which photos have become points: one bit each."""

    def __init__(self) -> None:
        self.bits: dict[int, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def set(self, i: int, kept: NDArray[np.bool_]) -> None:
        self.bits[i] = np.packbits(kept), kept.shape

    def get(self, i: int) -> NDArray[np.uint8]:
        """(H, W), or an empty array when the photo has not been visited."""
        if i not in self.bits:
            return np.zeros((0, 0), np.uint8)
        bits, (height, width) = self.bits[i]
        return np.unpackbits(bits, count=height * width).reshape(height, width)


class _Loader:
    """Depth and normal maps of the most recently used photos."""

    def __init__(self, views: Sequence[View], folder: Path, kind: str, confidence: float) -> None:
        self.views, self.folder, self.kind, self.confidence = views, folder, kind, confidence
        self.items: OrderedDict[int, tuple[View, Float32, Float32]] = OrderedDict()

    def get(self, i: int) -> tuple[View, Float32, Float32]:
        if i in self.items:
            self.items.move_to_end(i)
            return self.items[i]
        name = self.views[i].name
        depth = read_map(map_path(self.folder, "depth", name, self.kind))
        normal = read_map(map_path(self.folder, "normal", name, self.kind))
        # COLMAP writes no confidence: its own filters have already been applied.
        confidence = map_path(self.folder, "confidence", name, self.kind)
        if confidence.exists():
            depth = np.where(read_map(confidence) >= self.confidence, depth, np.float32(0))
        view = self.views[i].resized(depth.shape[1], depth.shape[0])
        self.items[i] = view, depth, normal
        if len(self.items) > _CACHED_MAPS:
            self.items.popitem(last=False)
        return self.items[i]


def _pose(view: View) -> NDArray[np.float64]:
    return np.ascontiguousarray(np.column_stack([view.R, view.t]))


def _fuse_one(
    i: int,
    full: View,
    others: Sequence[int],
    loader: _Loader,
    given: _Given,
    limits: FusionLimits,
    threads: int,
) -> tuple[NDArray[Any], ...]:
    view, depth, normal = loader.get(i)
    loaded = [loader.get(j) for j in others]
    agree, conflict, carried = (np.empty(depth.shape, np.uint8) for _ in range(3))
    points, normals = (
        np.empty((*depth.shape, 3), np.float32),
        np.empty((*depth.shape, 3), np.float32),
    )
    compare_maps(
        depth, normal, np.ascontiguousarray(view.K), _pose(view),
        [d for _, d, _ in loaded], [n for _, _, n in loaded],
        [np.ascontiguousarray(v.K) for v, _, _ in loaded], [_pose(v) for v, _, _ in loaded],
        [given.get(j) for j in others], limits.max_pixels, limits.max_depth,
        float(np.cos(np.radians(limits.max_angle))), threads,
        agree, conflict, carried, points, normals,
    )  # fmt: skip
    trusted = (agree >= limits.min_agree) & (agree > limits.agree_per_conflict * conflict)
    keep = trusted & (carried == 0)
    given.set(i, keep)
    colors = full.resized(depth.shape[1], depth.shape[0]).read()
    radii = depth[keep] / np.float32(np.sqrt(view.K[0, 0] * view.K[1, 1]))
    return points[keep], normals[keep], colors[keep], radii, agree[keep].astype(np.uint16) + 1
