"""Cameras from markers that lie flat: what is left where nothing else has detail.

A photo shows a plane by a homography, so the square of one marker tells where on the plane the
others lie that the photo shows with it, whatever the camera. Once all are laid out, a plane seen
from several sides gives the focal length and the poses (Zhang, PAMI 2000). Markers, as squares, and
cameras are then fitted together to all corners.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix
from scipy.spatial.transform import Rotation

from gypsum.scene import Camera, Photo, SparseModel

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

#: A square of side one seen from above, +Z: upper left, then clockwise.
SQUARE = np.array([[-0.5, 0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]])
#: Markers that a photo has to show to be placed, and photos that there have to be.
_MARKERS, _PHOTOS = 2, 4
#: Scale of the robust loss, pixels.
_LOSS = 1.0
#: Focal length, distortion; of each photo rotation and position; of each marker place, turn, side.
_LENS, _POSE, _PLACE = 2, 6, 4


@dataclass(frozen=True)
class FlatMarkers:
    """Markers on a plane, and the cameras that see them."""

    focal: float
    distortion: float
    """Of ``SIMPLE_RADIAL``."""
    photos: Int64
    """(N,) which photos were placed."""
    poses: list[tuple[Float64, Float64]]
    """Rotation and translation of each; the markers lie in Z = 0 and are read from above."""
    corners: dict[str, Float64]
    """(4, 2) of each marker on the plane, the best seen one's side being about one."""
    error_px: float
    """Root mean square distance of corners."""


def solve_flat_markers(
    seen: Sequence[Mapping[str, Float64]], width: int, height: int
) -> FlatMarkers | None:
    """The cameras of photos of one size that show markers at corners (4, 2), pixels.

    None where too few photos show enough of them together, or they lie on no plane.
    """
    layout = _laid_out(seen)
    shown = [{name: one[name] for name in one if name in layout} for one in seen]
    photos = np.array([n for n, one in enumerate(shown) if len(one) >= _MARKERS], np.int64)
    if len(photos) < _PHOTOS:
        return None
    names = sorted(layout)
    middle = np.array([width / 2, height / 2])
    flat, pixels = [], []
    for photo in photos:
        mine = sorted(shown[photo])
        flat.append(np.concatenate([np.pad(layout[m], ((0, 0), (0, 1))) for m in mine]))
        pixels.append(np.concatenate([shown[photo][m] for m in mine]))
    flags = cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO | cv2.CALIB_ZERO_TANGENT_DIST
    flags |= cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3
    # OpenCV's middle of a photo is half a pixel nearer to its first corner.
    _, K, _, turns, shifts = cv2.calibrateCamera(
        [one.astype(np.float32) for one in flat],
        [(one - 0.5).astype(np.float32) for one in pixels],
        (width, height),
        np.eye(3),
        np.zeros(5),
        flags=flags,
    )
    if not np.isfinite(K).all() or K[0, 0] <= 0:
        return None
    which = np.concatenate([
        [(k, names.index(m), c) for m in sorted(shown[photo]) for c in range(4)]
        for k, photo in enumerate(photos)
    ])  # fmt: skip
    start = np.concatenate([
        [K[0, 0], 0.0],
        *[np.concatenate([r.ravel(), t.ravel()]) for r, t in zip(turns, shifts, strict=True)],
        *[_square_of(layout[name]) for name in names],
    ])  # fmt: skip
    target = np.concatenate(pixels) - middle
    # Nothing else fixes where the plane's origin, its first axis and its unit are.
    best = names.index(max(names, key=lambda name: sum(name in one for one in shown)))
    free = np.ones(len(start), bool)
    held = _LENS + _POSE * len(photos) + _PLACE * best
    free[held : held + _PLACE] = False

    def errors(values: Float64) -> Float64:
        whole = start.copy()
        whole[free] = values
        off: Float64 = (_projected(whole, which, len(photos)) - target).ravel()
        return off

    fitted = least_squares(
        errors,
        start[free],
        jac_sparsity=_pattern(which, len(photos), len(names))[:, free],
        x_scale="jac",
        loss="soft_l1",
        f_scale=_LOSS,
        max_nfev=60,
    )
    whole = start.copy()
    whole[free] = fitted.x
    off = errors(fitted.x).reshape(-1, 2)
    poses = whole[_LENS : _LENS + _POSE * len(photos)].reshape(-1, _POSE)
    places = whole[_LENS + _POSE * len(photos) :].reshape(-1, _PLACE)
    return FlatMarkers(
        float(whole[0]),
        float(whole[1]),
        photos,
        [(Rotation.from_rotvec(row[:3]).as_matrix(), row[3:].copy()) for row in poses],
        {name: _corners_of(row) for name, row in zip(names, places, strict=True)},
        float(np.sqrt(np.mean(np.square(off).sum(1)))),
    )


def _laid_out(seen: Sequence[Mapping[str, Float64]]) -> dict[str, Float64]:
    """Corners (4, 2) of the markers that photos join to the one seen most often."""
    counts: dict[str, int] = {}
    for one in seen:
        for name in one:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return {}
    layout = {max(sorted(counts), key=lambda name: counts[name]): SQUARE}
    while True:
        found: dict[str, list[Float64]] = {}
        for one in seen:
            known = sorted(name for name in one if name in layout)
            if not known:
                continue
            pixels = np.concatenate([one[name] for name in known])
            homography, _ = cv2.findHomography(
                pixels, np.concatenate([layout[name] for name in known])
            )
            if homography is None:
                continue
            for name in one:
                if name not in layout:
                    on_plane = cv2.perspectiveTransform(one[name][None], homography)[0]
                    found.setdefault(name, []).append(on_plane)
        if not found:
            return layout
        # The one that most photos tell is the surest; the others follow with its help.
        best = max(sorted(found), key=lambda name: len(found[name]))
        layout[best] = _corners_of(_square_of(np.median(found[best], axis=0)))


def _square_of(corners: Float64) -> Float64:
    """Place x, y, turn and side of the square nearest to corners (4, 2)."""
    place = corners.mean(0)
    # As complex numbers a square's corners are one number times those of the unit square.
    unit = SQUARE[:, 0] + 1j * SQUARE[:, 1]
    own = (corners - place) @ np.array([1, 1j])
    factor = complex((own * unit.conj()).sum() / (np.abs(unit) ** 2).sum())
    return np.array([*place, math.atan2(factor.imag, factor.real), abs(factor)])


def _corners_of(square: Float64) -> Float64:
    """(4, 2) the reverse of :func:`_square_of`."""
    x, y, turn, side = square
    c, s = math.cos(turn), math.sin(turn)
    corners: Float64 = side * SQUARE @ np.array([[c, s], [-s, c]]) + (x, y)
    return corners


def _projected(values: Float64, which: Int64, photos: int) -> Float64:
    """Pixels (N, 2) from the photo's middle, of corners ``which`` (N, 3): photo, marker, corner."""
    focal, distortion = values[:_LENS]
    poses = values[_LENS : _LENS + _POSE * photos].reshape(-1, _POSE)
    squares = values[_LENS + _POSE * photos :].reshape(-1, _PLACE)
    photo, marker, corner = which.T
    x, y, turn, side = squares[marker].T
    u, v = SQUARE[corner].T
    c, s = np.cos(turn), np.sin(turn)
    plane = np.stack([side * (c * u - s * v) + x, side * (s * u + c * v) + y], 1)
    R = Rotation.from_rotvec(poses[:, :3]).as_matrix()[photo]
    camera = np.einsum("nij,nj->ni", R[:, :, :2], plane) + poses[photo, 3:]
    flat = camera[:, :2] / camera[:, 2:]
    radius = np.square(flat).sum(1, keepdims=True)
    pixels: Float64 = focal * flat * (1 + distortion * radius)
    return pixels


def _pattern(which: Int64, photos: int, markers: int) -> lil_matrix:
    """Which errors (2 N) depend on which values."""
    pattern = lil_matrix((2 * len(which), _LENS + _POSE * photos + _PLACE * markers), dtype=int)
    for row, (photo, marker, _) in enumerate(which):
        rows = slice(2 * row, 2 * row + 2)
        pattern[rows, :_LENS] = 1
        at = _LENS + _POSE * photo
        pattern[rows, at : at + _POSE] = 1
        at = _LENS + _POSE * photos + _PLACE * marker
        pattern[rows, at : at + _PLACE] = 1
    return pattern


def model_of(
    found: FlatMarkers,
    seen: Sequence[Mapping[str, Float64]],
    names: Sequence[str],
    width: int,
    height: int,
) -> SparseModel:
    """The cameras with the markers' corners as points; their plane is Z = 0, the spread is one."""
    centers = np.array([-R.T @ t for R, t in found.poses])
    scale = 1 / math.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean())
    markers = sorted(found.corners)
    points = scale * np.concatenate([np.pad(found.corners[m], ((0, 0), (0, 1))) for m in markers])
    rows: list[list[tuple[int, int]]] = [[] for _ in points]
    photos: dict[int, Photo] = {}
    for photo, (R, t) in zip(found.photos, found.poses, strict=True):
        number = int(photo) + 1
        mine = [m for m in sorted(seen[photo]) if m in found.corners]
        ids = np.concatenate([4 * markers.index(m) + np.arange(1, 5) for m in mine])
        for place, point in enumerate(ids):
            rows[point - 1].append((number, place))
        xy = np.concatenate([seen[photo][m] for m in mine])
        photos[number] = Photo(number, names[photo], 1, R, scale * t, xy, ids)
    params = np.array([found.focal, width / 2, height / 2, found.distortion])
    return SparseModel(
        {1: Camera(1, "SIMPLE_RADIAL", width, height, params)},
        photos,
        np.arange(1, len(points) + 1),
        points,
        np.full((len(points), 3), 128, np.uint8),
        np.full(len(points), found.error_px),
        [np.array(track, np.uint32).reshape(-1, 2) for track in rows],
    )
