"""What a decoding process tells of one stored picture, and how it is written down on the way."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gypsum.capture.exif import Exif
from gypsum.capture.measure import Measures


@dataclass(frozen=True)
class Prepared:
    """An upright picture that can be used."""

    width: int
    height: int
    exif: Exif
    measures: Measures
    suffix: str
    """What its file holds, ``.jpg`` or ``.png``."""
    as_it_is: bool = False
    """Whether the user's own file serves unchanged; else the picture has been stored anew."""
    has_alpha: bool = False
    """Whether its transparency was stored beside it."""


def to_json(prepared: Prepared) -> dict[str, Any]:
    """Plain values for one line of JSON."""
    values = asdict(prepared)
    time = prepared.exif.time
    values["exif"]["time"] = None if time is None else time.isoformat()
    fingerprint = base64.b64encode(prepared.measures.fingerprint.tobytes()).decode()
    values["measures"]["fingerprint"] = fingerprint
    return values


def from_json(values: dict[str, Any]) -> Prepared:
    """The inverse of `to_json`."""
    exif, measures = dict(values["exif"]), dict(values["measures"])
    exif["time"] = None if exif["time"] is None else datetime.fromisoformat(exif["time"])
    exif["gps"] = None if exif["gps"] is None else tuple(exif["gps"])
    fingerprint = np.frombuffer(base64.b64decode(measures["fingerprint"]), np.uint8)
    measures["fingerprint"] = fingerprint.reshape(64, 64)
    return Prepared(**{**values, "exif": Exif(**exif), "measures": Measures(**measures)})


def alpha_path(target: Path) -> Path:
    """Where the transparency of the picture at ``target`` is: grey, 255 where it is opaque."""
    return target.with_name(f"{target.name}.alpha.png")


def frame_path(target: Path, number: int) -> Path:
    """Where frame ``number`` of the clip that goes to ``target`` is stored."""
    return target.with_name(f"{target.name}.{number:06d}")
