"""Matches between photos, verified by two-view geometry, in a COLMAP database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.features import Features, features_path, in_parallel
from gypsum.cameras.pairs import EXHAUSTIVE, Pair, all_pairs, likely_pairs
from gypsum.formats.atomic import atomic_write
from gypsum.native import _match
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile

if TYPE_CHECKING:
    import pycolmap

Matches = NDArray[np.uint32]

DATABASE = "database.db"
#: A match must be this much nearer than the second best (Lowe 2004).
RATIO = 0.8
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
    threads: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Write ``folder/database.db``: cameras, photos, keypoints, matches and two-view geometries.

    All pairs of up to ``exhaustive`` photos are matched, and likely pairs of more. Matches already
    in ``folder/matches`` from an interrupted run are used again.
    """
    parts = folder / "matches"
    parts.mkdir(parents=True, exist_ok=True)
    photos = capture.photos
    features = [Features.load(features_path(features_folder, photo.name)) for photo in photos]
    if len(photos) <= exhaustive:
        pairs = all_pairs(len(photos))
    else:
        progress(0.0, "finding photos that look alike")
        pairs = likely_pairs(photos, [f.descriptors for f in features])
    threads = threads or os.cpu_count() or 1
    matches = dict(_match_pairs(features, pairs, parts, threads, progress))
    cameras = make_cameras(photos)
    geometries = _verify_pairs(features, matches, cameras, threads, progress)
    temporary = folder / f".{DATABASE}.part"
    remove_database(temporary)
    write_database(temporary, photos, cameras, features, matches, dict(geometries))
    temporary.replace(folder / DATABASE)
    progress(1.0, f"matched {len(pairs)} pairs")


def _match_pairs(
    features: Sequence[Features],
    pairs: Sequence[Pair],
    parts: Path,
    threads: int,
    progress: Progress,
) -> Iterator[tuple[Pair, Matches]]:
    """Matches of every pair; those of one first photo are kept together in a file."""
    done = 0
    for first, group in groupby(pairs, key=lambda pair: pair[0]):
        partners = [j for _, j in group]
        path = parts / f"{first:05d}.npz"
        found = _read_part(path, partners)
        if found is None:
            work = (partial(_match_pair, features, first, j) for j in partners)
            found = dict(in_parallel(work, threads))
            with atomic_write(path) as file:
                np.savez(file, allow_pickle=False, **{str(j): found[j] for j in partners})
        for j in partners:
            yield (first, j), found[j]
        done += len(partners)
        progress(0.7 * done / len(pairs), f"matching, pair {done} of {len(pairs)}")


def _read_part(path: Path, partners: Sequence[int]) -> dict[int, Matches] | None:
    if not path.exists():
        return None
    with np.load(path) as data:
        if set(data.files) != {str(j) for j in partners}:
            return None
        return {j: data[str(j)] for j in partners}


def _match_pair(features: Sequence[Features], i: int, j: int) -> tuple[int, Matches]:
    matches = _match.match_descriptors(features[i].descriptors, features[j].descriptors, RATIO)
    return j, matches


def make_cameras(photos: Sequence[PhotoFile]) -> list[pycolmap.Camera]:
    """One camera per photo, the same object for photos with the same key; ids count from 1."""
    import pycolmap

    cameras: dict[str, pycolmap.Camera] = {}
    for photo in photos:
        if photo.camera in cameras:
            continue
        focals = [p.focal_px for p in photos if p.camera == photo.camera and p.focal_px]
        guess = GUESSED_FOCAL * max(photo.width, photo.height)
        focal = float(np.median(focals)) if focals else guess
        camera = pycolmap.Camera.create_from_model_name(
            len(cameras) + 1, "SIMPLE_RADIAL", focal, photo.width, photo.height
        )
        camera.has_prior_focal_length = bool(focals)
        cameras[photo.camera] = camera
    return [cameras[photo.camera] for photo in photos]


def _verify_pairs(
    features: Sequence[Features],
    matches: dict[Pair, Matches],
    cameras: Sequence[pycolmap.Camera],
    threads: int,
    progress: Progress,
) -> Iterator[tuple[Pair, pycolmap.TwoViewGeometry]]:
    """The two-view geometry of every pair that has one."""
    points = [f.xy.astype(np.float64) for f in features]
    candidates = {pair: found for pair, found in matches.items() if len(found) >= MIN_MATCHES}
    work = (
        partial(_verify_pair, pair, points, cameras, found) for pair, found in candidates.items()
    )
    for done, (pair, geometry) in enumerate(in_parallel(work, threads), start=1):
        if done % 16 == 0:
            share = done / len(candidates)
            progress(0.7 + 0.25 * share, f"verifying, pair {done} of {len(candidates)}")
        if len(geometry.inlier_matches) >= MIN_MATCHES:
            yield pair, geometry


def _verify_pair(
    pair: Pair,
    points: Sequence[NDArray[np.float64]],
    cameras: Sequence[pycolmap.Camera],
    matches: Matches,
) -> tuple[Pair, pycolmap.TwoViewGeometry]:
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = SEED
    options.compute_relative_pose = True
    i, j = pair
    return pair, pycolmap.estimate_two_view_geometry(
        cameras[i], points[i], cameras[j], points[j], matches, options
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
