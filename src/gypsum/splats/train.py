"""Training: from first Gaussians to those that make the photos."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.scene import Splats
from gypsum.splats import density, schedule
from gypsum.splats.engine import engine_for
from gypsum.splats.photos import PhotoCache, TrainingPhoto
from gypsum.splats.state import State

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
    """Stop after so long: as many steps as fit, with the schedule of so many."""
    degree: int = 3
    """Of the spherical harmonics, 0 to 3."""
    seed: int = 0
    threads: int = 0
    surface: bool = False
    """Flat Gaussians that lie along surfaces, for a mesh: they look a little worse."""
    device: str = "cpu"
    """What computes: ``cpu``, or a device of Warp's: ``cuda``, ``cuda:1``, ``warp-cpu``."""


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
        self._state = state
        self.options = options
        self._photos = photos
        self._chosen = list(chosen)
        self._extent = extent
        self._clearings = clearings
        self._engine = engine_for(options.device, state, extent, options.surface, options.threads)
        self._since = time.monotonic() - state.seconds
        self.loss = 0.0

    @property
    def state(self) -> State:
        """All that was trained so far."""
        self._engine.fetch()
        return self._state

    @property
    def done(self) -> float:
        """How much of the training is done, 0 to 1."""
        share = self._state.iteration / self.options.iterations
        if self.options.minutes is not None:
            time = self._state.seconds / (60 * self.options.minutes)
            share = max(share, schedule.done_at(time))
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
        state = self._state
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
        exposures = self._state.exposures
        # Another one each time: what is there has to be opaque, and outside of a mask there has to
        # be nothing, to look right before all of them.
        background = self._state.rng.uniform(0, 1, 3).astype(np.float32)
        learned = self._engine.step(photo, exposures.maps[number], background, moment)
        self.loss = learned.loss
        if self.done >= _EXPOSURES_FROM:
            exposures.step(number, learned.by_exposure, moment.exposure_rate)
            if not self._state.queue:
                exposures.center()

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
        self._engine.store()

    def find_dead(self) -> NDArray[np.int64]:
        """Indices of what does no work, or is where nothing can be."""
        dead = density.find_dead(self.state.rows)
        if self._clearings is None:
            return dead
        return np.union1d(dead, self._clearings.find(self.state.rows[:, :3]))

    def _grow(self, more: int) -> None:
        state = self._state
        if not more:
            return
        empty = np.zeros((more, _splats.ROW), np.float32)
        state.rows = np.concatenate([state.rows, empty])
        state.first = np.concatenate([state.first, empty])
        state.second = np.concatenate([state.second, empty])
        state.scores = np.concatenate([state.scores, np.zeros(more, np.float32)])
