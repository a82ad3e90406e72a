"""Sets of photos of one object that lies differently in each, joined by the object alone.

What is around the object holds each set's cameras together and contradicts the other sets. So each
set is placed by itself, the object's points are triangulated in each, and points that match across
sets tell the similarity between their frames (LO-RANSAC over the closed form of Umeyama 1991). The
poses within a set stay as they are: what is around the object has told them better than its few
points, of which some photos show hardly any, ever could. Photos that their own set does not place
are tried again by what they show of the whole object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.known import Pose
from gypsum.cameras.known_mapping import triangulate_known
from gypsum.cameras.mapping import Mapped, Scene
from gypsum.cameras.matches import SEED
from gypsum.cameras.refinement import MAX_ERROR, MIN_ANGLE
from gypsum.errors import ReconstructionError
from gypsum.scene import Progress, SparseModel, no_progress

if TYPE_CHECKING:
    import pycolmap

Float64 = NDArray[np.float64]

#: Points of two sets that match are the same within this, in median distances of the cameras from
#: the object's points.
_NEAR = 0.01
#: So many of them join two sets: chance gives three points of a similarity a few more.
_FEWEST = 15
_TRIALS = 20_000
#: Least squares over those within so many times the median distance, so often.
_USUAL, _ROUNDS = 2.5, 5
#: Matches with points of the object that place a photo which its own set did not, and the share of
#: its matches that have to agree.
_PLACING, _AGREEING = 30, 0.25
#: Pixels that a point may be off in such a photo at first.
_RESECTION_ERROR = 8.0
#: How a model of joined sets says that it was made.
OF_SETS = "each set by itself"


def join_sets(
    scene: Scene,
    models: Sequence[SparseModel],
    database_path: Path,
    photos_folder: Path,
    folder: Path,
    threads: int,
    progress: Progress = no_progress,
) -> Mapped | None:
    """One model of all the sets' photos; None when a set shares too little with the others.

    ``models`` are the sets' own, each in its own frame, and that of the first is kept; ``scene``
    and ``database_path`` hold the matches of the object between all photos.
    """
    import pycolmap

    _take_intrinsics(scene, models)

    def triangulated(poses: Mapping[str, Pose]) -> pycolmap.Reconstruction:
        known = [poses.get(name) for name in scene.names]
        mapped, _ = triangulate_known(
            scene, known, database_path, photos_folder, folder, threads, no_progress
        )
        return mapped.model

    try:
        sets = [(_poses(model), triangulated(_poses(model))) for model in models]
        joined, inliers = sets[0][0], []
        waiting = sets[1:]
        while waiting:
            progress(1 - len(waiting) / len(sets), "joining the sets")
            together = triangulated(joined)
            found = [similarity(*matched_points(scene, other, together)) for _, other in waiting]
            best = max(range(len(found)), key=lambda n: found[n][1])
            transform, count = found[best]
            if transform is None:
                return None
            inliers.append(count)
            poses, _ = waiting.pop(best)
            joined = joined | {name: moved(pose, *transform) for name, pose in poses.items()}
        model = triangulated(joined)
        late = placed_by_points(scene, model)
        if late:
            model = triangulated(joined | late)
    except ReconstructionError:  # The object's matches don't fit the sets' cameras.
        return None
    pycolmap.ObservationManager(model).filter_all_points3D(MAX_ERROR, MIN_ANGLE)
    model.update_point_3d_errors()
    facts = {"thresholds": OF_SETS, "joined_by_points": inliers, "placed_late": sorted(late)}
    return Mapped(model, facts=facts)


def matched_points(
    scene: Scene, source: pycolmap.Reconstruction, target: pycolmap.Reconstruction
) -> tuple[Float64, Float64, float]:
    """Points (N, 3) of one model, those of the other that match them, and how far they may be
    off in the other's frame."""
    points = _points_shown(source) | _points_shown(target)
    here = {number - 1 for number in source.reg_image_ids()}
    there = {number - 1 for number in target.reg_image_ids()}
    pairs: set[tuple[int, int]] = set()
    for (i, j), matches in scene.matches.items():
        if i in here and j in there:
            found = np.stack([points[i][matches[:, 0]], points[j][matches[:, 1]]], 1)
        elif j in here and i in there:
            found = np.stack([points[j][matches[:, 1]], points[i][matches[:, 0]]], 1)
        else:
            continue
        pairs.update((int(a), int(b)) for a, b in found[(found >= 0).all(1)])
    ordered = sorted(pairs)
    a = np.array([source.point3D(first).xyz for first, _ in ordered]).reshape(-1, 3)
    b = np.array([target.point3D(second).xyz for _, second in ordered]).reshape(-1, 3)
    middle = np.median([point.xyz for point in target.points3D.values()], axis=0)
    centers = [target.image(number).projection_center() for number in target.reg_image_ids()]
    return a, b, _NEAR * float(np.median(np.linalg.norm(np.array(centers) - middle, axis=1)))


def placed_by_points(scene: Scene, model: pycolmap.Reconstruction) -> dict[str, Pose]:
    """Poses of photos that are not in the model, from what they show of its points."""
    import pycolmap

    points = _points_shown(model)
    shown: dict[int, set[tuple[int, int]]] = {}
    for pair, matches in scene.matches.items():
        for side, (new, old) in enumerate((pair, pair[::-1])):
            if new not in points and old in points:
                ids = points[old][matches[:, 1 - side]]
                seen = zip(matches[ids >= 0, side].tolist(), ids[ids >= 0].tolist(), strict=True)
                shown.setdefault(new, set()).update(seen)
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error, options.ransac.random_seed = _RESECTION_ERROR, SEED
    found = {}
    for number, pairs in sorted(shown.items()):
        if len(pairs) < _PLACING:
            continue
        rows, shows = np.array(sorted(pairs)).T
        answer = pycolmap.estimate_and_refine_absolute_pose(
            scene.points[number][rows],
            np.array([model.point3D(int(point)).xyz for point in shows]),
            scene.cameras[number],
            options,
        )
        if answer is None:
            continue
        # A keypoint counts once, whatever points it matches.
        agreeing = len(np.unique(rows[answer["inlier_mask"]]))
        if agreeing >= max(_PLACING, _AGREEING * len(np.unique(rows))):
            pose = answer["cam_from_world"]
            found[scene.names[number]] = Pose(pose.rotation.matrix(), np.array(pose.translation))
    return found


def _points_shown(model: pycolmap.Reconstruction) -> dict[int, NDArray[np.int64]]:
    """By photo of the scene, the point that each of its keypoints shows; -1 without."""
    return {
        number - 1: np.array(
            [
                int(point.point3D_id) if point.has_point3D() else -1
                for point in model.image(number).points2D
            ],
            np.int64,
        )
        for number in model.reg_image_ids()
    }


def similarity(
    source: Float64, target: Float64, near: float
) -> tuple[tuple[float, Float64, Float64] | None, int]:
    """Scale, rotation (3, 3) and shift (3,) with ``target = scale * R @ source + shift`` for most
    of the points (N, 3), and how many it takes to within ``near``; None with too few."""
    import pycolmap

    if len(source) < _FEWEST:
        return None, 0
    options = pycolmap.RANSACOptions()
    options.max_error, options.random_seed = near, SEED
    options.min_inlier_ratio, options.max_num_trials = 0.01, _TRIALS
    found = pycolmap.estimate_sim3d_robust(source, target, options)
    if found is None:
        return None, 0
    turn = found["tgt_from_src"]
    for _ in range(_ROUNDS):
        off = _distances(turn, source, target)
        close = off < min(near, _USUAL * float(np.median(off[off < near])))
        turn = pycolmap.estimate_sim3d(source[close], target[close]) or turn
    off = _distances(turn, source, target)
    scale, R, shift = float(turn.scale), turn.rotation.matrix(), np.asarray(turn.translation)
    # A point with several partners counts once.
    count = len(np.unique(source[off < near], axis=0))
    return ((scale, R, shift), count) if count >= _FEWEST else (None, count)


def _distances(turn: pycolmap.Sim3d, source: Float64, target: Float64) -> Float64:
    off: Float64 = np.linalg.norm(
        turn.scale * source @ turn.rotation.matrix().T + turn.translation - target, axis=1
    )
    return off


def moved(pose: Pose, scale: float, R: Float64, shift: Float64) -> Pose:
    """A pose in another frame, ``x_new = scale * R @ x + shift``."""
    turned = pose.R @ R.T
    return Pose(turned, scale * pose.t - turned @ shift)


def _poses(model: SparseModel) -> dict[str, Pose]:
    return {photo.name: Pose(photo.R, photo.t) for photo in model.photos.values()}


def _take_intrinsics(scene: Scene, models: Sequence[SparseModel]) -> None:
    """Give the scene's cameras the means of the intrinsics that the models found for them."""
    cameras = {
        name: camera
        for name, camera in zip(scene.names, scene.cameras, strict=True)
        if camera.camera_id not in scene.fixed
    }
    found: dict[int, list[Float64]] = {}
    for model in models:
        for photo in model.photos.values():
            if photo.name in cameras:
                params = model.camera_of(photo).params
                found.setdefault(cameras[photo.name].camera_id, []).append(params)
    for camera in cameras.values():
        if camera.camera_id in found:
            camera.params = np.mean(found[camera.camera_id], axis=0)
