"""Writes a whole capture: photos, views held back, and the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import IFD, Base

from gypsum.errors import InputError, ResourceError
from gypsum.formats.atomic import atomic_write
from gypsum.formats.ply import write_mesh
from gypsum.options import Fault, SampleMode
from gypsum.sample import _camera, _faults, _posed, _render, _room, _video
from gypsum.sample._camera import SampleView
from gypsum.sample._cards import CARDS, MarkerCard
from gypsum.sample._faults import Shot
from gypsum.sample._render import Finish
from gypsum.scene import Mesh, Progress, no_progress
from gypsum.scene.rgbd import FRAMES_FILE

JPEG_QUALITY = 92
#: Fewer photos can't close a ring around the sculpture.
FEWEST_PHOTOS = 3
#: Smaller pictures don't show enough, larger ones show the limit of the texture.
SMALLEST_SIDE, LARGEST_SIDE = 64, 8192
TEST_VIEWS = 4

#: The phone: sensor's diagonal in millimetres, noise in electrons, light lost in the corners.
SENSOR_DIAGONAL = 7.0
FULL_WELL, READ_NOISE = 16000.0, 5.0
VIGNETTING = 0.16
#: Spread of the exposure between photos, in stops.
EXPOSURE_SPREAD = 0.10
FIRST_SHOT = datetime(2026, 5, 14, 10, 24, 5)

NOTE = (
    "Made by gypsum sample. x_cam = R x_world + t, OpenCV axes, metres; the centre of the top-left "
    "pixel is (0.5, 0.5). distortion is OpenCV's (k1, k2, p1, p2): photos have it, test views are "
    "pinholes without noise."
)


@dataclass(frozen=True)
class SampleFacts:
    """What was written."""

    folder: Path
    photos: int
    test_views: int
    faces: int
    """Triangles of the true surface."""
    seconds: float


def make_sample(
    folder: Path,
    photos: int = 30,
    width: int = 1024,
    height: int = 768,
    seed: int = 0,
    marker: bool = False,
    fault: Fault | None = None,
    video: float = 0.0,
    turntable: bool = False,
    flip: bool = False,
    mode: SampleMode = SampleMode.PHOTO,
    threads: int = 0,
    progress: Progress = no_progress,
) -> SampleFacts:
    """Photograph the sculpture: ``folder/photos``, ``folder/test`` and ``folder/truth``.

    ``seed`` chooses where the photographer stands and the sensor's noise; the sculpture stays the
    same. With ``marker``, two AprilTags of known size lie on the table. A ``fault`` is a mistake
    that the photographer makes. A ``video`` of so many seconds is filmed as well, as
    ``folder/video.mp4``. On a ``turntable`` the sculpture turns before a still camera; for a
    ``flip`` it is photographed standing and lying, in two folders. The truth's frame is always
    the sculpture's. With the ``mode`` lidar it is a room instead, with depth maps and the poses of
    a phone that drifts. The result does not depend on ``threads``.
    """
    _check(folder, photos, width, height)
    if mode is SampleMode.LIDAR:
        _check_room(turntable or flip or marker or bool(fault) or video > 0)
        return _room_sample(folder, photos, width, height, seed, progress)
    _check_alone(turntable, flip, marker, fault, video)
    started = time.monotonic()
    progress(0.0, "shaping the sculpture")
    mesh = _render.sculpture_mesh(width, height, threads)
    if turntable or flip:
        shots = _posed_shots(mesh, photos, width, height, seed, flip)
    else:
        shots = _faults.plan_shots(fault, photos, width, height, seed)
    photos = len(shots)
    held_out = _camera.held_out_views(TEST_VIEWS, width, height, seed)
    cards = CARDS if marker else ()
    _make_folders(folder, _posed.SETS if flip else ())
    frames = _video.clip_views(video, width, height, seed)
    pictures = photos + TEST_VIEWS + len(frames)
    share = 0.1 + 0.9 * photos / pictures
    filming = 0.1 + 0.9 * (photos + TEST_VIEWS) / pictures
    try:
        write_mesh(folder / "truth" / "mesh.ply", mesh)
        if flip:  # The table moves against the sculpture, in whose frame the truth is.
            (folder / "truth" / "table.ply").unlink(missing_ok=True)
        else:
            write_mesh(folder / "truth" / "table.ply", _render.table_mesh())
        for exposure in _exposures(photos, seed):
            number = exposure.number
            progress(
                0.1 + (share - 0.1) * number / photos, f"taking photo {number + 1} of {photos}"
            )
            _take_photo(folder, shots[number], exposure, cards, threads)
        for number, view in enumerate(held_out):
            done = share + (filming - share) * number / TEST_VIEWS
            progress(done, "taking photos to compare with")
            _take_test_view(folder, _test_shot(view, turntable or flip), cards, threads)
        if frames:
            _video.film(
                folder / _video.NAME,
                video,
                width,
                height,
                seed,
                cards,
                threads,
                lambda done, doing="": progress(filming + (1 - filming) * done, doing),
            )
        views = [_against_sculpture(shot, turntable or flip) for shot in shots] + frames
        _write_cameras(folder / "truth" / "cameras.json", views, held_out)
        _write_markers(folder / "truth" / "markers.json", cards)
    except OSError as error:
        raise ResourceError(
            f"The sample can't be written to {folder}: {error.strerror}; "
            "free some space or name another folder."
        ) from error
    progress(1.0, "done")
    seconds = time.monotonic() - started
    return SampleFacts(folder, photos, len(held_out), len(mesh.faces), seconds)


def _room_sample(
    folder: Path, photos: int, width: int, height: int, seed: int, progress: Progress
) -> SampleFacts:
    try:
        made = _room.make_room_sample(folder, photos, width, height, seed, progress)
    except OSError as error:
        raise ResourceError(
            f"The sample can't be written to {folder}: {error.strerror}; "
            "free some space or name another folder."
        ) from error
    return SampleFacts(folder, made.frames, 0, made.faces, made.seconds)


def _check_room(more: bool) -> None:
    if more:
        raise InputError(
            "A sample with --mode lidar shows a room: leave out --marker, --fault, --video, "
            "--turntable and --flip."
        )


def _posed_shots(
    mesh: Mesh, photos: int, width: int, height: int, seed: int, flip: bool
) -> list[Shot]:
    if flip:
        planned = _posed.flip(photos, width, height, seed, mesh.vertices)
        return [Shot(v, finish=Finish.POSED, pose=p, folder=name) for v, p, name in planned]
    return [
        Shot(view, finish=Finish.POSED, pose=pose)
        for view, pose in _posed.turntable(photos, width, height)
    ]


def _test_shot(view: SampleView, posed: bool) -> Shot:
    """A view to compare with, in the same light as the photos."""
    return Shot(view, finish=Finish.POSED, pose=_posed.standing()) if posed else Shot(view)


def _against_sculpture(shot: Shot, posed: bool) -> SampleView:
    """Where the camera truly was in the truth's frame.

    That is the sculpture's frame where it was moved on purpose, the table's where by mistake.
    """
    return shot.pose.seen_from(shot.view) if posed and shot.pose else shot.view


@dataclass(frozen=True)
class _Exposure:
    """How one photo is taken."""

    number: int
    gain: float
    noise_seed: int


def _exposures(photos: int, seed: int) -> list[_Exposure]:
    stops = np.random.default_rng([seed, 3]).normal(0, EXPOSURE_SPREAD, photos)
    return [
        _Exposure(n, _render.EXPOSURE * 2.0 ** float(stop), (seed * 100_003 + n) % 2**32)
        for n, stop in enumerate(stops)
    ]


def _take_photo(
    folder: Path,
    shot: Shot,
    exposure: _Exposure,
    cards: Sequence[MarkerCard],
    threads: int,
) -> None:
    view = shot.view
    picture = _faults.take(shot, threads, cards)
    photo = _render.expose(
        picture.radiance,
        exposure.gain * shot.gain,
        VIGNETTING,
        FULL_WELL,
        READ_NOISE,
        exposure.noise_seed,
        threads,
    )
    _write_photo(folder / "photos" / shot.path, photo, _exif(view, exposure.number))
    _write_mask(folder / "truth" / "masks" / "photos", view, picture.mask)


def _take_test_view(folder: Path, shot: Shot, cards: Sequence[MarkerCard], threads: int) -> None:
    view = shot.view
    picture = _faults.take(shot, threads, cards)
    _write_photo(folder / "test" / view.name, picture.rgb, None)
    _write_mask(folder / "truth" / "masks" / "test", view, picture.mask)


def _write_cameras(path: Path, shots: list[SampleView], held_out: list[SampleView]) -> None:
    cameras = {"note": NOTE, "photos": _to_json(shots), "test": _to_json(held_out)}
    with atomic_write(path) as file:
        file.write(json.dumps(cameras, indent=1).encode())


def _write_markers(path: Path, cards: Sequence[MarkerCard]) -> None:
    """Where the markers are, metres; an earlier sample's file goes when there are none."""
    if not cards:
        path.unlink(missing_ok=True)
        return
    markers = {
        str(card.number): {"size": card.size, "corners": card.corners.tolist()} for card in cards
    }
    with atomic_write(path) as file:
        file.write(json.dumps(markers, indent=1).encode())


def _check(folder: Path, photos: int, width: int, height: int) -> None:
    if photos < FEWEST_PHOTOS:
        raise InputError(
            f"A sample needs at least {FEWEST_PHOTOS} photos; {photos} were asked for."
        )
    if min(width, height) < SMALLEST_SIDE or max(width, height) > LARGEST_SIDE:
        raise InputError(
            f"Photos of {width}x{height} pixels can't be made; "
            f"each side may have {SMALLEST_SIDE} to {LARGEST_SIDE}."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder for the sample.")
    ours = {"photos", "test", "truth", "depth", "confidence", FRAMES_FILE, _video.NAME}
    if folder.is_dir() and any(entry.name not in ours for entry in folder.iterdir()):
        raise InputError(f"{folder} holds other files; name a new or empty folder for the sample.")


def _check_alone(
    turntable: bool, flip: bool, marker: bool, fault: Fault | None, video: float
) -> None:
    """A sculpture that is moved takes nothing that asks for a table at rest beneath it."""
    if not (turntable or flip):
        return
    others = {"flip": turntable and flip, "marker": marker, "fault": fault, "video": video}
    for name, asked in others.items():
        if asked:
            kind = "turntable" if turntable else "flip"
            raise InputError(f"A {kind} sample can't have --{name}; leave out one of the two.")


def _make_folders(folder: Path, sets: Sequence[str]) -> None:
    """Make the folders; an earlier sample's pictures go, so that none stays among the new."""
    (folder / _video.NAME).unlink(missing_ok=True)
    pictures = [
        f"photos/{name}"
        for name in _posed.SETS
        if name in sets or (folder / "photos" / name).is_dir()
    ]
    for name in ("photos", *pictures, "test", "truth/masks/photos", "truth/masks/test"):
        place = folder / name
        try:
            place.mkdir(parents=True, exist_ok=True)
            for old in place.glob("[0-9][0-9][0-9][0-9].[jp][pn]g"):
                old.unlink()
            if place.parent.name == "photos" and place.name not in sets:
                place.rmdir()
        except OSError as error:
            raise InputError(f"{place} can't be written: {error.strerror}.") from error


def _exif(view: SampleView, number: int) -> Image.Exif:
    """What the phone notes: the focal length as its maker rounds it, not as it is."""
    focal = _camera.NOMINAL_FOCAL_35MM * SENSOR_DIAGONAL / _camera.DIAGONAL_35MM
    taken = (FIRST_SHOT + timedelta(seconds=4 * number)).strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[Base.Make] = "Gypsum"
    exif[Base.Model] = "Sample phone"
    exif[Base.Orientation] = 1
    exif[Base.DateTime] = taken
    details: dict[int, Any] = exif.get_ifd(IFD.Exif)
    details[Base.DateTimeOriginal] = taken
    details[Base.FocalLength] = round(focal, 2)
    details[Base.FocalLengthIn35mmFilm] = round(_camera.NOMINAL_FOCAL_35MM)
    details[Base.ExifImageWidth] = view.width
    details[Base.ExifImageHeight] = view.height
    return exif


def _write_photo(path: Path, photo: NDArray[np.uint8], exif: Image.Exif | None) -> None:
    with atomic_write(path) as file:
        Image.fromarray(photo).save(
            file, "JPEG", quality=JPEG_QUALITY, exif=exif if exif is not None else b""
        )


def _write_mask(folder: Path, view: SampleView, mask: NDArray[np.bool_]) -> None:
    with atomic_write(folder / f"{Path(view.name).stem}.png") as file:
        Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG")


def _to_json(views: Sequence[SampleView]) -> dict[str, Any]:
    return {
        view.name: {
            "width": view.width,
            "height": view.height,
            "K": view.K.tolist(),
            "R": view.R.tolist(),
            "t": view.t.tolist(),
            "distortion": [view.k1, 0.0, 0.0, 0.0],
        }
        for view in views
    }
