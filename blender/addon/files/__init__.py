# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of splats, by their suffix: one module per format; only SOG's pictures need Blender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..splats import SplatError, Splats
from . import ply, sog, splat, spz


@dataclass(frozen=True)
class Format:
    """How a format is read and written."""

    up: str
    """What points up in most of its files: ``Z``, ``Y`` or ``-Y``."""
    decode: Callable[[Path], Splats]
    encode: Callable[[Splats], bytes] | None = None


FORMATS = {
    ".ply": Format("Z", ply.decode, ply.encode),
    ".spz": Format("Y", spz.decode, spz.encode),
    ".sog": Format("-Y", sog.decode),
    ".splat": Format("-Y", splat.decode),
}


def format_of(path: Path) -> Format:
    """By the suffix."""
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        raise SplatError(f"{path.name} is of no known format; known are {', '.join(FORMATS)}.")
    return known


def read(path: Path) -> Splats:
    """The splats of a file, all of whose numbers are numbers."""
    known = format_of(path)
    try:
        splats = known.decode(path)
    except OSError as error:
        raise SplatError(f"{path.name} can't be read: {error.strerror or error}.") from None
    if len(splats) == 0:
        raise SplatError(f"{path.name} holds no splats.")
    parts = (splats.means, splats.log_scales, splats.quaternions, splats.harmonics)
    if not all(np.isfinite(part).all() for part in parts) or np.isnan(splats.opacities).any():
        raise SplatError(f"{path.name} has splats whose numbers are none; it is damaged.")
    return splats


def write(path: Path, splats: Splats) -> None:
    """Under a temporary name first, so that no half file ever stands there."""
    encode = format_of(path).encode
    if encode is None:
        raise SplatError(f"Splats can't be written as {path.suffix}; choose .ply or .spz.")
    try:
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(encode(splats))
        part.replace(path)
    except OSError as error:
        raise SplatError(f"{path.name} can't be written: {error.strerror or error}.") from None
