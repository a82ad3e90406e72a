"""Views from cameras that people know, with and without the photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from gypsum.cameras import KnownCameras
from gypsum.cameras.known import KnownPhoto
from gypsum.dense import read_views, undistort
from gypsum.errors import InputError
from gypsum.scene import Camera, Photo, Progress, SparseModel, View, no_progress

Float64 = NDArray[np.float64]

#: Fewer photos show no surface.
_FEWEST = 3
#: Width by height of a photo and its camera may differ by this share.
_ASPECT = 0.02


def posed(path: Path, known: KnownCameras) -> dict[str, KnownPhoto]:
    """The photos whose poses are known, by name and in its order."""
    found = {name: known.photos[name] for name in sorted(known.photos) if known.photos[name].pose}
    if not found:
        raise InputError(
            f"{path} does not say where photos were taken; name a COLMAP model with images, or a "
            "transforms.json."
        )
    return found


def camera_path(path: Path, known: KnownCameras) -> list[View]:
    """The cameras as pinholes, in the order of their photos' names; without photos."""
    views = []
    for name, photo in posed(path, known).items():
        camera, pose = known.cameras[photo.camera], photo.pose
        assert pose is not None
        views.append(View(name, Path(), camera.width, camera.height, camera.K, pose.R, pose.t))
    return views


def undistorted_views(
    photos: Path,
    path: Path,
    known: KnownCameras,
    folder: Path,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> list[View]:
    """The photos of a folder with their known cameras, undistorted into ``folder``."""
    if not photos.is_dir():
        raise InputError(f"{photos} is no folder of photos.")
    files = _files(photos, posed(path, known))
    if len(files) < _FEWEST:
        raise InputError(
            f"{photos} has {len(files)} of the photos that {path} names; at least {_FEWEST} are "
            "needed."
        )
    (folder / "photos").mkdir(parents=True)
    cameras: dict[int, Camera] = {}
    placed: dict[int, Photo] = {}
    nothing = np.empty((0, 2)), np.empty(0, np.int64)
    for number, (file, photo) in enumerate(files):
        # Names from files are not trusted as paths to write to.
        name = f"{number:05d}{file.suffix.lower()}"
        (folder / "photos" / name).symlink_to(file.resolve())
        cameras[number] = _fitted(number, known.cameras[photo.camera], file)
        assert photo.pose is not None
        placed[number] = Photo(number, name, number, photo.pose.R, photo.pose.t, *nothing)
    model = SparseModel(
        cameras, placed, np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3), np.uint8),
        np.empty(0),
    )  # fmt: skip
    undistort(model, folder / "photos", folder, threads=threads, progress=progress)
    return read_views(folder)


def _files(photos: Path, named: Mapping[str, KnownPhoto]) -> list[tuple[Path, KnownPhoto]]:
    """The photos that are there: under the whole name, or under its last part."""
    root = photos.resolve()
    found = []
    for name, photo in named.items():
        places = (root / name, root / Path(name).name)
        inside = (place for place in places if place.resolve().is_relative_to(root))
        file = next((place for place in inside if place.is_file()), None)
        if file is not None:
            found.append((file, photo))
    return found


def _fitted(number: int, camera: Camera, file: Path) -> Camera:
    """The camera for the size that its photo has."""
    try:
        with Image.open(file) as picture:
            width, height = picture.size
    except (OSError, UnidentifiedImageError):
        raise InputError(f"{file} is no picture that can be read.") from None
    scale = width / camera.width
    if abs(height / camera.height / scale - 1) > _ASPECT:
        raise InputError(
            f"{file.name} has {width}x{height} pixels, its camera {camera.width}x{camera.height}: "
            "these are not the photos that the cameras are of."
        )
    params = camera.params.copy()
    params[: 3 if camera.model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL") else 4] *= scale
    return Camera(number, camera.model, width, height, params)


def upright(views: list[View]) -> Float64:
    """(3, 3) rotation to Z up, for an axis that most photos have at their top."""
    up = -np.sum([view.R[1] for view in views], axis=0)
    axis = int(np.argmax(np.abs(up)))
    rotation = np.zeros((3, 3))
    rotation[2, axis] = np.sign(up[axis])
    # The first of the other axes stays the one to the right.
    rotation[0, 1 if axis == 0 else 0] = 1
    rotation[1] = np.cross(rotation[2], rotation[0])
    return rotation


def turned(view: View, rotation: Float64) -> View:
    """The view in a world that was turned."""
    return View(
        view.name,
        view.path,
        view.width,
        view.height,
        view.K,
        view.R @ rotation.T,
        view.t,
        view.mask,
    )
