"""Files to upright 8-bit sRGB pictures, whatever kind of picture they hold."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pi_heif
from PIL import Image, ImageCms, UnidentifiedImageError

from gypsum.capture import limits
from gypsum.capture.exif import Exif, read_exif
from gypsum.capture.unusable import StorageError, UnusableError

_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "HEIF")
_PHOTO_SPHERE = re.compile(rb"GPano:(ProjectionType|FullPanoWidthPixels)")
"""Google's XMP tags of panoramas and photo spheres."""
_ALPHA_MODES = ("LA", "PA", "La", "RGBA", "RGBa")
_COPIED_MODES = ("RGB", "L")
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation: how to turn the stored picture upright."""

JPEG_QUALITY = 95
"""Of transcoded photos, without chroma subsampling: the loss is far below a camera's noise."""

# Every photo's size is checked here before it is decoded; Pillow's own guard is the second bolt.
Image.MAX_IMAGE_PIXELS = limits.PIXELS_MAX
warnings.simplefilter("error", Image.DecompressionBombWarning)
pi_heif.register_heif_opener(thumbnails=False)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The photo, header read and size checked, to be decoded inside. Raises `UnusableError`."""
    with _explained(), Image.open(path, formats=_FORMATS) as image:
        check_size(*image.size)
        yield image


@contextmanager
def _explained() -> Iterator[None]:
    """Turns whatever a decoder raises into `UnusableError`."""
    try:
        yield
    except (UnusableError, StorageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableError("has more pixels than any camera makes") from error
    except UnidentifiedImageError as error:
        raise UnusableError("is damaged at its start, so it can't be opened") from error
    except Exception as error:  # Decoders raise anything on damaged bytes.
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise UnusableError("is cut short: the file ends within the picture") from error
        raise UnusableError("is damaged and can't be decoded") from error


def check_size(width: int, height: int) -> None:
    """Refuse what can't be a photo of a scene, by its pixels. Raises `UnusableError`."""
    short, long = sorted((width, height))
    size = f"{width} x {height} pixels"
    if short < limits.SIDE_MIN:
        raise UnusableError(f"is too small: {size}, and {limits.SIDE_MIN} are needed each way")
    if width * height > limits.PIXELS_MAX:
        raise UnusableError(
            f"is too large: {size}, and {limits.PIXELS_MAX // 1_000_000} megapixels are the most"
        )
    if long / short > limits.ASPECT_MAX:
        raise UnusableError(f"is a panorama ({size}), which doesn't come from a single viewpoint")


def check_viewpoint(image: Image.Image, exif: Exif) -> None:
    """Refuse what says of itself that it is stitched. Raises `UnusableError`."""
    xmp = image.info.get("xmp", b"")
    if exif.panorama or (isinstance(xmp, bytes) and _PHOTO_SPHERE.search(xmp)):
        raise UnusableError("is a panorama, which doesn't come from a single viewpoint")


def can_be_copied(image: Image.Image, exif: Exif) -> bool:
    """Whether every later stage sees the stored bytes as the same upright sRGB picture."""
    simple = image.format in ("JPEG", "MPO") or (
        image.format == "PNG"
        and "transparency" not in image.info
        and getattr(image, "n_frames", 1) == 1
    )
    return (
        simple
        and image.mode in _COPIED_MODES
        and exif.orientation == 1
        and _foreign_profile(image.info.get("icc_profile")) is None
    )


def decode_small(image: Image.Image, long_side: int) -> Image.Image:
    """Decode the whole file, which proves it sound, with a JPEG's pixels made ``long_side`` or
    more, up to twice that: the inverse cosine transform at a reduced size costs a fraction."""
    scale = long_side / max(image.size)
    if scale < 1:
        image.draft(None, (int(image.width * scale), int(image.height * scale)))
    image.load()
    return image.convert("RGB")


def upright_rgb(image: Image.Image) -> Image.Image:
    """Decode to upright 8-bit sRGB without alpha."""
    image.load()
    turn = _TURN.get(read_exif(image).orientation)  # After loading: TIFF turns itself then.
    picture = _to_srgb(_opaque(image), image.info.get("icc_profile")).convert("RGB")
    return picture if turn is None else picture.transpose(turn)


def alpha_of(image: Image.Image) -> Image.Image | None:
    """How opaque an upright picture is, mode L; None for one that is so all over."""
    image.load()
    if not _may_have_alpha(image):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    if alpha.getextrema()[0] == 255:
        return None
    turn = _TURN.get(read_exif(image).orientation)  # After loading: TIFF turns itself then.
    return alpha if turn is None else alpha.transpose(turn)


def _may_have_alpha(image: Image.Image) -> bool:
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def _opaque(image: Image.Image) -> Image.Image:
    """Modes L, RGB or CMYK; what is transparent becomes black."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _eight_bits(image)
    if _may_have_alpha(image):
        layers = image.convert("RGBA")
        picture = Image.new("RGB", image.size)
        picture.paste(layers, mask=layers.getchannel("A"))
        return picture
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of more depth, scaled by the depth that the largest one needs.

    Cameras store 10, 12 or 14 bits in 16. Floating-point pictures go up to 1, or to a depth.
    """
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    largest = float(values.max())
    full = 1.0 if image.mode == "F" and largest <= 1 else 255.0
    while full < largest:
        full = 2 * full + 1
    scaled = values.clip(0, None) * np.float32(255 / full)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as they are meant; a profile for another kind of picture changes nothing."""
    source = _foreign_profile(profile)
    if source is None:
        return picture
    try:
        converted = ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
    except ImageCms.PyCMSError:
        return picture
    return picture if converted is None else converted


_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=16)
def _foreign_profile(profile: bytes | None) -> ImageCms.ImageCmsProfile | None:
    """A colour profile that needs conversion; None for sRGB and for one that can't be read."""
    if not profile:
        return None
    try:
        parsed = ImageCms.ImageCmsProfile(BytesIO(profile))
        description = ImageCms.getProfileDescription(parsed)
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if "srgb" in description.lower() else parsed
