"""All files of a scan as one cloud of a size that fits: read in pieces, one point kept per cell.

The cells of the grid are small at first and double whenever there are more of them than may be, so
one pass over any number of points ends with the finest grid that fits (``native/cloud/grid.cpp``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.formats.clouds import Chunk, CloudFile
from gypsum.native import _cloud
from gypsum.scene import Place, PointCloud, Progress, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

NOISE = (7, 18)
"""ASPRS classes of points that hit nothing real."""
BYTES_PER_POINT = 300
"""Of the cloud that is kept, in the hungriest stage: the grid with its table, or the neighbours."""
_SPACING_SAMPLE = 20_000
_FIRST_CELL = 0.25
"""Of the first cells, in the distance between neighbouring points of the first piece."""
_SMALLEST = 1e-6
"""Of the first cells, in the extent of the first piece."""
_DARK, _BRIGHT = 2, 98
"""Percentiles of intensity that become black and white."""
_GRAY = 190


@dataclass(frozen=True)
class Motion:
    """How a scan is moved into the common frame: ``turn @ x + shift``, in its file's unit."""

    turn: Float64
    """(3, 3) rotation."""
    shift: Float64
    """(3,)"""

    def moved(self, points: NDArray[np.floating]) -> Float64:
        """Points (N, 3) in the common frame."""
        return np.asarray(points @ self.turn.T + self.shift, np.float64)

    def after(self, other: Motion) -> Motion:
        """Both, ``other`` first."""
        return Motion(self.turn @ other.turn, self.turn @ other.shift + self.shift)

    @property
    def back(self) -> Motion:
        """The other way."""
        return Motion(self.turn.T, -self.turn.T @ self.shift)


@dataclass(frozen=True)
class Gathered:
    """One cloud of everything."""

    cloud: PointCloud
    """With zero normals; ``support`` is how many points each stands for."""
    facing: Float32
    """(N, 3) to where each point was seen from, as a mean of unit vectors; zero where unknown."""
    edge: float
    """Of a cell, metres."""
    given: int
    """Points read."""
    colored: bool
    """Whether the files have colours; else they are the intensity's."""


Key = tuple[int, int]
"""A scan: the number of its file, and its own in that."""


def gather(
    files: Sequence[tuple[CloudFile, str]],
    most: int,
    *,
    motions: Mapping[Key, Motion | None] | None = None,
    progress: Progress = no_progress,
) -> Gathered:
    """Read files of points, keeping at most ``most``.

    Args:
        files: opened files and what to call them.
        most: points to keep.
        motions: how scans are moved; those with None are left out, others stay as they are.
        progress: told how far it is.
    """
    collector = _Collector(most)
    moved = motions or {}
    for key, chunk in _chunks(files, progress):
        if key not in moved:
            collector.add(chunk, files[key[0]][0])
        elif (motion := moved[key]) is not None:
            collector.add(chunk, files[key[0]][0], motion)
    return collector.finish(files)


def gather_each(
    files: Sequence[tuple[CloudFile, str]], most: int, *, progress: Progress = no_progress
) -> dict[Key, Gathered]:
    """Each scan for itself, thinned to at most ``most`` points, all in one local frame."""
    collectors: dict[Key, _Collector] = {}
    place: Place | None = None
    for key, chunk in _chunks(files, progress):
        if key not in collectors:
            collectors[key] = _Collector(most, place)
        collectors[key].add(chunk, files[key[0]][0])
        place = collectors[key].place
    return {key: collector.finish(files) for key, collector in sorted(collectors.items())}


def place_of(files: Sequence[tuple[CloudFile, str]]) -> Place:
    """Where the cloud of all files would lie, by the first of their points."""
    key, chunk = next(_chunks(files, no_progress), ((0, 0), None))
    return Place() if chunk is None else _place_of(chunk.points, files[key[0]][0])


def _place_of(points: Float64, file: CloudFile) -> Place:
    return Place.around(points.min(axis=0), points.max(axis=0), file.crs)


def _chunks(
    files: Sequence[tuple[CloudFile, str]], progress: Progress
) -> Iterator[tuple[Key, Chunk]]:
    """All points but noise, with the scan that they are of."""
    total, given = sum(file.count or 0 for file, _ in files), 0
    for number, (file, name) in enumerate(files):
        for chunk in file.chunks():
            given += len(chunk.points)
            shown = f"reading {name}, {given / 1e6:.1f} million points"
            progress(min(given / total, 0.99) if total else 0.5, shown)
            if chunk.classes is not None:
                chunk = chunk.select(~np.isin(chunk.classes, NOISE))
            if len(chunk.points):
                yield (number, chunk.scan), chunk


class _Collector:
    """A cloud while it is gathered."""

    def __init__(self, most: int, place: Place | None = None) -> None:
        self.place = place
        self._most = most
        self._grid: _cloud.Grid | None = None
        self._tones: _Tones | None = None
        self._given, self._colored = 0, False

    def add(self, chunk: Chunk, file: CloudFile, motion: Motion | None = None) -> None:
        """Some points of a file."""
        points = chunk.points if motion is None else motion.moved(chunk.points)
        if self.place is None:
            self.place = _place_of(points, file)
        if self._tones is None:
            self._tones = _Tones.of(chunk)
        local = np.ascontiguousarray(self.place.local(points))
        if self._grid is None:
            self._grid = _cloud.Grid(_first_edge(local), self._most)
        self._given += len(points)
        self._colored |= chunk.colors is not None
        self._grid.add(
            local,
            self._tones.colors(chunk),
            _facing(chunk, points, file, motion),
            np.zeros(len(local), np.float32) if chunk.intensity is None else chunk.intensity,
            np.zeros(len(local), np.uint8) if chunk.classes is None else chunk.classes,
        )

    def finish(self, files: Sequence[tuple[CloudFile, str]]) -> Gathered:
        """The cloud of all that was added."""
        if self._grid is None or self.place is None:
            raise InputError(f"{files[0][1]} holds no points that can be used.")
        points, colors, facing, intensity, classes, counts = self._grid.finish()
        cloud = PointCloud(
            points,
            np.zeros_like(points),
            colors,
            support=np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16),
            intensity=intensity if intensity.any() else None,
            classes=classes if classes.any() else None,
            place=None if self.place.trivial else self.place,
        )
        return Gathered(cloud, facing, self._grid.edge, self._given, self._colored)


@dataclass(frozen=True)
class _Tones:
    """How intensities are shown where there are no colours."""

    dark: float
    bright: float

    @classmethod
    def of(cls, chunk: Chunk) -> _Tones:
        if chunk.intensity is None:
            return cls(0, 0)
        dark, bright = np.percentile(chunk.intensity, [_DARK, _BRIGHT])
        return cls(float(dark), float(bright))

    def colors(self, chunk: Chunk) -> UInt8:
        """sRGB (N, 3): the file's, else a grey."""
        if chunk.colors is not None:
            return np.ascontiguousarray(chunk.colors)
        if chunk.intensity is None or self.bright <= self.dark:
            return np.full(chunk.points.shape, _GRAY, np.uint8)
        share = (chunk.intensity - self.dark) / (self.bright - self.dark)
        gray = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(gray[:, None], 3, axis=1))


def _facing(chunk: Chunk, points: Float64, file: CloudFile, motion: Motion | None) -> Float32:
    """(N, 3) unit vectors to the side that was seen; zero where neither normals nor places tell."""
    if chunk.normals is not None and chunk.normals.any():
        turned = chunk.normals if motion is None else chunk.normals @ motion.turn.T
        return np.ascontiguousarray(turned, np.float32)
    position = file.scans[chunk.scan].position if chunk.scan < len(file.scans) else None
    if position is None:
        return np.zeros(points.shape, np.float32)
    eye = np.array([position])
    away = (eye if motion is None else motion.moved(eye)) - points
    length = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(away / np.maximum(length, 1e-12), np.float32)


def _first_edge(points: Float64) -> float:
    """A cell well below the distance between the first points."""
    low = points.min(axis=0)
    near = np.ascontiguousarray(points - low, np.float32)
    some = near[:: max(1, len(near) // _SPACING_SAMPLE)]
    _, distance = _cloud.nearest(near, np.ascontiguousarray(some), 2, 0)
    extent = float(np.ptp(points, axis=0).max())
    return max(_FIRST_CELL * float(np.median(distance[:, -1])), _SMALLEST * extent, 1e-9)


def write_gathered(path: Path, held: Gathered) -> None:
    """Keep a cloud for the next stage."""
    cloud = held.cloud
    facts = {
        "edge": held.edge,
        "given": held.given,
        "colored": held.colored,
        "place": None if cloud.place is None else cloud.place.as_json(),
    }
    arrays = {name: getattr(cloud, name) for name in _ARRAYS if getattr(cloud, name) is not None}
    with atomic_write(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            facing=held.facing,
            facts=np.frombuffer(json.dumps(facts).encode(), np.uint8),
            **arrays,
        )


def read_gathered(path: Path) -> Gathered:
    """Read what :func:`write_gathered` wrote."""
    with np.load(path) as arrays:
        facts = json.loads(arrays["facts"].tobytes())
        fields = {name: arrays[name] for name in _ARRAYS if name in arrays}
        facing = arrays["facing"]
    place = None if facts["place"] is None else Place.from_json(facts["place"])
    cloud = PointCloud(**fields, place=place)
    return Gathered(cloud, facing, facts["edge"], facts["given"], facts["colored"])


_ARRAYS = ("points", "normals", "colors", "radii", "support", "intensity", "classes")
