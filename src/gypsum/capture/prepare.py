"""What decoding processes make of photos: upright pictures on disk, and their figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from gypsum.capture.decode import (
    JPEG_QUALITY,
    alpha_of,
    can_be_copied,
    check_viewpoint,
    decode_small,
    opened,
    upright_rgb,
)
from gypsum.capture.exif import Exif, read_exif
from gypsum.capture.kinds import RAW_SUFFIXES
from gypsum.capture.measure import WORKING_SIDE, measure
from gypsum.capture.prepared import Prepared, alpha_path
from gypsum.capture.raw import developed
from gypsum.capture.unusable import StorageError

Announce = Callable[[int], None]
"""Called with a photo's pixels before they are decoded."""


def prepare_photo(path: Path, suffix: str, target: Path, announce: Announce) -> Prepared:
    """Decode one photo to its end; put it upright at ``target`` unless it serves as it is.

    ``suffix`` is of the user's name for it. Transparency goes beside it, see `alpha_path`. Raises
    `UnusableError`.
    """
    if suffix in RAW_SUFFIXES:
        picture, exif = developed(path, announce)
        return stored_anew(picture, exif, target)
    with opened(path) as image:
        exif = read_exif(image)
        check_viewpoint(image, exif)
        announce(image.width * image.height)
        if can_be_copied(image, exif):
            size, kind = image.size, image.format
            measures = measure(decode_small(image, WORKING_SIDE))
            return Prepared(*size, exif, measures, ".png" if kind == "PNG" else ".jpg", True)
        return stored_anew(upright_rgb(image), exif, target, alpha_of(image))


def stored_anew(
    picture: Image.Image, exif: Exif, target: Path, alpha: Image.Image | None = None
) -> Prepared:
    """Put an upright picture at ``target``, its transparency beside it. Raises `StorageError`."""
    try:
        target.unlink(missing_ok=True)  # It may be the user's file, unpacked from a zip.
        picture.save(target, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        if alpha is not None:
            alpha.save(alpha_path(target), "PNG")
    except OSError as error:
        raise StorageError(error.strerror or str(error)) from error
    has_alpha = alpha is not None
    return Prepared(*picture.size, exif, measure(picture), ".jpg", has_alpha=has_alpha)
