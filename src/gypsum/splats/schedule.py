"""What training does when, as functions of how much of it is done (0 to 1).

Done are steps, not time: a step on small photos takes a tenth of one on large ones, so a schedule
by time would make most steps on small photos, and have all Gaussians before large ones are seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats

#: From which part of the training on each level of the photos is used, the smallest first.
_LEVELS = ((0.0, 2), (0.06, 1), (0.25, 0))
#: How long a step takes on each level, as a part of one on the largest photos.
_DURATIONS = (1.0, 0.3, 0.1)
#: From which part on each degree of the spherical harmonics is trained.
_DEGREES = ((0.0, 0), (0.2, 1), (0.35, 2), (0.5, 3))
#: The number of Gaussians grows from the first to the second part of the training.
_GROWTH = (0.0, 0.35)
#: From here on Gaussians are neither split nor moved to other places: they only settle.
_SETTLED = 0.85

#: From here on Gaussians of a surface are flattened, and from there on they have to lie along it.
_FLAT, _ALONG = 0.3, 0.5

#: Rates of learning. Those of the means, by the scene's size, and of the scales are higher than in
#: Kerbl et al. 2023: there are fewer steps in which to get there.
_MEAN_RATES = (1.2e-3, 1.2e-5)
_SCALE_RATE, _TURN_RATE, _OPACITY_RATE = 1e-2, 1e-3, 5e-2
_COLOR_RATE, _HARMONICS_RATE = 2.5e-3, 2.5e-3 / 20
_EXPOSURE_RATE = 1e-2
#: By how much all rates but the means' have fallen at the end.
_LAST = 0.2


@dataclass(frozen=True)
class Moment:
    """What holds at one moment of the training."""

    level: int
    """Of the photos, 0 is the largest."""
    degree: int
    """Of the spherical harmonics."""
    grown: float
    """How much of the growth in number is done, 0 to 1."""
    moving: bool
    """Whether Gaussians are split and moved."""
    rates: NDArray[np.float32]
    """(59,) of learning, for each number of a Gaussian."""
    exposure_rate: float
    flat: bool
    """Whether Gaussians that are to make a surface are flattened."""
    along: bool
    """Whether they have to lie along what their depths show."""

    @property
    def columns(self) -> int:
        """Numbers of a Gaussian that are trained, from the first on."""
        return 11 + 3 * (self.degree + 1) ** 2


def at(done: float, extent: float, degree: int = 3) -> Moment:
    """What holds when ``done`` of the training is done, in a scene of a size."""
    mean = extent * math.exp(
        (1 - done) * math.log(_MEAN_RATES[0]) + done * math.log(_MEAN_RATES[1])
    )
    fallen = _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * done))
    rates = np.empty(_splats.ROW, np.float32)
    rates[0:3] = mean
    rates[3:6] = _SCALE_RATE * fallen
    rates[6:10] = _TURN_RATE * fallen
    rates[10] = _OPACITY_RATE * fallen
    rates[11:14] = _COLOR_RATE * fallen
    rates[14:] = _HARMONICS_RATE * fallen
    start, end = _GROWTH
    return Moment(
        level=_latest(_LEVELS, done),
        degree=min(degree, _latest(_DEGREES, done)),
        grown=min(1.0, max(0.0, (done - start) / (end - start))),
        moving=done < _SETTLED,
        rates=rates,
        exposure_rate=_EXPOSURE_RATE * fallen,
        flat=done >= _FLAT,
        along=done >= _ALONG,
    )


def time_at(done: float) -> float:
    """Which part of the time the steps take that make so much of the training."""
    return float(np.interp(done, *_timetable()))


def done_at(time: float) -> float:
    """How much of the training is done after a part of its time: the way back."""
    steps, times = _timetable()
    return float(np.interp(time, times, steps))


def _timetable() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parts of the steps at which levels begin, the end last; and of the time."""
    steps = np.array([start for start, _ in _LEVELS] + [1.0])
    took = np.diff(steps) * [_DURATIONS[level] for _, level in _LEVELS]
    return steps, np.concatenate([[0.0], np.cumsum(took) / took.sum()])


def _latest(steps: tuple[tuple[float, int], ...], done: float) -> int:
    return next(value for start, value in reversed(steps) if done >= start)
