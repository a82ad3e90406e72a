"""Masks of single photos that agree with each other in space.

What a network finds in one photo is often wrong: a picture on the wall, a shadow, half the object.
The errors differ between photos while the object stays. So the masks vote on voxels, photos that
most others contradict lose their weight, and the voxels' silhouettes say where in each photo the
object can be. Within that, the photo's own mask, the object's colours, the ground that other photos
show there, and the photo's edges decide.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.masking import colors, hull
from gypsum.masking.ground import find_ground
from gypsum.masking.plane import GroundOdds, Reference
from gypsum.masking.refine import cut, guided
from gypsum.masking.tracks import contradictions
from gypsum.scene import Progress, SparseModel, View, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]

#: Photos that vote; more tell nothing new.
_VOTERS = 80
#: Long side of the masks that vote, of the pictures in which outlines are sought, and of those that
#: are compared for the ground then, pixels.
_VOTING_SIDE, _CUTTING_SIDE, _GROUND_SIDE = 320, 1024, 640
#: Half the side of the first cube of voxels, in distances of the cameras; voxels along a side.
_REACH, _COARSE, _FINE = 0.6, 64, 80
#: The finer cube is this much larger than what the coarse one holds.
_MARGIN = 1.25
#: A voxel is the object's when this share of the photos that see it say so, ...
_COARSE_SHARE, _SHARE = 0.6, 0.85
#: ... and at least this share of all see it.
_SEEN = 0.3
#: A photo whose mask agrees with the silhouette by less (intersection over union) has hardly any
#: weight; full weight from the second on.
_CONTRADICTS, _AGREES = 0.3, 0.7
_WEIGHT_LEAST = 0.02
#: Below this median agreement, there is no object that the masks have in common.
_COMMON = 0.4
#: When more than this share of the photos agree by less than the second, it is the cameras that do
#: not fit together, as where the object moved; then each photo's own mask is the better one.
_ODD_MOST, _ODD = 0.15, 0.6
#: Unless the mask contradicts other photos on this share of the points that it shows, whatever the
#: cameras: then the mask is at fault. It is 0.09 and more for masks that hold much of a patterned
#: cloth, and hardly ever above 0.02 where cameras are wrong and masks are right.
_AT_FAULT = 0.05
#: Odds for each source of evidence: the photo's own mask, colour, ground.
_OWN, _COLOR, _GROUND = 0.7, 1.5, 3.0
_OWN_SUREST = 2.5
#: Voxels outside the silhouette beyond which nothing is the object's, at first, when single masks
#: may have missed parts, and in the end; and that count as around it.
_BEYOND_FIRST, _BEYOND, _AROUND = 6.0, 2.0, 25.0
#: How likely the ground is seen in the silhouette where the photo's own mask has nothing.
_GROUND_WITHIN = 0.5
#: Voxels inside the silhouette from which colours are taken.
_CORE = 3.0


@dataclass(frozen=True)
class Agreement:
    """What the photos agree on."""

    masks: dict[str, Path]
    """The masks written, by photo; none when nothing is agreed on."""
    agreement: dict[str, float]
    """Intersection over union of each photo's own mask with what the others make of it."""
    consistent: bool = True
    """Whether the cameras fit together; if not, the masks are the photos' own."""

    @property
    def found(self) -> bool:
        """Whether there is an object."""
        return bool(self.masks)


@dataclass(frozen=True)
class _Shape:
    """The object in space, roughly."""

    points: Float32
    """(N, 3) the voxels of its surface, world."""
    voxel: float
    """Side of a voxel."""
    silhouettes: dict[str, Bool]
    """Where in each photo it can be, at the size of the masks that vote."""


def agree(
    views: Sequence[View],
    singles: Path,
    folder: Path,
    *,
    model: SparseModel | None = None,
    given: frozenset[str] = frozenset(),
    threads: int = 0,
    progress: Progress = no_progress,
) -> Agreement:
    """Write the masks that the photos agree on, ``folder/NAME.png``, of the views' size.

    ``singles/NAME.png`` are the photos' own masks (grey, at the views' size; a missing one has no
    vote); those of photos in ``given`` were made by people and are taken as they are. ``model`` is
    the views' sparse model: its points tell the ground, and wrong masks from wrong cameras.
    """
    maps = {view.name: values for view in views if (values := _read(singles, view)) is not None}
    voters = _voters([view for view in views if view.name in maps])
    count = min(threads or os.cpu_count() or 1, 8)
    progress(0.02, "finding where the masks agree")
    shape = _shape(views, voters, maps, given)
    if shape is None:
        return Agreement({}, {})
    shares = {
        name: _overlap(shape.silhouettes[name], values >= 128) for name, values in maps.items()
    }
    if np.median(list(shares.values())) < _COMMON:
        return Agreement({}, shares)
    at_fault = contradictions(model, maps) if model is not None else {}
    odd = [name for name in shares if shares[name] < _ODD and at_fault.get(name, 0) < _AT_FAULT]
    consistent = len(odd) <= _ODD_MOST * len(shares)
    palette = _palette(voters, maps, shape)
    plane = find_ground(views, model.points) if consistent and model is not None else None
    ground, likely = None, maps
    if plane is not None:
        progress(0.1, "finding what other photos show of the ground")
        ground = _ground(plane, voters, maps, shape)
        likely = _second_look(voters, maps, shape, palette, ground, given, count)
        shape = _shape(views, voters, likely, given) or shape
        palette = _palette(voters, likely, shape)
        ground = _ground(plane, voters, likely, shape)
    progress(0.3, "finding the outline in every photo")
    folder.mkdir(parents=True, exist_ok=True)

    def one(view: View) -> tuple[str, Path]:
        target = folder / f"{view.name}.png"
        if view.name in given or (view.name in maps and not consistent):
            with Image.open(singles / f"{view.name}.png") as single:
                mask = np.asarray(single.convert("L")) >= 128
        else:
            own = maps.get(view.name)
            mask = _outline(view, own, likely.get(view.name, own), shape, palette, ground)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG")
        return view.name, target

    masks = {}
    with ThreadPoolExecutor(count) as pool:
        for done, (name, path) in enumerate(pool.map(one, views), 1):
            masks[name] = path
            progress(0.3 + 0.7 * done / len(views), f"outline of photo {done} of {len(views)}")
    return Agreement(masks, shares, consistent)


def _read(folder: Path, view: View) -> UInt8 | None:
    path = folder / f"{view.name}.png"
    if not path.exists():
        return None
    small = _small(view)
    with Image.open(path) as file:
        size = (small.width, small.height)
        return np.asarray(file.convert("L").resize(size, Image.Resampling.BOX))


def _small(view: View) -> View:
    return view.limited(_VOTING_SIDE)


def _voters(views: Sequence[View]) -> list[View]:
    """At most as many as are needed, evenly spread over the order in which they were taken."""
    chosen = np.unique(np.linspace(0, len(views) - 1, _VOTERS).round().astype(int))
    return [views[i] for i in chosen] if len(views) > _VOTERS else list(views)


def _shape(
    views: Sequence[View], voters: Sequence[View], maps: dict[str, UInt8], given: frozenset[str]
) -> _Shape | None:
    """What the voters' masks carve, and its silhouettes in all views."""
    found = _carve(voters, [maps[view.name] for view in voters], given)
    if found is None:
        return None
    grid, points = found
    drawn = {view.name: hull.silhouette(_small(view), points, grid.voxel) for view in views}
    return _Shape(points, grid.voxel, drawn)


def _carve(
    views: Sequence[View], maps: Sequence[UInt8], given: frozenset[str]
) -> tuple[hull.Grid, Float32] | None:
    """The grid and the object's surface voxels (N, 3), world; None when nothing is left."""
    if len(views) < 3:
        return None
    center, distance = hull.looked_at(views)
    grid = hull.Grid(center, _REACH * distance, _COARSE)
    weights = np.ones(len(views))
    occupied = _occupied(views, maps, weights, grid, _COARSE_SHARE)
    for _ in range(2):  # The second time without the photos that the first contradicts.
        if not occupied.any():
            return None
        grid = grid.around(occupied, _MARGIN, _FINE)
        occupied = _occupied(views, maps, weights, grid, _SHARE)
        if not occupied.any():
            return None
        points = grid.points()[hull.surface_of(occupied).ravel()]
        before = weights
        weights = np.array([
            1.0 if view.name in given else _weight(_small(view), values, points, grid.voxel)
            for view, values in zip(views, maps, strict=True)
        ])  # fmt: skip
        if np.abs(weights - before).max() < 0.1:
            break
    return grid, points


def _occupied(
    views: Sequence[View], maps: Sequence[UInt8], weights: Float64, grid: hull.Grid, share: float
) -> Bool:
    score, seen = hull.vote(views, maps, weights, grid.points())
    shape = (grid.count,) * 3
    return hull.largest_part(((score > share) & (seen > _SEEN)).reshape(shape))


def _weight(view: View, values: UInt8, points: Float32, voxel: float) -> float:
    overlap = _overlap(hull.silhouette(view, points, voxel), values >= 128)
    weight = (overlap - _CONTRADICTS) / (_AGREES - _CONTRADICTS)
    return float(np.clip(weight, _WEIGHT_LEAST, 1))


def _overlap(a: Bool, b: Bool) -> float:
    """Intersection over union."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def _inward(silhouette: Bool, view: View, shape: _Shape) -> Float32:
    """(height, width) how far each pixel is inside the silhouette, in voxels; negative outside."""
    depth = float(np.median(shape.points @ view.R[2].astype(np.float32))) + float(view.t[2])
    pixels = max(view.K[0, 0] * shape.voxel / max(depth, 1e-6), 1e-6)
    inside = cv2.distanceTransform(silhouette.astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((~silhouette).astype(np.uint8), cv2.DIST_L2, 3)
    inward: Float32 = ((inside - outside) / pixels).astype(np.float32)
    return inward


def _palette(voters: Sequence[View], maps: dict[str, UInt8], shape: _Shape) -> Float64:
    """The object's colours in all photos."""
    histograms = []
    for view in voters:
        small = _small(view)
        core = _inward(shape.silhouettes[view.name], small, shape) > _CORE
        histograms.append(
            colors.histogram(colors.bins(small.read())[core & (maps[view.name] >= 128)])
        )
    return colors.mean(histograms)


def _ground(
    plane: Float64, voters: Sequence[View], maps: dict[str, UInt8], shape: _Shape
) -> GroundOdds:
    """What tells the ground in each photo from the object."""

    def reference(view: View) -> Reference:
        small = view.limited(_GROUND_SIDE)
        size = (small.width, small.height)
        own = cv2.resize(maps[view.name], size, interpolation=cv2.INTER_LINEAR)
        inside = cv2.resize(shape.silhouettes[view.name].astype(np.uint8) * 255, size) >= 128
        free = (1 - own.astype(np.float32) / 255) * np.where(inside, _GROUND_WITHIN, 1)
        return Reference.of(small, free.astype(np.float32))

    return GroundOdds(plane, [reference(view) for view in GroundOdds.choose(voters)], _GROUND_SIDE)


def _second_look(
    voters: Sequence[View],
    maps: dict[str, UInt8],
    shape: _Shape,
    palette: Float64,
    ground: GroundOdds,
    given: frozenset[str],
    threads: int,
) -> dict[str, UInt8]:
    """Better masks to vote with: what the ground shows is not the object; what stands before it,
    next to what the masks had in common, is."""

    def one(view: View) -> UInt8:
        if view.name in given:
            return maps[view.name]
        small = _small(view)
        picture = small.read()
        own = maps[view.name]
        odds = _odds(small, picture, own, own, shape, palette, ground, _BEYOND_FIRST)
        likely = 1 / (1 + np.exp(-guided(picture, odds).clip(-30, 30)))
        return np.asarray(255 * likely, np.uint8)

    with ThreadPoolExecutor(threads) as pool:
        return {
            view.name: values for view, values in zip(voters, pool.map(one, voters), strict=True)
        }


def _outline(
    view: View,
    own: UInt8 | None,
    likely: UInt8 | None,
    shape: _Shape,
    palette: Float64,
    ground: GroundOdds | None,
) -> Bool:
    """(height, width) the object in one photo."""
    work = view.limited(_CUTTING_SIDE)
    picture = work.read()
    odds = _odds(work, picture, own, likely, shape, palette, ground, _BEYOND)
    mask = cut(picture, guided(picture, odds))
    full = cv2.resize(mask.astype(np.uint8) * 255, (view.width, view.height))
    return np.asarray(full >= 128)


def _odds(
    work: View,
    picture: UInt8,
    own: UInt8 | None,
    likely: UInt8 | None,
    shape: _Shape,
    palette: Float64,
    ground: GroundOdds | None,
    beyond: float,
) -> Float32:
    """(height, width) logarithm of the odds for the object, at most ``beyond`` voxels outside its
    silhouette. ``own`` is the photo's mask by itself, ``likely`` the best one known so far."""
    size = (work.width, work.height)
    inside = cv2.resize(shape.silhouettes[work.name].astype(np.uint8) * 255, size) >= 128
    inward = _inward(inside, work, shape)
    odds = np.clip((inward + 0.5) * (_BEYOND / beyond), -4, 0.5)
    core = inward > _CORE
    around = (inward < -_BEYOND) & (inward > -_AROUND)
    if own is not None:
        share = cv2.resize(own, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        logit = np.log((share + 0.02) / (1.02 - share))
        odds += _OWN * logit.clip(-_OWN_SUREST, _OWN_SUREST)
        core &= share >= 0.5
    if around.any() and palette.any():
        numbers = colors.bins(picture)
        here = colors.mean([palette, colors.histogram(numbers[core])])
        odds += _COLOR * colors.odds(here, colors.histogram(numbers[around]))[numbers]
    if ground is not None:
        if likely is not None:
            share = (
                cv2.resize(likely, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
            )
            core, around = (inward > _CORE) & (share >= 0.5), around & (share < 0.3)
        odds += _GROUND * ground(work, picture, core, around)
    odds[inward < -beyond] = -2 * abs(_OWN_SUREST) - 4
    return np.asarray(odds, np.float32)
