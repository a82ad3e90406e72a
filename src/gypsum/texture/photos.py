"""Streaming photos: one at work, the next one being decoded, no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.scene import View


def stream(views: Sequence[View]) -> Iterator[tuple[View, NDArray[np.uint8]]]:
    """Each view with its picture (height, width, 3), in order."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = reader.submit(_read, views[0]) if views else None
        for number, view in enumerate(views):
            assert waiting is not None
            picture = waiting.result()
            if number + 1 < len(views):
                waiting = reader.submit(_read, views[number + 1])
            yield view, picture


def _read(view: View) -> NDArray[np.uint8]:
    try:
        return np.ascontiguousarray(view.read())
    except OSError as error:
        raise InputError(f"Photo {view.path} can't be read any more: {error}.") from error
