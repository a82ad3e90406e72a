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
#: Share of one photo's edges that stand still in the next from the same place.
_SAME = 0.55
#: Plain gaps between still edges that stand still too, pixels.
_GAP = 7
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


def still_surroundings(photos: Sequence[Path]) -> list[Bool | None]:
    """What stands still in each photo and those around it, small (height, width).

    None for photos of too short a run with the camera in one place. What is plain is not in it,
    and neither is what changes: the object turns.
    """
    pictures = [_small(photo) for photo in photos]
    starts = [0]
    for n in range(1, len(pictures)):
        if not _same_place(pictures[n - 1], pictures[n]):
            starts.append(n)
    found: list[Bool | None] = []
    for start, end in zip(starts, [*starts[1:], len(pictures)], strict=True):
        run = pictures[start:end]
        still = _surroundings(np.stack(run)) if len(run) >= _FEWEST else None
        found += [still] * len(run)
    return found


def _same_place(before: Float32, after: Float32) -> bool:
    if before.shape != after.shape:
        return False
    contrast = _contrast(before)
    edges = contrast > _EDGE
    still = np.abs(_as_bright(after, before) - before)[edges] < _STILL * contrast[edges]
    # Chance lets some edges stand still in any two pictures, but never most.
    return bool(still.mean() > _SAME) if still.size else False


def _as_bright(picture: Float32, other: Float32) -> Float32:
    """A picture with another's exposure, as most pixels have it."""
    gain = float(np.median((other + 1) / (picture + 1)))
    return (picture * np.float32(gain)).astype(np.float32)


def _surroundings(pictures: Float32) -> Bool:
    pictures = np.stack([_as_bright(picture, pictures[0]) for picture in pictures])
    usual = np.median(pictures, axis=0).astype(np.float32)
    still, _ = still_edges(pictures, usual)
    changes = np.quantile(np.abs(pictures - usual), 0.75, axis=0) > _EDGE
    size = np.ones((_GAP, _GAP), np.uint8)
    closed = cv2.morphologyEx(still.astype(np.uint8), cv2.MORPH_CLOSE, size)
    # An edge is three pixels wide here; the outer one may be the object's.
    inner = cv2.erode(((closed > 0) & ~changes).astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(inner > 0, np.bool_)


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
