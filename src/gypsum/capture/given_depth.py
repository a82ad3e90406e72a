"""Depth maps that people bring for their photos, from any sensor or network.

``DIR/NAME.png`` belongs to the photo ``NAME.jpg``, of any size: 16-bit PNG and TIFF in millimetres,
floats in TIFF and NPY in metres; or numbers of no unit, as networks for single pictures give.
``DIR/confidence/NAME.png``, 8 bits, says how sure each pixel is, 255 the most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.capture import limits
from gypsum.capture.rgbd.prepare import DEPTH_PIXELS_MAX, DEPTH_SIDE_MIN, opened_map
from gypsum.capture.unusable import StorageError, UnusableError
from gypsum.capture.workers import Workers
from gypsum.errors import InputError
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile

Float32 = NDArray[np.float32]

_SUFFIXES = (".png", ".tif", ".tiff", ".npy")
#: What programs add to a photo's name for its depth map.
_ENDINGS = ("", "_depth", ".depth", "-depth")
#: Metres of one step of 16-bit maps.
_STEP = 0.001
#: Confidence, of 255, below which a depth is taken for unknown.
_UNSURE = 128
#: How far the shape of a map may differ from its photo's.
_SHAPE = 0.03


def list_depth_maps(folder: Path) -> dict[str, Path]:
    """The depth maps in a folder, by name. Raises `InputError` when there are none."""
    if not folder.is_dir():
        raise InputError(f"--depth {folder} names no folder; give a folder of depth maps.")
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"The folder {folder} can't be read ({error.strerror}).") from error
    maps = {path.name: path for path in files if path.suffix.lower() in _SUFFIXES}
    if not maps:
        exr = any(path.suffix.lower() == ".exr" for path in files)
        raise InputError(
            f"There are no depth maps in {folder}: one for each photo is needed, with its name, "
            "like IMG_1.png for IMG_1.jpg, as 16-bit PNG in millimetres, or floats in TIFF or NPY"
            + ("; EXR is not read." if exr else ".")
        )
    return maps


def digest_of_depth(folder: Path) -> str:
    """Hash of the names and bytes of a folder's depth maps and their confidence."""
    total = blake2b(digest_size=16)
    beside = folder / "confidence"
    files = [*list_depth_maps(folder).values()]
    files += sorted(beside.glob("*.png")) if beside.is_dir() else []
    for path in files:
        total.update(f"{path.relative_to(folder)}\0".encode() + blake2b(_bytes_of(path)).digest())
    return total.hexdigest()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The depth map {path} can't be read ({error.strerror}).") from error


def match_depth_maps(capture: Capture, folder: Path) -> dict[str, Path]:
    """The depth map of each photo that has one. Raises `InputError` when no photo has."""
    files = {name.lower(): path for name, path in list_depth_maps(folder).items()}
    matched = {}
    for photo in capture.photos:
        path = _of(photo, lambda base, ending: _first(files, base + ending))
        if path is not None:
            matched[photo.name] = path
    if not matched:
        raise InputError(_no_match(capture.photos[0].source, folder))
    return matched


def check_depth_maps(folder: Path, photos: list[str]) -> None:
    """What is wrong with a folder of depth maps as far as names tell.

    ``photos`` are names of files; clips' frames get theirs later, so that with clips all may be
    well. Raises `InputError`.
    """
    stems = {PurePosixPath(name).name.rsplit(".", 1)[0].lower() for name in list_depth_maps(folder)}
    known = {PurePosixPath(photo).stem.lower() for photo in photos}
    known |= {PurePosixPath(photo).name.lower() for photo in photos}
    if photos and not any(name + ending in stems for name in known for ending in _ENDINGS):
        raise InputError(_no_match(photos[0], folder))


def _no_match(photo: str, folder: Path) -> str:
    return (
        f"No depth map in {folder} has the name of a photo; name them like the photos, for example "
        f"{PurePosixPath(photo).stem}.png."
    )


def _of(photo: PhotoFile, find: Callable[[str, str], Path | None]) -> Path | None:
    for name in (PurePosixPath(photo.source).name, photo.name):
        for base in (name, PurePosixPath(name).stem):
            for ending in _ENDINGS:
                if path := find(base, ending):
                    return path
    return None


def _first(files: Mapping[str, Path], stem: str) -> Path | None:
    return next((files[k] for s in _SUFFIXES if (k := f"{stem}{s}".lower()) in files), None)


def _confidence_of(photo: PhotoFile, folder: Path) -> Path | None:
    def find(base: str, ending: str) -> Path | None:
        path = folder / "confidence" / f"{base}{ending}.png"
        return path if path.is_file() else None

    return _of(photo, find)


def read_depth_maps(
    capture: Capture,
    folder: Path,
    target: Path,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> tuple[list[str], dict[str, str]]:
    """Write ``target/NAME.npy`` for each photo with a depth map: (h, w) floats, 0 unknown.

    Returns the names of these photos, and of maps that can't be used why: the rest of a sentence.
    Decoding is done in confined processes. Raises `InputError` when no map can be used.
    """
    matched = match_depth_maps(capture, folder)
    photos = {photo.name: photo for photo in capture.photos}
    target.mkdir(parents=True, exist_ok=True)
    made: list[str] = []
    unusable: dict[str, str] = {}
    with Workers(target) as workers:

        def one(name: str) -> None:
            photo = photos[name]
            confidence = _confidence_of(photo, folder)
            request = {
                "path": str(matched[name].resolve()),
                "confidence": None if confidence is None else str(confidence.resolve()),
                "target": str((target / f"{name}.npy").resolve()),
                "size": [photo.width, photo.height],
            }
            workers.ask({"do": "given_depth", "request": request})

        with ThreadPoolExecutor(min(threads or 2, limits.WORKERS_MOST)) as pool:
            jobs = {name: pool.submit(one, name) for name in matched}
            for done, (name, job) in enumerate(jobs.items(), 1):
                progress(done / len(jobs), f"depth map {done} of {len(jobs)}")
                try:
                    job.result()
                    made.append(name)
                except UnusableError as error:
                    unusable[matched[name].name] = str(error)
    if not made:
        name, why = next(iter(unusable.items()))
        raise InputError(f"None of the depth maps in {folder} can be used: {name} {why}.")
    return made, unusable


def prepare_given(request: dict[str, Any]) -> None:
    """In a decoding process: one map to ``target``.

    Raises `UnusableError`, `StorageError`.
    """
    path, (width, height) = Path(request["path"]), request["size"]
    values = _read(path)
    rows, columns = values.shape
    if abs(np.log(columns / rows * height / width)) > _SHAPE:
        raise UnusableError(
            f"has {columns} x {rows} pixels, another shape than its photo of {width} x {height}"
        )
    if request["confidence"] is not None:
        sure = opened_map(Path(request["confidence"]), ("PNG",)).convert("L")
        if sure.size != (columns, rows):
            sure = sure.resize((columns, rows), Image.Resampling.NEAREST)
        values = np.where(np.asarray(sure) >= _UNSURE, values, 0)
    if not (values > 0).any():
        raise UnusableError("knows no depth at all")
    try:
        np.save(request["target"], values.astype(np.float32))
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error


def _read(path: Path) -> Float32:
    """A map's numbers (h, w), 0 where unknown; metres if they have a unit."""
    if path.suffix.lower() == ".npy":
        values = _array(path)
        scale = np.float32(_STEP if values.dtype.kind in "iu" else 1.0)
    else:
        image = opened_map(path)
        if image.mode not in ("I;16", "I;16B", "I;16L", "I", "F"):
            raise UnusableError("is no depth map: it has 8 bits a pixel, and 16 are needed")
        values = np.asarray(image)
        scale = np.float32(1.0 if image.mode == "F" else _STEP)
    numbers = np.where(np.isfinite(values), values, 0).astype(np.float32) * scale
    return np.where((numbers > 0) & (numbers < 1e9), numbers, 0).astype(np.float32)


def _array(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
            raise UnusableError("holds no array of numbers")
        shape = tuple(side for side in values.shape if side != 1)
        if len(shape) != 2 or min(shape) < DEPTH_SIDE_MIN or shape[0] * shape[1] > DEPTH_PIXELS_MAX:
            raise UnusableError(f"holds an array of {values.shape}, which no depth map has")
        return np.array(values).reshape(shape)
    except (UnusableError, MemoryError):
        raise
    except Exception as error:  # NumPy raises anything on damaged files.
        raise UnusableError("is damaged and can't be read") from error
