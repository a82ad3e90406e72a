"""A quick look at how photos belong together: small photos, few features, all likely pairs.

It costs about half a second of a core for each photo, and tells which photos overlap, how far the
camera turned between them, and whether anything moved by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL.Image  # before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.features import Features, extract, in_parallel
from gypsum.cameras.matches import (
    MIN_MATCHES,
    RATIO,
    SEED,
    make_cameras,
    set_focal_lengths,
    verify_pair,
)
from gypsum.cameras.pairs import EXHAUSTIVE, Pair, all_pairs, likely_pairs
from gypsum.cameras.view_graph import (
    ViewGraph,
    average_rotations,
    build_graph,
    consistent_pairs,
)
from gypsum.native import _match
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile
from gypsum.scene.preview import PairPreview, Preview

if TYPE_CHECKING:
    import pycolmap

Float64 = NDArray[np.float64]
Matches = NDArray[np.uint32]

#: Longer side at which features are sought, pixels, and how many are kept of each photo.
LONG_SIDE = 1024
MAX_FEATURES = 1536
#: A match is off the camera's motion beyond this share of the photo's longer side.
_OFF = 0.006


def preview_cameras(
    capture: Capture,
    photos_folder: Path,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> Preview:
    """Match small versions of all photos and say how they hold together."""
    import pycolmap

    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
    threads = threads or os.cpu_count() or 1
    photos = capture.photos
    features = _all_features(photos, photos_folder, threads, _part(progress, 0.0, 0.5))
    if len(photos) <= EXHAUSTIVE:
        candidates = all_pairs(len(photos))
    else:
        candidates = likely_pairs(photos, [f.descriptors for f in features])
    matches = _match_all(features, candidates, threads, _part(progress, 0.5, 0.75))
    points = [f.xy.astype(np.float64) for f in features]
    cameras = make_cameras(photos)
    set_focal_lengths(photos, cameras, points, matches)
    geometries = _verify_all(points, cameras, matches, threads, _part(progress, 0.75, 0.9))
    graph = build_graph(points, cameras, geometries)
    consistent = graph.select(consistent_pairs(graph))
    pairs = [
        _pair_preview((int(i), int(j)), points, cameras, matches, geometries)
        for i, j in consistent.pairs
    ]
    progress(1.0, f"{len(pairs)} pairs of photos overlap")
    return Preview(
        points=tuple(f.xy for f in features),
        focal_px=tuple(float(camera.mean_focal_length()) for camera in cameras),
        pairs=tuple(pairs),
        rotations=average_rotations(consistent, consistent.weights + 1e-9),
        group=_groups(consistent),
    )


def _groups(graph: ViewGraph) -> NDArray[np.int64]:
    return graph.components() if graph.count else np.empty(0, np.int64)


def _all_features(
    photos: Sequence[PhotoFile], folder: Path, threads: int, progress: Progress
) -> list[Features]:
    previous = cv2.getNumThreads()
    cv2.setNumThreads(1)
    found: list[Features | None] = [None] * len(photos)
    try:
        work = (partial(_numbered, n, photo, folder) for n, photo in enumerate(photos))
        for done, (number, features) in enumerate(in_parallel(work, threads), start=1):
            found[number] = features
            progress(done / len(photos), f"looking at photo {done} of {len(photos)}")
    finally:
        cv2.setNumThreads(previous)
    return [features for features in found if features is not None]


def _numbered(number: int, photo: PhotoFile, folder: Path) -> tuple[int, Features]:
    with PIL.Image.open(folder / photo.name) as file:
        # JPEG decoders shrink on the way, which takes a fraction of the time.
        file.draft("L", (LONG_SIDE, LONG_SIDE))
        gray = np.asarray(file.convert("L"))
    features = extract(gray, LONG_SIDE, MAX_FEATURES)
    scale = (photo.width / gray.shape[1], photo.height / gray.shape[0])
    keypoints = features.keypoints.copy()
    keypoints[:, :2] *= scale
    keypoints[:, 2] *= scale[0]
    return number, Features(keypoints, features.descriptors)


def _match_all(
    features: Sequence[Features], pairs: Sequence[Pair], threads: int, progress: Progress
) -> dict[Pair, Matches]:
    work = (
        partial(_match_group, features, list(group))
        for _, group in groupby(pairs, key=lambda pair: pair[0])
    )
    matches: dict[Pair, Matches] = {}
    for found in in_parallel(work, threads):
        matches.update(found)
        progress(len(matches) / len(pairs), f"comparing photos, pair {len(matches)}")
    return dict(sorted(matches.items()))


def _match_group(features: Sequence[Features], pairs: Sequence[Pair]) -> dict[Pair, Matches]:
    return {
        (i, j): _match.match_descriptors(features[i].descriptors, features[j].descriptors, RATIO)
        for i, j in pairs
    }


def _verify_all(
    points: Sequence[Float64],
    cameras: Sequence[pycolmap.Camera],
    matches: Mapping[Pair, Matches],
    threads: int,
    progress: Progress,
) -> dict[Pair, pycolmap.TwoViewGeometry]:
    candidates = {pair: found for pair, found in matches.items() if len(found) >= MIN_MATCHES}
    work = (
        partial(verify_pair, pair, points, cameras, found, rough=True)
        for pair, found in candidates.items()
    )
    geometries = {}
    for done, (pair, geometry) in enumerate(in_parallel(work, threads), start=1):
        progress(done / len(candidates), f"verifying, pair {done} of {len(candidates)}")
        if len(geometry.inlier_matches) >= MIN_MATCHES:
            geometries[pair] = geometry
    return dict(sorted(geometries.items()))


def _pair_preview(
    pair: Pair,
    points: Sequence[Float64],
    cameras: Sequence[pycolmap.Camera],
    matches: Mapping[Pair, Matches],
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
) -> PairPreview:
    """One pair, with what moved otherwise than the camera explains."""
    geometry = geometries[pair]
    pose = geometry.cam2_from_cam1
    R = np.asarray(pose.rotation.matrix())
    t = np.asarray(pose.translation, np.float64)
    length = float(np.linalg.norm(t))
    t = t / length if length > 0 else t
    found = matches[pair]
    i, j = pair
    rays = [_rays(cameras[k], points[k][column]) for k, column in zip((i, j), found.T, strict=True)]
    off = epipolar_distance(R, t, *rays) * cameras[j].mean_focal_length()
    motion = np.zeros(len(found), np.uint8)
    motion[off <= _OFF * max(cameras[j].width, cameras[j].height)] = 1
    rest = np.flatnonzero(motion == 0)
    if len(rest) >= MIN_MATCHES:
        motion[rest[_second_motion(points[i], points[j], found[rest], cameras[j])]] = 2
    return PairPreview(i, j, found, motion, R, t)


def _second_motion(
    first: Float64, second: Float64, matches: Matches, camera: pycolmap.Camera
) -> NDArray[np.bool_]:
    """(M,) the matches that fit one rigid motion with each other."""
    import pycolmap

    options = pycolmap.RANSACOptions(
        max_error=0.003 * max(camera.width, camera.height),
        min_num_trials=100,
        max_num_trials=1000,
        random_seed=SEED,
    )
    a, b = first[matches[:, 0]], second[matches[:, 1]]
    found = pycolmap.estimate_fundamental_matrix(a, b, options)
    if found is None or found["num_inliers"] < MIN_MATCHES:
        return np.zeros(len(matches), np.bool_)
    return np.asarray(found["inlier_mask"], np.bool_)


def _rays(camera: pycolmap.Camera, xy: Float64) -> Float64:
    """(N, 3) directions of pixels (N, 2), of depth one."""
    flat = np.asarray(camera.cam_from_img(xy)).reshape(-1, 2)
    return np.column_stack([flat, np.ones(len(flat))])


def epipolar_distance(R: Float64, t: Float64, first: Float64, second: Float64) -> Float64:
    """(N,) how far rays (N, 3) of the second camera are from the epipolar lines of the first's.

    On the plane of depth one. Where the camera only turned (t of zero), from the turned ray.
    """
    turned = first @ R.T
    if not t.any():
        distance: Float64 = np.linalg.norm(turned[:, :2] / turned[:, 2:] - second[:, :2], axis=1)
        return distance
    lines = np.cross(t, turned)
    return np.asarray(
        np.abs((lines * second).sum(axis=1)) / np.maximum(np.hypot(*lines[:, :2].T), 1e-12)
    )


def _part(progress: Progress, begin: float, end: float) -> Progress:
    """The progress of a part of the work."""
    return lambda done, doing="": progress(begin + (end - begin) * done, doing)
