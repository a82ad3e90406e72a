"""Depths of an object that has little detail: those that splats show which look like all photos.

What shines looks different from each side, and what is plain looks alike everywhere, so two photos
tell little of how far away it is. Splats explain all photos at once, each with a colour that may
change with the direction, and several views have to show the same surface.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.scene import PointCloud, Progress, SparseModel, View, no_progress

if TYPE_CHECKING:
    from gypsum.implicit import Hull, Observation

Float32 = NDArray[np.float32]

#: Gaussians of an object, at most: a few for each thousandth of its surface.
_SPLATS = 30_000
#: Long side of the photos that they are trained on at most, pixels: larger ones show more of the
#: reflections, and not more of the surface.
_SIDE = 640
#: Depths of both kinds that differ by no more than this share agree.
_AGREEING = 0.005
_TRAINING = 0.95
#: Points from which the training may begin, at least.
_FEWEST = 1000
#: Of what is not known yet.
_GRAY = 128


@dataclass(frozen=True)
class Training:
    """How splats are trained for their depths."""

    steps: int
    device: str = "cpu"
    threads: int = 0


def measure_splats(
    model: SparseModel,
    views: Sequence[View],
    masks: Sequence[Float32],
    cloud: PointCloud,
    folder: Path,
    training: Training,
    *,
    side: int,
    progress: Progress = no_progress,
) -> int:
    """Write the depths of splats as the views see them; the number of splats.

    Args:
        model: the cameras' model, in whose frame all is.
        views: all photos.
        masks: of the views that have one, (h, w) 0 to 1: what is trained.
        cloud: points on which photos agree: a begin.
        folder: keeps the depths, and while it is at work what a later call goes on from.
        training: how.
        side: long side of the depth maps, pixels.
        progress: told how far it is.
    """
    from gypsum.splats import TrainOptions, fit
    from gypsum.splats.seen import SeenDepths

    outlined = list(_outlined(views, masks, folder / "masks"))
    # Not flat, as for a mesh of splats: that takes half as long again, and depths are no better.
    fitted = fit(
        model,
        outlined,
        folder / "training",
        TrainOptions(
            splats=_SPLATS,
            iterations=training.steps,
            threads=training.threads,
            device=training.device,
        ),
        long_side=min(side, _SIDE),
        cloud=cloud,
        test=False,
        progress=lambda done, doing="": progress(_TRAINING * done, doing),
    )
    seen = SeenDepths(
        fitted.splats,
        [view.limited(side) for view in outlined],
        folder / "drawn",
        fitted.extent,
        threads=training.threads,
        progress=lambda done, doing="": progress(_TRAINING + (1 - _TRAINING) * done, doing),
    )
    for number, (_, depth, _) in enumerate(seen.trusted()):
        with atomic_write(_path(folder, number)) as file:
            np.savez_compressed(file, depth=depth)
    for name in ("masks", "training", "drawn"):
        shutil.rmtree(folder / name)
    return len(fitted.splats)


def starting_points(cloud: PointCloud, hull: Hull) -> PointCloud:
    """What is known of the object to begin with: the cloud within the hull's box.

    On something so plain that photos agree on next to nothing, the hull's surface has to do.
    """
    from gypsum.implicit.meshing import surface_nets

    inside = cloud.select(np.flatnonzero(hull.box.contains(cloud.points)))
    if len(inside) >= _FEWEST:
        return inside
    mesh = surface_nets(hull.values, hull.box)
    colors = np.full(mesh.vertices.shape, _GRAY, np.uint8)
    return PointCloud(mesh.vertices, mesh.vertex_normals(), colors)


def _outlined(views: Sequence[View], masks: Sequence[Float32], folder: Path) -> Iterator[View]:
    """The views that have masks, with these masks instead."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [view for view in views if view.mask is not None]
    for number, (view, mask) in enumerate(zip(shown, masks, strict=True)):
        path = folder / f"{number:05d}.png"
        with atomic_write(path) as file:
            Image.fromarray(np.rint(255 * mask).astype(np.uint8)).save(file, "PNG")
        yield replace(view, mask=path)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npz"


def with_splats(observations: Sequence[Observation], folder: Path) -> list[Observation]:
    """The photos with the depths that :func:`measure_splats` left, before those they have."""
    return [
        _combined(one, _read(_path(folder, number), one.mask.shape))
        for number, one in enumerate(observations)
    ]


def _combined(one: Observation, depth: Float32) -> Observation:
    known = depth > 0
    weight = known.astype(np.float32)
    if one.depth is not None:
        depth = np.where(known, depth, one.depth)
        before = one.depth_weight if one.depth_weight is not None else one.depth > 0
        weight = np.where(known, weight, before).astype(np.float32)
    return replace(one, depth=depth, depth_weight=weight)


def _read(path: Path, shape: tuple[int, ...]) -> Float32:
    with np.load(path) as data:
        depth: Float32 = data["depth"]
    if depth.shape != shape:
        raise ValueError(f"{path} has another size than its photo")
    return depth


def agreement(observations: Sequence[Observation], folder: Path) -> float:
    """The share of the pixels with both kinds of depth on which these agree."""
    both = same = 0
    for number, one in enumerate(observations):
        depth = _read(_path(folder, number), one.mask.shape)
        assert one.depth is not None
        known = (depth > 0) & (one.depth > 0)
        both += int(np.count_nonzero(known))
        off = np.abs(depth - one.depth)[known]
        same += int(np.count_nonzero(off < _AGREEING * depth[known]))
    return same / max(1, both)
