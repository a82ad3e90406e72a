"""Cameras of an object that turned on one axis before a still camera, told by its outlines.

Nothing on the object needs detail. The plane through two cameras and a point where it touches the
object touches both outlines: tangents to the outlines through the epipoles correspond (Wong and
Cipolla, "Reconstruction of sculpture from its profiles with unknown camera positions", IEEE TIP
2004). All photos share one camera, one axis and one place of the camera, so that a handful of
numbers and an angle for each photo have to fit the tangents of all pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from gypsum.scene import Camera, Photo, SparseModel

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

#: Points that stand for an outline's convex hull: those farthest in so many directions.
_DIRECTIONS = 96
#: An outline this near to the photo's border is cut off there, pixels.
_BORDER = 2.0
#: What is tried first: focal lengths in long sides, the camera's height over the plane in which it
#: would go around, and directions of the axis in the photo, degrees.
_FOCALS, _HEIGHTS, _LEANS = (1.2, 4.0), (-35.0, -15.0, 15.0, 35.0), range(0, 360, 45)
#: Steps from photo to photo that are tried, in full turns by the number of photos.
_TURNS = (1.0,)
#: Starts that are looked at more closely, and those that are followed to the end.
_CLOSER, _FOLLOWED = 12, 3
#: Residuals beyond this hardly count, pixels.
_LOSS = 1.0
#: Prior of the logarithm of the focal length in long sides: lenses of phones to long ones.
_FOCAL, _FOCAL_SPREAD = math.log(1.6), 1.2
#: Photos needed.
_FEWEST = 6


@dataclass(frozen=True)
class CircularMotion:
    """``x_cam = R @ Rz(angle) @ x + t``: the axis is +Z of the object's frame."""

    focal: float
    """Pixels; the principal point is the photo's middle."""
    R: Float64
    """(3, 3)"""
    t: Float64
    """(3,) of length one about: the unit is the camera's distance."""
    angles: Float64
    """(N,) radians, of each photo."""
    error_px: float
    """Root mean square distance of tangents from the outlines that they should touch."""
    touching: Float64
    """(T, 4) where a plane through two cameras touches the object, in one photo and the other."""
    pairs: NDArray[np.int64]
    """(T, 2) the two photos."""

    def poses(self) -> list[tuple[Float64, Float64]]:
        """World-to-camera R and t of each photo."""
        return [
            (self.R @ Rotation.from_euler("z", angle).as_matrix(), self.t) for angle in self.angles
        ]


def solve_circular(masks: Sequence[Bool]) -> CircularMotion | None:
    """The motion that fits the outlines ``masks`` (height, width), in the order of the photos.

    None when there are too few, or when nothing fits.
    """
    outlines = [_hull(mask) for mask in masks]
    if len(masks) < _FEWEST or any(outline is None for outline in outlines):
        return None
    height, width = masks[0].shape
    if any(mask.shape != (height, width) for mask in masks):
        return None
    side = float(max(height, width))
    fit = _Fit(np.stack([o for o in outlines if o is not None]), width, height)
    starts = [
        fit.start(focal * side, math.radians(up), math.radians(lean), turns)
        for focal in _FOCALS
        for up in _HEIGHTS
        for lean in _LEANS
        for turns in _TURNS
    ]
    starts = sorted(starts, key=fit.cost)[:_CLOSER]
    closer = sorted((fit.solved(start, 8) for start in starts), key=fit.cost)[:_FOLLOWED]
    best = min((fit.solved(start, 200) for start in closer), key=fit.cost)
    return fit.motion(best)


def _hull(mask: Bool) -> Float64 | None:
    """(_DIRECTIONS, 2) points of the convex hull of the largest part, pixels."""
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea).reshape(-1, 2).astype(np.float64) + 0.5
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    # Contours run through the centres of the outermost pixels.
    points: Float64 = largest[(largest @ directions).argmax(axis=0)] + 0.5 * directions.T
    return points


class _Fit:
    """Outlines, and how well a motion fits them."""

    def __init__(self, outlines: Float64, width: int, height: int) -> None:
        self._middle = np.array([width, height]) / 2
        self._side = float(max(width, height))
        count = len(outlines)
        self._count = count
        self._points = np.concatenate([outlines, np.ones((*outlines.shape[:2], 1))], axis=2)
        inside = (outlines > _BORDER) & (outlines < np.array([width, height]) - _BORDER)
        self._whole: Bool = np.asarray(inside.all(axis=2))
        first, second = np.nonzero(~np.eye(count, dtype=bool))
        self._first, self._second = first, second

    def start(self, focal: float, up: float, lean: float, turns: float) -> Float64:
        """Parameters of an even turn: focal, rotation (3), shift (2), steps (N - 1)."""
        axis = np.array([
            math.cos(up) * math.cos(lean), math.cos(up) * math.sin(lean), -math.sin(up),
        ])  # fmt: skip
        other = np.cross(axis, [0.0, 0, 1] if abs(axis[2]) < 0.9 else [0.0, 1, 0])
        other /= np.linalg.norm(other)
        R = np.stack([other, np.cross(axis, other), axis], axis=1)
        centre = self._points[..., :2].mean(axis=(0, 1)) - self._middle
        steps = np.full(self._count - 1, 2 * np.pi * turns / self._count)
        return np.concatenate([
            [math.log(focal / self._side)],
            Rotation.from_matrix(R).as_rotvec(),
            centre / focal,
            steps,
        ])  # fmt: skip

    def unpacked(self, x: Float64) -> tuple[float, Float64, Float64, Float64]:
        """Focal length, R, t and angles."""
        focal = self._side * math.exp(x[0])
        angles = np.concatenate([[0.0], np.cumsum(x[6:])])
        return focal, Rotation.from_rotvec(x[1:4]).as_matrix(), np.array([*x[4:6], 1.0]), angles

    def tangents(self, x: Float64) -> tuple[Float64, Float64, Bool]:
        """Of the outer tangents of all pairs of photos, one kind after the other.

        How far each misses the other outline, pixels; the points that it touches in both photos
        (2 P, 4); and whether both outlines are whole there.
        """
        focal, R, t, angles = self.unpacked(x)
        rotations = R @ Rotation.from_euler("z", angles[:, None]).as_matrix()
        K = np.array([[focal, 0, self._middle[0]], [0, focal, self._middle[1]], [0, 0, 1]])
        i, j = self._first, self._second
        # From camera i to camera j: x_j = A x_i + b.
        A = rotations[j] @ rotations[i].transpose(0, 2, 1)
        b = t - A @ t
        inverse = np.linalg.inv(K)
        # Epipole in photo i: where camera j is; and epipolar lines of its points in photo j.
        epipole = (K @ (-A.transpose(0, 2, 1) @ b[..., None]))[..., 0]
        skew = np.zeros((len(b), 3, 3))
        skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -b[:, 2], b[:, 1], -b[:, 0]
        skew -= skew.transpose(0, 2, 1)
        fundamental = inverse.T @ (skew @ A) @ inverse
        points = self._points[i]
        # Directions from the epipole, which may be far away, to the points.
        ways = epipole[:, None, 2:] * points[..., :2] - epipole[:, None, :2]
        middle = ways.mean(axis=1)
        turn = np.arctan2(
            middle[:, None, 0] * ways[..., 1] - middle[:, None, 1] * ways[..., 0],
            (middle[:, None] * ways).sum(axis=2),
        )
        rows = np.arange(len(i))
        missed, touched, sound = [], [], []
        for extreme in (turn.argmax(axis=1), turn.argmin(axis=1)):
            line = (fundamental @ points[rows, extreme][..., None])[..., 0]
            line /= np.maximum(np.linalg.norm(line[:, :2], axis=1), 1e-12)[:, None]
            distance = (self._points[j] * line[:, None]).sum(axis=2)
            low, high = distance.argmin(axis=1), distance.argmax(axis=1)
            nearer = np.abs(distance[rows, low]) < np.abs(distance[rows, high])
            other = np.where(nearer, low, high)
            missed.append(distance[rows, other])
            places = (points[rows, extreme, :2], self._points[j, other, :2])
            touched.append(np.concatenate(places, axis=1))
            sound.append(self._whole[i, extreme] & self._whole[j, other])
        return np.concatenate(missed), np.concatenate(touched), np.concatenate(sound)

    def residuals(self, x: Float64) -> Float64:
        """Distances of tangents from outlines, pixels; none where outlines are cut off."""
        missed, _, sound = self.tangents(x)
        return np.where(sound, missed, 0.0)

    def _all(self, x: Float64) -> Float64:
        # Shifting the object along the axis changes nothing, and the focal length hardly.
        priors = [(x[0] - _FOCAL) / _FOCAL_SPREAD, *(0.1 * x[4:6])]
        return np.concatenate([self.residuals(x), priors])

    def cost(self, x: Float64) -> float:
        """Robust sum of what :meth:`residuals` gives."""
        ratio = (self.residuals(x) / _LOSS) ** 2
        return float((2 * (np.sqrt(1 + ratio) - 1)).sum())

    def solved(self, x: Float64, steps: int) -> Float64:
        """Parameters after so many steps."""
        found = least_squares(
            self._all, x, loss="soft_l1", f_scale=_LOSS, max_nfev=steps, x_scale="jac"
        )
        return np.asarray(found.x)

    def motion(self, x: Float64) -> CircularMotion:
        """The motion of some parameters."""
        focal, R, t, angles = self.unpacked(x)
        missed, touched, sound = self.tangents(x)
        error = float(np.sqrt(np.mean(missed[sound] ** 2))) if sound.any() else math.inf
        pairs = np.tile(np.stack([self._first, self._second], axis=1), (2, 1))
        # Each pair came from both sides; once is enough.
        good = sound & (np.abs(missed) < 2 * _LOSS) & (pairs[:, 0] < pairs[:, 1])
        return CircularMotion(focal, R, t, angles, error, touched[good], pairs[good])


def model_of(motion: CircularMotion, names: Sequence[str], width: int, height: int) -> SparseModel:
    """The cameras, with the points where outlines touch; photos of ``width`` x ``height``.

    +Z is up, which is where the camera looks down from; the cameras' spread is one.
    """
    poses = motion.poses()
    centers = np.array([-R.T @ t for R, t in poses])
    if centers[:, 2].mean() < 0:
        flip = np.diag([1.0, -1.0, -1.0])
        poses = [(R @ flip, t) for R, t in poses]
        centers = centers @ flip
    scale = 1 / math.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean())
    poses = [(R, scale * t) for R, t in poses]
    camera = Camera(
        1, "SIMPLE_PINHOLE", width, height, np.array([motion.focal, width / 2, height / 2])
    )
    points = _triangulated(motion, poses, camera.K)
    number = np.arange(1, len(points) + 1)
    photos: dict[int, Photo] = {}
    rows: list[list[tuple[int, int]]] = [[] for _ in points]
    for index, (name, (R, t)) in enumerate(zip(names, poses, strict=True)):
        mine = [np.flatnonzero(motion.pairs[:, side] == index) for side in (0, 1)]
        xy = np.concatenate([motion.touching[mine[0], :2], motion.touching[mine[1], 2:]])
        ids = number[np.concatenate(mine)]
        for place, point in enumerate(ids):
            rows[point - 1].append((index + 1, place))
        photos[index + 1] = Photo(index + 1, name, 1, R, t, xy, ids)
    return SparseModel(
        {1: camera},
        photos,
        number,
        points,
        np.full((len(points), 3), 128, np.uint8),
        np.full(len(points), motion.error_px),
        [np.array(track, np.uint32) for track in rows],
    )


def _triangulated(
    motion: CircularMotion, poses: Sequence[tuple[Float64, Float64]], K: Float64
) -> Float64:
    """(T, 3) the points nearest to both lines of sight."""
    inverse = np.linalg.inv(K)
    points = []
    for (a, b), row in zip(motion.pairs, motion.touching, strict=True):
        across, right = np.zeros((3, 3)), np.zeros(3)
        for (R, t), pixel in ((poses[a], row[:2]), (poses[b], row[2:])):
            ray = R.T @ (inverse @ [*pixel, 1.0])
            ray /= np.linalg.norm(ray)
            flat = np.eye(3) - np.outer(ray, ray)
            across += flat
            right += flat @ (-R.T @ t)
        points.append(np.linalg.solve(across, right))
    return np.array(points).reshape(-1, 3)
