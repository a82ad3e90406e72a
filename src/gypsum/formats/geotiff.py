"""GeoTIFF (OGC 19-008): a picture of heights that knows where it lies."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from gypsum.scene import Crs

NO_DATA = -9999.0

_SCALE, _TIE, _KEYS, _DOUBLES, _TEXT, _NO_DATA = 33550, 33922, 34735, 34736, 34737, 42113
_MODEL_TYPE, _RASTER_TYPE, _CITATION, _PROJECTED = 1024, 1025, 1026, 3072
_AREA = 1
_SHORT, _DOUBLE, _ASCII = 3, 12, 2


def encode_heights(
    heights: NDArray[np.float32],
    west: float,
    north: float,
    cell: tuple[float, float],
    crs: Crs | None,
) -> bytes:
    """Heights (H, W), northernmost row first, NaN where unknown.

    ``west`` and ``north`` are the outer edges, ``cell`` a cell's width and height.
    """
    tags = ImageFileDirectory_v2()
    _add(tags, _SCALE, _DOUBLE, (*cell, 0.0))
    _add(tags, _TIE, _DOUBLE, (0.0, 0.0, 0.0, west, north, 0.0))
    keys, doubles, text = _keys(crs)
    _add(tags, _KEYS, _SHORT, keys)
    if doubles:
        _add(tags, _DOUBLES, _DOUBLE, doubles)
    if text:
        _add(tags, _TEXT, _ASCII, text)
    _add(tags, _NO_DATA, _ASCII, f"{NO_DATA:g}")
    known = np.where(np.isfinite(heights), heights, np.float32(NO_DATA)).astype(np.float32)
    buffer = io.BytesIO()
    image = Image.fromarray(known)
    image.save(buffer, "TIFF", compression="tiff_adobe_deflate", tiffinfo=tags)
    return buffer.getvalue()


def _add(tags: ImageFileDirectory_v2, tag: int, kind: int, value: object) -> None:
    tags.tagtype[tag] = kind
    tags[tag] = value


def _keys(crs: Crs | None) -> tuple[tuple[int, ...], tuple[float, ...], str]:
    """The directory of keys with its numbers and its text."""
    if crs is not None and len(crs.keys) >= 4:
        # As the file of points has them, but for what a cell's value stands for.
        entries = [crs.keys[at : at + 4] for at in range(4, len(crs.keys) - 3, 4)]
        kept = [entry for entry in entries if entry[0] != _RASTER_TYPE and entry[0] != 0]
        kept = sorted([*kept, (_RASTER_TYPE, 0, 1, _AREA)])
        head = (*crs.keys[:3], len(kept))
        return (*head, *(value for entry in kept for value in entry)), crs.doubles, crs.text
    entries = [(_RASTER_TYPE, 0, 1, _AREA)]
    text = ""
    if crs is not None and crs.epsg is not None:
        entries += [(_MODEL_TYPE, 0, 1, 1), (_PROJECTED, 0, 1, crs.epsg)]
    elif crs is not None and crs.name:
        text = crs.name.encode("ascii", "replace").decode() + "|"
        entries += [(_MODEL_TYPE, 0, 1, 32767), (_CITATION, _TEXT, len(text), 0)]
    entries.sort()
    return (1, 1, 0, len(entries), *(value for entry in entries for value in entry)), (), text
