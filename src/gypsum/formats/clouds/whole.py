"""A file of points as one cloud in memory, for converting it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.clouds.cloud_file import Chunk, CloudFile
from gypsum.scene import Place, PointCloud

MOST = 30_000_000
"""Points that are held whole."""
_GRAY = 190


def whole_cloud(opened: CloudFile, name: str) -> PointCloud:
    """All points, in metres around an origin that keeps them exact."""
    chunks: list[Chunk] = []
    count = 0
    for chunk in opened.chunks():
        count += len(chunk.points)
        if count > MOST:
            raise InputError(
                f"{name} has more than {MOST // 10**6} million points; gypsum scan --mode lidar "
                "reads files of any size."
            )
        chunks.append(chunk)
    chunks = [chunk for chunk in chunks if len(chunk.points)]
    if not chunks:
        raise InputError(f"{name} holds no points.")
    low = np.min([chunk.points.min(axis=0) for chunk in chunks], axis=0)
    high = np.max([chunk.points.max(axis=0) for chunk in chunks], axis=0)
    place = Place.around(low, high, opened.crs)
    points = [place.local(chunk.points).astype(np.float32) for chunk in chunks]
    return PointCloud(
        np.concatenate(points),
        np.concatenate([_or_zero(c.normals, len(c.points)) for c in chunks]),
        np.concatenate([_or_gray(chunk) for chunk in chunks]),
        intensity=_joined([chunk.intensity for chunk in chunks]),
        classes=_joined([chunk.classes for chunk in chunks]),
        place=None if place.trivial else place,
    )


def _or_zero(normals: NDArray[Any] | None, count: int) -> NDArray[Any]:
    return np.zeros((count, 3), np.float32) if normals is None else normals


def _or_gray(chunk: Chunk) -> NDArray[Any]:
    if chunk.colors is not None:
        return chunk.colors
    return np.full((len(chunk.points), 3), _GRAY, np.uint8)


def _joined(parts: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Of all chunks or of none."""
    held = [part for part in parts if part is not None]
    return np.concatenate(held) if len(held) == len(parts) else None
