"""What computes a step of training: the processor here, a graphics card in ``cuda.py``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _splats
from gypsum.splats.photos import TrainingPhoto
from gypsum.splats.render import Canvas, pose, rasterizer
from gypsum.splats.schedule import Moment
from gypsum.splats.state import State

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Weight of 1 - SSIM in the loss, the rest is L1.
SSIM = 0.3
#: Weights of the mean opacity and of the mean size in the loss (Kheradmand et al. 2024): what
#: no photo needs fades and shrinks.
OPACITY_WEIGHT = 0.01
SCALE_WEIGHT = 0.01
#: Of a surface: weights of the mean of the Gaussians' smallest sizes (Chen et al. 2024, PGSR), and
#: of how much depths and normals disagree (Huang et al. 2024, 2DGS).
FLAT_WEIGHT = 1.0
ALONG_WEIGHT = 0.05
#: Until the last part of the training Gaussians end where they would cover less than this, and a
#: pixel is finished when less shows through: what lies beyond costs a quarter of the time.
ROUGH_ALPHA, ROUGH_TRANSMITTANCE = 1 / 128, 1e-3


@dataclass(frozen=True)
class Learned:
    """What one photo told."""

    loss: float
    by_exposure: Float64
    """(3, 4) derivative of the loss by the photo's map of colours."""


class Engine(Protocol):
    """Holds a state while it is trained."""

    def step(
        self, photo: TrainingPhoto, exposure: Float32, background: Float32, moment: Moment
    ) -> Learned:
        """Follow the derivative of the loss of one photo; errors are added to the scores."""

    def fetch(self) -> None:
        """Bring the arrays of the state up to date."""

    def store(self) -> None:
        """Go on from the arrays of the state, which were changed."""


def engine_for(device: str, state: State, extent: float, surface: bool, threads: int) -> Engine:
    """What computes on a device: ``cpu``, or one of Warp's (``cuda``, ``cuda:1``, ``warp-cpu``)."""
    if device == "cpu":
        return Processor(state, extent, surface, threads)
    from gypsum.splats.cuda import Card

    return Card(state, extent, surface, device.removeprefix("warp-"))


class Processor:
    """The kernels of ``native/splats``, which work on the arrays of the state themselves."""

    def __init__(self, state: State, extent: float, surface: bool, threads: int = 0) -> None:
        self._state = state
        self._extent = extent
        self._surface = surface
        self._threads = threads
        self._rough = rasterizer(extent, threads, ROUGH_ALPHA, ROUGH_TRANSMITTANCE)
        self._exact = rasterizer(extent, threads)
        self._comparer = _splats.Comparer(SSIM, threads)
        self._by_rows = np.empty((0, _splats.ROW), np.float32)

    def fetch(self) -> None:
        """Nothing to do."""

    def store(self) -> None:
        """Nothing to do."""

    def step(
        self, photo: TrainingPhoto, exposure: Float32, background: Float32, moment: Moment
    ) -> Learned:
        """One photo."""
        state, view = self._state, photo.view
        canvas = Canvas.of(view.width, view.height)
        rasterizer = self._rough if moment.moving else self._exact
        rasterizer.draw(
            state.rows, moment.degree, np.ascontiguousarray(view.K, np.float64), pose(view),
            background, canvas.color, canvas.transmittance,
        )  # fmt: skip
        derivative, error = np.empty_like(canvas.color), np.empty_like(canvas.transmittance)
        by_exposure = np.empty((3, 4))
        l1, ssim = self._comparer.compare(
            canvas.color, photo.pixels, photo.mask, background, exposure, derivative, error,
            by_exposure,
        )  # fmt: skip
        if self._by_rows.shape != state.rows.shape:
            self._by_rows = np.zeros_like(state.rows)
        # Of what is not seen it holds anything: those rows are not followed.
        by_rows = self._by_rows
        seen = np.empty(len(state.rows), np.uint8)
        # Errors count by the share of the picture, whatever its size.
        error *= np.float32(1 / error.size)
        rasterizer.pull(state.rows, canvas.color, derivative, error, by_rows, state.scores, seen)
        self._regularise(by_rows, moment)
        if self._surface and moment.along:
            planes = Canvas.of(view.width, view.height)
            rasterizer.draw_planes(state.rows, planes.color, planes.transmittance)
            rasterizer.pull_planes(
                state.rows, planes.color, planes.transmittance, ALONG_WEIGHT, by_rows
            )
        _splats.adam(
            state.rows, state.first, state.second, by_rows, seen, moment.rates, moment.columns,
            state.iteration + 1, threads=self._threads,
        )  # fmt: skip
        return Learned((1 - SSIM) * l1 + SSIM * (1 - ssim), by_exposure)

    def _regularise(self, derivatives: Float32, moment: Moment) -> None:
        """Add the derivatives of the weights of opacity and size, and of thickness."""
        rows, count = self._state.rows, len(self._state.rows)
        opacity = 1 / (1 + np.exp(-rows[:, 10]))
        derivatives[:, 10] += OPACITY_WEIGHT / count * opacity * (1 - opacity)
        sizes = np.exp(rows[:, 3:6]) / self._extent
        derivatives[:, 3:6] += SCALE_WEIGHT / (3 * count) * sizes
        if self._surface and moment.flat:
            each, thinnest = np.arange(count), np.argmin(sizes, axis=1)
            derivatives[each, 3 + thinnest] += FLAT_WEIGHT / count * sizes[each, thinnest]
