"""What computes the steps of a fit: the processor here, a graphics card in ``cuda.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gypsum.implicit.field import Field
from gypsum.implicit.grid import TRUNCATION, Float32
from gypsum.implicit.rays import Rays
from gypsum.implicit.settings import ImplicitSettings
from gypsum.native import _sdf

#: Adam's moments of the distances, and the share of the surface's mean that bounds the second from
#: below.
FIRST, SECOND, FLOOR = 0.9, 0.98, 0.3
#: Curvature and slope count within this distance of the surface, voxels.
WIDTH = 4.0
#: Nodes so near the surface make the mean.
NEAR = 1.5


@dataclass
class State:
    """All that a step changes."""

    field: Field
    moments: Float32
    """(2, rows) Adam's of the distances."""
    color_moments: Float32
    """(2, rows, 16)"""
    moved: int = 0
    """Steps in which distances changed."""

    @classmethod
    def begin(cls, field: Field) -> State:
        """Before a level's first step."""
        rows = field.grid.rows
        colors = np.zeros((2, rows, _sdf.CHANNELS), np.float32)
        return cls(field, np.zeros((2, rows), np.float32), colors)


@dataclass(frozen=True)
class Optics:
    """How rays are rendered and judged; as ``Optics`` of ``native/sdf/field.hpp``."""

    sharpness: float
    """Of the logistic density, per voxel."""
    step: float
    """Between samples near the surface, voxels."""
    noise: float
    tail: float
    color: float
    """Weight, as the next two."""
    mask: float
    depth: float
    phase: float
    """Shifts where along the rays samples lie."""

    def row(self) -> Float32:
        """(7,) all but the phase."""
        return np.array(
            [self.sharpness, self.step, self.noise, self.tail, self.color, self.mask, self.depth],
            np.float32,
        )


@dataclass(frozen=True)
class Turn:
    """What is new in a step."""

    number: int
    """Of the level's steps, from 0."""
    batch: int
    """Of the rays' batches."""
    optics: Optics
    fallen: float
    """Share of the colours' rates."""
    rate: float | None
    """Of the distances, voxels at most; None: they stay."""


class Engine(Protocol):
    """Holds a state, and the rays of a level, while the state is fitted to them."""

    def step(self, turn: Turn) -> None:
        """Follow the derivative of the errors of a batch of rays, and of the smoothness."""

    def inform(self, batch: int, optics: Optics) -> Float32:
        """(rows,) squared derivatives of what a batch's pixels show by the distances, summed."""

    def fetch(self) -> None:
        """Bring the arrays of the state up to date."""

    def store(self) -> None:
        """Go on from the arrays of the state, which were changed, and its grid, too."""


def engine_for(
    device: str, state: State, rays: Rays, settings: ImplicitSettings, threads: int
) -> Engine:
    """What computes on a device: ``cpu``, or one of Warp's (``cuda``, ``cuda:1``, ``warp-cpu``)."""
    if device == "cpu":
        return Processor(state, rays, settings, threads)
    from gypsum.implicit.cuda import Card

    return Card(state, rays, settings, device.removeprefix("warp-"))


def color_rates(settings: ImplicitSettings) -> tuple[Float32, Float32]:
    """(16,) rates of the colours' channels, and how fast what follows the direction decays."""
    rates = np.full(_sdf.CHANNELS, settings.gloss_rate, np.float32)
    decay = np.full(_sdf.CHANNELS, settings.gloss_decay, np.float32)
    rates[0:12:4], decay[0:12:4] = settings.color_rate, 0
    return rates, decay


class Processor:
    """The kernels of ``native/sdf``, which work on the arrays of the state themselves."""

    def __init__(self, state: State, rays: Rays, settings: ImplicitSettings, threads: int) -> None:
        self._state, self._rays, self._settings = state, rays, settings
        self._threads = threads
        self._rates, self._decay = color_rates(settings)
        self.store()

    def fetch(self) -> None:
        """Nothing to do."""

    def store(self) -> None:
        """Make room for the derivatives, a part for each thread."""
        field, rays, parts = self._state.field, self._rays, self._threads
        rows = field.grid.rows
        self._by_distance = np.zeros((parts, rows), np.float32)
        self._by_color = np.zeros((parts, rows, _sdf.CHANNELS), np.float32)
        self._seen = np.zeros((parts, len(field.grid.places)), np.uint8)
        self._scene = _sdf.Scene(
            field.grid.table, field.distance, field.color, TRUNCATION, rays.cameras,
            rays.camera, rays.pixel, rays.target, rays.trust, rays.depth, parts,
        )  # fmt: skip

    def step(self, turn: Turn) -> None:
        """One batch."""
        self._scene.descend(
            turn.optics.row(), turn.optics.phase, self._rays.batches[turn.batch],
            self._by_distance, self._by_color, self._seen,
        )  # fmt: skip
        first, second = self._state.color_moments
        _sdf.adam(
            self._state.field.color, first, second, self._by_color, self._seen,
            (self._rates * turn.fallen).astype(np.float32), self._decay, turn.number + 1,
            self._threads,
        )  # fmt: skip
        gradient = self._by_distance.sum(0)
        self._by_distance[:] = 0
        if turn.rate is not None:
            self._move(gradient, turn.rate)

    def inform(self, batch: int, optics: Optics) -> Float32:
        """One batch."""
        squares = np.zeros_like(self._by_distance)
        self._scene.inform(optics.row(), optics.phase, self._rays.batches[batch], squares)
        total: Float32 = squares.sum(0)
        return total

    def _move(self, gradient: Float32, rate: float) -> None:
        s, state = self._settings, self._state
        distance, around = state.field.distance, state.field.grid.around
        _sdf.regularize(
            distance, around, s.eikonal, s.curvature, s.edge, WIDTH, gradient, self._threads
        )
        _sdf.diffuse(gradient, around, s.diffusion, self._threads)
        state.moved += 1
        first, second = state.moments
        first += (1 - FIRST) * (gradient - first)
        second += (1 - SECOND) * (gradient * gradient - second)
        near = np.abs(distance) < NEAR
        scale = np.sqrt(second / (1 - SECOND**state.moved))
        mean = float(np.sqrt(np.mean(np.square(scale[near])))) if near.any() else 1.0
        scale += FLOOR * mean + 1e-12
        np.divide(first, scale, out=scale)
        scale *= rate / (1 - FIRST**state.moved)
        distance -= scale.clip(-rate, rate)
