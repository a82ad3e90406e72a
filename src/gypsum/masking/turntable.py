"""Whether the camera stood still while the object turned.

Then what is seen around the object stays at the same pixels in all photos, as no walk around it
ever shows. Cameras found from it would contradict those found from the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Photos compared, the fewest of them, and their long side, pixels.
_PHOTOS, _FEWEST, _SIDE = 12, 6, 200
#: The tripod may have been moved between turns: parts of the capture looked at, and how many of
#: them must show a still camera.
_PARTS, _STILL_PARTS = 4, 2
#: Grey levels between neighbouring pixels that make an edge.
_EDGE = 12.0
#: A pixel stands still when its grey level mostly stays within this share of the edge's contrast.
_STILL = 0.35
#: Share of all edges that stand still from which on the camera did too.
_SHARE = 0.25
#: Share of all pixels that must change: photos without any turn are repeats.
_CHANGED = 0.003


def is_turntable(photos: Sequence[Path]) -> bool:
    """Whether edges in the photos mostly stay where they are while others move.

    They do so in all photos, or, as these are in order, in parts of the capture: the camera may
    have been raised between turns.
    """
    if _stays(photos):
        return True
    parts = min(_PARTS, len(photos) // _FEWEST)
    ends = np.linspace(0, len(photos), parts + 1).round().astype(int)
    still = sum(_stays(photos[ends[part] : ends[part + 1]]) for part in range(parts))
    return still >= _STILL_PARTS


def _stays(photos: Sequence[Path]) -> bool:
    if len(photos) < _FEWEST:
        return False
    chosen = np.unique(np.linspace(0, len(photos) - 1, _PHOTOS).round().astype(int))
    pictures = [_small(photos[i]) for i in chosen]
    if len({picture.shape for picture in pictures}) > 1:  # Mixed orientations: a hand held it.
        return False
    return stands_still(np.stack(pictures))


def stands_still(pictures: Float32) -> bool:
    """The same for grey pictures (N, height, width), 0 to 255."""
    usual = np.median(pictures, axis=0).astype(np.float32)
    still, edges = still_edges(pictures, usual)
    # In a walk, the median has few edges that any photo has; all edges of all photos count.
    moving = np.mean([np.count_nonzero(_contrast(p) > _EDGE) for p in pictures])
    total = max(float(np.count_nonzero(edges)), float(moving), 1.0)
    changed = np.median(np.abs(pictures - usual), axis=0) > _EDGE
    return bool(np.count_nonzero(still) > _SHARE * total and changed.mean() > _CHANGED)


def still_edges(pictures: Float32, usual: Float32) -> tuple[Bool, Bool]:
    """(height, width) edges of the median picture that stand still, and all its edges."""
    contrast = _contrast(usual)
    edges = contrast > _EDGE
    change = np.quantile(np.abs(pictures - usual), 0.75, axis=0)
    still: Bool = edges & (change < _STILL * contrast)
    return still, edges


def _contrast(picture: Float32) -> Float32:
    """Difference between the brightest and the darkest of each pixel and its neighbours."""
    kernel = np.ones((3, 3), np.uint8)
    difference: Float32 = cv2.dilate(picture, kernel) - cv2.erode(picture, kernel)
    return difference


def _small(path: Path) -> Float32:
    with Image.open(path) as file:
        file.draft("L", (2 * _SIDE, 2 * _SIDE))
        grey = file.convert("L")
        grey.thumbnail((_SIDE, _SIDE))
        return np.asarray(grey, np.float32)
