"""Cameras that people know already: poses and intrinsics from other programs' files.

Read are COLMAP's models, binary or text (https://colmap.github.io/format.html), the
``transforms.json`` of Nerfstudio and instant-ngp, and intrinsics alone in either form. Poses that
are given are kept as they are, in their own frame.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.cameras.pairs import Pair, all_pairs
from gypsum.errors import InputError
from gypsum.scene.capture import PhotoFile
from gypsum.scene.sparse import CAMERA_MODELS, Camera, read_cameras, read_photos, rotation

Float64 = NDArray[np.float64]

#: Models without OpenCV's distortion can't be undistorted here.
_MODELS = {name: count for name, count in CAMERA_MODELS.values() if name != "OPENCV_FISHEYE"}
#: Width by height of a photo and its camera may differ by this share, from rounding a smaller size.
_ASPECT = 0.01
#: Folders in which people find COLMAP's model when they name the one around it.
_INSIDE = (".", "sparse/0", "sparse", "colmap/sparse/0", "0")
#: Photos with poses are matched with this many others at least, those that look the same way.
_NEAREST = 20
#: Views that look farther apart than this hardly show the same, degrees.
_APART = 75.0
#: Frames of transforms.json look along -Z with Y up, ours along Z with Y down.
_FLIP = np.diag([1.0, -1.0, -1.0])
#: What reading a file that is not what it claims to be may raise.
_BROKEN = (OSError, ValueError, KeyError, TypeError, IndexError, struct.error, OverflowError,
           MemoryError)  # fmt: skip


class _MalformedError(ValueError):
    """A file that lacks something; the message says what."""


@dataclass(frozen=True)
class Pose:
    """``x_cam = R @ x_world + t``, OpenCV's axes."""

    R: Float64
    t: Float64


@dataclass(frozen=True)
class KnownPhoto:
    """What a file knows about one photo."""

    camera: int
    pose: Pose | None


@dataclass(frozen=True)
class KnownCameras:
    """What a file knows."""

    cameras: Mapping[int, Camera]
    photos: Mapping[str, KnownPhoto] = field(default_factory=dict)
    """By the name in the file. Without any, the cameras are for all photos of their size."""

    @property
    def has_poses(self) -> bool:
        """Whether it says where photos were taken."""
        return any(photo.pose is not None for photo in self.photos.values())

    def as_json(self) -> dict[str, Any]:
        """JSON's types only; :meth:`from_json` reads it."""
        return {
            "cameras": [
                [c.id, c.model, c.width, c.height, *map(float, c.params)]
                for c in self.cameras.values()
            ],
            "photos": {
                name: [photo.camera, *([] if photo.pose is None else _numbers(photo.pose))]
                for name, photo in self.photos.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KnownCameras:
        """What :meth:`as_json` made."""
        cameras = {
            row[0]: Camera(row[0], row[1], row[2], row[3], np.array(row[4:], np.float64))
            for row in data["cameras"]
        }
        photos = {
            name: KnownPhoto(row[0], _pose(np.array(row[1:], np.float64)) if row[1:] else None)
            for name, row in data["photos"].items()
        }
        return cls(cameras, photos)


def _numbers(pose: Pose) -> list[float]:
    return [*map(float, pose.R.ravel()), *map(float, pose.t)]


def _pose(numbers: Float64) -> Pose:
    return Pose(numbers[:9].reshape(3, 3), numbers[9:])


def read_known_cameras(path: Path) -> KnownCameras:
    """Read whatever form of cameras ``path`` holds; an :class:`InputError` says what is wrong."""
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; --cameras names known cameras.")
    try:
        known = _read(path)
    except _BROKEN as error:
        raise InputError(
            f"The cameras in {path} can't be read ({_reason(error)}); --cameras takes a COLMAP "
            "model, a transforms.json, or intrinsics alone."
        ) from None
    for camera in known.cameras.values():
        _check_camera(path, camera)
    for name, photo in known.photos.items():
        _check_pose(path, name, photo)
    return known


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno} is no JSON"
    if isinstance(error, OSError):
        return str(error.strerror)
    return str(error) if isinstance(error, _MalformedError) else "they are cut off or damaged"


def _read(path: Path) -> KnownCameras:
    if path.is_dir():
        for inside in _INSIDE:
            for read, suffix in ((_read_binary, ".bin"), (_read_text, ".txt")):
                if (path / inside / f"cameras{suffix}").is_file():
                    return read(path / inside)
        if (path / "transforms.json").is_file():
            return _read_json(path / "transforms.json")
        raise InputError(
            f"{path} holds no cameras: a COLMAP model has cameras.bin or cameras.txt in it, and "
            "Nerfstudio's folders a transforms.json."
        )
    if path.suffix == ".json":
        return _read_json(path)
    if path.name == "cameras.bin":
        return KnownCameras(read_cameras(path))
    if path.suffix == ".txt":
        return KnownCameras(_text_cameras(path))
    raise InputError(
        f"{path} is no file of cameras: name a COLMAP model's folder, a cameras.txt, cameras.bin "
        "or transforms.json."
    )


def _check_camera(path: Path, camera: Camera) -> None:
    if camera.model not in _MODELS:
        raise InputError(
            f"{path} has a camera of the model {camera.model}, which Gypsum doesn't know; "
            f"undistort the photos to one of {', '.join(_MODELS)} first."
        )
    sound = camera.width > 0 and camera.height > 0 and bool(np.isfinite(camera.params).all())
    if not sound or len(camera.params) != _MODELS[camera.model] or camera.K[0, 0] <= 0:
        raise InputError(
            f"Camera {camera.id} in {path} makes no sense: it needs width, height, and a focal "
            "length above zero."
        )


def _check_pose(path: Path, name: str, photo: KnownPhoto) -> None:
    if photo.pose is None:
        return
    R = photo.pose.R
    good = np.isfinite(R).all() and np.isfinite(photo.pose.t).all()
    if not good or np.abs(R @ R.T - np.eye(3)).max() > 1e-3 or np.linalg.det(R) < 0:
        raise InputError(f"The pose of {name} in {path} is no rotation with a place.")


def _read_binary(folder: Path) -> KnownCameras:
    cameras = read_cameras(folder / "cameras.bin")
    if not (folder / "images.bin").exists():
        return KnownCameras(cameras)
    photos = read_photos(folder / "images.bin").values()
    return KnownCameras(
        cameras,
        {photo.name: KnownPhoto(photo.camera_id, Pose(photo.R, photo.t)) for photo in photos},
    )


def _read_text(folder: Path) -> KnownCameras:
    cameras = _text_cameras(folder / "cameras.txt")
    if not (folder / "images.txt").exists():
        return KnownCameras(cameras)
    lines = [
        line
        for line in (folder / "images.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    photos = {}
    # Every second line is a photo's keypoints, which may be none.
    for line in lines[::2]:
        if not line.strip():
            continue
        _, *pose, camera, name = line.split(maxsplit=9)
        numbers = np.array(pose, np.float64)
        photos[name] = KnownPhoto(int(camera), Pose(rotation(numbers[:4]), numbers[4:]))
    return KnownCameras(cameras, photos)


def _text_cameras(path: Path) -> dict[int, Camera]:
    cameras = {}
    for line in path.read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            number, model, width, height, *params = line.split()
            values = np.array(params, np.float64)
            cameras[int(number)] = Camera(int(number), model, int(width), int(height), values)
    if not cameras:
        raise _MalformedError("no camera in it")
    return cameras


def _read_json(path: Path) -> KnownCameras:
    """A transforms.json: intrinsics for all frames or of each, and camera-to-world matrices."""
    data = json.loads(path.read_text("utf-8"))
    if not isinstance(data, dict):
        raise _MalformedError("no object at its top")
    frames = data.get("frames", [])
    cameras: dict[int, Camera] = {}
    numbers: dict[tuple[Any, ...], int] = {}

    def number_of(camera: Camera) -> int:
        key = (camera.model, camera.width, camera.height, *camera.params.tolist())
        number = numbers.setdefault(key, len(numbers) + 1)
        cameras[number] = replace(camera, id=number)
        return number

    photos = {}
    for frame in frames:
        photo = KnownPhoto(number_of(_json_camera({**data, **frame})), _json_pose(frame))
        photos[str(frame["file_path"])] = photo
    if not frames:
        number_of(_json_camera(data))
    return KnownCameras(cameras, photos)


def _json_camera(data: Mapping[str, Any]) -> Camera:
    """Intrinsics under Nerfstudio's names, or the field's plain ones."""

    def value(*names: str, default: float | None = None) -> float:
        for name in names:
            if data.get(name) is not None:
                return float(data[name])
        if default is None:
            raise _MalformedError(f"it lacks {names[0]}")
        return default

    kind = str(data.get("camera_model", "OPENCV"))
    if kind not in _MODELS or bool(data.get("is_fisheye")):
        return Camera(1, "OPENCV_FISHEYE" if kind in _MODELS else kind, 1, 1, np.ones(8))
    width, height = value("w", "width"), value("h", "height")
    angle = data.get("camera_angle_x")
    guess = 0.5 * width / math.tan(0.5 * float(angle)) if angle is not None else None
    fx = value("fl_x", "fx", default=guess)
    angle = data.get("camera_angle_y")
    guess = 0.5 * height / math.tan(0.5 * float(angle)) if angle is not None else fx
    fy = value("fl_y", "fy", default=guess)
    cx = value("cx", default=width / 2)
    cy = value("cy", default=height / 2)
    k = [value(name, default=0.0) for name in ("k1", "k2", "p1", "p2")]
    if value("k3", default=0.0) or value("k4", default=0.0):
        # COLMAP's FULL_OPENCV has k3 and, in its denominator, k4 to k6.
        params = [fx, fy, cx, cy, *k, value("k3", default=0.0), 0.0, 0.0, 0.0]
        if value("k4", default=0.0):
            raise InputError("A fourth radial coefficient (k4) is of a fisheye; undistort first.")
        return Camera(1, "FULL_OPENCV", int(width), int(height), np.array(params))
    if not any(k):
        return Camera(1, "PINHOLE", int(width), int(height), np.array([fx, fy, cx, cy]))
    return Camera(1, "OPENCV", int(width), int(height), np.array([fx, fy, cx, cy, *k]))


def _json_pose(frame: Mapping[str, Any]) -> Pose | None:
    matrix = frame.get("transform_matrix")
    if matrix is None:
        return None
    m = np.array(matrix, np.float64)
    if m.shape not in ((4, 4), (3, 4)):
        raise _MalformedError("a transform_matrix has four rows and columns")
    R = _FLIP @ m[:3, :3].T
    return Pose(R, -R @ m[:3, 3])


def check_names(
    path: Path, known: KnownCameras, names: Iterable[str], clips: Iterable[str] = ()
) -> None:
    """That the file is about some of these photos, and about frames of each of these clips.

    An :class:`InputError` says when it is not.
    """
    if not known.photos:
        return
    for clip in clips:
        if not any(_is_frame(name, clip) for name in known.photos):
            raise InputError(
                f"{path} knows no frame of {clip}: frames are matched by the clip's name and "
                f"their number, as {PurePosixPath(clip).stem}_000123.jpg. Give cameras of an "
                "earlier scan of the clip with the same --frames, or intrinsics alone."
            )
    given = list(names)
    if given and not any(matched for matched in match_names(known, given)):
        there = next(iter(known.photos))
        raise InputError(
            f"{path} knows none of the photos: it has {there}, you gave {Path(given[0]).name}; "
            "photos are matched by their file names."
        )


def _is_frame(name: str, clip: str) -> bool:
    """Whether a photo is named like a frame of a clip, in whose name characters may be replaced."""
    of_clip, of_photo = (re.sub(r"\W", "_", _stem(text)) for text in (clip, name))
    return re.fullmatch(f"{of_clip}_[0-9]+", of_photo) is not None


def match_names(known: KnownCameras, sources: Sequence[str]) -> list[KnownPhoto | None]:
    """What is known of each photo, by its path, else its name, else its name without suffix.

    A shorter name counts only where it means one photo on both sides.
    """
    found: list[KnownPhoto | None] = [None] * len(sources)
    for shorten in (_whole, _name, _stem):
        there = Counter(shorten(name) for name in known.photos)
        here = Counter(shorten(source) for source in sources)
        by_name = {shorten(name): photo for name, photo in known.photos.items()}
        for i, source in enumerate(sources):
            key = shorten(source)
            if found[i] is None and there[key] == 1 and here[key] == 1:
                found[i] = by_name[key]
    return found


def _whole(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/"))).casefold()


def _name(name: str) -> str:
    return PurePosixPath(_whole(name)).name


def _stem(name: str) -> str:
    return PurePosixPath(_whole(name)).stem


@dataclass(frozen=True)
class Assigned:
    """What is known of each photo of a capture."""

    cameras: list[Camera | None]
    """For the photo's own size; the same object for photos of the same camera."""
    poses: list[Pose | None]


def assign(known: KnownCameras, photos: Sequence[PhotoFile]) -> Assigned:
    """Which photo has which camera and pose, and the intrinsics at the photos' own sizes."""
    if not known.photos:
        chosen = [_camera_for_size(known, photo) for photo in photos]
        poses: list[Pose | None] = [None] * len(photos)
    else:
        # Frames have no file of their own: they go by the name that they got.
        names = [photo.source if photo.frame is None else photo.name for photo in photos]
        matched = match_names(known, names)
        chosen = [None if m is None else known.cameras[m.camera] for m in matched]
        poses = [None if m is None else m.pose for m in matched]
    scaled: dict[tuple[int, int, int], Camera] = {}
    cameras: list[Camera | None] = []
    for photo, camera in zip(photos, chosen, strict=True):
        if camera is None:
            cameras.append(None)
            continue
        key = (camera.id, photo.width, photo.height)
        if key not in scaled:
            scaled[key] = _scaled(camera, photo)
        cameras.append(scaled[key])
    return Assigned(cameras, poses)


def _camera_for_size(known: KnownCameras, photo: PhotoFile) -> Camera | None:
    """The camera of the photo's size, else of its shape; None when none is."""
    same = [c for c in known.cameras.values() if (c.width, c.height) == (photo.width, photo.height)]
    alike = same or [c for c in known.cameras.values() if _same_shape(c, photo)]
    if len(alike) > 1:
        raise InputError(
            f"Several of the known cameras fit {photo.name} by its size; give a file that says "
            "which photo has which camera."
        )
    return alike[0] if alike else None


def _same_shape(camera: Camera, photo: PhotoFile) -> bool:
    ratio = camera.width / camera.height * photo.height / photo.width
    return abs(ratio - 1) <= _ASPECT


def _scaled(camera: Camera, photo: PhotoFile) -> Camera:
    """The intrinsics for a photo that was made smaller or larger."""
    if (camera.width, camera.height) == (photo.width, photo.height):
        return camera
    if not _same_shape(camera, photo):
        turned = "; it looks turned by 90°" if camera.width == photo.height else ""
        raise InputError(
            f"{photo.name} has {photo.width}x{photo.height} pixels, but its known camera "
            f"{camera.width}x{camera.height}{turned}: give the photos that the cameras belong to."
        )
    x, y = photo.width / camera.width, photo.height / camera.height
    params = camera.params.copy()
    if camera.model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
        params[:3] *= (math.sqrt(x * y), x, y)
    else:
        params[:4] *= (x, y, x, y)
    return Camera(camera.id, camera.model, photo.width, photo.height, params)


def pairs_by_pose(poses: Sequence[Pose | None]) -> list[Pair]:
    """Pairs of photos that may show the same, by where they were taken and look; sorted.

    Each photo with the nearest of those that look its way. Distances are compared between photos
    alone, so the unit does not matter.
    """
    placed = [(i, pose) for i, pose in enumerate(poses) if pose is not None]
    centers = np.array([-pose.R.T @ pose.t for _, pose in placed]).reshape(-1, 3)
    views = np.array([pose.R[2] for _, pose in placed]).reshape(-1, 3)
    pairs: set[Pair] = set()
    for a, (i, _) in enumerate(placed):
        apart = np.degrees(np.arccos(np.clip(views @ views[a], -1, 1)))
        distance = np.linalg.norm(centers - centers[a], axis=1)
        middle = float(np.median(distance[distance > 0])) if (distance > 0).any() else 1.0
        # Places and directions weigh the same at the middle distance and at the widest angle.
        cost = distance / middle + apart / _APART
        cost[(apart > _APART) | (np.arange(len(placed)) == a)] = np.inf
        for b in np.argsort(cost, kind="stable")[:_NEAREST]:
            if np.isfinite(cost[b]):
                j = placed[int(b)][0]
                pairs.add((min(i, j), max(i, j)))
    return sorted(pairs) if pairs else all_pairs(len(poses))
