"""The object before a plain backdrop: black cloth, a white sweep, a light tent.

Where all borders of all photos show about the same colour, whatever differs from it is the object,
to a fraction of a pixel; no network is that exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: Photos looked at, their long side, and the share of it that is border.
_PHOTOS, _SIDE, _BORDER = 16, 240, 0.04
#: Grey levels that a backdrop differs from its colour, in most of the border; and from photo to
#: photo.
_EVEN, _EVEN_SHARE, _ALIKE = 20.0, 0.9, 24.0
#: The object differs by so many times what the border does at its 99th percentile, and this, grey
#: levels: folds of a cloth near the object catch more light than the photo's border does.
_TIMES, _STEP, _LEAST, _MOST = 1.5, 6.0, 14.0, 48.0
#: The backdrop itself, without folds, is this share of the border at least.
_MOSTLY = 0.5
#: What is darker or brighter than that by less is the backdrop, seen through a hole; grey levels.
_LIKE = 3.0
#: Parts smaller than this share of the largest one are specks.
_SPECK = 0.02
#: Holes smaller than this share of the object are shadows on it.
_HOLE = 0.0005
#: Reach over which the object's own colour is sought beside its outline, pixels.
_NEAR = 5


def plain_backdrop(photos: Sequence[Path]) -> bool:
    """Whether all photos show an even colour, the same one, all around."""
    chosen = np.unique(np.linspace(0, len(photos) - 1, min(len(photos), _PHOTOS)).round())
    colors = []
    for number in chosen.astype(int):
        with Image.open(photos[number]) as file:
            file.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            small = file.convert("RGB")
            small.thumbnail((_SIDE, _SIDE))
            border = _border(np.asarray(small, np.float32))
        color = np.median(border, axis=0)
        even = np.abs(border - color).max(axis=1) < _EVEN
        if even.mean() < _EVEN_SHARE:
            return False
        colors.append(color)
    return bool(np.abs(np.array(colors) - np.median(colors, axis=0)).max() < _ALIKE)


def _border(picture: Float32) -> Float32:
    """(N, 3) the pixels along the photo's border."""
    width = max(2, round(_BORDER * max(picture.shape[:2])))
    inner = np.zeros(picture.shape[:2], bool)
    inner[width:-width, width:-width] = True
    return np.asarray(picture[~inner])


def mask_on_backdrop(picture: UInt8) -> UInt8:
    """(h, w) how much of each pixel of a photo (h, w, 3) is the object, 0 to 255."""
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.6)
    border = _border(smooth)
    color = np.median(border, axis=0)
    difference = np.abs(smooth - color).max(axis=2)
    usual, most = np.quantile(np.abs(border - color).max(axis=1), (_MOSTLY, 0.99))
    least = float(np.clip(_TIMES * most + _STEP, _LEAST, _MOST))
    rough = difference > least
    # An outline's pixel is object by as much as it has of the object's own colour, found beside it.
    kernel = np.ones((2 * _NEAR + 1, 2 * _NEAR + 1), np.uint8)
    full = cv2.dilate(cv2.GaussianBlur(difference, (0, 0), 1.0), kernel)
    share = np.clip(difference / np.maximum(full, 2 * least), 0, 1)
    rough = cv2.morphologyEx(rough.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    rough = _without_holes(_without_specks(rough), difference, float(usual))
    inner = cv2.erode(rough.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    outer = cv2.dilate(rough.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    mask = np.where(inner, 1.0, np.where(outer, share, 0.0))
    return np.asarray((255 * mask).round(), np.uint8)


def _without_specks(mask: Bool) -> Bool:
    """The large parts."""
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large: Bool = (sizes >= _SPECK * sizes.max())[labels]
    return large & mask


def _without_holes(mask: Bool, difference: Float32, usual: float) -> Bool:
    """Without holes that are shadows on the object: small ones, and those unlike the backdrop.

    ``difference`` (h, w) from the backdrop's colour is ``usual`` at the photo's border.
    """
    labels, count = ndimage.label(~mask)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    number = np.arange(1, count + 1)
    typical = ndimage.median(difference, labels, number)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    shadow = (typical > usual + _LIKE) | (sizes < _HOLE * np.count_nonzero(mask))
    shadow &= ~np.isin(number, border)
    return mask | np.isin(labels, number[shadow])
