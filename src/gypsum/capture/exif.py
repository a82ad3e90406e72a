"""What the camera wrote beside the picture: optics, place and time.

EXIF is typed loosely and written by thousands of programs, so every value is checked, and one that
makes no sense counts as missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

DIAGONAL_35MM = math.hypot(36, 24)
"""Millimetres. A focal length "in 35 mm film" follows the picture's diagonal (CIPA DCG-001)."""

_FOCAL_RANGE = (0.2, 30.0)
"""Plausible focal lengths in units of the longer side: 136° to 2° of view."""
_AGREEMENT = 1.2
"""Sensor data that differ from the 35 mm figure by more are leftovers of an edit."""
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""FocalPlaneResolutionUnit: inch, centimetre, millimetre, micrometre."""
_PANORAMA = 6
"""CustomRendered as iPhones write it: 8 is a portrait, 3 and 7 are joined exposures."""
_TURNED = {5, 6, 7, 8}
"""Orientations that swap width and height."""


@dataclass(frozen=True)
class Exif:
    """The facts that matter for reconstruction; None or "" where the file doesn't tell."""

    orientation: int = 1
    """1 (upright) to 8, as in EXIF."""
    make: str = ""
    model: str = ""
    lens: str = ""
    focal_mm: float | None = None
    focal_35mm: float | None = None
    """Equivalent focal length, millimetres on 36 x 24 mm film."""
    pixel_mm: float | None = None
    """Sensor pixel pitch, for a picture of ``original_side`` pixels."""
    original_side: float | None = None
    """Longer side in pixels when the camera took the photo; it may have been shrunk since."""
    gps: tuple[float, float, float | None] | None = None
    time: datetime | None = None
    zoom: float | None = None
    """Digital zoom, where some was used."""
    panorama: bool = False
    """Whether the camera stitched it of several views."""

    @property
    def turned(self) -> bool:
        """Whether the upright photo has the stored one's width as its height."""
        return self.orientation in _TURNED

    def focal_px(self, width: int, height: int) -> float | None:
        """Focal length in pixels of a photo of this size."""
        by_film = None
        if self.focal_35mm:
            by_film = self.focal_35mm * math.hypot(width, height) / DIAGONAL_35MM
        by_sensor = None
        if self.focal_mm and self.pixel_mm:
            shrunk = max(width, height) / (self.original_side or max(width, height))
            by_sensor = self.focal_mm / self.pixel_mm * shrunk
        focal = by_film
        if by_sensor and (not by_film or 1 / _AGREEMENT < by_sensor / by_film < _AGREEMENT):
            focal = by_sensor  # Not rounded to a millimetre as the other is.
        low, high = _FOCAL_RANGE
        if focal is None or not low <= focal / max(width, height) <= high:
            return None
        return focal

    def camera(self, width: int, height: int) -> str:
        """A key that photos with the same intrinsics share."""
        size = f"{width}x{height}"
        focal = f"{self.focal_mm:g} mm" if self.focal_mm else ""
        film = f"{self.focal_35mm:g} mm film" if self.focal_35mm else ""  # Tells digital zoom.
        zoom = f"{self.zoom:g}x zoom" if self.zoom else ""  # Where that figure doesn't.
        parts = (self.make, self.model, self.lens, focal, film, zoom, size)
        return " | ".join(part for part in parts if part)


def read_exif(image: Image.Image) -> Exif:
    """The facts of an opened image. Damaged EXIF counts as none: the picture may still be fine."""
    try:
        return _facts(image.getexif())
    except Exception:  # Pillow's parser raises anything on hostile bytes.
        return Exif()


def read_raw_exif(path: Path) -> Exif:
    """The facts of a raw photo, which most cameras write as a TIFF that Pillow can't open."""
    tags = Image.Exif()
    try:
        with path.open("rb") as file:
            tags.load_from_fp(file)
            return _facts(tags)
    except Exception:  # As above.
        return Exif()


def _facts(tags: Image.Exif) -> Exif:
    """What tags tell; raises anything on hostile ones."""
    main: dict[int, Any] = dict(tags)
    details: dict[int, Any] = dict(tags.get_ifd(ExifTags.IFD.Exif))
    place: dict[int, Any] = dict(tags.get_ifd(ExifTags.IFD.GPSInfo))
    base = ExifTags.Base
    return Exif(
        orientation=_orientation(main.get(base.Orientation)),
        make=_text(main.get(base.Make)),
        model=_text(main.get(base.Model)),
        lens=_text(details.get(base.LensModel)),
        focal_mm=_positive(details.get(base.FocalLength)),
        focal_35mm=_positive(details.get(base.FocalLengthIn35mmFilm)),
        pixel_mm=_pixel_mm(details),
        original_side=_original_side(details),
        gps=_gps(place),
        time=_time(main, details),
        zoom=_zoom(details),
        panorama=details.get(base.CustomRendered) == _PANORAMA,
    )


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _text(value: object) -> str:
    """Printable text without padding, short enough for a key."""
    if not isinstance(value, str):
        return ""
    kept = "".join(c if c.isprintable() and c != "|" else " " for c in value.split("\0")[0])
    return " ".join(kept.split())[:64]


def _number(value: Any) -> float | None:
    """A finite number; fractions with a zero denominator and text are none."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _zoom(details: dict[int, Any]) -> float | None:
    """Digital zoom; 0 and 1 stand for none."""
    zoom = _positive(details.get(ExifTags.Base.DigitalZoomRatio))
    return None if zoom is None or zoom == 1 else round(zoom, 3)


def _pixel_mm(details: dict[int, Any]) -> float | None:
    """Pixel pitch from the sensor's resolution."""
    per_unit = _positive(details.get(ExifTags.Base.FocalPlaneXResolution))
    unit = details.get(ExifTags.Base.FocalPlaneResolutionUnit, 2)
    if per_unit is None or unit not in _MM_PER_UNIT:
        return None
    return _MM_PER_UNIT[unit] / per_unit


def _original_side(details: dict[int, Any]) -> float | None:
    """Longer side, since editors turn a picture without swapping these two numbers."""
    width = _positive(details.get(ExifTags.Base.ExifImageWidth))
    height = _positive(details.get(ExifTags.Base.ExifImageHeight))
    return max(width, height) if width and height else None


def _gps(place: dict[int, Any]) -> tuple[float, float, float | None] | None:
    latitude = _degrees(place.get(ExifTags.GPS.GPSLatitude))
    longitude = _degrees(place.get(ExifTags.GPS.GPSLongitude))
    if latitude is None or longitude is None or latitude > 90 or longitude > 180:
        return None
    if latitude == 0 and longitude == 0:  # What receivers without a fix write.
        return None
    if _text(place.get(ExifTags.GPS.GPSLatitudeRef)).upper() == "S":
        latitude = -latitude
    if _text(place.get(ExifTags.GPS.GPSLongitudeRef)).upper() == "W":
        longitude = -longitude
    altitude = _number(place.get(ExifTags.GPS.GPSAltitude))
    if altitude is not None and place.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01"):
        altitude = -altitude  # Metres below the sea.
    return latitude, longitude, altitude


def _degrees(value: object) -> float | None:
    """Degrees, minutes, seconds to degrees."""
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    parts = [_number(part) for part in value]
    if any(part is None or part < 0 for part in parts):
        return None
    degrees, minutes, seconds = (part or 0.0 for part in parts)
    return degrees + minutes / 60 + seconds / 3600


def _time(main: dict[int, Any], details: dict[int, Any]) -> datetime | None:
    """When the picture was taken, else when the file was written."""
    base = ExifTags.Base
    for value, fraction in (
        (details.get(base.DateTimeOriginal), details.get(base.SubsecTimeOriginal)),
        (details.get(base.DateTimeDigitized), details.get(base.SubsecTimeDigitized)),
        (main.get(base.DateTime), details.get(base.SubsecTime)),
    ):
        try:
            time = datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        seconds = _number(f"0.{_text(fraction)}") if _text(fraction).isdecimal() else None
        return time.replace(microsecond=int((seconds or 0) * 1_000_000))
    return None
