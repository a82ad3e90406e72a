"""Training: from first Gaussians to those that make the photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.scene import Splats
from gypsum.splats import density, schedule
from gypsum.splats.exposure import Exposures
from gypsum.splats.photos import PhotoCache, TrainingPhoto
from gypsum.splats.render import Canvas, pose, rasterizer

Float32 = NDArray[np.float32]

#: Weight of 1 - SSIM in the loss, the rest is L1.
_SSIM = 0.3
#: Weights of the mean opacity and of the mean size in the loss (Kheradmand et al. 2024): what
#: no photo needs fades and shrinks.
_OPACITY_WEIGHT = 0.01
_SCALE_WEIGHT = 0.01
#: Of a surface: weights of the mean of the Gaussians' smallest sizes (Chen et al. 2024, PGSR), and
#: of how much depths and normals disagree (Huang et al. 2024, 2DGS).
_FLAT_WEIGHT = 1.0
_ALONG_WEIGHT = 0.05
#: Until the last part of the training Gaussians end where they would cover less than this, and a
#: pixel is finished when less shows through: what lies beyond costs a quarter of the time.
_ROUGH_ALPHA, _ROUGH_TRANSMITTANCE = 1 / 128, 1e-3
#: Iterations between rounds of splitting and moving.
_ROUND = 100
#: The most of all Gaussians that are split or moved in a round.
_MOST_SPLIT, _MOST_MOVED = 0.25, 0.25
#: Exposures are found from this part of the training on, when the colours are about right.
_EXPOSURES_FROM = 0.05


@dataclass(frozen=True)
class TrainOptions:
    """How to train."""

    splats: int
    """Gaussians at most."""
    iterations: int
    """A picture each; with ``minutes`` the most that are made."""
    minutes: float | None = None
    """Stop after so long: the schedule is stretched or shortened to fit."""
    degree: int = 3
    """Of the spherical harmonics, 0 to 3."""
    seed: int = 0
    threads: int = 0
    surface: bool = False
    """Flat Gaussians that lie along surfaces, for a mesh: they look a little worse."""


@dataclass
class State:
    """All that training goes on from."""

    rows: Float32
    """(N, 59)"""
    first: Float32
    second: Float32
    scores: Float32
    """(N,) error in this round."""
    exposures: Exposures
    rng: np.random.Generator
    begun_with: int
    """Gaussians before the first iteration."""
    iteration: int = 0
    seconds: float = 0.0
    queue: list[int] = field(default_factory=list)
    """Photos still to come before all are shuffled again."""

    @classmethod
    def begin(cls, splats: Splats, photos: int, seed: int) -> State:
        """Before the first iteration."""
        rows = splats.rows()
        zeros = np.zeros_like(rows)
        scores = np.zeros(len(rows), np.float32)
        rng = np.random.default_rng(seed)
        return cls(rows, zeros, zeros.copy(), scores, Exposures.of(photos), rng, len(rows))


class Trainer:
    """Trains on some photos of a cache, a step at a time."""

    def __init__(
        self,
        state: State,
        photos: PhotoCache,
        chosen: Sequence[int],
        extent: float,
        options: TrainOptions,
        clearings: density.Clearings | None = None,
    ) -> None:
        self.state = state
        self.options = options
        self._photos = photos
        self._chosen = list(chosen)
        self._extent = extent
        self._clearings = clearings
        self._rough = rasterizer(extent, options.threads, _ROUGH_ALPHA, _ROUGH_TRANSMITTANCE)
        self._exact = rasterizer(extent, options.threads)
        self._comparer = _splats.Comparer(_SSIM, options.threads)
        self._by_rows = np.empty((0, _splats.ROW), np.float32)
        self._since = time.monotonic() - state.seconds
        self.loss = 0.0

    @property
    def done(self) -> float:
        """How much of the training is done, 0 to 1."""
        share = self.state.iteration / self.options.iterations
        if self.options.minutes is not None:
            share = max(share, self.state.seconds / (60 * self.options.minutes))
        return min(1.0, share)

    @property
    def splats(self) -> Splats:
        """What has been trained so far."""
        return Splats.from_rows(self.state.rows, self.options.degree)

    def run(self, each: Callable[[Trainer], None] | None = None) -> None:
        """Train to the end; ``each`` is called after every step."""
        while self.done < 1:
            self.step()
            if each is not None:
                each(self)

    def step(self) -> None:
        """One photo."""
        state = self.state
        moment = schedule.at(self.done, self._extent, self.options.degree)
        if not state.queue:
            state.queue = [int(n) for n in state.rng.permutation(self._chosen)]
        number = state.queue.pop()
        self._learn(number, self._photos.get(number, moment.level), moment)
        state.iteration += 1
        if moment.moving and state.iteration % _ROUND == 0:
            self._renew(moment)
        state.seconds = time.monotonic() - self._since

    def _learn(self, number: int, photo: TrainingPhoto, moment: schedule.Moment) -> None:
        state, view = self.state, photo.view
        canvas = Canvas.of(view.width, view.height)
        # Another one each time: what is there has to be opaque, and outside of a mask there has to
        # be nothing, to look right before all of them.
        background = state.rng.uniform(0, 1, 3).astype(np.float32)
        rasterizer = self._rough if moment.moving else self._exact
        rasterizer.draw(
            state.rows, moment.degree, np.ascontiguousarray(view.K, np.float64), pose(view),
            background, canvas.color, canvas.transmittance,
        )  # fmt: skip
        derivative, error = np.empty_like(canvas.color), np.empty_like(canvas.transmittance)
        by_exposure = np.empty((3, 4))
        l1, ssim = self._comparer.compare(
            canvas.color, photo.pixels, photo.mask, background, state.exposures.maps[number],
            derivative, error, by_exposure,
        )  # fmt: skip
        self.loss = (1 - _SSIM) * l1 + _SSIM * (1 - ssim)
        if self._by_rows.shape != state.rows.shape:
            self._by_rows = np.zeros_like(state.rows)
        # Of what is not seen it holds anything: those rows are not followed.
        by_rows = self._by_rows
        seen = np.empty(len(state.rows), np.uint8)
        # Errors count by the share of the picture, whatever its size.
        error *= np.float32(1 / error.size)
        rasterizer.pull(state.rows, canvas.color, derivative, error, by_rows, state.scores, seen)
        self._regularise(by_rows, moment)
        if self.options.surface and moment.along:
            planes = Canvas.of(view.width, view.height)
            rasterizer.draw_planes(state.rows, planes.color, planes.transmittance)
            rasterizer.pull_planes(
                state.rows, planes.color, planes.transmittance, _ALONG_WEIGHT, by_rows
            )
        columns = 11 + 3 * (moment.degree + 1) ** 2
        _splats.adam(
            state.rows, state.first, state.second, by_rows, seen, moment.rates, columns,
            state.iteration + 1, threads=self.options.threads,
        )  # fmt: skip
        if self.done >= _EXPOSURES_FROM:
            state.exposures.step(number, by_exposure, moment.exposure_rate)
            if not state.queue:
                state.exposures.center()

    def _regularise(self, derivatives: Float32, moment: schedule.Moment) -> None:
        """Add the derivatives of the weights of opacity and size, and of thickness."""
        rows, count = self.state.rows, len(self.state.rows)
        opacity = 1 / (1 + np.exp(-rows[:, 10]))
        derivatives[:, 10] += _OPACITY_WEIGHT / count * opacity * (1 - opacity)
        sizes = np.exp(rows[:, 3:6]) / self._extent
        derivatives[:, 3:6] += _SCALE_WEIGHT / (3 * count) * sizes
        if self.options.surface and moment.flat:
            each, thinnest = np.arange(count), np.argmin(sizes, axis=1)
            derivatives[each, 3 + thinnest] += _FLAT_WEIGHT / count * sizes[each, thinnest]

    def _renew(self, moment: schedule.Moment) -> None:
        """Move what does no work to where the error is, and add to it."""
        state = self.state
        dead = self.find_dead()
        state.scores[dead] = 0
        alive = len(state.rows) - len(dead)
        dead = dead[: int(_MOST_MOVED * alive)]
        wanted = state.begun_with + moment.grown * (self.options.splats - state.begun_with)
        new = min(max(0, int(wanted) - len(state.rows)), int(_MOST_SPLIT * alive))
        parents = density.choose(state.scores, len(dead) + new, state.rng)
        dead = dead[: len(parents)]
        new = len(parents) - len(dead)
        places = np.concatenate([dead, len(state.rows) + np.arange(new)])
        self._grow(new)
        # Which parent gets which row is as good as any: both are sorted.
        density.split(state.rows, parents, places)
        for moments in (state.first, state.second):
            moments[parents] = 0
            moments[places] = 0
        state.scores[:] = 0

    def find_dead(self) -> NDArray[np.int64]:
        """Indices of what does no work, or is where nothing can be."""
        dead = density.find_dead(self.state.rows)
        if self._clearings is None:
            return dead
        return np.union1d(dead, self._clearings.find(self.state.rows[:, :3]))

    def _grow(self, more: int) -> None:
        state = self.state
        if not more:
            return
        empty = np.zeros((more, _splats.ROW), np.float32)
        state.rows = np.concatenate([state.rows, empty])
        state.first = np.concatenate([state.first, empty])
        state.second = np.concatenate([state.second, empty])
        state.scores = np.concatenate([state.scores, np.zeros(more, np.float32)])
