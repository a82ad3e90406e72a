"""The model's true size, from lengths that people know: markers, and distances between points."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.cameras.markers import (
    PlacedMarker,
    find_markers,
    place_markers,
    place_point,
)
from gypsum.errors import InputError
from gypsum.scene import Progress, SparseModel, no_progress
from gypsum.scene.capture import Capture

Float64 = NDArray[np.float64]

#: How exactly people mark a point in a photo, pixels.
MARKING_SPREAD = 1.0
#: A length that is off from what the others say by more than this share deserves a word.
SUSPICIOUS = 0.02
#: No length in a model is known better than this share: cameras are not exact either.
LEAST_ERROR = 1e-4
#: Columns of a file of marked points.
_COLUMNS = ("name", "photo", "x", "y")


@dataclass(frozen=True)
class MarkedPoint:
    """A point that a person marked in one photo."""

    name: str
    photo: str
    """The photo's file name."""
    x: float
    y: float
    """Pixels from the upper left corner, as programs for pictures show them."""


@dataclass(frozen=True)
class KnownLengths:
    """What people know about the object's size."""

    marker_size: float | None = None
    """Side of the markers' black squares, metres."""
    distances: tuple[tuple[str, str, float], ...] = ()
    """From A to B, metres; each a marker's name or that of a marked point."""
    points: tuple[MarkedPoint, ...] = ()

    def __bool__(self) -> bool:
        return self.marker_size is not None or bool(self.distances)


@dataclass(frozen=True)
class Measure:
    """One known length, found in the model."""

    name: str
    given: float
    """Metres."""
    found: float
    """In the model's unit."""
    error: float
    """Standard error of ``found``, in the model's unit."""
    photos: int
    used: bool = True
    """Whether the scale rests on it; else it is a check."""


@dataclass(frozen=True)
class MeasuredScale:
    """Metres per unit of the model, and what that rests on."""

    kind: str
    """``"distances"`` or ``"markers"``."""
    scale: float
    error: float
    """Relative standard error of ``scale``."""
    measures: tuple[Measure, ...]
    markers: tuple[PlacedMarker, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    """Markers that were seen but could not be used, with the reason."""

    @property
    def facts(self) -> dict[str, Any]:
        """For the report."""
        used = [measure for measure in self.measures if measure.used]
        what = "distance" if self.kind == "distances" else "marker"
        whats = f"{len(used)} known {what}{'s' if len(used) > 1 else ''}"
        return {
            "metric": True,
            "scale": self.kind,
            "scale_note": f"metres from {whats}, exact to about {percent(self.error)}",
            "scale_error": self.error,
            "scale_observations": len(used),
            "measures": [
                {
                    "name": measure.name,
                    "given_m": measure.given,
                    "found_m": round(measure.found * self.scale, 6),
                    "photos": measure.photos,
                    "used": measure.used,
                }
                for measure in self.measures
            ],
            "markers_left_out": self.left_out,
        }

    @property
    def warnings(self) -> list[str]:
        """Lengths that don't fit the others."""
        found = []
        for measure in self.measures:
            off = measure.found * self.scale / measure.given - 1
            if abs(off) > SUSPICIOUS:
                found.append(
                    f"{measure.name} was given as {length(measure.given)}, but is "
                    f"{length(measure.found * self.scale)} in the model: check it."
                )
        found += [f"Marker {name} was not used: it {why}." for name, why in self.left_out.items()]
        return found


def read_points(path: Path) -> tuple[MarkedPoint, ...]:
    """A CSV file with the columns name, photo, x, y; a first line that names them may be there."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read as a file of points: {error}.") from None
    points = []
    for number, row in enumerate(lines, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or tuple(cells) == _COLUMNS:
            continue
        try:
            name, photo, x, y = cells
            points.append(MarkedPoint(name, photo, float(x), float(y)))
        except ValueError:
            raise InputError(
                f"Line {number} of {path.name} is no marked point; "
                "it should be like: corner, IMG_0001.jpg, 1204, 873."
            ) from None
    return tuple(points)


def check_lengths(lengths: KnownLengths, photos: Iterable[str]) -> None:
    """What is wrong with them however the photos look; an :class:`InputError` says it.

    ``photos`` are the paths or names of all photos.
    """
    known = {name for photo in photos for name in (photo, Path(photo).name)}
    names = {point.name for point in lengths.points}
    for a, b, _ in lengths.distances:
        if a == b:
            raise InputError(f"The distance from {a} to itself is zero; name two points.")
        for name in (a, b):
            if name not in names and not _is_marker(name):
                raise InputError(
                    f"Nothing is called {name}: --distance takes markers' numbers and names from "
                    "the file that --points gives."
                )
    for point in lengths.points:
        if point.photo not in known:
            raise InputError(
                f"Point {point.name} is marked in {point.photo}, which is none of the photos."
            )
    used = {name for a, b, _ in lengths.distances for name in (a, b)}
    for name in sorted(names & used):
        marked = {point.photo for point in lengths.points if point.name == name}
        if len(marked) < 2:
            raise InputError(f"Point {name} is marked in one photo; mark it in at least two.")


def _is_marker(name: str) -> bool:
    return name.rpartition(":")[2].isdigit()


def measure_scale(
    model: SparseModel,
    capture: Capture,
    photos_folder: Path,
    lengths: KnownLengths,
    threads: int,
    progress: Progress = no_progress,
) -> MeasuredScale | None:
    """The scale from what is known; None when nothing is.

    Distances come before markers, because people measure them over more of the object; markers are
    then a check.
    """
    if not lengths:
        return None
    names = {point.name for point in lengths.points}
    wants_markers = lengths.marker_size is not None or any(
        name not in names for a, b, _ in lengths.distances for name in (a, b)
    )
    placed: list[PlacedMarker] = []
    left_out: dict[str, str] = {}
    if wants_markers:
        sightings = find_markers(model, photos_folder, threads, progress)
        placed, left_out = place_markers(model, sightings)
    measures = list(_distances(model, capture, lengths, placed, left_out))
    if lengths.marker_size is not None:
        by_markers = [
            Measure(
                f"Marker {marker.name}", lengths.marker_size, marker.side, marker.side_error,
                marker.photos, used=not measures,
            )
            for marker in placed
        ]  # fmt: skip
        if not by_markers and not measures:
            raise InputError(_no_marker(left_out))
        measures += by_markers
    scale, error = combine([measure for measure in measures if measure.used])
    kind = "distances" if lengths.distances else "markers"
    return MeasuredScale(kind, scale, error, tuple(measures), tuple(placed), left_out)


def _no_marker(left_out: Mapping[str, str]) -> str:
    if left_out:
        name, why = next(iter(left_out.items()))
        return f"The photos' markers can't tell the scale: marker {name} {why}."
    return (
        "--marker-size was given, but no AprilTag (36h11) or ArUco marker was found in two of the "
        "photos: lay markers flat where several photos show them sharply, or leave the option out."
    )


def _distances(
    model: SparseModel,
    capture: Capture,
    lengths: KnownLengths,
    placed: Sequence[PlacedMarker],
    left_out: Mapping[str, str],
) -> Iterable[Measure]:
    markers = by_number(placed)
    points = _place_points(model, capture, lengths)
    for a, b, given in lengths.distances:
        ends = []
        for name in (a, b):
            if name in points:
                ends.append(points[name])
            elif name in markers:
                marker = markers[name]
                ends.append((marker.center, marker.covariance, marker.photos))
            else:
                raise InputError(_unknown(name, markers, left_out))
        (start, start_spread, first), (end, end_spread, second) = ends
        apart = end - start
        found = float(np.linalg.norm(apart))
        along = apart / found
        error = math.sqrt(float(along @ (start_spread + end_spread) @ along))
        yield Measure(f"Distance {a} – {b}", given, found, error, min(first, second))


def _unknown(name: str, markers: Mapping[str, PlacedMarker], left_out: Mapping[str, str]) -> str:
    if name in left_out:
        return f"Marker {name} can't be used for a distance: it {left_out[name]}."
    there = ", ".join(markers) or "none"
    return f"No two photos show marker {name}; the markers found are: {there}."


def _place_points(
    model: SparseModel, capture: Capture, lengths: KnownLengths
) -> dict[str, tuple[Float64, Float64, int]]:
    """Place, covariance and number of photos of every marked point that a distance names."""
    used = {name for a, b, _ in lengths.distances for name in (a, b)}
    photos = photo_ids(model, capture)
    places = {}
    for name in sorted({point.name for point in lengths.points} & used):
        marked = [point for point in lengths.points if point.name == name]
        # Programs count whole pixels; the middle of the first is at half a pixel.
        seen = [
            (photos[point.photo], np.array([point.x + 0.5, point.y + 0.5]))
            for point in marked
            if point.photo in photos
        ]
        place = place_point(model, seen, MARKING_SPREAD) if len(seen) >= 2 else None
        if place is None:
            raise InputError(
                f"Point {name} can't be placed: mark it in two or more of the photos that were "
                "placed, from different sides."
            )
        places[name] = (*place, len(seen))
    return places


def photo_ids(model: SparseModel, capture: Capture) -> dict[str, int]:
    """Ids of the registered photos by each name that people may know them by."""
    ids = {photo.name: photo.id for photo in model.photos.values()}
    for photo in capture.photos:
        if photo.name in ids:
            ids.setdefault(photo.source, ids[photo.name])
            ids.setdefault(Path(photo.source).name, ids[photo.name])
    return ids


def by_number(placed: Sequence[PlacedMarker]) -> dict[str, PlacedMarker]:
    """Markers by name; a bare number also names the only marker of another family with it."""
    names = {marker.name: marker for marker in placed}
    for marker in placed:
        _, colon, number = marker.name.partition(":")
        same = [other for other in placed if other.name.endswith(f":{number}")]
        if colon and len(same) == 1:
            names.setdefault(number, marker)
    return names


def combine(measures: Sequence[Measure]) -> tuple[float, float]:
    """Metres per unit, and its relative standard error, from lengths that may disagree.

    The mean of the logarithms of given by found, weighed by their variances, to which what the
    lengths disagree by beyond them is added (DerSimonian and Laird 1986).
    """
    ratios = np.log([measure.given / measure.found for measure in measures])
    errors = [measure.error / measure.found for measure in measures]
    variance = np.maximum(errors, LEAST_ERROR) ** 2
    weights = 1 / variance
    mean = float(weights @ ratios / weights.sum())
    if len(measures) > 1:
        excess = float(weights @ (ratios - mean) ** 2) - (len(measures) - 1)
        between = excess / float(weights.sum() - (weights**2).sum() / weights.sum())
        weights = 1 / (variance + max(between, 0.0))
        mean = float(weights @ ratios / weights.sum())
    return math.exp(mean), float(1 / math.sqrt(weights.sum()))


def percent(share: float) -> str:
    """``0.0021`` to ``"0.21 %"``."""
    return f"{100 * share:.2g} %"


def length(metres: float) -> str:
    """``0.25`` to ``"25 cm"``."""
    for unit, size in (("m", 1.0), ("cm", 0.01)):
        if metres >= size:
            return f"{metres / size:.4g} {unit}"
    return f"{metres / 0.001:.4g} mm"
