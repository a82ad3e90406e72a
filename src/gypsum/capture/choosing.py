"""Which frames of a clip become photos: sharp ones, each seen from somewhere else than the last.

Features are tracked from frame to frame on a small picture (Lucas and Kanade's method in pyramids,
Bouguet 2000; features by Shi and Tomasi 1994). How far they have moved among each other since the
last frame that was taken tells how far the camera has gone: turning it moves all alike, and
holding it still moves none. Within each short stretch of the way the sharpest frame is taken.

The whole clip is seen once. Frames are taken at fine steps; when they become too many, stretches
are made twice as long, and of two frames the sharper stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.capture.measure import WORKING_SIDE, sharpness

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

STEP = 0.012
"""Parallax between two stretches, in units of the longer side: 4° to 6° around an object."""
_FROM, _TO = 0.6, 1.4
"""The sharpest frame is sought between these shares of a step."""
_COMMON = 0.2
"""How much of the motion that all features share counts: walking along a wall moves all alike,
and so does turning the camera, which shows nothing new of depth but something new beside."""
_SPREAD = 75
"""Percentile of the features' own motions: a quarter moves more."""

_TRACKING_SIDE = 480
_FEATURES = 300
_FEATURES_MIN = 30
"""Fewer tell no motion."""
_SURVIVING = 0.35
"""Share of the features below which the view is another: the camera swept, or the scene was cut."""
_WINDOW = {"winSize": (17, 17), "maxLevel": 4}

_BLURRED = 0.6
"""A frame less sharp than this share of its neighbours' median would blur the texture."""
_NEIGHBORS = 7
_OFF_CENTER = 0.5
"""How much sharpness a frame at the end of its stretch must be ahead, so that gaps stay even."""


@dataclass
class Candidate:
    """A frame that may be taken."""

    number: int
    """In the clip, from 0."""
    way: float
    """Parallax gone from the clip's beginning, in steps."""
    sharpness: float


Store = Callable[[Candidate, UInt8], None]
Drop = Callable[[Candidate], None]


def choose_frames(
    frames: Iterable[UInt8], most: int, store: Store, drop: Drop, every: int = 1
) -> tuple[list[Candidate], int]:
    """The frames to take, at most ``most``, in order, and how many frames there were.

    Frames are (H, W, 3): blue, green, red; of the clip's, each ``every``-th. ``store`` is called
    with every picture that may be taken; up to twice ``most`` are stored at a time, and those not
    taken after all are dropped.
    """
    stretches = _Stretches(most, store, drop)
    walk = _Walk(stretches)
    count = 0
    for seen, picture in enumerate(frames):
        walk.see(seen * every, picture)
        count = (seen + 1) * every
    walk.end()
    taken = _evenly(stretches.finish(), most)
    chosen = _without_blurred(taken)
    kept = {candidate.number for candidate in chosen}
    for candidate in stretches.kept:
        if candidate.number not in kept:
            drop(candidate)
    return chosen, count


@dataclass
class _Stretches:
    """Of each stretch of the way the sharpest frame; stretches grow as frames become too many."""

    most: int
    store: Store
    drop: Drop
    kept: list[Candidate] = field(default_factory=list)
    _length: int = 1
    """Steps that make a stretch."""
    _best: tuple[Candidate, UInt8] | None = None
    _steps: int = 0

    def add(self, candidate: Candidate, picture: UInt8) -> None:
        """Take the best frame of one further step."""
        if self._best is None or candidate.sharpness > self._best[0].sharpness:
            self._best = candidate, picture
        self._steps += 1
        if self._steps >= self._length:
            self._close()
        if len(self.kept) >= 2 * self.most:
            self._halve()

    def finish(self) -> list[Candidate]:
        """All that is kept, with the last stretch."""
        self._close()
        return self.kept

    def _close(self) -> None:
        if self._best is not None:
            self.store(*self._best)
            self.kept.append(self._best[0])
        self._best, self._steps = None, 0

    def _halve(self) -> None:
        pairs = [self.kept[i : i + 2] for i in range(0, len(self.kept), 2)]
        self.kept = [max(pair, key=lambda candidate: candidate.sharpness) for pair in pairs]
        for pair in pairs:
            for candidate in pair:
                if not any(candidate is kept for kept in self.kept):
                    self.drop(candidate)
        self._length *= 2


class _Walk:
    """Follows the camera and gives the sharpest frame of each step to the stretches."""

    def __init__(self, stretches: _Stretches) -> None:
        self._stretches = stretches
        self._way = 0.0
        self._before: UInt8 | None = None
        self._last: _Tracks | None = None
        """From the last frame that was given, or from where tracking began anew."""
        self._best: tuple[Candidate, UInt8, _Tracks] | None = None

    def see(self, number: int, picture: UInt8) -> None:
        """The next frame."""
        luma = _luma(picture)
        small = _shrunk(luma)
        self._follow(small)
        self._before = small
        if self._last is None or self._last.is_lost:
            self._give()
            self._last = _Tracks.begin(small, gone=_FROM)
            if self._last is None:
                return
        step = self._last.gone + self._last.parallax()
        if step >= _TO:
            self._give()
            step = self._last.gone + self._last.parallax()
        if step >= _FROM:
            self._consider(Candidate(number, self._way + step, sharpness(luma)), picture, small)

    def end(self) -> None:
        """The clip is over."""
        self._give()

    def _follow(self, small: UInt8) -> None:
        if self._before is None or self._last is None:
            return
        self._last.follow(self._before, small)
        if self._best is not None:
            self._best[2].follow(self._before, small)

    def _consider(self, candidate: Candidate, picture: UInt8, small: UInt8) -> None:
        if self._best is None or candidate.sharpness > self._best[0].sharpness:
            tracks = _Tracks.begin(small)
            if tracks is not None:
                self._best = candidate, picture, tracks

    def _give(self) -> None:
        """The best frame since the last ends this step, and the next begins at it."""
        if self._best is not None:
            candidate, picture, tracks = self._best
            self._stretches.add(candidate, picture)
            self._way, self._last, self._best = candidate.way, tracks, None


@dataclass
class _Tracks:
    """Features where they were in one frame and where they are now."""

    then: Float32
    """(N, 2) units of the longer side."""
    now: Float32
    """(N, 2) pixels of the small picture."""
    side: int
    first: int
    """How many there were."""
    gone: float = 0.0
    """Steps that count as gone where tracking began: the first frames are as good as any."""

    @classmethod
    def begin(cls, small: UInt8, gone: float = 0.0) -> _Tracks | None:
        """Features of a frame; None where there are too few."""
        side = max(small.shape)
        found = cv2.goodFeaturesToTrack(small, _FEATURES, 0.01, side / 60)
        if found is None or len(found) < _FEATURES_MIN:
            return None
        points = found.reshape(-1, 2).astype(np.float32)
        return cls(points / side, points, side, len(points), gone)

    @property
    def is_lost(self) -> bool:
        """Whether too few are left to tell a motion."""
        return len(self.now) < max(_FEATURES_MIN / 2, _SURVIVING * self.first)

    def follow(self, before: UInt8, small: UInt8) -> None:
        """On to the next frame; features that can't be found are left out."""
        if not len(self.now):
            return
        moved, found, error = cv2.calcOpticalFlowPyrLK(before, small, self.now, None, **_WINDOW)
        height, width = small.shape
        inside = ((moved >= 0) & (moved < (width, height))).all(axis=1)
        good = (found[:, 0] == 1) & (error[:, 0] < 25) & inside
        self.then, self.now = self.then[good], moved[good]

    def parallax(self) -> float:
        """How far features moved among each other since `begin`, in steps.

        The similarity that fits best is taken out: it is what turning, rolling and zooming do.
        """
        if len(self.now) < 2:
            return 0.0
        then = self.then @ np.array([1, 1j])
        now = self.now @ np.array([1, 1j]) / self.side
        common = complex(np.median((now - then).real), np.median((now - then).imag))
        then, now = then - then.mean(), now - now.mean()
        turn = np.vdot(then, now) / max(np.vdot(then, then).real, 1e-12)
        own = float(np.percentile(np.abs(now - turn * then), _SPREAD))
        return (own + _COMMON * abs(common)) / STEP


def _evenly(candidates: list[Candidate], most: int) -> list[Candidate]:
    """At most ``most``: the sharpest of equal parts of the way, rather near their middles."""
    if len(candidates) <= most:
        return list(candidates)
    ways = np.array([candidate.way for candidate in candidates])
    edges = np.linspace(ways[0], ways[-1], most + 1)
    part = np.clip(np.searchsorted(edges, ways, side="right") - 1, 0, most - 1)
    half = (edges[1] - edges[0]) / 2
    off = np.abs(ways - (edges[part] + half)) / half
    worth = np.array([c.sharpness for c in candidates]) * (1 - _OFF_CENTER * off)
    best = {int(p): i for i, p in sorted(enumerate(part), key=lambda item: worth[item[0]])}
    return [candidates[i] for _, i in sorted(best.items())]


def _without_blurred(candidates: list[Candidate]) -> list[Candidate]:
    """Without frames that are much less sharp than those before and after."""
    values = np.array([candidate.sharpness for candidate in candidates])
    near = [
        np.median(values[max(0, i - _NEIGHBORS) : i + _NEIGHBORS + 1]) for i in range(len(values))
    ]
    return [
        candidate
        for candidate, usual in zip(candidates, near, strict=True)
        if candidate.sharpness >= _BLURRED * usual
    ]


def _luma(picture: UInt8) -> UInt8:
    """(h, w) of at most `measure.WORKING_SIDE` pixels, by a whole factor, which is quickest.

    Where four rows or more become one, every other is left out: reading memory is what costs.
    """
    height, width = picture.shape[:2]
    factor = -(-max(height, width) // WORKING_SIDE)
    height, width = height // factor, width // factor
    whole = picture[: height * factor, : width * factor]
    rows = whole[::2] if factor % 4 == 0 else whole
    grey = cv2.cvtColor(rows, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA))


def _shrunk(luma: UInt8) -> UInt8:
    """(h, w) to track features in."""
    height, width = luma.shape
    scale = _TRACKING_SIDE / max(height, width)
    if scale >= 1:
        return luma
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))
