"""Fits on a graphics card, by the kernels of ``device_kernels.py``.

Warp runs them on one core of the processor as well, slowly: that is how they are compared with
those of ``native/sdf`` where there is no card. On a card sums are in no fixed order, so that two
runs differ by rounding. What happens between many steps (new blocks, redistancing) is the
processor's in either case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from gypsum.implicit import device_kernels as kernels
from gypsum.implicit import engine
from gypsum.implicit.engine import Optics, State, Turn
from gypsum.implicit.grid import NODES, SIDE, TRUNCATION, Float32
from gypsum.implicit.rays import Rays
from gypsum.implicit.settings import ImplicitSettings

#: Rays at work at a time: bounds the memory of their samples, 300 MiB.
_RAYS = 1 << 16


class Card:
    """Holds a state on a device of Warp: ``cuda``, ``cuda:1``, or ``cpu``."""

    def __init__(self, state: State, rays: Rays, settings: ImplicitSettings, device: str) -> None:
        self._state, self._settings = state, settings
        wp.config.log_level = wp.LOG_WARNING
        self._device = wp.get_device(device)
        self._rays = kernels.Rays()
        depth = np.zeros((len(rays.pixel), 2), np.float32) if rays.depth is None else rays.depth
        self._rays.cameras = self._array(rays.cameras, float)
        self._rays.camera = self._array(rays.camera, wp.int16)
        self._rays.pixel = self._array(rays.pixel, wp.vec2)
        self._rays.target = self._array(rays.target, wp.vec4)
        self._rays.trust = self._array(rays.trust, float)
        self._rays.depth = self._array(depth, wp.vec2)
        self._batches = [
            [self._array(part, int) for part in np.split(batch, range(_RAYS, len(batch), _RAYS))]
            for batch in rays.batches
        ]
        self._make_samples(min(_RAYS, max(len(batch) for batch in rays.batches)))
        # The four channels of red have the rates of those of green and blue.
        self._rates, self._decay = (values[:4] for values in engine.color_rates(settings))
        self.store()

    def fetch(self) -> None:
        """Copy the arrays from the device."""
        state = self._state
        state.field.distance = self._field.distance.numpy()
        state.field.color = _rows(self._field.color)
        state.moments = np.stack([m.numpy() for m in self._moments])
        state.color_moments = np.stack([_rows(m) for m in self._color_moments])

    def store(self) -> None:
        """Copy the arrays to the device, and make room for the derivatives."""
        state = self._state
        grid = state.field.grid
        self._field = kernels.Field()
        self._field.table = self._array(grid.table, int)
        self._field.distance = self._array(state.field.distance, float)
        self._field.color = self._colors(state.field.color)
        self._field.high = wp.vec3(*(float(SIDE * n - 1) for n in grid.table.shape[::-1]))
        self._field.truncation = TRUNCATION
        self._around = self._array(grid.around, int)
        self._moments = [self._array(m, float) for m in state.moments]
        self._color_moments = [self._colors(m) for m in state.color_moments]
        self._gradient = kernels.Gradient()
        self._gradient.distance = self._zeros(grid.rows, float)
        self._gradient.color = self._zeros((grid.rows, 4), wp.vec4)
        self._gradient.seen = self._zeros(grid.rows // NODES, wp.uint8)
        self._spare = self._zeros(grid.rows, float)
        self._slopes = self._zeros(grid.rows, wp.vec4)
        self._told, self._mean = self._zeros(grid.rows, wp.vec2), self._zeros(1, wp.vec2)

    def step(self, turn: Turn) -> None:
        """One batch."""
        gradient, optics = self._gradient, _optics(turn.optics)
        for array in (gradient.distance, gradient.color, gradient.seen):
            array.zero_()
        for chosen in self._look(turn.batch, optics):
            rays = [self._rays, chosen]
            self._launch(kernels.descend, len(chosen), *rays, optics, self._samples)
            self._launch(
                kernels.scatter, (kernels.SAMPLES, len(chosen)), self._field, *rays, self._samples,
                gradient,
            )  # fmt: skip
        rates = wp.vec4(*(self._rates * turn.fallen).tolist())
        self._launch(
            kernels.adam, (self._state.field.grid.rows, 3), gradient, rates,
            wp.vec4(*self._decay.tolist()), turn.number + 1, self._field.color,
            *self._color_moments,
        )  # fmt: skip
        if turn.rate is not None:
            self._move(gradient.distance, turn.rate)

    def inform(self, batch: int, optics: Optics) -> Float32:
        """One batch."""
        squares, given = self._zeros(self._state.field.grid.rows, float), _optics(optics)
        for chosen in self._look(batch, given):
            rays = [self._rays, chosen]
            self._launch(kernels.inform, len(chosen), *rays, given, self._samples)
            self._launch(
                kernels.scatter_squares, (kernels.SAMPLES, len(chosen)), self._field, *rays,
                self._samples, squares,
            )  # fmt: skip
        found: Float32 = squares.numpy()
        return found

    def _look(self, batch: int, optics: Any) -> Iterator[wp.array]:
        """Fill the samples with what the rays of a batch show, some at a time: gives which."""
        for chosen in self._batches[batch]:
            count, rays, samples = len(chosen), [self._rays, chosen], self._samples
            self._launch(kernels.march, count, self._field, *rays, optics, samples)
            self._launch(kernels.color_in, (kernels.SAMPLES, count), self._field, *rays, samples)
            self._launch(kernels.look, count, *rays, samples)
            yield chosen

    def _move(self, gradient: wp.array, rate: float) -> None:
        s, rows, around = self._settings, self._state.field.grid.rows, self._around
        distance = self._field.distance
        self._launch(
            kernels.slope, rows, distance, around, s.eikonal, s.curvature, s.edge, engine.WIDTH,
            self._slopes,
        )  # fmt: skip
        self._launch(kernels.regularize, rows, self._slopes, around, gradient)
        spread, spare = gradient, self._spare
        for _ in range(s.diffusion):
            self._launch(kernels.diffuse, rows, spread, around, spare)
            spread, spare = spare, spread
        self._launch(
            kernels.remember, rows, spread, distance, engine.FIRST, engine.SECOND, engine.NEAR,
            *self._moments, self._told,
        )  # fmt: skip
        wp.utils.array_sum(self._told, out=self._mean)
        self._state.moved += 1
        biases = [1 - share**self._state.moved for share in (engine.FIRST, engine.SECOND)]
        self._launch(
            kernels.move, rows, *self._moments, self._mean, engine.FLOOR, *biases, rate, distance
        )

    def _make_samples(self, rays: int) -> None:
        self._samples = samples = kernels.Samples()
        samples.count = self._zeros(rays, int)
        samples.seen, samples.pull = (self._zeros(rays, kernels.vec5) for _ in range(2))
        samples.color = self._zeros((kernels.SAMPLES, rays), wp.vec3)
        samples.at, samples.lit, samples.light, samples.by = (
            self._zeros((kernels.SAMPLES, rays), float) for _ in range(4)
        )

    def _colors(self, values: Float32) -> wp.array:
        """(rows, 4) vectors of a colour's channels, of (rows, 16)."""
        return self._array(values.reshape(-1, 4, 4), wp.vec4)

    def _array(self, values: NDArray[Any], kind: Any) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=kind, device=self._device)

    def _zeros(self, shape: Any, kind: Any) -> wp.array:
        return wp.zeros(shape, dtype=kind, device=self._device)

    def _launch(self, kernel: Any, shape: Any, *inputs: Any) -> None:
        wp.launch(kernel, dim=shape, inputs=inputs, device=self._device)


def _rows(colors: wp.array) -> Float32:
    rows: Float32 = colors.numpy().reshape(-1, 16)
    return rows


def _optics(given: Optics) -> Any:
    optics = kernels.Optics()
    for field in fields(given):
        setattr(optics, field.name, getattr(given, field.name))
    return optics
