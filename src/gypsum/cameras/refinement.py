"""Bundle adjustment after mapping: robust to the wrong matches that mapping leaves, and with the
principal point where the photos tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

from gypsum.scene import Progress, no_progress

if TYPE_CHECKING:
    import pycolmap

Float64 = NDArray[np.float64]

#: Scale of the robust loss, pixels: the error of a good match. Mapping's own adjustment weighs all
#: errors by their square, and a few wrong matches then bend every camera.
LOSS_SCALE = 0.5
#: Observations that are off by more are dropped, pixels; so are points seen under a small angle.
MAX_ERROR = 2.0
MIN_ANGLE = 1.5
#: The principal point is kept free when that lowers the robust cost by at least this share. Where
#: it doesn't, freeing it only lets it follow noise.
WORTHWHILE = 0.01
#: A principal point further from the middle than this share of the picture is not believed.
MAX_SHIFT = 0.06
#: Points that three photos confirm; a photo with as many needs no others.
ENOUGH_POINTS = 100
#: Photos and observations per camera, below which its principal point is not even tried.
MIN_PHOTOS = 6
MIN_OBSERVATIONS = 2000


@dataclass(frozen=True)
class Effort:
    """When an adjustment stops."""

    tolerance: float
    """The least relative gain of a step."""
    steps: int


#: Enough to tell wrong observations from right ones, to tell what a parameter would gain, to end.
ROUGH = Effort(1e-4, 10)
TRIAL = Effort(1e-5, 20)
FINE = Effort(1e-5, 100)


def refine(
    model: pycolmap.Reconstruction,
    threads: int,
    progress: Progress = no_progress,
    fixed: frozenset[int] = frozenset(),
) -> dict[str, Any]:
    """Adjust all cameras and points together, in place; returns what was done, for the report.

    The intrinsics of the ``fixed`` cameras (their ids) were given and stay.
    """
    import pycolmap

    adjust(model, threads, ROUGH, fixed=fixed)
    progress(0.3, "refining cameras")
    observations = pycolmap.ObservationManager(model)
    dropped = observations.filter_all_points3D(MAX_ERROR, MIN_ANGLE)
    adjust(model, threads, FINE, fixed=fixed)
    progress(0.6, "refining cameras")
    facts: dict[str, Any] = {"dropped_observations": int(dropped), "principal_point": "centre"}
    used = {camera.camera_id for camera in _used_cameras(model)}
    if used <= fixed:
        facts["principal_point"] = "given"
    elif _tells_principal_point(model):
        facts |= _try_principal_point(model, threads, fixed)
    facts["dropped_two_view_points"] = drop_two_view_points(model)
    model.update_point_3d_errors()
    return facts


def drop_two_view_points(model: pycolmap.Reconstruction) -> int:
    """Drop points of two photos that both show enough others; returns how many.

    No third photo confirms such a point: a wrong match gives one as readily as a right match.
    """
    held = dict.fromkeys(model.reg_image_ids(), 0)
    unconfirmed = {}
    for number, point in model.points3D.items():
        photos = [element.image_id for element in point.track.elements]
        if len(photos) > 2:
            for photo in photos:
                held[photo] += 1
        else:
            unconfirmed[number] = photos
    dropped = [
        number
        for number, photos in unconfirmed.items()
        if all(held[photo] >= ENOUGH_POINTS for photo in photos)
    ]
    for number in dropped:
        model.delete_point3D(number)
    return len(dropped)


def adjust(
    model: pycolmap.Reconstruction,
    threads: int,
    effort: Effort,
    *,
    principal_point: bool = False,
    fixed: frozenset[int] = frozenset(),
) -> None:
    """One robust bundle adjustment of everything, in place."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.refine_principal_point = principal_point
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = LOSS_SCALE
    options.ceres.solver_options.num_threads = threads
    options.ceres.solver_options.function_tolerance = effort.tolerance
    options.ceres.solver_options.max_num_iterations = effort.steps
    config = pycolmap.BundleAdjustmentConfig()
    for number in model.reg_image_ids():
        config.add_image(number)
    for number in fixed:
        config.set_constant_cam_intrinsics(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()


def robust_cost(model: pycolmap.Reconstruction) -> float:
    """Sum of the Cauchy loss over all observations, pixels squared."""
    numbers = np.array(sorted(model.points3D), np.int64)
    row = np.full(int(numbers.max(initial=0)) + 1, -1, np.int64)
    row[numbers] = np.arange(len(numbers))
    places = np.array([model.points3D[int(n)].xyz for n in numbers]).reshape(-1, 3)
    cost = 0.0
    for number in model.reg_image_ids():
        image = model.image(number)
        seen = image.get_observation_points2D()
        if not seen:
            continue
        xy = np.array([point.xy for point in seen])
        pose = image.cam_from_world().matrix()
        points = places[row[[point.point3D_id for point in seen]]] @ pose[:, :3].T + pose[:, 3]
        error = image.camera.img_from_cam(points) - xy
        squared = (error**2).sum(axis=1) / LOSS_SCALE**2
        cost += float(np.log1p(squared).sum()) * LOSS_SCALE**2
    return cost


def _tells_principal_point(model: pycolmap.Reconstruction) -> bool:
    """Whether every camera has enough photos and observations to try."""
    photos: dict[int, int] = {}
    observations: dict[int, int] = {}
    for number in model.reg_image_ids():
        image = model.image(number)
        photos[image.camera_id] = photos.get(image.camera_id, 0) + 1
        observations[image.camera_id] = observations.get(image.camera_id, 0) + image.num_points3D
    return min(photos.values()) >= MIN_PHOTOS and min(observations.values()) >= MIN_OBSERVATIONS


def _try_principal_point(
    model: pycolmap.Reconstruction, threads: int, fixed: frozenset[int]
) -> dict[str, Any]:
    """Free the principal point, and take it back where that is not worth it."""
    before = robust_cost(model)
    kept = _parameters(model)
    adjust(model, threads, TRIAL, principal_point=True, fixed=fixed)
    gain = 1 - robust_cost(model) / before if before > 0 else 0.0
    shifts = [
        np.array([camera.principal_point_x, camera.principal_point_y])
        / (camera.width, camera.height)
        - 0.5
        for camera in _used_cameras(model)
    ]
    shift = float(max(np.abs(shift).max() for shift in shifts))
    facts = {"principal_point_gain": round(gain, 5), "principal_point_shift": round(shift, 5)}
    if gain >= WORTHWHILE and shift <= MAX_SHIFT:
        adjust(model, threads, FINE, principal_point=True, fixed=fixed)
        return facts | {"principal_point": "refined"}
    _restore(model, kept)
    return facts


def _used_cameras(model: pycolmap.Reconstruction) -> list[pycolmap.Camera]:
    used = {model.image(number).camera_id for number in model.reg_image_ids()}
    return [model.camera(number) for number in sorted(used)]


def _parameters(model: pycolmap.Reconstruction) -> dict[str, Any]:
    """All that bundle adjustment changes."""
    import pycolmap

    return {
        "cameras": {number: camera.params.copy() for number, camera in model.cameras.items()},
        "poses": {
            number: pycolmap.Rigid3d(model.frame(number).rig_from_world.matrix())
            for number in model.reg_frame_ids()
        },
        "points": {number: point.xyz.copy() for number, point in model.points3D.items()},
    }


def _restore(model: pycolmap.Reconstruction, kept: dict[str, Any]) -> None:
    for number, params in kept["cameras"].items():
        model.camera(number).params = params
    for number, pose in kept["poses"].items():
        model.frame(number).rig_from_world = pose
    for number, xyz in kept["points"].items():
        model.point3D(number).xyz = xyz
