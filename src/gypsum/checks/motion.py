"""Whether anything moved by itself, which photos repeat each other, and what does not match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.scene.capture import PhotoFile
from gypsum.scene.preview import PairPreview, Preview

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Matches that make a motion of its own, and the share of their neighbours that move with them:
#: a thing hangs together, while markings that repeat lie among others.
_LEAST_MATCHES = 15
_TOGETHER = 0.75
_NEIGHBOURS = 6
#: Fewer pairs may show a motion by chance.
LEAST_PAIRS = 4
#: A thing that never rests: so many of its points fit the camera's motion in less than half of
#: the pairs that match them. Those of markings that repeat fit it in most.
_RESTLESS, _SELDOM = 0.6, 0.5
#: Two photos are of the same place when points move by less than this share of the longer side.
_SAME_PLACE = 0.006
#: Points that stay where they are in the picture while others move: a camera that stands still.
_STILL = 0.003
#: Photos that differ by less than this (degrees) should show the same points.
_NEAR = 35.0
#: The subject is sought within this share of the half width and height.
_MIDDLE = 0.55


@dataclass(frozen=True)
class Moved:
    """A thing that stands elsewhere in later photos."""

    photo: int
    """The first photo after it moved."""
    pairs: int
    """Pairs of photos that show it."""
    share: float
    """Of the pairs with one photo before and one after, those that show it."""
    within: float
    """The same of the other pairs: what chance and repeating things give."""


def find_moved(preview: Preview) -> Moved | None:
    """Where a thing of its own motion divides the photos best; None when no pair shows any.

    A thing that was pushed moves against its surroundings in pairs across that moment, and stays
    with them in all other pairs. Markings that repeat look like another motion too, at any time.
    """
    count = len(preview.points)
    shows = np.zeros((count, count), np.bool_)
    pairs = np.zeros((count, count), np.bool_)
    for pair in preview.pairs:
        pairs[pair.first, pair.second] = True
        shows[pair.first, pair.second] = _has_own_motion(preview, pair)
    if not shows.any():
        return None
    found = [_split(shows, pairs, at) for at in range(2, count - 1)]
    return max(
        found,
        key=lambda moved: (moved.pairs >= LEAST_PAIRS, moved.share - moved.within, moved.pairs),
        default=None,
    )


def _split(shows: Bool, pairs: Bool, at: int) -> Moved:
    across, shown = int(pairs[:at, at:].sum()), int(shows[:at, at:].sum())
    within, elsewhere = int(pairs.sum()) - across, int(shows.sum()) - shown
    return Moved(at, shown, shown / max(1, across), elsewhere / max(1, within))


def _has_own_motion(preview: Preview, pair: PairPreview) -> bool:
    if int((pair.motion == 2).sum()) < _LEAST_MATCHES:
        return False
    used = pair.motion > 0
    own = pair.motion[used] == 2
    for column, photo in enumerate((pair.first, pair.second)):
        xy = preview.points[photo][pair.matches[used, column]]
        _, near = cKDTree(xy).query(xy[own], k=min(_NEIGHBOURS + 1, len(xy)))
        if own[near[:, 1:]].mean() < _TOGETHER:
            return False
    return True


@dataclass(frozen=True)
class Moving:
    """Things that move all the time, seen in pairs of photos taken near each other."""

    pairs: tuple[tuple[int, int], ...]
    """Those that show it."""
    share: float
    """Of all such pairs."""
    size: float
    """Share of the matches that are on the thing, median of the pairs that show it."""

    @property
    def photos(self) -> tuple[int, ...]:
        """Numbers of the photos that show it."""
        return tuple(sorted({number for pair in self.pairs for number in pair}))


def find_moving(preview: Preview) -> Moving:
    """What moves from photo to photo against everything else, like a person or an animal.

    Its points have a common motion of their own, and fit the camera's nowhere: what moved but
    once, or a marking that repeats, stays with its surroundings in most other pairs.
    """
    steady = _steady_shares(preview)
    shown: list[tuple[int, int]] = []
    sizes: list[float] = []
    looked = 0
    for pair in preview.pairs:
        if _turn(pair) >= _NEAR:
            continue
        looked += 1
        if _has_own_motion(preview, pair) and all(
            (steady[photo][pair.matched(photo, 2)] < _SELDOM).mean() > _RESTLESS
            for photo in (pair.first, pair.second)
        ):
            shown.append((pair.first, pair.second))
            sizes.append(float((pair.motion == 2).sum() / (pair.motion > 0).sum()))
    size = float(np.median(sizes)) if sizes else 0.0
    return Moving(tuple(shown), len(shown) / max(1, looked), size)


def _steady_shares(preview: Preview) -> list[Float64]:
    """For each point the share of its matches of one motion or another that fit the camera's."""
    fits = [np.zeros(len(points)) for points in preview.points]
    all_of_it = [np.zeros(len(points)) for points in preview.points]
    for pair in preview.pairs:
        for photo in (pair.first, pair.second):
            np.add.at(fits[photo], pair.matched(photo), 1)
            for motion in (1, 2):
                np.add.at(all_of_it[photo], pair.matched(photo, motion), 1)
    return [fit / np.maximum(1, total) for fit, total in zip(fits, all_of_it, strict=True)]


def _turn(pair: PairPreview) -> float:
    """The angle between two photos, degrees."""
    cosine = np.clip((np.trace(pair.rotation) - 1) / 2, -1, 1)
    return float(np.degrees(np.arccos(cosine)))


def turntable_share(photos: Sequence[PhotoFile], preview: Preview) -> float:
    """The share of pairs in which one part stands still in the picture and another moves."""
    if not preview.pairs:
        return 0.0
    shown = 0
    for pair in preview.pairs:
        moves = _moves(photos, preview, pair)
        still = int((moves < _STILL).sum())
        turning = int(((pair.motion > 0) & (moves > 4 * _STILL)).sum())
        shown += still >= _LEAST_MATCHES and turning >= _LEAST_MATCHES
    return shown / len(preview.pairs)


def same_places(photos: Sequence[PhotoFile], preview: Preview) -> dict[int, int]:
    """Photos taken from the same place as an earlier one: number to number."""
    same: dict[int, int] = {}
    for pair in preview.pairs:
        rigid = pair.motion == 1
        moves = _moves(photos, preview, pair)[rigid]
        if len(moves) and float(np.median(moves)) < _SAME_PLACE:
            same.setdefault(pair.second, pair.first)
    return same


def _moves(photos: Sequence[PhotoFile], preview: Preview, pair: PairPreview) -> Float64:
    """(M,) how far each match moves in the picture, as a share of the longer side."""
    first, second = (
        preview.points[k][pair.matches[:, column]] / max(photos[k].width, photos[k].height)
        for column, k in enumerate((pair.first, pair.second))
    )
    moves: Float64 = np.linalg.norm(first - second, axis=1)
    return moves


def steadiness(photos: Sequence[PhotoFile], preview: Preview) -> tuple[float, float]:
    """The shares of points in the middle and around it that match in a photo taken near by.

    Reflections have detail that matches nowhere, as they move over the surface with the camera.
    """
    matched = [np.zeros(len(points), np.bool_) for points in preview.points]
    near = np.zeros(len(photos), np.bool_)
    for pair in preview.pairs:
        if _turn(pair) < _NEAR:
            for photo in (pair.first, pair.second):
                matched[photo][pair.matched(photo)] = True
                near[photo] = True
    inside, outside = [], []
    for photo in np.flatnonzero(near).tolist():
        size = (photos[photo].width, photos[photo].height)
        middle = _in_middle(preview.points[photo], size)
        inside.append(matched[photo][middle])
        outside.append(matched[photo][~middle])
    if not inside:
        return 0.0, 0.0
    return _mean(np.concatenate(inside)), _mean(np.concatenate(outside))


def _in_middle(xy: NDArray[np.floating], size: tuple[int, int]) -> Bool:
    offset = xy / np.array(size) * 2 - 1
    inside: Bool = (offset**2).sum(axis=1) < _MIDDLE**2
    return inside


def _mean(values: Bool) -> float:
    return float(values.mean()) if len(values) else 0.0
