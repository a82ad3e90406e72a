"""COLMAP's ``.vis`` beside a fused cloud: which photos see each point, little-endian.

``uint64`` number of points, then for each point ``uint32`` number of photos and their ``uint32``
numbers, counted from 0 in the order of the sparse model. COLMAP's meshers read it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.scene import ViewLists

#: Points written at a time.
_BLOCK = 1 << 20


def visibility_path(cloud: Path) -> Path:
    """Where the view lists of ``cloud.ply`` are kept: ``cloud.ply.vis``."""
    return cloud.with_name(cloud.name + ".vis")


def write_visibility(path: Path, views: ViewLists) -> None:
    """Write a row for each point."""
    with atomic_write(path) as file:
        file.write(np.uint64(len(views)).astype("<u8").tobytes())
        for first in range(0, len(views), _BLOCK):
            starts = views.starts[first : first + _BLOCK + 1]
            photos = views.photos[starts[0] : starts[-1]]
            values = np.empty(len(starts) - 1 + len(photos), "<u4")
            counts_at = starts[:-1] - starts[0] + np.arange(len(starts) - 1)
            is_photo = np.ones(len(values), bool)
            is_photo[counts_at] = False
            values[counts_at] = np.diff(starts)
            values[is_photo] = photos
            file.write(values.tobytes())


def read_visibility(path: Path) -> ViewLists:
    """Read what ``write_visibility`` or COLMAP wrote."""
    data = path.read_bytes()
    values = np.frombuffer(data, "<u4", len(data) // 4)
    points = int(values[:2].view("<u8")[0]) if len(values) > 1 else 0
    values = values[2:]
    counts, photos = np.zeros(points, np.int64), np.ones(len(values), bool)
    place = 0
    for point in range(points):
        if place >= len(values):
            break
        counts[point] = values[place]
        photos[place] = False
        place += 1 + int(values[place])
    if place != len(values) or len(data) < 8:
        raise InputError(f"{path} is damaged; make it again.")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ViewLists(starts, values[photos].astype(np.uint16))
