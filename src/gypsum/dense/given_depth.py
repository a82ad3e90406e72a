"""Depth maps from elsewhere as evidence beside those that the photos themselves give.

Photos tell nothing of plain and shiny surfaces; sensors and networks do, but in a size, and with
errors, of their own. What a map's numbers mean is found from the scan's own points, map by map:
depths up to a scale, as sensors give them; depths with an offset; or inverse depths with an offset,
as networks for single pictures give them (Ranftl et al., PAMI 2022). Where the photos are sure,
they correct the map around, and show where it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.dense.colmap_workspace import map_path, read_map, write_map
from gypsum.dense.undistort import photo_pixels
from gypsum.scene import Camera, Photo, Progress, SparseModel, View, no_progress
from gypsum.scene.depth import denoised, noise_share, normals_of

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: What the numbers g of a map can mean, simplest first: z = a g, z = a g + b, 1/z = a/g + b,
#: 1/z = a g + b.
SCALED, SHIFTED, BENT, INVERSE = KINDS = ("scaled", "shifted", "bent", "inverse")
#: A meaning with two numbers must fit this much better than the one with a single number.
_CLEARLY = 0.6
#: Points of the scan that a map must show for a fit; trials, and steps of refining.
_FEWEST, _TRIALS, _STEPS = 12, 300, 6
#: Where a map changes by more than this share between neighbours lies an edge.
_EDGE = 0.05
#: Maps are in metres when their scales agree this well (standard deviation of a single one), for so
#: many maps.
_SAME_SIZE, _MAPS = 0.03, 3
#: NCC from which the photos' own depths are believed, and the confidence that given ones get: a
#: little more than fusion asks for.
_SURE, _GIVEN = 0.6, 0.3
#: Largest error that is corrected, and the reach of a correction as a share of the map's width.
_CORRECTED, _REACH = 0.2, 1 / 16
#: A map off by more than this from what photos are sure of is left out. Of others, parts are in
#: which most pixels are off by so much, or by so many times the usual.
_WORST, _OFF, _OFF_USUAL = 0.05, 0.02, 3.0
#: The size of such parts as a share of the map's width, and the pixels that must be known there.
_PART, _KNOWN = 1 / 24, 0.1
#: Noise above this share of the depth is averaged out.
_NOISY = 0.002


@dataclass(frozen=True)
class Meaning:
    """How the numbers of a map become depths in the scan's unit."""

    kind: str
    a: float
    b: float
    misfit: float
    """Median relative error at the scan's points."""
    points: int

    def depths(self, numbers: Float32) -> Float32:
        """(h, w) depths, 0 where unknown."""
        known = numbers > 0
        g = np.where(known, numbers, 1).astype(np.float64)
        value = self.a / g + self.b if self.kind == BENT else self.a * g + self.b
        usable = known & (value > 1e-12)
        value = np.where(usable, value, 1)
        depth = 1 / value if self.kind in (BENT, INVERSE) else value
        return np.where(usable, depth, 0).astype(np.float32)


@dataclass(frozen=True)
class Completed:
    """What became of the maps."""

    used: dict[str, float]
    """Share of the photo's pixels that were taken from the map, by photo."""
    left_out: dict[str, str]
    """By photo why its map was not used: the rest of a sentence that names the map."""
    kind: str


def numbers_at_points(
    model: SparseModel, photo: Photo, numbers: Float32
) -> tuple[Float64, Float64]:
    """(N,) a map's numbers where the photo shows points of the scan, and their depths there."""
    row = {int(number): n for n, number in enumerate(model.point_ids)}
    seen = np.array([row.get(int(number), -1) for number in photo.point3d_ids], np.int64)
    xy, seen = photo.xy[seen >= 0], seen[seen >= 0]
    z = (model.points[seen] @ photo.R.T + photo.t)[:, 2]
    height, width = numbers.shape
    camera = model.camera_of(photo)
    column = np.floor(xy[:, 0] * width / camera.width).astype(np.int64)
    line = np.floor(xy[:, 1] * height / camera.height).astype(np.int64)
    inside = (column >= 0) & (line >= 0) & (column < width) & (line < height) & (z > 0)
    column, line, z = column[inside], line[inside], z[inside]
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(numbers, kernel) - cv2.erode(numbers, kernel)
    found = numbers[line, column].astype(np.float64)
    smooth = (found > 0) & (step[line, column] < _EDGE * found)
    return found[smooth], z[smooth]


def meaning_of(numbers: Float64, depths: Float64, kind: str, seed: int = 0) -> Meaning | None:
    """The best meaning of a kind for numbers (N,) at known depths (N,); None where too few.

    Least squares of relative errors with Cauchy weights, from the best of random pairs.
    """
    if len(numbers) < _FEWEST:
        return None
    if kind == SCALED:
        a = float(np.median(depths / numbers))
        off = np.abs(np.log(a * numbers / depths))
        return Meaning(kind, a, 0.0, float(np.median(off)), len(numbers))
    x = 1 / numbers if kind == BENT else numbers
    y = depths if kind == SHIFTED else 1 / depths
    # Errors relative to y: a x / y + b / y = 1.
    rows = np.stack([x / y, 1 / y], axis=1)
    pairs = np.random.default_rng(seed).integers(0, len(x), (_TRIALS, 2))
    pairs = pairs[np.abs(x[pairs[:, 0]] - x[pairs[:, 1]]) > 1e-3 * np.abs(x[pairs]).max(axis=1)]
    if not len(pairs):
        return None
    first, second = pairs.T
    a = (y[first] - y[second]) / (x[first] - x[second])
    tried = np.stack([a, y[first] - a * x[first]], axis=1)
    found = tried[np.median(np.abs(tried @ rows.T - 1), axis=1).argmin()]
    for _ in range(_STEPS):
        off = np.abs(rows @ found - 1)
        weight = 1 / (1 + (off / max(2 * float(np.median(off)), 1e-9)) ** 2)
        found = np.linalg.lstsq(rows * weight[:, None], weight, rcond=None)[0]
    if found[0] <= 0:
        return None
    misfit = float(np.median(np.abs(rows @ found - 1)))
    return Meaning(kind, float(found[0]), float(found[1]), misfit, len(numbers))


def meanings(model: SparseModel, folder: Path) -> tuple[dict[str, Meaning | None], str]:
    """What the maps ``folder/NAME.npy`` of the model's photos mean, and the kind that they share.

    None where a photo shows too few points to tell.
    """
    pairs = {}
    for photo in model.photos.values():
        path = folder / f"{photo.name}.npy"
        if path.exists():
            pairs[photo.name] = numbers_at_points(model, photo, np.load(path))
    fits = {
        kind: {name: meaning_of(*values, kind) for name, values in pairs.items()} for kind in KINDS
    }
    misfits = {
        kind: float(np.median([m.misfit for m in found.values() if m] or [np.inf]))
        for kind, found in fits.items()
    }
    best = min(KINDS, key=lambda kind: misfits[kind])
    kind = best if misfits[best] < _CLEARLY * misfits[SCALED] else SCALED
    return fits[kind], kind


def metric_scale(found: Mapping[str, Meaning | None], kind: str) -> tuple[float, float, int] | None:
    """Metres per unit of the scan, its relative standard error, and the maps that tell it.

    None where the maps are of no common size, as those of networks.
    """
    scales = np.log([m.a for m in found.values() if m is not None and m.misfit < _WORST])
    if kind != SCALED or len(scales) < _MAPS:
        return None
    middle = float(np.median(scales))
    spread = 1.4826 * float(np.median(np.abs(scales - middle)))
    if spread > _SAME_SIZE:
        return None
    return float(np.exp(-middle)), max(spread, 1e-3) / float(np.sqrt(len(scales))), len(scales)


def complete_depth_maps(
    model: SparseModel,
    given: Path,
    views: Sequence[View],
    depth: Path,
    folder: Path,
    *,
    progress: Progress = no_progress,
) -> Completed:
    """Write the maps of the dense workspace ``depth`` to ``folder``, completed by those given.

    ``model`` are the cameras of the photos as they were taken, to which the maps
    ``given/NAME.npy`` belong; ``views`` are the undistorted photos. A given depth is taken where
    the photos are not sure and where nothing nearby speaks against it. It still has to agree with
    other photos' depths when all are joined.
    """
    found, kind = meanings(model, given)
    usual = [m for m in found.values() if m is not None]
    photos = {photo.name: photo for photo in model.photos.values()}
    used: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for done, view in enumerate(views):
        progress(done / len(views), f"photo {done + 1} of {len(views)}")
        maps = {
            what: read_map(map_path(depth, what, view.name))
            for what in ("depth", "normal", "confidence")
            if map_path(depth, what, view.name).exists()
        }
        if view.name in found and "confidence" in maps:
            meaning = found[view.name]
            if meaning is None and kind == SCALED and usual:
                middle = sorted(m.a for m in usual)[len(usual) // 2]
                meaning = Meaning(kind, middle, 0.0, float("nan"), 0)
            if meaning is None:
                left_out[view.name] = "its photo shows too few points of the scan to place it"
            else:
                camera = model.camera_of(photos[view.name])
                numbers = np.load(given / f"{view.name}.npy")
                share = _complete(view, camera, meaning, numbers, maps)
                if share is None:
                    left_out[view.name] = "it disagrees with what the photos show"
                else:
                    used[view.name] = share
        for what, values in maps.items():
            write_map(map_path(folder, what, view.name), values)
    return Completed(used, left_out, kind)


def _complete(
    view: View, camera: Camera, meaning: Meaning, numbers: Float32, maps: dict[str, Float32]
) -> float | None:
    """Change the maps; the share of pixels filled, None where the given map is not to be used."""
    measured, confidence = maps["depth"], maps["confidence"]
    height, width = measured.shape
    view = view.resized(width, height)
    depth = meaning.depths(numbers)
    share = noise_share(depth)
    if share is not None and share > _NOISY:
        depth = denoised(depth, share)
    depth = _seen_by(depth, camera, view)
    sure = (measured > 0) & (confidence >= _SURE)
    off = _off(measured, depth, sure)
    depth = depth * np.exp(_smooth(np.where(np.abs(off) < _CORRECTED, off, 0), sure & (depth > 0)))
    off = _off(measured, depth, sure)
    compared = sure & (depth > 0)
    usual = float(np.median(np.abs(off[compared]))) if compared.any() else meaning.misfit
    if usual > _WORST:
        return None
    limit = max(_OFF, _OFF_USUAL * usual)
    depth[_mostly(compared & (np.abs(off) > limit), compared)] = 0
    anywhere = _off(measured, depth, measured > 0)
    wanted = (depth > 0) & ~sure & ((measured <= 0) | (np.abs(anywhere) > limit))
    # Below what fusion asks for, a pixel counts as unknown.
    wanted |= (depth > 0) & (confidence < _GIVEN)
    maps["normal"][wanted] = normals_of(depth, view.K)[wanted]
    measured[wanted] = depth[wanted]
    confidence[wanted] = _GIVEN
    return float(wanted.mean())


def _off(measured: Float32, depth: Float32, where: Bools) -> Float32:
    """(h, w) the logarithm of measured by given depth; 0 beside ``where``."""
    both = where & (depth > 0) & (measured > 0)
    ratio = np.where(both, measured, 1) / np.where(both, depth, 1)
    return np.asarray(np.log(ratio), np.float32)


def _smooth(values: Float32, known: Bools) -> Float32:
    """(h, w) the mean of known values around; towards 0 where few are known."""
    sigma = _REACH * values.shape[1]
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(np.where(known, values, 0).astype(np.float32), (0, 0), sigma)
    return np.asarray(total / (weight + np.float32(0.01)), np.float32)


def _mostly(some: Bools, known: Bools) -> Bools:
    """(h, w) where most of the known pixels around are among these."""
    sigma = _PART * some.shape[1]
    share = cv2.GaussianBlur(some.astype(np.float32), (0, 0), sigma)
    whole = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma)
    return np.asarray((whole > _KNOWN) & (share > 0.5 * whole))


def _seen_by(depth: Float32, camera: Camera, view: View) -> Float32:
    """A map of the photo as it was taken, in the pixels of the undistorted view.

    Between pixels of one surface inverse depth is linear; across edges the nearest pixel is taken.
    """
    x, y = photo_pixels(camera, view)
    x = x * np.float32(depth.shape[1] / camera.width) - np.float32(0.5)
    y = y * np.float32(depth.shape[0] / camera.height) - np.float32(0.5)
    nearest = cv2.remap(depth, x, y, cv2.INTER_NEAREST)
    known = (depth > 0).astype(np.float32)
    inverse = np.where(depth > 0, 1 / np.maximum(depth, np.float32(1e-12)), 0).astype(np.float32)
    weight = cv2.remap(known, x, y, cv2.INTER_LINEAR)
    mean = cv2.remap(inverse, x, y, cv2.INTER_LINEAR)
    linear = np.where(weight > 0.999, 1 / np.maximum(mean, np.float32(1e-12)), 0)
    close = (weight > 0.999) & (np.abs(linear - nearest) < _EDGE * nearest)
    return np.where(close, linear, nearest).astype(np.float32)
