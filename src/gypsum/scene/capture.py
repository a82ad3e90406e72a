"""What people brought: the photos of one capture, checked, upright and under safe names."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

_FILE = "capture.json"
_VERSION = 1


@dataclass(frozen=True)
class PhotoFile:
    """One usable photo, stored upright as ``FOLDER/photos/NAME``."""

    name: str
    """In the sparse model and on disk: the user's own name, changed only to be safe or unique."""
    source: str
    """The user's file, relative to the folder or zip that was given."""
    width: int
    height: int
    """Pixels of the upright photo."""
    focal_px: float | None
    """Focal length in pixels of this width and height, from EXIF."""
    camera: str
    """Photos with the same key were taken with the same camera, lens, zoom and picture size."""
    gps: tuple[float, float, float | None] | None
    """Latitude and longitude in degrees (WGS 84), altitude in metres where known."""
    time: datetime | None
    """When it was taken, by the camera's own clock, which knows no time zone."""
    sharpness: float
    """0 (blurred) to 1 (crisp), whatever the resolution; compares photos of one capture."""
    brightness: float
    """Mean luma, 0 (black) to 1 (white)."""
    digest: str
    """BLAKE2b of the bytes that the user gave; for a frame, of its clip's and its number."""
    clip: str | None = None
    """The user's clip that it is a frame of, as in ``source``; None for a photo."""
    frame: int | None = None
    """Its number in the clip, from 0: frames of a clip are in the order in which it was filmed."""
    set: int = 0
    """In a flip capture, the number of its set: the object lies differently in each."""


@dataclass(frozen=True)
class SkippedPhoto:
    """A file that was meant as a photo but can't be used."""

    name: str
    """The user's file, relative to the folder or zip that was given."""
    reason: str
    """The rest of a sentence that starts with the name, like "is blank"."""


@dataclass(frozen=True)
class Capture:
    """The photos of one capture and what was left out."""

    photos: tuple[PhotoFile, ...]
    skipped: tuple[SkippedPhoto, ...] = ()
    ignored: int = 0
    """How many other files (not photos) there were."""

    def path(self, folder: Path, photo: PhotoFile) -> Path:
        """Where a photo of the capture in ``folder`` is."""
        return folder / "photos" / photo.name

    @classmethod
    def read(cls, folder: Path) -> Capture:
        """Read ``FOLDER/capture.json``."""
        data = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            raise ValueError(f"{folder / _FILE} has version {data['version']}, not {_VERSION}")
        return cls(
            tuple(_photo(item) for item in data["photos"]),
            tuple(SkippedPhoto(**item) for item in data["skipped"]),
            data["ignored"],
        )

    def write(self, folder: Path) -> None:
        """Write ``FOLDER/capture.json``, whole or not at all."""
        data = {"version": _VERSION, **asdict(self)}
        temporary = folder / f".{_FILE}.{os.getpid()}.part"
        try:
            text = json.dumps(data, indent=1, ensure_ascii=False, default=datetime.isoformat)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(folder / _FILE)
        finally:
            temporary.unlink(missing_ok=True)


def _photo(item: dict[str, Any]) -> PhotoFile:
    values = {field.name: item[field.name] for field in fields(PhotoFile) if field.name in item}
    values["gps"] = None if item["gps"] is None else tuple(item["gps"])
    values["time"] = None if item["time"] is None else datetime.fromisoformat(item["time"])
    return PhotoFile(**values)
