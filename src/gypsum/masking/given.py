"""Masks that people bring: a picture for each photo, white on the object."""

from __future__ import annotations

import warnings
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gypsum.errors import InputError
from gypsum.scene.capture import Capture, PhotoFile

UInt8 = NDArray[np.uint8]

_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp")
#: What programs add to a photo's name for its mask.
_ENDINGS = ("", "_mask", ".mask", "-mask")
_FORMATS = ("PNG", "TIFF", "JPEG", "WEBP", "BMP")


def list_given(folder: Path) -> dict[str, Path]:
    """Pictures in a folder of masks, by name. Raises `InputError` when there are none."""
    if not folder.is_dir():
        raise InputError(f"--mask {folder} names no folder; give auto, off, or a folder of masks.")
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise InputError(f"The folder {folder} can't be read ({error.strerror}).") from error
    if not files:
        raise InputError(
            f"There are no masks in {folder}: one PNG for each photo is needed, white on the "
            "object, with the photo's name, like IMG_1.png for IMG_1.jpg."
        )
    return {path.name: path for path in files}


def digest_of(folder: Path) -> str:
    """Hash of the names and bytes of a folder's masks."""
    total = blake2b(digest_size=16)
    for name, path in list_given(folder).items():
        total.update(f"{name}\0".encode() + blake2b(path.read_bytes()).digest())
    return total.hexdigest()


def match_given(capture: Capture, folder: Path) -> dict[str, Path]:
    """The mask of each photo that has one. Raises `InputError` when no photo has."""
    files = {name.lower(): path for name, path in list_given(folder).items()}
    matched = {photo.name: path for photo in capture.photos if (path := _mask_of(photo, files))}
    if not matched:
        example = PurePosixPath(capture.photos[0].source).stem
        raise InputError(
            f"No mask in {folder} has the name of a photo; name them like the photos, for example "
            f"{example}.png."
        )
    return matched


def _mask_of(photo: PhotoFile, files: dict[str, Path]) -> Path | None:
    for name in (PurePosixPath(photo.source).name, photo.name):
        for base in (name, PurePosixPath(name).stem):
            for ending in _ENDINGS:
                for suffix in _SUFFIXES:
                    if path := files.get(f"{base}{ending}{suffix}".lower()):
                        return path
    return None


def read_given(path: Path, photo: PhotoFile) -> UInt8:
    """A mask as (height, width), 0 or 255, upright like the photo. Raises `InputError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as file:
                grey = _grey(ImageOps.exif_transpose(file) or file)
    except Exception as error:  # Decoders raise anything on damaged bytes.
        raise InputError(f"The mask {path} can't be read as a picture; save it anew.") from error
    height, width = grey.shape
    if abs(width * photo.height - height * photo.width) > max(photo.width, photo.height):
        raise InputError(
            f"The mask {path} has {width} x {height} pixels and its photo {photo.source} has "
            f"{photo.width} x {photo.height}: make it of the photo as it is shown upright."
        )
    if (width, height) != (photo.width, photo.height):
        size = (photo.width, photo.height)
        grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))
    return np.where(grey >= 128, 255, 0).astype(np.uint8)


def _grey(image: Image.Image) -> UInt8:
    """White on the object: a mask's grey values, or where a picture cut out is opaque."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha: UInt8 = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        scaled: UInt8 = (values * (255 / max(values.max(), 1))).astype(np.uint8)
        return scaled
    grey = np.asarray(image.convert("L"))
    if 0 < grey.max() <= 1 or (image.mode == "P" and 0 < grey.max() < 128):
        return np.where(grey > 0, 255, 0).astype(np.uint8)  # Numbers of classes.
    return grey
