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

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.formats.ply import write_mesh
from gypsum.sample import _camera, _render
from gypsum.sample._camera import SampleView
from gypsum.scene import Progress, no_progress

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
    threads: int = 0,
    progress: Progress = no_progress,
) -> SampleFacts:
    """Photograph the sculpture: ``folder/photos``, ``folder/test`` and ``folder/truth``.

    ``seed`` chooses where the photographer stands and the sensor's noise; the sculpture stays the
    same. The result does not depend on ``threads``.
    """
    _check(folder, photos, width, height)
    started = time.monotonic()
    progress(0.0, "shaping the sculpture")
    mesh = _render.sculpture_mesh(width, height, threads)
    _make_folders(folder)
    write_mesh(folder / "truth" / "mesh.ply", mesh)
    write_mesh(folder / "truth" / "table.ply", _render.table_mesh())

    shots = _camera.hand_held_views(photos, width, height, seed)
    held_out = _camera.held_out_views(TEST_VIEWS, width, height, seed)
    rng = np.random.default_rng([seed, 3])
    gains = _render.EXPOSURE * 2.0 ** rng.normal(0, EXPOSURE_SPREAD, photos)
    total = len(shots) + len(held_out)
    for number, view in enumerate(shots):
        progress(0.1 + 0.9 * number / total, f"taking photo {number + 1} of {photos}")
        picture = _render.render_view(view, threads)
        photo = _render.expose(
            picture.radiance,
            float(gains[number]),
            VIGNETTING,
            FULL_WELL,
            READ_NOISE,
            (seed * 100_003 + number) % 2**32,
            threads,
        )
        _write_photo(folder / "photos" / view.name, photo, _exif(view, number))
        _write_mask(folder / "truth" / "masks" / "photos", view, picture.mask)
    for number, view in enumerate(held_out):
        progress(0.1 + 0.9 * (photos + number) / total, "taking photos to compare with")
        picture = _render.render_view(view, threads)
        _write_photo(folder / "test" / view.name, picture.rgb, None)
        _write_mask(folder / "truth" / "masks" / "test", view, picture.mask)

    cameras = {"note": NOTE, "photos": _to_json(shots), "test": _to_json(held_out)}
    with atomic_write(folder / "truth" / "cameras.json") as file:
        file.write(json.dumps(cameras, indent=1).encode())
    progress(1.0, "done")
    return SampleFacts(folder, photos, len(held_out), len(mesh.faces), time.monotonic() - started)


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
    ours = {"photos", "test", "truth"}
    if folder.is_dir() and any(entry.name not in ours for entry in folder.iterdir()):
        raise InputError(f"{folder} holds other files; name a new or empty folder for the sample.")


def _make_folders(folder: Path) -> None:
    """Make the folders; an earlier sample's pictures go, so that none stays among the new."""
    for name in ("photos", "test", "truth/masks/photos", "truth/masks/test"):
        place = folder / name
        try:
            place.mkdir(parents=True, exist_ok=True)
            for old in place.glob("[0-9][0-9][0-9][0-9].[jp][pn]g"):
                old.unlink()
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
