"""The common frame: Z up, ground at zero, object at the origin, metres where they are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.cameras.scale import MeasuredScale, percent
from gypsum.scene import SparseModel
from gypsum.scene.capture import Capture

Float64 = NDArray[np.float64]

#: A plane through this share of the points is worth considering as the ground.
_PLANE_SHARE = 0.12
#: A ground plane this near to the cameras' own idea of up is taken, degrees.
_PLANE_NEAR = 12.0
#: The same where the cameras hardly tell: all looking the same way, or straight down.
_PLANE_NEAR_UNSURE = 40.0
#: Markers lie on the same ground when their normals agree within this, degrees.
_FLAT_TOGETHER = 3.0
#: The cameras' roll tells up when their sideways axes spread by at least this, degrees.
_SIDE_SPREAD = 8.0
#: GPS is used from this many photos on,
_GPS_PHOTOS = 4
#: when its error is below this share of the capture's extent,
_GPS_ERROR = 0.15
#: and tells up when the tilt it leaves open is below this, degrees.
_GPS_TILT = 2.0
#: Groups of photos that are left out in turn to see how sure the scale is.
_GROUPS = 20
_EARTH_RADIUS = 6_378_137.0
_EARTH_FLATTENING = 1 / 298.257223563


@dataclass(frozen=True)
class Similarity:
    """``x_new = scale * R @ x + t``."""

    scale: float
    R: Float64
    t: Float64

    def apply(self, points: Float64) -> Float64:
        """Points (N, 3) in the new frame."""
        return self.scale * points @ self.R.T + self.t


def align(
    model: SparseModel,
    capture: Capture,
    measured: MeasuredScale | None = None,
    *,
    first_set: bool = False,
) -> tuple[SparseModel, dict[str, Any]]:
    """The model in the common frame, and how up and scale were found.

    ``measured`` is the scale by known lengths; it goes before that of GPS. With ``first_set``, +Z
    is up as the object lay in the first of its sets.
    """
    centers = np.array([photo.center for photo in model.photos.values()])
    axes = np.array([photo.R for photo in model.photos.values()])
    if first_set:
        up, facts = np.array([0.0, 0, 1]), {"up": "set", "up_note": "up is that of the first set"}
    else:
        up, facts = find_up(model, axes, centers)
        if facts["up"] != "plane" and measured is not None:
            up, facts = _up_by_markers(measured, up, facts)
    fit = _gps_fit(model, capture, up)
    if fit is not None and fit.tells_up and not first_set:
        up = fit.similarity.R[2]
        facts |= {"up": "GPS", "up_note": f"up comes from the GPS tags of {fit.photos} photos"}
    # With GPS +Y is north; else the first photo looks along it, and the object's front faces -Y.
    R = _turn_to_z(up, axes[0, 0] if fit is None else fit.similarity.R[0])
    scale, how = _choose_scale(centers, measured, fit)
    facts |= how
    turned = model.transformed(scale, R, np.zeros(3))
    origin = _ground_centre(turned)
    if facts.pop("plane_offset", None) is not None:
        origin[2] = _ground_height(turned, up_plane=True)
    return turned.transformed(1.0, np.eye(3), -origin), facts


def keep_frame(
    model: SparseModel, measured: MeasuredScale | None = None
) -> tuple[SparseModel, dict[str, Any]]:
    """The model in the frame that its poses were given in, made metric where lengths are known."""
    facts: dict[str, Any] = {"up": "given", "up_note": "up is +Z of the cameras that were given"}
    if measured is not None:
        return model.transformed(measured.scale, np.eye(3), np.zeros(3)), facts | measured.facts
    note = "the unit is that of the cameras that were given"
    return model, facts | {"metric": False, "scale": "given", "scale_note": note}


def _choose_scale(
    centers: Float64, measured: MeasuredScale | None, fit: _GpsFit | None
) -> tuple[float, dict[str, Any]]:
    """Known lengths before GPS before the cameras' spread."""
    if measured is not None:
        return measured.scale, measured.facts
    if fit is not None:
        return fit.similarity.scale, {
            "metric": True,
            "scale": "GPS",
            "scale_note": f"metres from the GPS tags of {fit.photos} photos, which fit within "
            f"{fit.error:.2g} m; exact to about {percent(fit.scale_error)}",
            "scale_error": fit.scale_error,
            "scale_observations": fit.photos,
            "gps_error_m": round(fit.error, 3),
            "gps_photos": fit.photos,
        }
    spread = math.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean())
    return 1.0 / spread if spread > 0 else 1.0, {
        "metric": False,
        "scale": "cameras",
        "scale_note": "the size is unknown; the cameras' spread is 1",
    }


def _up_by_markers(
    measured: MeasuredScale, up: Float64, facts: dict[str, Any]
) -> tuple[Float64, dict[str, Any]]:
    """Up from markers that lie flat by the cameras' own idea of up; else as it was."""
    tolerance = _PLANE_NEAR if facts["up"] == "roll" else _PLANE_NEAR_UNSURE
    flat = [m.normal for m in measured.markers if _angle(m.normal, up) <= tolerance]
    if not flat:
        return up, facts
    mean = _unit(np.mean(flat, axis=0))
    if max(_angle(normal, mean) for normal in flat) > _FLAT_TOGETHER:
        return up, facts
    angle = _angle(mean, up)
    count = f"{len(flat)} markers that lie" if len(flat) > 1 else "a marker that lies"
    return mean, {
        "up": "markers",
        "up_note": f"up is square to {count} flat, {angle:.1f}° from the cameras' own idea of up",
        "up_disagreement_deg": round(angle, 2),
    }


def find_up(model: SparseModel, axes: Float64, centers: Float64) -> tuple[Float64, dict[str, Any]]:
    """Unit up in the model's frame, and how it was found.

    ``axes`` (N, 3, 3) are the photos' rotations and ``centers`` (N, 3) their places. People hold
    cameras level: the sideways axis is level in most photos, whatever the camera looks at. A large
    plane nearly level by that measure is a table, a floor or the ground, and is more exact.
    """
    upward = _unit(-axes[:, 1].mean(axis=0))
    roll, spread = _up_from_roll(axes[:, 0], upward)
    sure = spread >= _SIDE_SPREAD
    tolerance = _PLANE_NEAR if sure else _PLANE_NEAR_UNSURE
    plane = _ground_plane(model, centers, roll, tolerance)
    if plane is not None:
        normal, share = plane
        angle = _angle(normal, roll)
        note = f"up is square to a plane through {share:.0%} of the points"
        note += f", {angle:.1f}° from the cameras' own idea of up"
        facts = {"up": "plane", "up_note": note, "up_disagreement_deg": round(angle, 2)}
        return normal, facts | {"plane_offset": True}
    if sure:
        return roll, {"up": "roll", "up_note": "up comes from how level the cameras were held"}
    return roll, {
        "up": "guess",
        "up_note": "up is the mean upward direction of the photos and may lean: "
        "they were taken from one side",
    }


def _up_from_roll(side: Float64, upward: Float64) -> tuple[Float64, float]:
    """Up that is square to most sideways axes (N, 3), and how far they spread, degrees.

    The spread is that of the second direction: with none, any direction square to the one sideways
    axis would do, and the mean upward direction decides.
    """
    weights = np.ones(len(side))
    up = upward
    spread = 0.0
    for _ in range(20):
        scatter = (side * weights[:, None]).T @ side / weights.sum()
        values, vectors = np.linalg.eigh(scatter)
        spread = math.degrees(math.asin(math.sqrt(min(1.0, max(0.0, values[1])))))
        if spread < _SIDE_SPREAD:
            # One sideways axis: up is the mean upward direction, made square to it.
            axis = vectors[:, 2]
            up = _unit(upward - axis * (axis @ upward))
        else:
            up = vectors[:, 0]
        up = up if up @ upward >= 0 else -up
        lean = side @ up
        weights = 1 / (1 + (lean / 0.05) ** 2)
    return up, spread


def _ground_plane(
    model: SparseModel, centers: Float64, up: Float64, tolerance: float
) -> tuple[Float64, float] | None:
    """Normal of the largest plane beneath the cameras, level within ``tolerance`` degrees."""
    points = model.points
    if len(points) < 50:
        return None
    rng = np.random.default_rng(0)
    if len(points) > 5000:
        points = points[rng.permutation(len(points))[:5000]]
    # Points far away are few and inexact.
    middle = np.median(points, axis=0)
    distance = np.linalg.norm(points - middle, axis=1)
    points = points[distance <= 3 * np.median(distance)]
    thickness = 0.01 * float(np.median(distance))
    triples = points[rng.integers(0, len(points), (3000, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    length = np.linalg.norm(normals, axis=1)
    normals = normals[length > 0] / length[length > 0, None]
    origins = triples[length > 0, 0]
    normals *= np.where(normals @ up < 0, -1, 1)[:, None]
    level = normals @ up >= math.cos(math.radians(tolerance))
    best: tuple[Float64, float] | None = None
    most = _PLANE_SHARE * len(points)
    for normal, origin in zip(normals[level], origins[level], strict=True):
        height = (points - origin) @ normal
        inside = np.abs(height) <= thickness
        if inside.sum() > most and np.mean((centers - origin) @ normal > 0) > 0.9:
            most = float(inside.sum())
            best = normal, origin @ normal
    if best is None:
        return None
    normal, offset = best
    for _ in range(5):
        near = points[np.abs(points @ normal - offset) <= thickness]
        centre = near.mean(axis=0)
        fitted = np.linalg.eigh(np.cov((near - centre).T))[1][:, 0]
        normal = fitted if fitted @ up >= 0 else -fitted
        offset = float(centre @ normal)
    if _angle(normal, up) > tolerance:
        return None
    return normal, len(near) / len(points)


def _ground_height(model: SparseModel, up_plane: bool) -> float:
    """Height of the ground in a model whose Z is up: the fullest level layer below the cameras, or
    without a plane the lowest points but for strays."""
    heights = model.points[:, 2]
    if not up_plane:
        return float(np.percentile(heights, 2))
    middle = np.median(heights)
    width = 0.02 * max(float(np.median(np.abs(heights - middle))), 1e-9)
    ordered = np.sort(heights)
    counts = np.searchsorted(ordered, ordered + width, "right") - np.arange(len(ordered))
    first = int(counts.argmax())
    return float(np.median(ordered[first : first + counts[first]]))


def _ground_centre(model: SparseModel) -> Float64:
    """The object's place on the ground, in a model whose Z is up.

    Where the cameras look at one thing from several sides, it is the point nearest to their axes;
    otherwise the middle of the points.
    """
    centers = np.array([photo.center for photo in model.photos.values()])
    views = np.array([photo.R[2] for photo in model.photos.values()])
    across = np.eye(3) - views[:, :, None] * views[:, None, :]
    normal = across.sum(axis=0)
    middle = np.median(model.points, axis=0) if len(model.points) else centers.mean(axis=0)
    # Parallel axes meet nowhere.
    if np.linalg.eigvalsh(normal)[0] > 0.05 * len(views):
        middle = np.linalg.solve(normal, np.einsum("nij,nj->i", across, centers))
    height = _ground_height(model, up_plane=False) if len(model.points) else middle[2]
    return np.array([middle[0], middle[1], height])


@dataclass(frozen=True)
class _GpsFit:
    similarity: Similarity
    """Model to metres: east, north, up."""
    error: float
    """Median distance, metres."""
    scale_error: float
    """Relative standard error of the scale."""
    photos: int
    tells_up: bool


def _gps_fit(model: SparseModel, capture: Capture, up: Float64) -> _GpsFit | None:
    """The model in metres by the photos' GPS tags; None when they are too few or don't fit."""
    tags = {photo.name: photo.gps for photo in capture.photos if photo.gps is not None}
    photos = [photo for photo in model.photos.values() if photo.name in tags]
    if len(photos) < _GPS_PHOTOS:
        return None
    places = east_north_up([tags[photo.name] for photo in photos])
    centers = np.array([photo.center for photo in photos])
    full = all(tags[photo.name][2] is not None for photo in photos)
    flat = _level_fit(centers, places, up)
    fit, tells_up = flat, False
    if full:
        solid = robust_similarity(centers, places)
        residual = solid.apply(centers) - places
        across = np.linalg.svd(places - places.mean(axis=0))[1][1] / math.sqrt(len(places))
        tilt = math.degrees(math.atan2(float(np.median(np.abs(residual[:, 2]))), across))
        if tilt / math.sqrt(len(places)) < _GPS_TILT:
            fit, tells_up = solid, True
    residual = (fit.apply(centers) - places)[:, : 3 if tells_up else 2]
    error = float(np.median(np.linalg.norm(residual, axis=1)))
    extent = math.sqrt(((places[:, :2] - places[:, :2].mean(axis=0)) ** 2).sum(axis=1).mean())
    if extent <= 0 or error > _GPS_ERROR * extent:
        return None
    scale_error = _jackknife(centers, places, None if tells_up else up)
    return _GpsFit(fit, error, scale_error, len(photos), tells_up)


def _jackknife(centers: Float64, places: Float64, up: Float64 | None) -> float:
    """Relative standard error of the scale: how much it changes without some photos (Tukey 1958).

    With ``up`` the fit is that of :func:`_level_fit`.
    """
    groups = np.arange(len(centers)) % min(len(centers), _GROUPS)
    scales = []
    for group in range(groups.max() + 1):
        rest = groups != group
        if up is None:
            fit = robust_similarity(centers[rest], places[rest])
        else:
            fit = _level_fit(centers[rest], places[rest], up)
        scales.append(math.log(fit.scale))
    return math.sqrt((len(scales) - 1) * float(np.var(scales)))


def _level_fit(centers: Float64, places: Float64, up: Float64) -> Similarity:
    """Scale, heading and shift by east and north alone, with up as it is."""
    R = _turn_to_z(up, np.array([1.0, 0.0, 0.0]))
    turned = centers @ R.T
    turned[:, 2] = 0
    level = places.copy()
    level[:, 2] = 0
    fit = robust_similarity(turned, level)
    heading = math.atan2(fit.R[1, 0], fit.R[0, 0])
    cos, sin = math.cos(heading), math.sin(heading)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return Similarity(fit.scale, turn @ R, fit.t)


def east_north_up(tags: Sequence[tuple[float, float, float | None] | None]) -> Float64:
    """(N, 3) metres east, north and up of the tags' mean; unknown altitudes are 0."""
    values = [tag for tag in tags if tag is not None]
    latitude = np.radians([tag[0] for tag in values])
    longitude = np.radians([tag[1] for tag in values])
    altitude = np.array([tag[2] or 0.0 for tag in values])
    middle = latitude.mean()
    squared = _EARTH_FLATTENING * (2 - _EARTH_FLATTENING)
    bend = 1 - squared * math.sin(middle) ** 2
    # Radii of curvature along the meridian and across it.
    north = (latitude - middle) * _EARTH_RADIUS * (1 - squared) / bend**1.5
    east = (longitude - longitude.mean()) * _EARTH_RADIUS / math.sqrt(bend) * math.cos(middle)
    return np.stack([east, north, altitude - altitude.mean()], axis=1)


def robust_similarity(source: Float64, target: Float64) -> Similarity:
    """The similarity that takes source (N, 3) to target (N, 3), little moved by outliers."""
    weights = np.ones(len(source))
    fit = _similarity(source, target, weights)
    for _ in range(30):
        distance = np.linalg.norm(fit.apply(source) - target, axis=1)
        scale = max(1.5 * float(np.median(distance)), 1e-9)
        weights = 1 / (1 + (distance / scale) ** 2) ** 2
        fit = _similarity(source, target, weights)
    return fit


def _similarity(source: Float64, target: Float64, weights: Float64) -> Similarity:
    """Umeyama's weighted least squares."""
    w = weights / weights.sum()
    source_mean, target_mean = w @ source, w @ target
    a, b = source - source_mean, target - target_mean
    U, values, Vt = np.linalg.svd((b * w[:, None]).T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt)) or 1.0])
    R = (U * signs) @ Vt
    variance = float((w * (a**2).sum(axis=1)).sum())
    scale = float((values * signs).sum()) / variance if variance > 0 else 1.0
    return Similarity(scale, R, target_mean - scale * R @ source_mean)


def _turn_to_z(up: Float64, side: Float64) -> Float64:
    """(3, 3) rotation that takes ``up`` to +Z and ``side``, made level, to +X."""
    z = _unit(up)
    x = side - z * (z @ side)
    if np.linalg.norm(x) < 1e-6:
        x = np.cross(z, np.eye(3)[np.abs(z).argmin()])
    x = _unit(x)
    return np.stack([x, np.cross(z, x), z])


def _unit(v: Float64) -> Float64:
    return np.asarray(v / np.linalg.norm(v), np.float64)


def _angle(a: Float64, b: Float64) -> float:
    return math.degrees(math.acos(min(1.0, max(-1.0, float(a @ b)))))
