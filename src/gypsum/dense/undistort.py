"""Photos without lens distortion, as a COLMAP dense workspace."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Camera, Photo, Progress, SparseModel, View, no_progress

Float64 = NDArray[np.float64]

#: JPEG quality of the undistorted photos: they are resampled once and then only read.
_JPEG_QUALITY = 95
#: Distortion that moves no pixel by more than this is none.
_NEGLIGIBLE_PIXELS = 0.05
#: Pixels between points for which distortion is undone exactly.
_GRID = 8


def undistort(
    model: SparseModel,
    photos: Path,
    folder: Path,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Write the dense workspace ``folder``: pinhole photos and their sparse model.

    The pictures keep their focal length and are cropped to the largest part without empty borders.
    A photo that is there from an earlier run is kept. Keypoints and tracks are carried over, so the
    sparse model of the workspace can choose source photos and depth ranges.
    """
    cameras = {number: _pinhole(camera) for number, camera in model.cameras.items()}
    (folder / "images").mkdir(parents=True, exist_ok=True)

    def one(photo: Photo) -> None:
        source, target = photos / photo.name, folder / "images" / photo.name
        camera = model.camera_of(photo)
        pinhole, _ = cameras[camera.id]
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if pinhole.width == camera.width and _is_pinhole(camera):
            _link(source, target)
        else:
            _resample(source, target, camera, pinhole)

    ordered = sorted(model.photos.values(), key=lambda p: p.name)
    # Pictures are large: a few at a time, however many cores there are.
    with ThreadPoolExecutor(min(threads or os.cpu_count() or 1, 4)) as pool:
        for done, _ in enumerate(pool.map(one, ordered), 1):
            progress(done / len(ordered), f"photo {done} of {len(ordered)}")
    _undistorted_model(model, cameras).write(folder / "sparse")


def undistort_masks(model: SparseModel, masks: Path, folder: Path, *, threads: int = 0) -> None:
    """Write the masks ``masks/NAME.png`` of the photos as ``folder/NAME.png``, grey, of the
    undistorted photos' size; photos without a mask are left out."""
    cameras = {number: _pinhole(camera)[0] for number, camera in model.cameras.items()}

    def one(photo: Photo) -> None:
        source, target = masks / f"{photo.name}.png", folder / f"{photo.name}.png"
        if not source.exists() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        camera, pinhole = model.camera_of(photo), cameras[photo.camera_id]
        if pinhole.width == camera.width and _is_pinhole(camera):
            _link(source, target)
            return
        with Image.open(source) as file:
            mask = np.asarray(file.convert("L"))
        maps = _maps(camera, pinhole)
        result = cv2.remap(mask, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        with atomic_write(target) as write:
            Image.fromarray(result).save(write, "PNG")

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(min(threads or os.cpu_count() or 1, 4)) as pool:
        list(pool.map(one, model.photos.values()))


def distort_masks(
    model: SparseModel, masks: Path, folder: Path, *, threads: int = 0
) -> frozenset[str]:
    """Write masks of undistorted photos, ``masks/NAME.png``, as those of the photos as they were
    taken, ``folder/NAME.png``; the names of the photos that have one.

    Beyond the edge of an undistorted photo, its outermost pixels go on.
    """

    def one(photo: Photo) -> str | None:
        source, target = masks / f"{photo.name}.png", folder / f"{photo.name}.png"
        if not source.exists():
            return None
        camera = model.camera_of(photo)
        with Image.open(source) as file:
            mask = np.asarray(file.convert("L"))
        target.parent.mkdir(parents=True, exist_ok=True)
        maps = _maps_back(camera, _pinhole(camera)[1])
        result = cv2.remap(mask, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        with atomic_write(target) as write:
            Image.fromarray(result).save(write, "PNG")
        return photo.name

    with ThreadPoolExecutor(min(threads or os.cpu_count() or 1, 4)) as pool:
        return frozenset(name for name in pool.map(one, model.photos.values()) if name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as read, atomic_write(target) as write:
            shutil.copyfileobj(read, write)


def _is_pinhole(camera: Camera) -> bool:
    if not np.any(camera.distortion):
        return True
    grid = _border(camera.width, camera.height)
    moved = _undistort_points(camera, grid) - grid
    return bool(np.abs(moved).max() < _NEGLIGIBLE_PIXELS)


def _border(width: int, height: int, steps: int = 32) -> Float64:
    """(N, 2) points around the edge of a picture."""
    u = np.linspace(0, 1, steps)
    zero, one = np.zeros(steps), np.ones(steps)
    sides = [(u, zero), (one, u), (u, one), (zero, u)]
    return np.concatenate([np.stack([x * width, y * height], 1) for x, y in sides])


def _undistort_points(camera: Camera, xy: Float64) -> Float64:
    if len(xy) == 0 or not np.any(camera.distortion):
        return np.asarray(xy, np.float64).reshape(-1, 2)
    # cv2's default of 5 iterations is too few near the corners of wide lenses.
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
    points = np.asarray(xy, np.float64).reshape(-1, 1, 2)
    K = camera.K
    ideal = cv2.undistortPoints(points, K, camera.distortion, R=None, P=K, criteria=criteria)
    return np.asarray(ideal, np.float64).reshape(-1, 2)


def _pinhole(camera: Camera) -> tuple[Camera, tuple[int, int]]:
    """The pinhole camera that replaces ``camera``, and its top-left corner in ideal pixels."""
    K = camera.K
    if _is_pinhole(camera):
        left, top, width, height = 0, 0, camera.width, camera.height
    else:
        ideal = _undistort_points(camera, _border(camera.width, camera.height))
        up, right, down, left_side = np.split(ideal, 4)
        left = int(np.ceil(left_side[:, 0].max()))
        top = int(np.ceil(up[:, 1].max()))
        width = int(np.floor(right[:, 0].min())) - left
        height = int(np.floor(down[:, 1].min())) - top
        # A lens this bent (or a bad estimate) leaves nothing: keep the frame and its empty corners.
        if width < camera.width // 2 or height < camera.height // 2:
            left, top, width, height = 0, 0, camera.width, camera.height
    params = np.array([K[0, 0], K[1, 1], K[0, 2] - left, K[1, 2] - top])
    return Camera(camera.id, "PINHOLE", width, height, params), (left, top)


def _resample(source: Path, target: Path, camera: Camera, pinhole: Camera) -> None:
    with Image.open(source) as file:
        image = np.asarray(file.convert("RGB"))
    maps = _maps(camera, pinhole)
    result = cv2.remap(image, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    with atomic_write(target) as file:
        kind = "PNG" if target.suffix.lower() == ".png" else "JPEG"
        Image.fromarray(result).save(file, kind, quality=_JPEG_QUALITY, subsampling=0)


def _maps(camera: Camera, pinhole: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where in the photo each pixel (height, width) of the undistorted one is, x and y."""
    # cv2 counts from the centre of the first pixel.
    K, new_K = camera.K, pinhole.K
    K[:2, 2] -= 0.5
    new_K[:2, 2] -= 0.5
    size = (pinhole.width, pinhole.height)
    map_x, map_y = cv2.initUndistortRectifyMap(
        K, camera.distortion, None, new_K, size, cv2.CV_32FC1
    )
    return map_x, map_y


def photo_pixels(camera: Camera, view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where in the photo as it was taken each pixel (height, width) of an undistorted view is.

    x and y in pixels of ``camera``, the centre of its first at (0.5, 0.5); ``view`` may be smaller
    than the undistorted photo.
    """
    K = view.K
    pinhole = Camera(
        camera.id,
        "PINHOLE",
        view.width,
        view.height,
        np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]),
    )
    x, y = _maps(camera, pinhole)
    return x + np.float32(0.5), y + np.float32(0.5)


def _maps_back(
    camera: Camera, offset: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where in the undistorted photo each pixel (height, width) of the photo is, x and y."""
    # Undistorting has no closed form; it is smooth, so that a grid of points is enough.
    columns, rows = (max(2, -(-side // _GRID)) for side in (camera.width, camera.height))
    x, y = np.meshgrid(np.linspace(0, camera.width, columns), np.linspace(0, camera.height, rows))
    ideal = _undistort_points(camera, np.stack([x.ravel(), y.ravel()], 1)) - offset
    grid = ideal.reshape(rows, columns, 2).astype(np.float32)
    across = (np.arange(camera.width) + 0.5) * (columns - 1) / camera.width
    down = (np.arange(camera.height) + 0.5) * (rows - 1) / camera.height
    nodes = [a.astype(np.float32) for a in np.meshgrid(across, down)]
    maps = cv2.remap(grid, nodes[0], nodes[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # cv2 counts from the centre of the first pixel.
    return maps[..., 0] - np.float32(0.5), maps[..., 1] - np.float32(0.5)


def _undistorted_model(
    model: SparseModel, cameras: dict[int, tuple[Camera, tuple[int, int]]]
) -> SparseModel:
    photos = {}
    for number, photo in model.photos.items():
        _, offset = cameras[photo.camera_id]
        xy = _undistort_points(model.camera_of(photo), photo.xy) - offset
        photos[number] = replace(photo, xy=xy)
    return replace(model, cameras={n: c for n, (c, _) in cameras.items()}, photos=photos)
