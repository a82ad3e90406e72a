"""Depths that the colour pictures of a depth sensor's capture give themselves.

A phone's depth map blurs whatever is as thin as a few of its pixels into what lies behind it; its
pictures show the same thing sharply. Once the frames are placed to the millimetre, multi-view
stereo between pictures measures the arms of a chair that the sensor only guesses. Only depths on
which other pictures agree are kept, and only where the sensor has edges or is not sure: within
surfaces it measures better than stereo does, so nothing is spent on them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.dense.colmap_workspace import map_path, read_map
from gypsum.dense.depth_maps import estimate_depth_maps
from gypsum.dense.fusion import FusionLimits
from gypsum.dense.neighbors import Neighborhood, choose_neighbors
from gypsum.native._fusion import compare_maps
from gypsum.scene import Photo, Progress, RgbdFrame, SparseModel, View, no_progress
from gypsum.scene.depth import denoised

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

#: Smaller pictures have nothing for stereo to begin with, pixels along the long side.
_SMALLEST = 240
#: Points of each depth map that tell which pictures see the same.
_POINTS = 150
#: A picture sees a point when its own depth map says so, within this share.
_SAME = 0.05
#: Pictures and sensor measure the same thing when the median of their ratio is this close to one.
_OFF = 0.015
#: Pixels that both know, for a map to be compared with the sensor's.
_FEWEST = 300
#: The sensor is sure from this confidence on. Jumps of more than this share of the depth are edges,
#: which blur so many of its pixels around.
_SURE, _EDGE, _BLURRED = 0.9, 0.04, 4
#: Metres of one step of the maps that are written: 16 bits reach 32 m.
_STEP = 0.0005


@dataclass(frozen=True)
class MeasuredPictures:
    """What stereo made of the pictures."""

    frames: list[RgbdFrame]
    """A depth map for each picture that has one, without the picture."""
    share: float
    """Of the pictures' pixels, those with a depth that tells more than the sensor."""
    left_out: list[str]
    """Pictures whose depths are not those of the sensor."""


def measure_pictures(
    frames: Sequence[RgbdFrame],
    pictures: Sequence[RgbdFrame],
    folder: Path,
    *,
    side: int,
    sources: int,
    memory: int | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> MeasuredPictures:
    """Write ``FOLDER/depth/NAME.png`` for the placed frames ``pictures``, 0 where unknown.

    ``frames``, placed as well, tell by their depth maps which pictures see the same. Maps have a
    long side of at most ``side``; each picture is compared with up to ``sources`` others.
    """
    pictures = [f for f in pictures if min(side, max(f.width, f.height)) >= _SMALLEST]
    scratch = folder / "stereo-passes"
    views = [_view(frame, scratch / "masks") for frame in pictures]
    neighborhoods = (
        choose_neighbors(_seen_points(frames, pictures), views, sources) if views else []
    )
    if any(here.sources for here in neighborhoods):
        estimate_depth_maps(
            views, neighborhoods, scratch, long_side=side, memory=memory, threads=threads,
            progress=lambda done, told="": progress(0.95 * done, told),
        )  # fmt: skip
    (folder / "depth").mkdir(parents=True, exist_ok=True)
    made, left_out, shares = [], [], []
    for n, (frame, view) in enumerate(zip(pictures, views, strict=True)):
        if not neighborhoods[n].sources:
            continue
        depth = _agreed(scratch, views, neighborhoods, n, side, threads)
        if not _as_sensed(depth, frame):
            left_out.append(frame.name)
            continue
        depth[_resized(_doubtful(frame, _BLURRED), depth) == 0] = 0
        shares.append(float((depth > 0).mean()))
        path = folder / "depth" / f"{frame.name}.png"
        steps = np.rint(np.where(depth < 65535 * _STEP, depth, 0) / _STEP)
        Image.fromarray(steps.astype(np.uint16)).save(path)
        height, width = depth.shape
        made.append(
            replace(
                frame, width=width, height=height, K=view.resized(width, height).K, color=None,
                depth=path, confidence=None, depth_unit=_STEP,
            )
        )  # fmt: skip
        progress(0.95 + 0.05 * (n + 1) / len(pictures), "comparing the pictures' depths")
    shutil.rmtree(scratch, ignore_errors=True)
    return MeasuredPictures(made, float(np.mean(shares)) if shares else 0.0, left_out)


def _view(frame: RgbdFrame, masks: Path | None = None) -> View:
    """The frame's picture; with its mask in a folder ``masks``, of where its depths are wanted."""
    assert frame.color is not None
    assert frame.R is not None
    assert frame.t is not None
    mask = None
    if masks is not None and frame.depth is not None:
        masks.mkdir(parents=True, exist_ok=True)
        mask = masks / f"{frame.name}.png"
        # Wider than wanted: others' depths must be there to agree, and both sensor's and picture's.
        Image.fromarray(255 * _doubtful(frame, 2 * _BLURRED)).save(mask)
    return View(
        frame.color.name, frame.color, frame.width, frame.height, frame.K, frame.R, frame.t, mask
    )


def _seen_points(frames: Sequence[RgbdFrame], pictures: Sequence[RgbdFrame]) -> SparseModel:
    """Points of the depth maps, and which pictures see them."""
    rng = np.random.default_rng(0)
    parts = [_some_points(frame, rng) for frame in frames if frame.depth is not None]
    points = np.concatenate(parts) if parts else np.zeros((0, 3))
    photos = {}
    for number, frame in enumerate(pictures, 1):
        view = _view(frame)
        xy, depth = view.project(points)
        seen = (depth > 0) & np.all((xy >= 0) & (xy < (view.width, view.height)), axis=1)
        if frame.depth is not None:
            sensed = frame.read_depth()
            height, width = sensed.shape
            column, row = (xy[seen] * (width / view.width, height / view.height)).astype(int).T
            seen[seen] = np.abs(sensed[row, column] - depth[seen]) < _SAME * depth[seen]
        photos[number] = Photo(
            number, view.name, number, view.R, view.t, xy[seen], np.flatnonzero(seen)
        )
    count = len(points)
    return SparseModel(
        {}, photos, np.arange(count), points, np.zeros((count, 3), np.uint8), np.zeros(count)
    )


def _some_points(frame: RgbdFrame, rng: np.random.Generator) -> Float64:
    """(N, 3) world, of the surer half of a frame's depth map."""
    depth = frame.read_depth()
    height, width = depth.shape
    row, column = np.nonzero((depth > 0) & (frame.read_confidence(depth.shape) >= 0.5))
    some = rng.permutation(len(row))[:_POINTS]
    row, column = row[some], column[some]
    pixels = np.stack([column + 0.5, row + 0.5, np.ones(len(some))], axis=1)
    rays = pixels @ np.linalg.inv(frame.intrinsics(width, height)).T
    assert frame.t is not None
    points: Float64 = (rays * depth[row, column][:, None] - frame.t) @ frame.R
    return points


def _agreed(
    folder: Path,
    views: Sequence[View],
    neighborhoods: Sequence[Neighborhood],
    n: int,
    side: int,
    threads: int,
) -> Float32:
    """(h, w) the depths of a picture on which others agree, as fusion of photos asks for."""
    limits = FusionLimits()

    def maps(i: int) -> tuple[Float32, Float32, Float64, Float64]:
        depth, normal, confidence = (
            read_map(map_path(folder, what, views[i].name))
            for what in ("depth", "normal", "confidence")
        )
        depth[confidence < limits.min_confidence] = 0
        view = views[i].limited(side)
        pose = np.column_stack([view.R, view.t])
        return depth, normal, np.ascontiguousarray(view.K), np.ascontiguousarray(pose)

    depth, normal, K, pose = maps(n)
    others = [j for j in neighborhoods[n].sources if neighborhoods[j].sources]
    loaded = [maps(j) for j in others]
    agree, conflict, carried = (np.empty(depth.shape, np.uint8) for _ in range(3))
    points, normals = (np.empty((*depth.shape, 3), np.float32) for _ in range(2))
    none = np.zeros((0, 0), np.uint8)
    compare_maps(
        depth, normal, K, pose, 1.0, [o[0] for o in loaded], [o[1] for o in loaded],
        [o[2] for o in loaded], [o[3] for o in loaded], [1.0] * len(loaded), [none] * len(loaded),
        limits.max_pixels, limits.max_depth, float(np.cos(np.radians(limits.max_angle))), threads,
        agree, conflict, carried, points, normals,
    )  # fmt: skip
    kept = (agree >= limits.min_agree) & (agree > limits.agree_per_conflict * conflict)
    return np.where(kept, depth, 0).astype(np.float32)


def _as_sensed(depth: Float32, frame: RgbdFrame) -> bool:
    """Whether a picture's depths are those of its own depth map, but for details.

    They are not where the lens is not what the capture says, or the pose is wrong.
    """
    if frame.depth is None:
        return True
    sensed = frame.read_depth()
    sensed[_doubtful(frame, _BLURRED) > 0] = 0
    height, width = sensed.shape
    row = ((np.arange(height) + 0.5) * depth.shape[0] / height).astype(int)
    column = ((np.arange(width) + 0.5) * depth.shape[1] / width).astype(int)
    measured = depth[np.ix_(row, column)]
    both = (sensed > 0) & (measured > 0)
    if int(both.sum()) < _FEWEST:
        return True
    return abs(float(np.median(measured[both] / sensed[both])) - 1) < _OFF


def _doubtful(frame: RgbdFrame, reach: int) -> UInt8:
    """(h, w) of the depth map, 1 within ``reach`` pixels of edges and where it is not sure."""
    if frame.depth is None:
        return np.ones((1, 1), np.uint8)
    raw = frame.read_depth()
    known = raw > 0
    smooth = denoised(raw, _EDGE / 4)
    kernel = np.ones((3, 3), np.uint8)
    far, near = cv2.dilate(smooth, kernel), cv2.erode(np.where(known, smooth, np.inf), kernel)
    mixed = ~known | (frame.read_confidence(raw.shape) < _SURE) | (far - near > _EDGE * smooth)
    around = np.ones((2 * reach + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(mixed.astype(np.uint8), around), np.uint8)


def _resized(doubtful: UInt8, depth: Float32) -> UInt8:
    size = depth.shape[::-1]
    return np.asarray(cv2.resize(doubtful, size, interpolation=cv2.INTER_NEAREST), np.uint8)
