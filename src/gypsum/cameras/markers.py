"""AprilTags and ArUco markers in photos: found, measured, and placed in space with their size.

Found by OpenCV (Olson 2011; Garrido-Jurado et al. 2014), measured here: each side of the black
square is fitted as a straight line, after the lens's distortion is taken out, through the places
where the light crosses from black to white. In linear light that place is not moved by blur, and
with the whole side to fit to, corners are good to a few hundredths of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from gypsum.cameras.features import in_parallel, read_gray
from gypsum.formats.colors import to_linear
from gypsum.formats.markers import FAMILIES, marker_name
from gypsum.scene import Camera, Photo, Progress, SparseModel, no_progress

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

#: Squares smaller than this in the photo are not read, pixels.
SMALLEST_SIDE = 16.0
#: Profiles across each side, spread over this middle part of it: near corners the other side shows.
_PROFILES = 24
_MIDDLE = 0.84
#: Profiles reach this far to both sides of the edge, in squares of the pattern, between these
#: pixels: any farther, and blur brings the next square's light into them.
_REACH_SQUARES, _LEAST_REACH, _REACH_PIXELS = 0.36, 1.5, 4.0
_STEP = 0.25
#: Each round starts from the last one's corners: profiles that begin off the edge pull back to
#: where they began.
_ROUNDS = 3
#: A corner that the lines move by more than this was no corner, pixels.
_FARTHEST = 4.0
#: By about this much the photos' tone curve makes every marker too small or too large, pixels:
#: white seems to grow where it is overexposed.
_TONE = 0.05
#: Scale of the robust loss of a marker's place, pixels.
_LOSS = 0.3
#: Corners farther off than this contradict the marker's place, pixels.
_WRONG = 3.0
#: A marker whose corners contradict it in more than this share of its photos is not one marker.
_CONTRADICTED = 0.34
#: The angle under which a marker has to be seen from its photos, degrees.
_LEAST_ANGLE = 4.0


@dataclass(frozen=True)
class Sighting:
    """One marker in one photo."""

    marker: str
    photo: int
    """Id of the photo in the model."""
    corners: Float64
    """(4, 2) pixels of the photo as it was taken: upper left, then clockwise."""


@dataclass(frozen=True)
class PlacedMarker:
    """A marker in the model's frame."""

    name: str
    corners: Float64
    """(4, 3) of an exact square, in the order of :class:`Sighting`."""
    side: float
    """In the model's unit."""
    side_error: float
    """Standard error of ``side``."""
    covariance: Float64
    """(3, 3) of its centre."""
    photos: int
    """Photos that it rests on."""
    error_px: float
    """Root mean square distance of its corners in those photos, pixels."""

    @property
    def center(self) -> Float64:
        """(3,)"""
        center: Float64 = self.corners.mean(axis=0)
        return center

    @property
    def normal(self) -> Float64:
        """(3,) unit, towards those who can read it."""
        right, down = self.corners[1] - self.corners[0], self.corners[3] - self.corners[0]
        normal: Float64 = np.cross(down, right)
        return normal / np.linalg.norm(normal)


def find_markers(
    model: SparseModel,
    photos_folder: Path,
    threads: int,
    progress: Progress = no_progress,
) -> list[Sighting]:
    """All markers in the photos of a model; one that a photo shows twice is left out there."""
    photos = sorted(model.photos.values(), key=lambda photo: photo.name)
    work = (
        partial(_find, photo, model.camera_of(photo), photos_folder / photo.name)
        for photo in photos
    )
    found: list[Sighting] = []
    for done, sightings in enumerate(in_parallel(work, max(threads, 1)), start=1):
        found += sightings
        progress(done / len(photos), f"looking for markers, photo {done} of {len(photos)}")
    return sorted(found, key=lambda sighting: (sighting.marker, sighting.photo))


def _find(photo: Photo, camera: Camera, path: Path) -> list[Sighting]:
    gray = read_gray(path)
    detected = detect(gray)
    light = to_linear(gray)
    sightings = []
    for name, corners, squares in detected:
        refined = refine_corners(light, corners, squares, camera)
        if refined is not None:
            sightings.append(Sighting(name, photo.id, refined))
    return sightings


def detect(gray: UInt8) -> list[tuple[str, Float64, int]]:
    """Markers in a photo: name, corners (4, 2) in COLMAP's pixels, squares along a side."""
    families = list(FAMILIES)
    dictionaries = [
        cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, FAMILIES[family]))
        for family in families
    ]
    options = cv2.aruco.DetectorParameters()
    options.minMarkerPerimeterRate = 4 * SMALLEST_SIDE / max(gray.shape)
    # Small families find themselves in any texture when errors are corrected.
    options.errorCorrectionRate = 0.3
    detector = cv2.aruco.ArucoDetector(dictionaries, options)
    corners, numbers, _, which = detector.detectMarkersMultiDict(gray)
    if numbers is None:
        return []
    rows = [
        (
            marker_name(families[int(family)], int(number)),
            np.asarray(square, np.float64).reshape(4, 2) + 0.5,
            dictionaries[int(family)].markerSize + 2,
        )
        for square, number, family in zip(corners, numbers.ravel(), which.ravel(), strict=True)
    ]
    names = [name for name, *_ in rows]
    return [row for row in rows if names.count(row[0]) == 1]


def refine_corners(
    light: NDArray[np.float32], corners: Float64, squares: int, camera: Camera
) -> Float64 | None:
    """Corners (4, 2) as crossings of the fitted sides; None where the sides can't be measured.

    ``light`` (H, W) is linear; ``squares`` is how many squares of the pattern a side has.
    """
    if np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).min() < SMALLEST_SIDE:
        return None
    refined = corners
    for _ in range(_ROUNDS):
        lines = _side_lines(light, refined, squares, camera)
        if lines is None:
            return None
        crossings = np.array([_crossing(lines[i - 1], lines[i]) for i in range(4)])
        refined = distorted(camera, crossings)
        sides = np.linalg.norm(np.roll(refined, -1, axis=0) - refined, axis=1)
        moved = np.linalg.norm(refined - corners, axis=1).max()
        if sides.min() < SMALLEST_SIDE or moved > max(_FARTHEST, 0.04 * sides.max()):
            return None
    return refined


def _side_lines(
    light: NDArray[np.float32], corners: Float64, squares: int, camera: Camera
) -> list[Float64] | None:
    """The four sides as lines in image coordinates, from where they are about."""
    lines = []
    for start in range(4):
        a, b = corners[start], corners[(start + 1) % 4]
        # The border and the white around it are one square wide across this side.
        opposite = corners[[start - 1, start - 2]].mean(axis=0) - a
        height = abs(float((b - a) @ (opposite[1], -opposite[0]))) / np.linalg.norm(b - a)
        reach = min(_REACH_SQUARES * float(height) / squares, _REACH_PIXELS)
        points = _edge_points(light, a, b, reach)
        if len(points) < _PROFILES // 2:
            return None
        lines.append(_fit_line(undistorted(camera, points)))
    return lines


def _edge_points(light: NDArray[np.float32], a: Float64, b: Float64, reach: float) -> Float64:
    """(N, 2) places where profiles across the side a-b cross from black to white."""
    along = (b - a) / np.linalg.norm(b - a)
    across = np.array([along[1], -along[0]])
    shares = 0.5 + _MIDDLE * (np.linspace(0, 1, _PROFILES) - 0.5)
    steps = round(max(reach, _LEAST_REACH) / _STEP)
    reach = steps * _STEP
    # Positive offsets are outside: corners run clockwise in pixels whose y points down.
    offsets = np.arange(-steps, steps + 1) * _STEP
    centers = a + shares[:, None] * (b - a)
    profiles = _sample(light, centers[:, None] + offsets[:, None] * across)
    black, white = profiles[:, :2].mean(axis=1), profiles[:, -2:].mean(axis=1)
    contrast = white - black
    usable = contrast > 0.5 * np.median(contrast)
    if np.median(contrast) <= 0.02 or not usable.any():
        return np.empty((0, 2))
    # The edge is where the white before it would make up for the black after it.
    share = (profiles - black[:, None]) / np.where(usable, contrast, 1)[:, None]
    share = share.clip(-0.2, 1.2)
    shift = reach - share[:, 1:-1].sum(axis=1) * _STEP - 0.5 * _STEP * share[:, [0, -1]].sum(axis=1)
    usable &= np.abs(shift) < 0.8 * reach
    centers = centers + shift[:, None] * across
    found: Float64 = centers[usable]
    return found


def _sample(light: NDArray[np.float32], places: Float64) -> Float64:
    """Bilinear values at places (..., 2) in COLMAP's pixels."""
    maps = (places - 0.5).astype(np.float32)
    values = cv2.remap(
        light, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(values, np.float64)


def _fit_line(points: Float64) -> Float64:
    """(3,) a, b, c of ``a x + b y + c = 0``, a² + b² = 1, little moved by outliers."""
    weights = np.ones(len(points))
    line = np.zeros(3)
    for _ in range(8):
        mean = np.average(points, axis=0, weights=weights)
        centered = points - mean
        normal = np.linalg.eigh((centered * weights[:, None]).T @ centered)[1][:, 0]
        distance = centered @ normal
        spread = max(1.4826 * float(np.median(np.abs(distance))), 1e-9)
        weights = 1 / (1 + (distance / (2 * spread)) ** 2)
        line = np.array([*normal, -normal @ mean])
    return line


def _crossing(first: Float64, second: Float64) -> Float64:
    point = np.cross(first, second)
    return np.asarray(point[:2] / point[2])


def undistorted(camera: Camera, xy: Float64) -> Float64:
    """Pixels (N, 2) to image coordinates x/z, y/z."""
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    flat = cv2.undistortPoints(
        np.ascontiguousarray(xy[:, None]), camera.K, camera.distortion,
        R=None, P=None, criteria=criteria,
    )  # fmt: skip
    return np.asarray(flat, np.float64).reshape(-1, 2)


def distorted(camera: Camera, flat: Float64) -> Float64:
    """Image coordinates (N, 2) to pixels."""
    rays = np.column_stack([flat, np.ones(len(flat))])
    xy, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera.K, camera.distortion)
    return np.asarray(xy, np.float64).reshape(-1, 2)


def place_markers(
    model: SparseModel, sightings: Sequence[Sighting]
) -> tuple[list[PlacedMarker], dict[str, str]]:
    """The markers in space, and why the others are not, as the rest of a sentence."""
    by_name: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        by_name.setdefault(sighting.marker, []).append(sighting)
    placed, left_out = [], {}
    for name, seen in by_name.items():
        marker = place_marker(model, name, seen)
        if isinstance(marker, str):
            left_out[name] = marker
        else:
            placed.append(marker)
    return placed, left_out


def place_marker(model: SparseModel, name: str, seen: Sequence[Sighting]) -> PlacedMarker | str:
    """The square that fits its corners in all photos best; or why there is none.

    Seven numbers are found, its place, turn and side, by the reprojection error of all corners
    under a robust loss. The standard error of the side comes from their covariance, grows with the
    residuals, and has a part for what all photos get wrong alike.
    """
    if len(seen) < 2:
        return "was seen in one photo only"
    rays = [_Rays(model, sighting.photo) for sighting in seen]
    middles = [r.flat(s.corners).mean(axis=0) for r, s in zip(rays, seen, strict=True)]
    towards = np.array([[*xy, 1.0] @ r.photo.R for r, xy in zip(rays, middles, strict=True)])
    if _widest_angle(towards) < _LEAST_ANGLE:
        return "was seen from one direction only"
    corners = np.array(
        [
            triangulate([r.photo for r in rays], [r.flat(s.corners[i : i + 1])[0]
                        for r, s in zip(rays, seen, strict=True)])
            for i in range(4)
        ]
    )  # fmt: skip
    if not np.isfinite(corners).all():
        return "lies in no place that its photos agree on"
    start = _square_like(corners)

    def residuals(numbers: Float64) -> Float64:
        square = _square(numbers)
        return np.concatenate(
            [(r.project(square) - s.corners).ravel() for r, s in zip(rays, seen, strict=True)]
        )

    fit = least_squares(
        residuals, start, loss="cauchy", f_scale=_LOSS, x_scale="jac", method="trf", max_nfev=200
    )
    misses = np.linalg.norm(residuals(fit.x).reshape(len(seen), 4, 2), axis=2).max(axis=1)
    good = misses <= _WRONG
    if good.sum() < 2 or (~good).mean() > _CONTRADICTED:
        return "is not one flat square at rest: it moved, is bent, or is there twice"
    square = _square(fit.x)
    if _widest_angle(towards[good]) < _LEAST_ANGLE:
        return "was seen from one direction only"
    sides = [np.linalg.norm(np.roll(s.corners, 1, axis=0) - s.corners, axis=1).mean() for s in seen]
    left = fit.fun.reshape(len(seen), 8)[good]
    squared = float((left**2).sum()) / max(left.size - 7, 1)
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac) * squared
    return PlacedMarker(
        name,
        square,
        float(fit.x[6]),
        float(np.hypot(np.sqrt(covariance[6, 6]), fit.x[6] * _TONE / np.median(sides))),
        covariance[:3, :3],
        int(good.sum()),
        float(np.sqrt(2 * np.mean(left**2))),
    )


def _square(numbers: Float64) -> Float64:
    """(4, 3) corners of the square with this centre (3), rotation vector (3) and side."""
    half = numbers[6] / 2
    flat = np.array([[-half, half, 0], [half, half, 0], [half, -half, 0], [-half, -half, 0]])
    corners: Float64 = Rotation.from_rotvec(numbers[3:6]).apply(flat) + numbers[:3]
    return corners


def _square_like(corners: Float64) -> Float64:
    """(7,) numbers of the square nearest to four corners."""
    model = _square(np.array([0, 0, 0, 0, 0, 0, 1.0]))
    centered = corners - corners.mean(axis=0)
    turn, _ = Rotation.align_vectors(centered, model)
    side = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).mean()
    return np.array([*corners.mean(axis=0), *turn.as_rotvec(), side])


class _Rays:
    """A photo with its camera: pixels to rays and back."""

    def __init__(self, model: SparseModel, photo: int) -> None:
        self.photo = model.photos[photo]
        self.camera = model.camera_of(self.photo)

    def flat(self, xy: Float64) -> Float64:
        """Pixels (N, 2) to image coordinates."""
        return undistorted(self.camera, xy)

    def project(self, points: Float64) -> Float64:
        """World (N, 3) to pixels (N, 2)."""
        local = points @ self.photo.R.T + self.photo.t
        return distorted(self.camera, local[:, :2] / np.maximum(local[:, 2:], 1e-9))


def triangulate(photos: Sequence[Photo], flat: Sequence[Float64]) -> Float64:
    """(3,) the point seen at these image coordinates, by the pair of photos that most agree with.

    NaN where no pair gives a point in front of both.
    """
    best, least = np.full(3, np.nan), np.inf
    poses = [np.column_stack([photo.R, photo.t]) for photo in photos]
    for i in range(len(photos)):
        for j in range(i + 1, len(photos)):
            point = _intersect([poses[i], poses[j]], [flat[i], flat[j]])
            if point is None:
                continue
            misses = [_miss(pose, point, xy) for pose, xy in zip(poses, flat, strict=True)]
            cost = float(np.median(misses)) + 1e-3 * float(np.mean(np.minimum(misses, 0.01)))
            if cost < least:
                best, least = point, cost
    near = [k for k, pose in enumerate(poses) if _miss(pose, best, flat[k]) < 3 * least + 1e-3]
    if len(near) >= 2:
        point = _intersect([poses[k] for k in near], [flat[k] for k in near])
        best = best if point is None else point
    return best


def _intersect(poses: Sequence[Float64], flat: Sequence[Float64]) -> Float64 | None:
    """The linear solution (Hartley and Zisserman 2004, 12.2), in front of all photos or None."""
    rows = np.concatenate(
        [xy[:, None] * pose[2] - pose[:2] for pose, xy in zip(poses, flat, strict=True)]
    )
    homogeneous = np.linalg.svd(rows)[2][-1]
    if abs(homogeneous[3]) < 1e-12:
        return None
    point = homogeneous[:3] / homogeneous[3]
    in_front = all(pose[2, :3] @ point + pose[2, 3] > 0 for pose in poses)
    return point if in_front else None


def _miss(pose: Float64, point: Float64, xy: Float64) -> float:
    local = pose[:, :3] @ point + pose[:, 3]
    if not local[2] > 0:
        return np.inf
    return float(np.linalg.norm(local[:2] / local[2] - xy))


def _widest_angle(directions: Float64) -> float:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((unit @ unit.T).min(), -1, 1))))


def place_point(
    model: SparseModel, seen: Sequence[tuple[int, Float64]], spread: float
) -> tuple[Float64, Float64] | None:
    """The point (3,) seen at pixels (2,) of these photos (by id), and its covariance (3, 3).

    ``spread`` is how exactly people mark points, pixels; larger residuals widen the covariance.
    """
    rays = [_Rays(model, photo) for photo, _ in seen]
    flat = [r.flat(xy[None])[0] for r, (_, xy) in zip(rays, seen, strict=True)]
    start = triangulate([r.photo for r in rays], flat)
    if not np.isfinite(start).all():
        return None

    def residuals(point: Float64) -> Float64:
        return np.concatenate(
            [r.project(point[None])[0] - xy for r, (_, xy) in zip(rays, seen, strict=True)]
        )

    fit = least_squares(residuals, start, loss="cauchy", f_scale=2 * spread, x_scale="jac")
    squared = max(spread**2, float((fit.fun**2).sum()) / max(len(fit.fun) - 3, 1))
    return fit.x, np.linalg.pinv(fit.jac.T @ fit.jac) * squared
