"""In a decoding process: one frame's files to a 16-bit depth map, confidence and a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.capture.clips import opened_clip
from gypsum.capture.decode import JPEG_QUALITY, opened, upright_rgb
from gypsum.capture.measure import WORKING_SIDE, measure
from gypsum.capture.unusable import StorageError, UnusableError

UInt16 = NDArray[np.uint16]

DEPTH_SIDE_MIN, DEPTH_PIXELS_MAX = 8, 16_000_000
"""A depth map's shorter side, and its pixels: the largest sensors have four million."""
FLOAT_UNIT = 0.00025
"""Metres of one step where the app stored floats: sixteen metres fit into 16 bits."""
FLOAT_BYTES_MAX = 4 * DEPTH_PIXELS_MAX


def prepare_frame(request: dict[str, Any]) -> dict[str, Any]:
    """Decode a frame's files to their ends and store them as we keep them.

    ``request`` has ``depth``, ``confidence``, ``color`` (paths or None), ``shape`` of bare depth
    maps, ``sure`` and the ``targets`` of the three. Raises `UnusableError`, `StorageError`.
    """
    answer: dict[str, Any] = {}
    targets = {what: Path(path) for what, path in request["targets"].items()}
    if request["depth"] is not None:
        depth = _read_depth(Path(request["depth"]), request["shape"])
        _save(Image.fromarray(depth), targets["depth"], "PNG")
        answer["depth"] = depth.shape
        answer["known"] = float(np.mean(depth > 0))
    if request["confidence"] is not None:
        sure = _read_confidence(Path(request["confidence"]), request["shape"], request["sure"])
        _save(Image.fromarray(sure), targets["confidence"], "PNG")
        answer["confidence"] = sure.shape
    if request["color"] is not None:
        answer |= _copy_picture(Path(request["color"]), targets["color"])
    return answer


def prepare_clip(
    path: Path, chosen: dict[int, Path], threads: int, seen: Callable[[], None]
) -> dict[int, dict[str, Any]]:
    """Store frames of a clip, by their numbers; those that it does not have are left out.

    ``seen`` is called with every frame that was decoded.
    """
    stored = {}
    with opened_clip(path, threads) as clip:
        last = max(chosen, default=-1)
        for index, pixels in enumerate(clip.frames):
            seen()
            number = index * clip.every
            if number > last:
                break
            # Every other frame of a fast clip is not looked at: the one before stands for it.
            for wanted in range(number, number + clip.every):
                if wanted in chosen:
                    picture = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
                    _save(picture, chosen[wanted], "JPEG")
                    stored[wanted] = _measured(picture)
    return stored


def _read_depth(path: Path, shape: list[int] | None) -> UInt16:
    if shape is not None:
        metres = np.frombuffer(_unpacked(path, 4 * shape[0] * shape[1]), "<f4").reshape(shape)
        steps = np.nan_to_num(metres / FLOAT_UNIT, nan=0.0, posinf=0.0, neginf=0.0)
        return np.where((steps > 0) & (steps < 65535), np.rint(steps), 0).astype(np.uint16)
    with opened_map(path) as image:
        if image.mode not in ("I;16", "I;16B", "I;16L", "I"):
            raise UnusableError("is no depth map: it has 8 bits a pixel, and 16 are needed")
        values = np.asarray(image)
    return np.where((values > 0) & (values <= 65535), values, 0).astype(np.uint16)


def _read_confidence(path: Path, shape: list[int] | None, sure: int) -> NDArray[np.uint8]:
    if shape is not None:
        values = np.frombuffer(_unpacked(path, shape[0] * shape[1]), np.uint8).reshape(shape)
    else:
        with opened_map(path) as image:
            values = np.asarray(image.convert("L") if image.mode != "P" else image)
    scaled = values.astype(np.float32) * (255.0 / sure)
    return np.asarray(np.minimum(scaled, 255), np.uint8)


def opened_map(path: Path, formats: tuple[str, ...] = ("PNG", "TIFF")) -> Image.Image:
    """A picture of numbers. Raises `UnusableError`."""
    try:
        image = Image.open(path, formats=formats)
        width, height = image.size
        if min(width, height) < DEPTH_SIDE_MIN or width * height > DEPTH_PIXELS_MAX:
            raise UnusableError(f"has {width} x {height} pixels, which no depth map has")
        image.load()
    except (UnusableError, MemoryError):
        raise
    except Exception as error:  # Decoders raise anything on damaged bytes.
        raise UnusableError("is damaged and can't be decoded") from error
    return image


def _unpacked(path: Path, size: int) -> bytes:
    """A file compressed with LZFSE, which must hold ``size`` bytes. Raises `UnusableError`."""
    from gypsum.native import _lzfse

    packed = path.read_bytes()
    if len(packed) > FLOAT_BYTES_MAX:
        raise UnusableError("is larger than any depth map")
    try:
        return _lzfse.decompress(packed, size)
    except ValueError as error:
        raise UnusableError("is damaged and can't be unpacked") from error


def _copy_picture(path: Path, target: Path) -> dict[str, Any]:
    """Pixels stay where they are, whatever EXIF says of up: the depth map is stored the same way.

    JPEGs are copied to the bit unless they would be turned by who reads them.
    """
    with opened(path) as image:
        plain = image.format == "JPEG" and image.mode == "RGB" and not image.getexif().get(274)
        if plain:
            image.load()
            _copy(path, target)
            return _measured(image)
        stored = image if image.mode == "RGB" else upright_rgb(_unturned(image))
        _save(stored.convert("RGB"), target, "JPEG")
        return _measured(stored)


def _unturned(image: Image.Image) -> Image.Image:
    exif = image.getexif()
    exif.pop(274, None)
    return image


def _measured(image: Image.Image) -> dict[str, Any]:
    width, height = image.size
    small = image.convert("RGB")
    small.thumbnail((WORKING_SIDE, WORKING_SIDE))
    found = measure(small)
    return {"color": (height, width), "sharpness": found.sharpness, "brightness": found.brightness}


def _copy(path: Path, target: Path) -> None:
    try:
        target.write_bytes(path.read_bytes())
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error


def _save(image: Image.Image, target: Path, kind: str) -> None:
    try:
        if kind == "JPEG":
            image.save(target, kind, quality=JPEG_QUALITY, subsampling=0)
        else:
            image.save(target, kind, compress_level=1)
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error
