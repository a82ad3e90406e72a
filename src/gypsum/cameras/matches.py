"""Matches between photos, verified by two-view geometry, in a COLMAP database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.features import Features, features_path, in_parallel
from gypsum.cameras.known import KnownCameras, assign, pairs_by_pose
from gypsum.cameras.pairs import (
    EXHAUSTIVE,
    FEW,
    Pair,
    all_pairs,
    likely_pairs,
    next_pairs,
    promising_pairs,
)
from gypsum.cameras.self_calibration import find_focal_lengths
from gypsum.cameras.view_graph import (
    build_graph,
    consistent_pairs,
    covered_by_both,
    trusts_focal_lengths,
)
from gypsum.formats.atomic import atomic_write
from gypsum.native import _match
from gypsum.scene import Camera, Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile

if TYPE_CHECKING:
    import pycolmap

Matches = NDArray[np.uint32]

DATABASE = "database.db"
#: A match must be this much nearer than the second best (Lowe 2004).
RATIO = 0.8
#: The same for photos that too few others hold: verification drops what this lets in.
LOOSE_RATIO = 0.85
#: Features of each photo that a preview matches: the largest, seen from near and far alike.
PREVIEW = 1024
#: Features of each photo that photos far apart are matched by: details don't show from there.
LARGE = 4096
#: Chance alone gives a preview fewer matches than this.
CHANCE = 6
#: A photo with fewer than FEW_PARTNERS partners of HOLDING verified matches is weakly held.
FEW_PARTNERS = 4
HOLDING = 30
#: Pairs with fewer matches are not worth verifying: chance alone gives them.
MIN_MATCHES = 15
#: Without EXIF the focal length starts here, times the longer side (COLMAP's guess).
GUESSED_FOCAL = 1.2
SEED = 1


def match_features(
    capture: Capture,
    features_folder: Path,
    folder: Path,
    *,
    exhaustive: int = EXHAUSTIVE,
    known: KnownCameras | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Write ``folder/database.db``: cameras, photos, keypoints, matches and two-view geometries.

    A preview ranks all pairs of up to ``exhaustive`` photos, and likely pairs of more; promising
    ones are matched, the best by all features. Photos that too few others hold are then tried with
    the next ones, and less strictly. Other pairs stay with what the preview matched, which helps to
    tell which can be true together. Matches already in ``folder/matches`` from an interrupted run
    are used again.
    """
    import pycolmap

    # What COLMAP logs is not for the user.
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
    threads = threads or os.cpu_count() or 1
    photos = capture.photos
    features = [Features.load(features_path(features_folder, photo.name)) for photo in photos]
    largest = [f.first(PREVIEW) for f in features]
    given = assign(known, photos) if known is not None else None
    if given is not None and any(given.poses):
        candidates = pairs_by_pose(given.poses)
    elif len(photos) <= exhaustive:
        candidates = all_pairs(len(photos))
    else:
        progress(0.0, "finding photos that look alike")
        candidates = likely_pairs(photos, [f.descriptors for f in largest])
    previews = dict(_preview_pairs(largest, candidates, threads, _part(progress, 0.0, 0.15)))
    cameras = make_cameras(photos, None if given is None else given.cameras)
    points = [f.xy.astype(np.float64) for f in features]
    set_focal_lengths(photos, cameras, points, previews)

    matcher = _Matcher(features, points, cameras, folder / "matches", threads)
    glimpses = matcher.verify(previews, _part(progress, 0.15, 0.25), rough=True)
    promises = promise(points, cameras, previews, glimpses)
    near, far = promising_pairs(len(photos), promises)
    matches, geometries = matcher.match(near, "near", _part(progress, 0.25, 0.7))
    found, verified = replace(matcher, features=[f.first(LARGE) for f in features]).match(
        far, "far", _part(progress, 0.7, 0.9)
    )
    matches, geometries = matches | found, geometries | verified
    weak = weakly_held(points, cameras, glimpses | geometries)
    firm = {pair for pair, found in geometries.items() if len(found.inlier_matches) >= HOLDING}
    if more := next_pairs(weak, promises, firm):
        found, verified = matcher.match(more, "more", _part(progress, 0.9, 0.98), LOOSE_RATIO)
        matches, geometries = matches | found, geometries | verified
    matches, geometries = previews | matches, glimpses | geometries

    temporary = folder / f".{DATABASE}.part"
    remove_database(temporary)
    write_database(temporary, photos, cameras, features, matches, geometries)
    temporary.replace(folder / DATABASE)
    progress(1.0, f"matched {len(matches)} pairs")


def _preview_pairs(
    largest: Sequence[Features], pairs: Sequence[Pair], threads: int, progress: Progress
) -> Iterator[tuple[Pair, Matches]]:
    """Matches of the largest features of every pair, in no order."""
    work = (
        partial(_match_group, largest, list(group))
        for _, group in groupby(pairs, key=lambda pair: pair[0])
    )
    done = 0
    for found in in_parallel(work, threads):
        done += len(found)
        progress(done / len(pairs), f"comparing photos, pair {done} of {len(pairs)}")
        yield from found


def _match_group(
    features: Sequence[Features], pairs: Sequence[Pair], ratio: float = RATIO
) -> list[tuple[Pair, Matches]]:
    return [(pair, _match_pair(features, pair, ratio)) for pair in pairs]


def _match_pair(features: Sequence[Features], pair: Pair, ratio: float) -> Matches:
    i, j = pair
    return _match.match_descriptors(features[i].descriptors, features[j].descriptors, ratio)


def promise(
    points: Sequence[NDArray[np.float64]],
    cameras: Sequence[pycolmap.Camera],
    previews: Mapping[Pair, Matches],
    glimpses: Mapping[Pair, pycolmap.TwoViewGeometry],
) -> dict[Pair, float]:
    """How much each pair promises: how much of both photos its verified preview covers.

    Covered cells rather than matches, as one small thing that repeats may have most of those.
    Where nothing could be verified, the number of matches decides, below all others; zero is
    chance.
    """
    found = {pair: len(m) / PREVIEW if len(m) >= CHANCE else 0.0 for pair, m in previews.items()}
    for pair, geometry in glimpses.items():
        found[pair] = covered_by_both(points, cameras, pair, geometry)
    return found


def weakly_held(
    points: Sequence[NDArray[np.float64]],
    cameras: Sequence[pycolmap.Camera],
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
) -> set[int]:
    """Photos with too few verified partners that can be true together.

    All of a few photos when their focal length is open: then what is true can't be told.
    """
    pairs = list(geometries)
    if not trusts_focal_lengths(cameras, geometries) and len(points) <= FEW:
        return set(range(len(points)))
    if trusts_focal_lengths(cameras, geometries):
        graph = build_graph(points, cameras, geometries)
        pairs = [(int(i), int(j)) for i, j in graph.pairs[consistent_pairs(graph)]]
    partners = np.zeros(len(points), np.int64)
    for pair in pairs:
        if len(geometries[pair].inlier_matches) >= HOLDING:
            partners[list(pair)] += 1
    return set(np.flatnonzero(partners < FEW_PARTNERS).tolist())


@dataclass(frozen=True)
class _Matcher:
    """Matches pairs in full, and verifies them."""

    features: Sequence[Features]
    points: Sequence[NDArray[np.float64]]
    cameras: Sequence[pycolmap.Camera]
    folder: Path
    threads: int

    def match(
        self, pairs: Sequence[Pair], name: str, progress: Progress, ratio: float = RATIO
    ) -> tuple[dict[Pair, Matches], dict[Pair, pycolmap.TwoViewGeometry]]:
        """Matches of all pairs, and the geometry of those that have one.

        Matches are kept in ``folder/name``.
        """
        matches = dict(self._all_matches(sorted(pairs), name, ratio, _part(progress, 0.0, 0.7)))
        return matches, self.verify(matches, _part(progress, 0.7, 1.0))

    def _all_matches(
        self, pairs: Sequence[Pair], name: str, ratio: float, progress: Progress
    ) -> Iterator[tuple[Pair, Matches]]:
        """Those of one first photo are kept together in a file."""
        parts = self.folder / name
        parts.mkdir(parents=True, exist_ok=True)
        done = 0
        for first, group in groupby(pairs, key=lambda pair: pair[0]):
            partners = [j for _, j in group]
            path = parts / f"{first:05d}.npz"
            found = _read_part(path, partners)
            if found is None:
                work = (partial(_match_group, self.features, [(first, j)], ratio) for j in partners)
                found = {pair[1]: m for one in in_parallel(work, self.threads) for pair, m in one}
                with atomic_write(path) as file:
                    np.savez(file, allow_pickle=False, **{str(j): found[j] for j in partners})
            for j in partners:
                yield (first, j), found[j]
            done += len(partners)
            progress(done / len(pairs), f"matching, pair {done} of {len(pairs)}")

    def verify(
        self, matches: Mapping[Pair, Matches], progress: Progress, *, rough: bool = False
    ) -> dict[Pair, pycolmap.TwoViewGeometry]:
        """The geometry of the pairs that have one; ``rough`` gives up sooner."""
        candidates = {pair: found for pair, found in matches.items() if len(found) >= MIN_MATCHES}
        work = (
            partial(verify_pair, pair, self.points, self.cameras, found, rough=rough)
            for pair, found in candidates.items()
        )
        geometries = {}
        for done, (pair, geometry) in enumerate(in_parallel(work, self.threads), start=1):
            if done % 16 == 0:
                progress(done / len(candidates), f"verifying, pair {done} of {len(candidates)}")
            if len(geometry.inlier_matches) >= MIN_MATCHES:
                geometries[pair] = geometry
        return geometries


def _read_part(path: Path, partners: Sequence[int]) -> dict[int, Matches] | None:
    if not path.exists():
        return None
    with np.load(path) as data:
        if set(data.files) != {str(j) for j in partners}:
            return None
        return {j: data[str(j)] for j in partners}


def make_cameras(
    photos: Sequence[PhotoFile], known: Sequence[Camera | None] | None = None
) -> list[pycolmap.Camera]:
    """One camera per photo, the same object for photos with the same key; ids count from 1.

    ``known`` are intrinsics that were given; photos with the same one share it.
    """
    import pycolmap

    cameras: dict[object, pycolmap.Camera] = {}
    keys: list[object] = [
        photo.camera if given is None else (given.id, given.width, given.height)
        for photo, given in zip(photos, known or [None] * len(photos), strict=True)
    ]
    for photo, key, given in zip(photos, keys, known or [None] * len(photos), strict=True):
        if key in cameras:
            continue
        if given is not None:
            cameras[key] = pycolmap.Camera(
                camera_id=len(cameras) + 1,
                model=given.model,
                width=given.width,
                height=given.height,
                params=given.params,
                has_prior_focal_length=True,
            )
            continue
        focals = [p.focal_px for p in photos if p.camera == photo.camera and p.focal_px]
        guess = GUESSED_FOCAL * max(photo.width, photo.height)
        focal = float(np.median(focals)) if focals else guess
        camera = pycolmap.Camera.create_from_model_name(
            len(cameras) + 1, "SIMPLE_RADIAL", focal, photo.width, photo.height
        )
        camera.has_prior_focal_length = bool(focals)
        cameras[key] = camera
    return [cameras[key] for key in keys]


def set_focal_lengths(
    photos: Sequence[PhotoFile],
    cameras: Sequence[pycolmap.Camera],
    points: Sequence[NDArray[np.float64]],
    matches: Mapping[Pair, Matches],
) -> None:
    """Give cameras without a focal length that which the matches tell, where they do."""
    focal = find_focal_lengths(photos, points, matches)
    for photo, camera in zip(photos, cameras, strict=True):
        if not camera.has_prior_focal_length and photo.camera in focal:
            for index in camera.focal_length_idxs():
                camera.params[index] = focal[photo.camera]
            camera.has_prior_focal_length = True


def two_view_options(*, rough: bool) -> pycolmap.TwoViewGeometryOptions:
    """COLMAP's, but deterministic, and stopped where more trials hardly ever find more.

    A pair with no geometry at all would else cost ten times as much as one that has it. Half of the
    trials find as many of the geometries of previews, whose matches are cleaner, but less exactly.
    """
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.compute_relative_pose = True
    options.ransac.random_seed = SEED
    options.ransac.min_num_trials = 30
    options.ransac.dyn_num_trials_multiplier = 1.0 if rough else 2.0
    options.ransac.max_num_trials = 500 if rough else 1500
    return options


def verify_pair(
    pair: Pair,
    points: Sequence[NDArray[np.float64]],
    cameras: Sequence[pycolmap.Camera],
    matches: Matches,
    *,
    rough: bool = False,
) -> tuple[Pair, pycolmap.TwoViewGeometry]:
    import pycolmap

    i, j = pair
    return pair, pycolmap.estimate_two_view_geometry(
        cameras[i], points[i], cameras[j], points[j], matches, two_view_options(rough=rough)
    )


def remove_database(path: Path) -> None:
    """Delete a database and the journals that a killed process may have left beside it.

    SQLite would apply a journal that is left to the next database of that name.
    """
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def write_database(
    path: Path,
    photos: Sequence[PhotoFile],
    cameras: Sequence[pycolmap.Camera],
    features: Sequence[Features],
    matches: dict[Pair, Matches],
    geometries: dict[Pair, pycolmap.TwoViewGeometry],
) -> None:
    """A COLMAP database; the image id of ``photos[i]`` is ``i + 1``."""
    import pycolmap

    with pycolmap.Database.open(path) as database, pycolmap.DatabaseTransaction(database):
        for camera in {camera.camera_id: camera for camera in cameras}.values():
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=camera.camera_id)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for number, (photo, camera, found) in enumerate(
            zip(photos, cameras, features, strict=True), start=1
        ):
            image = pycolmap.Image(name=photo.name, camera_id=camera.camera_id, image_id=number)
            database.write_image(image, use_image_id=True)
            frame = pycolmap.Frame(frame_id=number, rig_id=camera.camera_id)
            frame.add_data_id(image.data_id)
            database.write_frame(frame, use_frame_id=True)
            database.write_keypoints(number, found.keypoints)
        for (i, j), pairs in sorted(matches.items()):
            if len(pairs):
                database.write_matches(i + 1, j + 1, pairs)
        for (i, j), geometry in sorted(geometries.items()):
            database.write_two_view_geometry(i + 1, j + 1, geometry)


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part, as progress of the whole."""

    def part(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return part
