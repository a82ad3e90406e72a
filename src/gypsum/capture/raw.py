"""Raw photos, developed by LibRaw where rawpy is installed (``gypsum[raw]``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from gypsum.capture.decode import check_size
from gypsum.capture.exif import Exif, read_raw_exif
from gypsum.capture.unusable import UnusableError


def developed(path: Path, announce: Callable[[int], None]) -> tuple[Image.Image, Exif]:
    """A raw photo as an upright sRGB picture, with the white balance that the camera chose.

    Brightness stays as exposed, so that photos of one capture stay alike. ``announce`` gets the
    pixels before they are developed. Raises `UnusableError`.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            check_size(raw.sizes.iwidth, raw.sizes.iheight)
            announce(raw.sizes.iwidth * raw.sizes.iheight)
            pixels = raw.postprocess(
                use_camera_wb=True, no_auto_bright=True, output_color=rawpy.ColorSpace.sRGB
            )
    except rawpy.LibRawError as error:
        raise UnusableError("is damaged, or of a camera that LibRaw doesn't know") from error
    return Image.fromarray(pixels), replace(read_raw_exif(path), orientation=1)
