"""The outline of an object in one photo, at the photo's own edges."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]

#: Of the guided filter: its window's radius in pixels, and the contrast that counts as an edge.
_RADIUS, _EDGE = 3, 1e-3
#: Beyond these odds a pixel is not asked again.
_SURE = 2.0
_ROUNDS = 2
_MARGIN = 20


def guided(picture: UInt8, values: Float32) -> Float32:
    """``values`` (height, width) smoothed, but not across edges of the picture (sRGB).

    He, Sun and Tang, "Guided image filtering", PAMI 2013, with the grey picture as guide.
    """
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    size = (2 * _RADIUS + 1, 2 * _RADIUS + 1)
    mean, mean_values = cv2.blur(guide, size), cv2.blur(values, size)
    variance = cv2.blur(guide * guide, size) - mean * mean
    slope = (cv2.blur(guide * values, size) - mean * mean_values) / (variance + _EDGE)
    offset = mean_values - slope * mean
    smoothed: Float32 = cv2.blur(slope, size) * guide + cv2.blur(offset, size)
    return smoothed


def cut(picture: UInt8, odds: Float32) -> Bool:
    """What is object, from how likely each pixel is (logarithm of odds) and the photo's edges.

    Rother, Kolmogorov and Blake, "GrabCut", SIGGRAPH 2004; the pixels that are sure stay.
    """
    sure_out = odds < -_SURE
    found = np.zeros(odds.shape, np.bool_)
    rows, columns = np.nonzero(~sure_out)
    if not len(rows) or not (odds > 0).any():
        return found
    part = (
        slice(max(0, rows.min() - _MARGIN), rows.max() + _MARGIN + 1),
        slice(max(0, columns.min() - _MARGIN), columns.max() + _MARGIN + 1),
    )
    labels = np.where(odds > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[sure_out], labels[odds > _SURE] = cv2.GC_BGD, cv2.GC_FGD
    labels = np.ascontiguousarray(labels[part])
    both = (labels % 2 == 1).any() and (labels % 2 == 0).any()
    if both:
        cv2.setRNGSeed(0)  # Its clusters begin at random; the state is each thread's own.
        model = np.zeros((1, 65)), np.zeros((1, 65))
        crop = np.ascontiguousarray(picture[part])
        cv2.grabCut(crop, labels, None, *model, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found[part] = labels % 2 == 1
    return found
