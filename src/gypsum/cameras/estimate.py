"""From matches to a capture's cameras in the common frame, and why photos are missing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from gypsum.cameras.alignment import align, keep_frame
from gypsum.cameras.joining import OF_SETS, join_sets
from gypsum.cameras.known import KnownCameras, assign
from gypsum.cameras.known_mapping import triangulate_known
from gypsum.cameras.mapping import Mapped, Scene, map_trustworthy, read_scene, thread_count
from gypsum.cameras.matches import DATABASE, remove_database
from gypsum.cameras.refinement import refine
from gypsum.cameras.scale import KnownLengths, measure_scale
from gypsum.errors import ReconstructionError
from gypsum.scene import Photo, Progress, SparseModel, no_progress
from gypsum.scene.capture import Capture

if TYPE_CHECKING:
    import pycolmap

#: A photo with fewer features than this can hardly be placed.
_FEW_FEATURES = 150
#: With fewer of the photos than this placed by joined sets, all are mapped as one capture too.
_MOST = 0.8
#: A photo less sharp than this share of the median is called blurred.
_BLURRED = 0.5
_NO_OVERLAP = (
    "No two photos show enough of the same things to find where they were taken: take more photos, "
    "each overlapping the one before by at least two thirds, in steps of about 10 degrees around "
    "the object."
)


@dataclass(frozen=True)
class EstimatedCameras:
    """The cameras of a capture."""

    model: SparseModel
    """Registered photos and points, in the common frame."""
    facts: dict[str, Any]
    """For the report, JSON's types only. ``unregistered`` maps names of photos to the reason, the
    rest of a sentence that starts with the name; ``metric`` says whether the unit is the metre."""
    warnings: tuple[str, ...] = ()
    """Sentences for the person who took the photos."""


def estimate_cameras(
    capture: Capture,
    photos_folder: Path,
    matches_folder: Path,
    folder: Path,
    *,
    known: KnownCameras | None = None,
    sets: Sequence[SparseModel] = (),
    lengths: KnownLengths = KnownLengths(),  # noqa: B008  frozen
    threads: int = 0,
    progress: Progress = no_progress,
) -> EstimatedCameras:
    """Poses, intrinsics and sparse points of as many photos as can be trusted.

    ``matches_folder`` holds the database of ``match_features``; ``folder`` is for scratch files;
    ``known`` are cameras that were given, the same as to ``match_features``; ``sets`` are
    models of the sets of a flip capture, each by itself; ``lengths`` is what is known of the
    object's size. The same photos give the same cameras.
    """
    import pycolmap

    # What COLMAP logs is not for the user.
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
    pycolmap.set_random_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    threads = thread_count(threads)
    # Opening a database writes to it, and another stage's result must stay as it is.
    database_path = folder / DATABASE
    remove_database(database_path)
    shutil.copyfile(matches_folder / DATABASE, database_path)
    scene = read_scene(database_path)
    if not scene.geometries:
        raise ReconstructionError(_NO_OVERLAP)
    warnings: list[str] = []
    given = assign(known, capture.photos) if known is not None else None
    progress(0.0, "placing photos")
    if given is not None and known is not None and known.has_poses:
        mapped, warnings = triangulate_known(
            scene, given.poses, database_path, photos_folder, folder, threads,
            _share(progress, 0.0, 0.95),
        )  # fmt: skip
        unposed = [n for n, pose in zip(scene.names, given.poses, strict=True) if pose is None]
        refinement: dict[str, Any] = {"principal_point": "given"}
    else:
        unposed = []
        if given is not None:
            scene.fixed = frozenset(
                camera.camera_id
                for camera, by_file in zip(scene.cameras, given.cameras, strict=True)
                if by_file is not None
            )
        placing = _share(progress, 0.0, 0.85)
        best = None
        if len(sets) > 1:
            # Of its own, as joining changes its cameras.
            of_sets = replace(read_scene(database_path), fixed=scene.fixed)
            best = join_sets(of_sets, sets, database_path, photos_folder, folder, threads, placing)
        if best is None or best.trusted < _MOST * len(scene.names):
            one = map_trustworthy(scene, database_path, folder, threads, placing)
            if best is None or (one is not None and one.trusted > best.trusted):
                best = one
        if best is None or best.model.num_reg_images() < 3:
            raise ReconstructionError(_NO_OVERLAP)
        mapped = best
        refinement = {"principal_point": "of each set"}
        if mapped.facts["thresholds"] != OF_SETS:
            refinement = refine(mapped.model, threads, _share(progress, 0.85, 0.95), scene.fixed)
    remove_database(database_path)
    progress(0.95, "finding up and scale")
    model = _with_colors(_to_sparse_model(mapped.model, folder), photos_folder)
    sought = _share(progress, 0.95, 1.0)
    measured = measure_scale(model, capture, photos_folder, lengths, threads, sought)
    if known is not None and known.has_poses:
        aligned, frame = keep_frame(model, measured)
    else:
        of_first = mapped.facts["thresholds"] == OF_SETS
        aligned, frame = align(model, capture, measured, first_set=of_first)
    facts = _facts(capture, scene, mapped, aligned) | refinement | frame
    facts["unregistered"] = reasons(capture, scene, mapped)
    facts["unregistered"] |= dict.fromkeys(unposed, "has no pose among the cameras that were given")
    warnings += measured.warnings if measured else []
    progress(1.0, f"placed {len(aligned.photos)} of {len(capture.photos)} photos")
    return EstimatedCameras(aligned, facts, tuple(warnings))


def reasons(capture: Capture, scene: Scene, mapped: Mapped) -> dict[str, str]:
    """Why each photo that is not in the model is not, the likeliest reason first."""
    registered = {mapped.model.image(n).name for n in mapped.model.reg_image_ids()}
    group_of = {name: group for group in reversed(mapped.groups) for name in group}
    matched = {scene.names[number] for pair in scene.geometries for number in pair}
    sharpness = float(np.median([photo.sharpness for photo in capture.photos]))
    found = {}
    for photo, points in zip(capture.photos, scene.points, strict=True):
        name = photo.name
        if name in registered:
            continue
        if name in mapped.doubtful:
            reason = "was left out because its matches contradict each other"
        elif name in group_of:
            others = len(group_of[name])
            reason = f"belongs to a group of {others} photos that doesn't connect to the others"
        elif photo.sharpness < _BLURRED * sharpness:
            reason = "is much more blurred than the others"
        elif len(points) < _FEW_FEATURES:
            reason = "shows too few distinct details"
        elif name not in matched:
            reason = "shows nothing that another photo shows too"
        else:
            reason = "overlaps too little with the other photos"
        found[name] = reason
    return found


def _facts(capture: Capture, scene: Scene, mapped: Mapped, model: SparseModel) -> dict[str, Any]:
    lengths = np.array([len(track) for track in model.tracks])
    matches: dict[str, int] = dict.fromkeys(scene.names, 0)
    for pair, geometry in scene.geometries.items():
        for number in pair:
            matches[scene.names[number]] += len(geometry.inlier_matches)
    focal: dict[str, dict[str, Any]] = {}
    keys = {photo.name: photo for photo in capture.photos}
    for photo in model.photos.values():
        given, camera = keys[photo.name], model.camera_of(photo)
        found = camera.K[0, 0]
        focal[given.camera] = {
            "photos": focal.get(given.camera, {}).get("photos", 0) + 1,
            "found_px": round(float(found), 2),
            "exif_px": None if given.focal_px is None else round(given.focal_px, 2),
        }
    return mapped.facts | {
        "registered": len(model.photos),
        "given": len(capture.photos),
        "points": len(model.points),
        "observations": int(lengths.sum()),
        "mean_track_length": round(float(lengths.mean()), 3) if len(lengths) else 0.0,
        "reprojection_error_px": round(float(np.average(model.errors, weights=lengths)), 4)
        if len(lengths)
        else 0.0,
        "groups": [len(group) for group in mapped.groups],
        "matches": matches,
        "focal_lengths": focal,
    }


def _to_sparse_model(model: pycolmap.Reconstruction, folder: Path) -> SparseModel:
    """pycolmap's reconstruction as our noun, by way of COLMAP's files."""
    raw = folder / "mapped"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    try:
        model.write_binary(raw)
        return SparseModel.read(raw)
    finally:
        shutil.rmtree(raw, ignore_errors=True)


def _with_colors(model: SparseModel, photos_folder: Path) -> SparseModel:
    """Each point's colour is its mean over the photos that show it."""
    row = np.full(int(model.point_ids.max(initial=0)) + 1, -1, np.int64)
    row[model.point_ids] = np.arange(len(model.point_ids))
    sums = np.zeros((len(model.points), 3))
    counts = np.zeros(len(model.points))
    for photo in model.photos.values():
        seen = photo.point3d_ids >= 0
        if not seen.any():
            continue
        pixels = _sample(photos_folder / photo.name, photo, seen)
        rows = row[photo.point3d_ids[seen]]
        np.add.at(sums, rows, pixels)
        np.add.at(counts, rows, 1)
    mean = sums / np.maximum(counts, 1)[:, None]
    return replace(model, colors=np.rint(mean).astype(np.uint8))


def _sample(path: Path, photo: Photo, seen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    with PIL.Image.open(path) as file:
        image = np.asarray(file.convert("RGB"))
    columns, rows = np.floor(photo.xy[seen]).astype(np.int64).T
    height, width = image.shape[:2]
    colors: NDArray[np.uint8] = image[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return colors


def _share(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part, as progress of the whole that never goes back."""
    reached = start

    def part(done: float, doing: str = "") -> None:
        nonlocal reached
        reached = max(reached, start + (end - start) * min(done, 1.0))
        progress(reached, doing)

    return part
