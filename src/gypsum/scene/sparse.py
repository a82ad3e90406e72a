"""COLMAP's sparse model: cameras, posed photos, points with tracks, in its binary form.

The format is documented at https://colmap.github.io/format.html. It is small enough to read with
NumPy, which keeps pycolmap (that may abort the process) out of every stage that only needs poses.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: COLMAP's camera models: id -> (name, number of parameters).
CAMERA_MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
}
_MODEL_IDS = {name: number for number, (name, _) in CAMERA_MODELS.items()}

_POINT2D = np.dtype([("xy", "<f8", 2), ("point3d_id", "<i8")])


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one physical camera, COLMAP's model and parameter order."""

    id: int
    model: str
    width: int
    height: int
    params: Float64

    @property
    def K(self) -> Float64:
        """(3, 3) intrinsics without distortion, in pixels; top-left pixel centre at (0.5, 0.5)."""
        p = self.params
        if self.model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
            fx, fy, cx, cy = p[0], p[0], p[1], p[2]
        else:
            fx, fy, cx, cy = p[0], p[1], p[2], p[3]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)

    @property
    def distortion(self) -> Float64:
        """OpenCV's (k1, k2, p1, p2[, k3, k4, k5, k6]); zeros for a pinhole."""
        p = self.params
        if self.model == "SIMPLE_RADIAL":
            return np.array([p[3], 0, 0, 0], np.float64)
        if self.model == "RADIAL":
            return np.array([p[3], p[4], 0, 0], np.float64)
        if self.model in ("OPENCV", "FULL_OPENCV"):
            return np.asarray(p[4:], np.float64)
        if self.model in ("SIMPLE_PINHOLE", "PINHOLE"):
            return np.zeros(4)
        raise ValueError(f"camera model {self.model} has no OpenCV distortion")


@dataclass(frozen=True)
class Photo:
    """A registered photo: ``x_cam = R @ x_world + t``."""

    id: int
    name: str
    camera_id: int
    R: Float64
    t: Float64
    xy: Float64
    """(M, 2) keypoints, pixels."""
    point3d_ids: NDArray[np.int64]
    """(M,) the point each keypoint belongs to, -1 where none."""

    @property
    def center(self) -> Float64:
        """(3,) camera centre, world."""
        center: Float64 = -self.R.T @ self.t
        return center


@dataclass(frozen=True)
class SparseModel:
    """Registered cameras and the points that carry them."""

    cameras: dict[int, Camera]
    photos: dict[int, Photo]
    point_ids: NDArray[np.int64]
    """(P,)"""
    points: Float64
    """(P, 3) world."""
    colors: NDArray[np.uint8]
    """(P, 3) sRGB."""
    errors: Float64
    """(P,) mean reprojection error, pixels."""
    tracks: list[NDArray[np.uint32]] = field(default_factory=list)
    """P arrays (L, 2): photo id, index of the keypoint in that photo."""

    def camera_of(self, photo: Photo) -> Camera:
        """The intrinsics of a photo."""
        return self.cameras[photo.camera_id]

    def transformed(self, scale: float, R: Float64, t: Float64) -> SparseModel:
        """The model in another world frame: ``x_new = scale * R @ x + t``."""
        photos = {}
        for number, photo in self.photos.items():
            new_R = photo.R @ R.T
            new_t = scale * photo.t - new_R @ t
            photos[number] = Photo(
                photo.id, photo.name, photo.camera_id, new_R, new_t, photo.xy, photo.point3d_ids
            )
        points = scale * self.points @ R.T + t
        return SparseModel(
            self.cameras, photos, self.point_ids, points, self.colors, self.errors, self.tracks
        )

    @classmethod
    def read(cls, folder: Path) -> SparseModel:
        """Read ``cameras.bin``, ``images.bin`` and ``points3D.bin``."""
        cameras = read_cameras(folder / "cameras.bin")
        photos = read_photos(folder / "images.bin")
        with (folder / "points3D.bin").open("rb") as file:
            return cls(cameras, photos, *_read_points(file))

    def write(self, folder: Path) -> None:
        """Write the three binary files into ``folder``, which is made when it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "cameras.bin").open("wb") as file:
            file.write(struct.pack("<Q", len(self.cameras)))
            for camera in self.cameras.values():
                file.write(
                    struct.pack(
                        "<IiQQ", camera.id, _MODEL_IDS[camera.model], camera.width, camera.height
                    )
                )
                file.write(np.asarray(camera.params, "<f8").tobytes())
        with (folder / "images.bin").open("wb") as file:
            file.write(struct.pack("<Q", len(self.photos)))
            for photo in self.photos.values():
                file.write(struct.pack("<I", photo.id))
                file.write(np.asarray([*quaternion(photo.R), *photo.t], "<f8").tobytes())
                file.write(struct.pack("<I", photo.camera_id) + photo.name.encode() + b"\0")
                keypoints = np.empty(len(photo.xy), _POINT2D)
                keypoints["xy"] = photo.xy
                keypoints["point3d_id"] = photo.point3d_ids
                file.write(struct.pack("<Q", len(keypoints)) + keypoints.tobytes())
        with (folder / "points3D.bin").open("wb") as file:
            file.write(struct.pack("<Q", len(self.points)))
            for i, number in enumerate(self.point_ids):
                file.write(
                    struct.pack("<Q3d3Bd", number, *self.points[i], *self.colors[i], self.errors[i])
                )
                track = (
                    np.asarray(self.tracks[i], "<u4") if self.tracks else np.empty((0, 2), "<u4")
                )
                file.write(struct.pack("<Q", len(track)) + track.tobytes())


def read_cameras(path: Path) -> dict[int, Camera]:
    """The cameras of a ``cameras.bin`` by their ids."""
    with path.open("rb") as file:
        return _read_cameras(file)


def read_photos(path: Path) -> dict[int, Photo]:
    """The photos of an ``images.bin`` by their ids."""
    with path.open("rb") as file:
        return _read_photos(file)


def rotation(q: Float64) -> Float64:
    """Unit quaternion (w, x, y, z) to a (3, 3) rotation matrix."""
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion(R: Float64) -> Float64:
    """(3, 3) rotation matrix to a unit quaternion (w, x, y, z) with w ≥ 0."""
    m = np.asarray(R, np.float64)
    # The largest eigenvector of this matrix (Bar-Itzhack 2000) is stable for every rotation.
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    _, vectors = np.linalg.eigh(k)
    x, y, z, w = vectors[:, -1]
    q = np.array([w, x, y, z])
    return -q if w < 0 else q


def _take(file: BinaryIO, layout: str) -> tuple[int | float, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _read_cameras(file: BinaryIO) -> dict[int, Camera]:
    cameras = {}
    (count,) = _take(file, "<Q")
    for _ in range(int(count)):
        number, model, width, height = (int(v) for v in _take(file, "<IiQQ"))
        name, parameters = CAMERA_MODELS[model]
        params = np.frombuffer(file.read(8 * parameters), "<f8").copy()
        cameras[number] = Camera(number, name, width, height, params)
    return cameras


def _read_photos(file: BinaryIO) -> dict[int, Photo]:
    photos = {}
    (count,) = _take(file, "<Q")
    for _ in range(int(count)):
        (number,) = _take(file, "<I")
        pose = np.frombuffer(file.read(56), "<f8")
        (camera_id,) = _take(file, "<I")
        name = bytearray()
        while (byte := file.read(1)) not in (b"\0", b""):
            name += byte
        (keypoints,) = _take(file, "<Q")
        data = np.frombuffer(file.read(_POINT2D.itemsize * int(keypoints)), _POINT2D)
        photos[int(number)] = Photo(
            int(number),
            name.decode(),
            int(camera_id),
            rotation(pose[:4]),
            pose[4:].copy(),
            data["xy"].copy(),
            data["point3d_id"].copy(),
        )
    return photos


def _read_points(
    file: BinaryIO,
) -> tuple[NDArray[np.int64], Float64, NDArray[np.uint8], Float64, list[NDArray[np.uint32]]]:
    (count,) = _take(file, "<Q")
    total = int(count)
    numbers = np.empty(total, np.int64)
    points = np.empty((total, 3))
    colors = np.empty((total, 3), np.uint8)
    errors = np.empty(total)
    tracks = []
    for i in range(total):
        values = _take(file, "<Q3d3BdQ")
        numbers[i], points[i], colors[i], errors[i] = values[0], values[1:4], values[4:7], values[7]
        data = np.frombuffer(file.read(8 * int(values[8])), "<u4").reshape(-1, 2)
        tracks.append(data.copy())
    return numbers, points, colors, errors, tracks
