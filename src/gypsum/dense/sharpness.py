"""How much coarser the detail in a photo is than its pixels: blurred photos count for less."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.scene import View

Float64 = NDArray[np.float64]

#: Long side at which photos are judged; finer blur than that of one of its pixels is let pass.
_LONG_SIDE = 1600
#: Bands of detail: standard deviations in pixels of the Gaussians whose difference is a band.
_FINE, _MIDDLE, _COARSE = 1.0, 2.0, 6.0
#: A photo with this share of the usual fine detail or more is as sharp as any.
_SHARP = 0.6
#: The most that a photo is said to be coarser.
_MOST = 4.0


def coarseness(views: Sequence[View], threads: int = 0) -> Float64:
    """(V,) how many times larger than a pixel each photo's finest detail is; sharp ones have 1.

    What a Gaussian of one pixel removes is compared with a coarser band of the same photo, so that
    texture and exposure cancel out, and with the median of all photos, so that a lens or camera
    that is soft throughout loses nothing.
    """
    if not views:
        return np.empty(0)
    with ThreadPoolExecutor(min(threads, 4) if threads > 0 else 4) as pool:
        detail = np.array(list(pool.map(_detail, views)))
    share = detail / max(float(np.median(detail)), 1e-9)
    return np.clip(_SHARP / np.maximum(share, 1e-9), 1.0, _MOST)


def _detail(view: View) -> float:
    """Strength of the fine band against the coarser one."""
    gray = _gray(view)
    levels = [gray] + [cv2.GaussianBlur(gray, (0, 0), s) for s in (_FINE, _MIDDLE, _COARSE)]
    fine, coarse = (float(np.std(levels[i] - levels[i + 1])) for i in (0, 2))
    return fine / max(coarse, 1e-6)


def _gray(view: View) -> NDArray[np.float32]:
    small = view.limited(_LONG_SIDE)
    with Image.open(view.path) as file:
        file.draft("L", (small.width, small.height))  # JPEG is decoded at a fraction of its size
        image = file.convert("L")
    if image.size != (small.width, small.height):
        image = image.resize((small.width, small.height), Image.Resampling.BOX, reducing_gap=3)
    return np.asarray(image, np.float32)
