"""Camera poses and sparse points from verified matches: incremental mapping, made trustworthy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.cameras.features import in_parallel
from gypsum.cameras.matches import MIN_MATCHES, SEED, remove_database, two_view_options
from gypsum.cameras.pairs import Pair
from gypsum.cameras.view_graph import (
    ViewGraph,
    build_graph,
    consistent_pairs,
    covered_cells,
    pair_errors,
    trusts_focal_lengths,
)
from gypsum.scene import Progress

if TYPE_CHECKING:
    import pycolmap

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Matches = NDArray[np.uint32]

#: A photo is doubtful when pairs that disagree with its pose outweigh this share of all its pairs.
_DOUBTFUL = 0.5
#: Rotations of pairs and poses agree within this, degrees.
_AGREE = 10.0
#: So is a photo with fewer consistent pairs, when others outweigh them; if at least this share of
#: all pairs, by weight, is consistent.
_FIRMLY_HELD = 4
_TELLING = 0.7
#: So is a photo whose pairs see their partners off by this angle, degrees, or by this factor of
#: what is usual in the capture, whichever is more.
_ASTRAY = 2.5
_UNUSUAL = 6.0
#: Photos nearer to each other than this share of the usual tell no direction.
_HARDLY_MOVED = 0.1
#: Two photos through a lens longer than this, times the longer side, tell how they are turned too
#: badly. Such a pair agrees with the model when this share of its matches is within COLMAP's limit,
#: pixels, of the model's epipolar lines.
_LONG_LENS = 2.5
_FITTING = 0.7
_MAX_EPIPOLAR = 4.0
#: A photo is thinly held when its points cover less than this share of what is usual.
_THIN = 0.5
#: With fewer of the photos than this placed, all are placed at once as a second try.
_MOST = 0.8
#: A photo that fewer points hold after that is not believed.
_HOLDING_POINTS = 12
#: EXIF was wrong when mapping changes a focal length by more than this share.
_FOCAL_CHANGE = 0.05


@dataclass
class Scene:
    """What mapping works on. Photo i has image id i + 1 in the database."""

    names: Sequence[str]
    cameras: list[pycolmap.Camera]
    """One per photo; shared objects for shared cameras."""
    points: list[Float64]
    """(N, 2) keypoints of each photo."""
    matches: dict[Pair, Matches]
    """Rows of both photos' keypoints that match, whether verified or not."""
    geometries: dict[Pair, pycolmap.TwoViewGeometry]
    """Verified pairs."""
    fixed: frozenset[int] = frozenset()
    """Ids of cameras whose intrinsics were given, and stay as they are."""


@dataclass(frozen=True)
class Attempt:
    """Thresholds of one try at mapping."""

    name: str
    init_inliers: int = 100
    init_angle: float = 16.0
    pose_inliers: int = 30
    pose_ratio: float = 0.25
    two_view_points: bool = False
    """Whether what only two photos share gives points: more of them, and slower."""


#: COLMAP's own thresholds first; each next try asks for less.
ATTEMPTS = (
    Attempt("usual thresholds"),
    Attempt("lower thresholds", 50, 8.0, 20, 0.15, two_view_points=True),
    Attempt("lowest thresholds", 25, 4.0, 12, 0.1, two_view_points=True),
)


@dataclass
class Mapped:
    """The outcome of mapping."""

    model: pycolmap.Reconstruction
    groups: list[list[str]] = field(default_factory=list)
    """Names of the photos in every other model, largest first."""
    doubtful: list[str] = field(default_factory=list)
    """Photos that were left out because their place contradicts their matches."""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def trusted(self) -> int:
        """How many photos are placed beyond doubt."""
        return int(self.model.num_reg_images()) - len(self.doubtful)


def read_scene(database_path: Path) -> Scene:
    """Everything in the database but descriptors."""
    import pycolmap

    with pycolmap.Database.open(database_path) as database:
        images = sorted(database.read_all_images(), key=lambda image: image.image_id)
        cameras = {camera.camera_id: camera for camera in database.read_all_cameras()}
        points = [
            np.asarray(database.read_keypoints(image.image_id), np.float64)[:, :2]
            for image in images
        ]
        matches = {}
        for number, found in zip(*database.read_all_matches(), strict=True):
            i, j = pycolmap.pair_id_to_image_pair(number)
            if len(found) >= MIN_MATCHES:
                matches[int(i) - 1, int(j) - 1] = found
        geometries = {}
        for number, geometry in zip(*database.read_two_view_geometries(), strict=True):
            i, j = pycolmap.pair_id_to_image_pair(number)
            if len(geometry.inlier_matches) >= MIN_MATCHES:
                geometries[int(i) - 1, int(j) - 1] = geometry
    return Scene(
        [image.name for image in images],
        [cameras[image.camera_id] for image in images],
        points,
        matches,
        geometries,
    )


def calibrated_geometries(
    scene: Scene,
    matches: Mapping[Pair, Matches],
    cameras: Sequence[pycolmap.Camera],
    threads: int,
    progress: Progress,
) -> dict[Pair, pycolmap.TwoViewGeometry]:
    """The two-view geometries of ``matches`` for cameras that are now known."""
    import pycolmap

    options = two_view_options(rough=False)

    def verify(pair: Pair) -> tuple[Pair, pycolmap.TwoViewGeometry]:
        i, j = pair
        return pair, pycolmap.estimate_calibrated_two_view_geometry(
            cameras[i],
            scene.points[i],
            cameras[j],
            scene.points[j],
            matches[pair],
            options,
        )

    found = {}
    work = (partial(verify, pair) for pair in matches)
    for done, (pair, geometry) in enumerate(in_parallel(work, threads), start=1):
        if done % 16 == 0:
            progress(done / len(matches), "checking pairs against each other")
        if len(geometry.inlier_matches) >= MIN_MATCHES:
            found[pair] = geometry
    return dict(sorted(found.items()))


def map_trustworthy(
    scene: Scene,
    database_path: Path,
    folder: Path,
    threads: int,
    progress: Progress,
) -> Mapped | None:
    """The largest model, whose poses agree with the pairs they rest on; None when there is none.

    Pairs that can't be true together are dropped before mapping when the focal lengths are known,
    and otherwise after a first model has found them.
    """
    mapper = _Mapper(scene, database_path, folder, threads, progress)
    if trusts_focal_lengths(scene.cameras, scene.geometries):
        best = mapper.map_consistent(scene.cameras, scene.geometries, None)
        # A wrong focal length makes true pairs look inconsistent: judge again with the one found.
        wrong = best is not None and _focal_change(scene, best.model) > _FOCAL_CHANGE
        if best is not None and wrong and best.trusted < len(scene.names):
            before, first = set(best.doubtful), best
            best = mapper.map_again(first)
            if best is first:
                # The one focal length or the other: what either lets stand may stand.
                best.doubtful = sorted(before & set(best.doubtful))
    else:
        best = mapper.map_pairs(scene.geometries, scene.cameras)
        if best is not None:
            best = mapper.map_again(best)
    if best is None or best.trusted < _MOST * len(scene.names):
        best = mapper.map_globally(best)
    if best is None:
        return None
    for name in best.doubtful:
        best.model.deregister_frame(best.model.find_image_with_name(name).frame_id)
    best.facts["verified_pairs"] = len(scene.geometries)
    return best


@dataclass(frozen=True)
class _Mapper:
    """Maps chosen pairs of one scene."""

    scene: Scene
    database_path: Path
    folder: Path
    threads: int
    progress: Progress

    def map_again(self, first: Mapped) -> Mapped:
        """The better of ``first`` and a model of the pairs that are consistent by its cameras."""
        cameras = _found_cameras(self.scene, first.model)
        verified = {pair: g.inlier_matches for pair, g in self.scene.geometries.items()}
        geometries = calibrated_geometries(
            self.scene, verified, cameras, self.threads, self.progress
        )
        return self.map_consistent(cameras, geometries, first) or first

    def map_consistent(
        self,
        cameras: Sequence[pycolmap.Camera],
        geometries: dict[Pair, pycolmap.TwoViewGeometry],
        first: Mapped | None,
    ) -> Mapped | None:
        """A model of the pairs that can be true together, its doubtful photos named.

        ``first`` is kept where it contradicts none of them, or where the new one is no larger.
        """
        graph = build_graph(self.scene.points, self.scene.cameras, geometries)
        keep = consistent_pairs(graph)
        consistent = graph.select(keep)
        contested = _contested(graph, keep)
        if first is not None:
            first.doubtful = _doubtful(self.scene, geometries, consistent, contested, first.model)
        if first is not None and not first.doubtful:
            best: Mapped | None = first
        else:
            chosen = {(int(i), int(j)): geometries[int(i), int(j)] for i, j in consistent.pairs}
            best = self.map_pairs(chosen, cameras)
            if best is not None:
                best.doubtful = _doubtful(self.scene, geometries, consistent, contested, best.model)
            if first is not None and (best is None or first.trusted > best.trusted):
                best = first
        if best is not None:
            best.facts["inconsistent_pairs"] = len(geometries) - len(consistent.pairs)
        return best

    def map_globally(self, first: Mapped | None) -> Mapped | None:
        """The better of ``first`` and a model of all photos at once, by the cameras of ``first``.

        Photo by photo, one with few matches ends a chain, or bends it when the lens is long; all
        rotations and then all places at once don't depend on an order (Pan et al. 2024).
        """
        scene = self.scene
        cameras = scene.cameras
        if first is not None:
            cameras = _without_distortion(_found_cameras(scene, first.model), scene.fixed)
        # A wrong focal length may have kept true pairs from being verified.
        geometries = calibrated_geometries(
            scene, scene.matches, cameras, self.threads, self.progress
        )
        graph = build_graph(scene.points, scene.cameras, geometries)
        keep = consistent_pairs(graph)
        consistent = graph.select(keep)
        chosen = {(int(i), int(j)): geometries[int(i), int(j)] for i, j in consistent.pairs}
        filtered = self.folder / "mapping.db"
        try:
            _write_database(self.database_path, filtered, cameras, chosen)
            mapped = _map_globally(filtered, self.folder)
        finally:
            remove_database(filtered)
        if mapped is None:
            return first
        contested = _contested(graph, keep)
        mapped.doubtful = _doubtful(scene, geometries, consistent, contested, mapped.model)
        mapped.facts["inconsistent_pairs"] = len(geometries) - len(chosen)
        return mapped if first is None or mapped.trusted > first.trusted else first

    def map_pairs(
        self,
        geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
        cameras: Sequence[pycolmap.Camera],
    ) -> Mapped | None:
        """The attempt that registers most photos; asks for less as long as that gains some."""
        graph = ViewGraph(
            len(self.scene.names),
            np.array(sorted(geometries), np.int64).reshape(-1, 2),
            np.tile(np.eye(3), (len(geometries), 1, 1)),
            np.ones(len(geometries)),
        )
        within_reach = int((graph.components() == 0).sum()) if geometries else 0
        if within_reach < 2:
            return None
        filtered = self.folder / "mapping.db"
        _write_database(self.database_path, filtered, cameras, geometries)
        best: Mapped | None = None
        used = ATTEMPTS[0]
        try:
            for attempt in ATTEMPTS:
                mapped = self._attempt(attempt, filtered, within_reach)
                better = mapped is not None and (best is None or mapped.trusted > best.trusted)
                # Asking for less still won't help where asking for less didn't.
                if best is not None and not better:
                    break
                best, used = (mapped, attempt) if better else (best, used)
                if best is not None and best.model.num_reg_images() >= within_reach:
                    break
            if best is not None and not used.two_view_points and thinly_held(best.model):
                mapped = self._attempt(replace(used, two_view_points=True), filtered, within_reach)
                best = best if mapped is None or mapped.trusted < best.trusted else mapped
        finally:
            remove_database(filtered)
        return best

    def _attempt(self, attempt: Attempt, database: Path, within_reach: int) -> Mapped | None:
        fixed = self.scene.fixed
        return _map(attempt, database, self.folder, within_reach, fixed, self.progress)


def thinly_held(model: pycolmap.Reconstruction) -> bool:
    """Whether the points of a photo cover much less of it than is usual.

    What only two photos share may then be all that tells how it is turned: distant things, seen at
    one edge.
    """
    covered = []
    for number in model.reg_image_ids():
        image = model.image(number)
        points = image.get_observation_points2D()
        xy = np.array([point.xy for point in points]).reshape(-1, 2)
        covered.append(covered_cells(xy, image.camera.width, image.camera.height))
    return min(covered) < _THIN * float(np.median(covered))


def _focal_change(scene: Scene, model: pycolmap.Reconstruction) -> float:
    """The largest relative change of a focal length by mapping."""
    found = _found_cameras(scene, model)
    return max(
        abs(float(after.mean_focal_length() / before.mean_focal_length()) - 1)
        for before, after in zip(scene.cameras, found, strict=True)
    )


def _doubtful(
    scene: Scene,
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
    consistent: ViewGraph,
    contested: Bool,
    model: pycolmap.Reconstruction,
) -> list[str]:
    """Registered photos that are contested, or whose pose contradicts their consistent pairs.

    Either most pairs tell another rotation, or half of them see their partner in a direction that
    is off by far more than is usual in this capture: then the photo stands in the wrong place. So
    do those that no agreeing pairs join to the others.
    """
    count = len(scene.names)
    rotations = np.tile(np.eye(3), (count, 1, 1))
    centers = np.full((count, 3), np.nan)
    for number in model.reg_image_ids():
        rotations[number - 1] = model.image(number).cam_from_world().rotation.matrix()
        centers[number - 1] = model.image(number).projection_center()
    edges = consistent.select(np.isfinite(centers[consistent.pairs]).all(axis=(1, 2)))
    wrong = pair_errors(edges, rotations) > _AGREE
    astray = _direction_errors(edges, geometries, rotations, centers)
    fits = _long_pairs_that_fit(scene, geometries, edges, model)
    wrong, astray = wrong & ~fits, np.where(fits, np.nan, astray)
    usual = float(np.median(astray[np.isfinite(astray)])) if np.isfinite(astray).any() else 0.0
    limit = max(_ASTRAY, _UNUSUAL * usual)
    doubtful = []
    for _ in range(count):
        against = edges.weight_of_photos(wrong)
        total = edges.weight_of_photos(np.ones(len(wrong), np.bool_))
        share = against / np.maximum(total, 1e-9)
        off = _medians_of_photos(edges, astray)
        excess = np.maximum(share / _DOUBTFUL, off / limit)
        worst = int(excess.argmax())
        if excess[worst] <= 1:
            break
        # The worst goes first: its neighbours may be fine without it.
        doubtful.append(scene.names[worst])
        stay = (edges.pairs != worst).all(axis=1)
        edges, wrong, astray = edges.select(stay), wrong[stay], astray[stay]
    # Once some are gone, others may have lost what joined them: the largest group stays.
    agreeing = edges.select(~wrong)
    joined = agreeing.components() == 0
    doubtful += [
        name
        for name, placed, sure in zip(
            scene.names, np.isfinite(centers[:, 0]), joined & ~contested, strict=True
        )
        if placed and not sure and name not in doubtful
    ]
    return sorted(doubtful)


def _contested(graph: ViewGraph, keep: Bool) -> Bool:
    """(count,) photos held by few pairs, and contradicted by more, by weight.

    None where many pairs contradict each other: then they are too inexact to tell.
    """
    total = graph.weight_of_photos(np.ones(len(keep), np.bool_))
    kept = graph.weight_of_photos(keep)
    if kept.sum() < _TELLING * total.sum():
        return np.zeros(graph.count, np.bool_)
    pairs = np.bincount(graph.pairs[keep].ravel(), minlength=graph.count)
    contested: Bool = (pairs < _FIRMLY_HELD) & (kept < (1 - _DOUBTFUL) * total)
    return contested


def _direction_errors(
    edges: ViewGraph,
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
    rotations: Float64,
    centers: Float64,
) -> Float64:
    """(E,) degrees between where each pair and where the model sees the first from the second.

    NaN where the pair tells no direction: photos that were only turned, or hardly moved.
    """
    i, j = edges.pairs.T
    seen = np.array(
        [geometries[int(a), int(b)].cam2_from_cam1.translation for a, b in edges.pairs]
    ).reshape(-1, 3)
    there = np.einsum("eij,ej->ei", rotations[j], centers[i] - centers[j])
    apart = np.linalg.norm(there, axis=1)
    lengths = np.linalg.norm(seen, axis=1) * apart
    cosine = np.einsum("ei,ei->e", seen, there) / np.maximum(lengths, 1e-12)
    errors = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    far = apart > _HARDLY_MOVED * np.median(apart) if len(apart) else apart > 0
    found: Float64 = np.where((lengths > 0) & far, errors, np.nan)
    return found


def _long_pairs_that_fit(
    scene: Scene,
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
    edges: ViewGraph,
    model: pycolmap.Reconstruction,
) -> Bool:
    """(E,) pairs of photos through long lenses whose matches fit the model's epipolar lines."""
    fits = np.zeros(len(edges.pairs), np.bool_)
    for e, (i, j) in enumerate(edges.pairs):
        one, two = model.image(int(i) + 1), model.image(int(j) + 1)
        lenses = [
            image.camera.mean_focal_length() / max(image.camera.width, image.camera.height)
            for image in (one, two)
        ]
        if min(lenses) < _LONG_LENS:
            continue
        motion = (two.cam_from_world() * one.cam_from_world().inverse()).matrix()
        x, y, z = motion[:, 3]
        across = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        F = (
            np.linalg.inv(two.camera.calibration_matrix()).T
            @ (across @ motion[:, :3])
            @ np.linalg.inv(one.camera.calibration_matrix())
        )
        rows = geometries[int(i), int(j)].inlier_matches
        errors = sampson_errors(F, scene.points[i][rows[:, 0]], scene.points[j][rows[:, 1]])
        fits[e] = np.mean(errors < _MAX_EPIPOLAR) >= _FITTING
    return fits


def sampson_errors(F: Float64, first: Float64, second: Float64) -> Float64:
    """(N,) pixels by which matches (N, 2) miss a fundamental matrix (3, 3), to first order."""
    ones = np.ones((len(first), 1))
    a, b = np.hstack([first, ones]), np.hstack([second, ones])
    lines, back = a @ F.T, b @ F
    along = np.sqrt((lines[:, :2] ** 2).sum(axis=1) + (back[:, :2] ** 2).sum(axis=1))
    errors: Float64 = np.abs((b * lines).sum(axis=1)) / np.maximum(along, 1e-12)
    return errors


def _medians_of_photos(edges: ViewGraph, values: Float64) -> Float64:
    """(count,) median of the values (E,) of each photo's pairs; zero where there is none."""
    medians = np.zeros(edges.count)
    for photo in range(edges.count):
        own = values[(edges.pairs == photo).any(axis=1)]
        own = own[np.isfinite(own)]
        if len(own):
            medians[photo] = np.median(own)
    return medians


def _found_cameras(scene: Scene, model: pycolmap.Reconstruction) -> list[pycolmap.Camera]:
    """The cameras as the model found them, and as they were where it has none."""
    seen = {model.image(number).camera_id for number in model.reg_image_ids()}
    found = {number: camera for number, camera in model.cameras.items() if number in seen}
    for camera in found.values():
        camera.has_prior_focal_length = True
    return [found.get(camera.camera_id, camera) for camera in scene.cameras]


def _without_distortion(
    cameras: Sequence[pycolmap.Camera], fixed: frozenset[int]
) -> list[pycolmap.Camera]:
    """The cameras with their focal lengths alone, but for the ``fixed`` ones.

    A model of few photos bends a long lens as it likes.
    """
    for camera in {camera.camera_id: camera for camera in cameras}.values():
        if camera.camera_id not in fixed:
            for index in camera.extra_params_idxs():
                camera.params[index] = 0.0
    return list(cameras)


def _write_database(
    source: Path,
    target: Path,
    cameras: Sequence[pycolmap.Camera],
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
) -> None:
    """A copy of the database with these cameras and verified pairs instead of its own."""
    import pycolmap

    remove_database(target)
    shutil.copyfile(source, target)
    with pycolmap.Database.open(target) as database, pycolmap.DatabaseTransaction(database):
        for camera in {camera.camera_id: camera for camera in cameras}.values():
            database.update_camera(camera)
        database.clear_two_view_geometries()
        for (i, j), geometry in sorted(geometries.items()):
            database.write_two_view_geometry(i + 1, j + 1, geometry)


def _map(
    attempt: Attempt,
    database_path: Path,
    folder: Path,
    within_reach: int,
    fixed: frozenset[int],
    progress: Progress,
) -> Mapped | None:
    """One run of COLMAP's incremental mapper."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    # With more, the first pair already is another one each time; they would save a tenth.
    options.num_threads = options.mapper.num_threads = 1
    options.extract_colors = False
    options.min_model_size = 3
    options.constant_cameras = set(fixed)
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = SEED
    # Fewer adjustments than COLMAP's, each of few steps that end where little is gained, and all
    # photos together by the points that hold them: the last one, after mapping, does the rest.
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.7
    options.ba_global_max_refinements = 1
    options.ba_global_max_num_iterations = 12
    options.ba_global_function_tolerance = 1e-4
    options.mapper.ba_global_ignore_redundant_points3D = True
    options.ba_local_max_refinements = 1
    options.ba_local_max_num_iterations = 5
    options.ba_local_function_tolerance = 1e-3
    options.triangulation.ignore_two_view_tracks = not attempt.two_view_points
    options.mapper.init_min_num_inliers = attempt.init_inliers
    options.mapper.init_min_tri_angle = attempt.init_angle
    options.mapper.abs_pose_min_num_inliers = attempt.pose_inliers
    options.mapper.abs_pose_min_inlier_ratio = attempt.pose_ratio
    output = folder / "mapping"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    step = _counter(within_reach, progress)
    try:
        models = pycolmap.incremental_mapping(
            database_path,
            folder,
            output,
            options,
            initial_image_pair_callback=step,
            next_image_callback=step,
        )
    finally:
        shutil.rmtree(output, ignore_errors=True)
    ranked = sorted(models.values(), key=lambda m: -m.num_reg_images())
    if not ranked or ranked[0].num_reg_images() < 2:
        return None
    groups = [[m.image(n).name for n in m.reg_image_ids()] for m in ranked[1:]]
    return Mapped(ranked[0], groups, facts={"thresholds": attempt.name})


def _map_globally(database_path: Path, folder: Path) -> Mapped | None:
    """One run of COLMAP's global mapper; None when it places nothing."""
    import pycolmap

    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = options.mapper.num_threads = 1
    options.random_seed = options.mapper.random_seed = SEED
    output = folder / "mapping"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    try:
        models = pycolmap.global_mapping(database_path, folder, output, options)
    finally:
        shutil.rmtree(output, ignore_errors=True)
    ranked = sorted(models.values(), key=lambda m: -m.num_reg_images())
    if not ranked or not ranked[0].num_reg_images():
        return None
    model = ranked[0]
    for number in list(model.reg_image_ids()):
        if model.image(number).num_points3D < _HOLDING_POINTS:
            model.deregister_frame(model.image(number).frame_id)
    groups = [[m.image(n).name for n in m.reg_image_ids()] for m in ranked[1:]]
    return Mapped(model, groups, facts={"thresholds": "all photos at once"})


def _counter(total: int, progress: Progress) -> Callable[[], None]:
    placed = 0

    def step() -> None:
        nonlocal placed
        placed = min(placed + 1, total)
        progress(placed / total, f"placing photos, {placed} of {total}")

    return step


def thread_count(threads: int) -> int:
    """``threads``, or all cores for 0."""
    return threads or os.cpu_count() or 1
