"""A field of signed distances fitted to photos by differentiable volume rendering.

Rays of the photos' pixels are rendered through the field as in NeuS (Wang et al., NeurIPS 2021);
distances and colours at the nodes follow the derivative of the errors. Levels go from coarse to
fine; in each the density sharpens. Distances keep a slope of one (eikonal term) and little
curvature; their derivative is diffused before each step, so that neighbours move together (a
Sobolev gradient, as in Nicolet et al., SIGGRAPH Asia 2021), and Adam is bounded from below by the
surface's mean, so that noise takes no full steps where photos tell little. After some steps the
distances are made distances again, and blocks follow the surface. It never leaves the hull.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gypsum.errors import ReconstructionError
from gypsum.implicit.engine import Optics, State, Turn, engine_for
from gypsum.implicit.field import Field
from gypsum.implicit.grid import NODES, TRUNCATION, Bool, Float32, Frame, Grid, around_surface
from gypsum.implicit.observation import Observation
from gypsum.implicit.rays import Rays, gather
from gypsum.implicit.settings import ImplicitSettings, Level
from gypsum.native import _sdf
from gypsum.scene import Box, Progress, no_progress

DEFAULT_SETTINGS = ImplicitSettings()
#: Gradients have a buffer for each thread; more threads than this would take too much memory.
_MOST_THREADS = 8
#: Samples along a ray near the surface are so far apart, times the density's width, and voxels.
_STEP, _STEPS = 1.0, (0.7, 1.25)
#: Distances spread by one voxel a round.
_ROUNDS = int(TRUNCATION) + 2
#: Steps at the very beginning in which only colours are found.
_ONLY_COLORS = 20
#: Rates fall to this share at the end of a level.
_FALL = 0.2
#: Errors that colours and opacities have anyway, 0 to 1: what counts as information is above them.
_COLOR_ERROR, _MASK_ERROR = 0.05, 0.5
#: Standard deviation, in voxels, of the blur that takes the stairs off a hull of voxels.
_HULL_BLUR = 1.0


def fit(
    observations: Sequence[Observation],
    box: Box,
    hull: Bool,
    settings: ImplicitSettings = DEFAULT_SETTINGS,
    *,
    threads: int = 0,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> Field:
    """The field of an object.

    Args:
        observations: photos with masks, and depths where they are known.
        box: what the object lies in, world.
        hull: (nx, ny, nz) occupied voxels that fill the box, along its axes, which the surface
            starts from and does not leave.
        settings: how finely, how long, how smoothly.
        threads: 0 is all cores; results depend on the number.
        device: what computes the steps: ``cpu``, or a device of Warp's: ``cuda``, ``cuda:1``,
            ``warp-cpu``.
        progress: told how far it is.
    """
    threads = min(threads or os.cpu_count() or 1, _MOST_THREADS)
    bound = _Bound.of(box, hull, settings)
    rng = np.random.default_rng(settings.seed)
    field: Field | None = None
    work = [level.steps * level.rays for level in settings.levels]
    done = 0.0
    for level, share in zip(settings.levels, work, strict=True):
        frame = Frame(box, float(2 * box.half.max()) / (settings.resolution * level.resolution))
        first = field is None
        field = _start(frame, bound, threads) if field is None else _finer(field, frame, threads)
        near = np.abs(field.distance) < 1
        points = frame.to_world(field.grid.nodes()[near])
        rays = gather(observations, level.photos, level.rays, points, frame)
        fitter = _Fitter(field, rays, level, settings, bound, rng, threads, device)
        for number in range(level.steps):
            fitter.step(number, only_colors=first and number < _ONLY_COLORS)
            part = share * (number + 1) / level.steps
            progress((done + part) / sum(work), f"{frame.voxel / box.diagonal:.2%} voxels")
        done += share
        field = fitter.finished()
    assert field is not None
    return field


@dataclass(frozen=True)
class _Bound:
    """Distance to the hull, roughly, with which the fit begins and which it keeps to."""

    box: Box
    distance: Float32
    """(nx, ny, nz) world units at voxels' centres, positive outside."""
    margin: float
    """World units."""

    @classmethod
    def of(cls, box: Box, hull: Bool, settings: ImplicitSettings) -> _Bound:
        if not hull.any():
            raise ReconstructionError("The masks have no part of space in common.")
        sides = 2 * box.half / np.array(hull.shape)
        # Outside the box nothing is.
        padded = np.pad(hull, 1)
        away = ndimage.distance_transform_edt(~padded, sampling=sides)
        away -= ndimage.distance_transform_edt(padded, sampling=sides)
        away -= 0.5 * sides.mean() * np.sign(away)
        away = ndimage.gaussian_filter(away, _HULL_BLUR)
        half = box.half + sides
        margin = settings.hull_margin * float(sides.mean())
        return cls(Box(box.center, box.axes, half), away.astype(np.float32), margin)

    def at(self, frame: Frame, index: Float32) -> Float32:
        """Distances at index coordinates (N, 3) of a frame, voxels of the frame."""
        local = index * frame.voxel + frame.low
        shape = np.array(self.distance.shape)
        place = (local + self.box.half) / (2 * self.box.half) * shape - 0.5
        found = ndimage.map_coordinates(self.distance, place.T, order=1, mode="nearest")
        voxels: Float32 = (found / frame.voxel).astype(np.float32)
        return voxels


def _start(frame: Frame, bound: _Bound, threads: int) -> Field:
    """The hull as a field, grey."""
    at = bound.at(frame, frame.block_centers()).reshape(frame.blocks)
    grid = around_surface(frame, _passes(at), at < 0)
    distance = bound.at(frame, grid.nodes()).clip(-TRUNCATION, TRUNCATION)
    color = np.zeros((grid.rows, _sdf.CHANNELS), np.float32)
    color[:, 0:12:4] = 0.5
    return _redistanced(grid, distance, color, 1.0, threads)


def _passes(at_centers: Float32) -> Bool:
    """Which blocks the surface may pass, by the distances of their middles."""
    passes: Bool = np.abs(at_centers) < np.sqrt(3) * 2 + 0.5
    return passes


def _finer(field: Field, frame: Frame, threads: int) -> Field:
    """The same field with other voxels; colours are those of the nearest point of the surface."""
    old = field.grid.frame
    ratio = np.float32(old.voxel / frame.voxel)

    def to_old(index: Float32) -> Float32:
        return old.to_index(frame.to_world(index))

    at = field.sample(to_old(frame.block_centers()), threads=threads)[0].reshape(frame.blocks)
    grid = around_surface(frame, _passes(at * ratio), at < 0)
    place = to_old(grid.nodes())
    distance, _ = field.sample(place, threads=threads)
    color = _surface_colors(field, place, distance, threads)
    distance = (distance * ratio).clip(-TRUNCATION, TRUNCATION)
    return _redistanced(grid, distance, color, field.sharpness, threads)


def _redistanced(
    grid: Grid, distance: Float32, color: Float32, sharpness: float, threads: int
) -> Field:
    """A field whose values are distances to where they are zero now."""
    to = np.empty_like(distance)
    _sdf.redistance(distance, grid.around, TRUNCATION, _ROUNDS, to, threads)
    return Field(grid, to, color, sharpness, np.zeros(grid.rows, np.float32))


def _surface_colors(field: Field, place: Float32, distance: Float32, threads: int) -> Float32:
    """(N, 16) colours of the surface's points nearest to index coordinates (N, 3)."""
    nearest = place - distance[:, None] * field.normals(place, threads)
    _, color = field.sample(nearest, colors=True, threads=threads)
    assert color is not None
    return color


class _Fitter:
    """A level's steps."""

    def __init__(
        self,
        field: Field,
        rays: Rays,
        level: Level,
        settings: ImplicitSettings,
        bound: _Bound,
        rng: np.random.Generator,
        threads: int,
        device: str,
    ) -> None:
        self._rays, self._level, self._settings = rays, level, settings
        self._bound, self._rng, self._threads = bound, rng, threads
        self._turn: list[int] = []
        self._state = State.begin(field)
        self._engine = engine_for(device, self._state, rays, settings, threads)
        self._weigh()

    def _weigh(self) -> None:
        """Let errors weigh as if each node of the surface were met by one ray."""
        near = np.abs(self._state.field.distance) < 0.5
        shown = self._rays.target[:, 3].sum() / len(self._rays.batches)
        self._share = float(np.count_nonzero(near)) / max(float(shown), 1.0)

    def _optics(self, phase: float) -> Optics:
        s, sharpness = self._settings, self._state.field.sharpness
        step = float(np.clip(_STEP / sharpness, *_STEPS))
        color, mask, depth = (
            w * self._share for w in (s.color_weight, s.mask_weight, s.depth_weight)
        )
        return Optics(sharpness, step, s.noise, s.tail, color, mask, depth, phase)

    def step(self, number: int, only_colors: bool) -> None:
        """Move all once."""
        done = number / self._level.steps
        low, high = self._settings.sharpness
        self._state.field.sharpness = low * (high / low) ** done
        if number and number % self._settings.rebuild == 0:
            self._rebuild()
        batch, fallen = self._next_batch(), _FALL**done
        rate = None if only_colors else self._level.rate * fallen
        optics = self._optics(float(self._rng.random()))
        self._engine.step(Turn(number, batch, optics, fallen, rate))

    def _next_batch(self) -> int:
        if not self._turn:
            self._turn = self._rng.permutation(len(self._rays.batches)).tolist()
        return self._turn.pop()

    def _rebuild(self) -> None:
        """Distances made distances again, within the hull; blocks where the surface is now."""
        self._engine.fetch()
        state, field = self._state, self._state.field
        grid, frame = field.grid, field.grid.frame
        bound = self._bound.at(frame, grid.nodes())
        limit = bound - self._bound.margin / frame.voxel
        np.maximum(field.distance, limit, out=field.distance)
        smallest = np.abs(field.distance.reshape(-1, NODES)).min(1)
        x, y, z = grid.places.T
        surface = np.zeros(grid.table.shape, bool)
        surface[z, y, x] = smallest < 1
        inside = grid.table == _sdf.INSIDE
        inside[z, y, x] = field.distance.reshape(-1, NODES).mean(1) < 0
        fresh = around_surface(frame, surface, inside)
        x, y, z = fresh.places.T
        before = grid.table[z, y, x]
        distance = _carried(field.distance, before, -TRUNCATION, TRUNCATION)
        color = _carried(field.color, before)
        state.moments = np.stack([_carried(m, before) for m in state.moments])
        state.color_moments = np.stack([_carried(m, before) for m in state.color_moments])
        state.field = _redistanced(fresh, distance, color, field.sharpness, self._threads)
        self._color_fresh(np.flatnonzero(before < 0))
        self._engine.store()
        self._weigh()

    def _color_fresh(self, blocks: NDArray[np.intp]) -> None:
        """Give nodes of new blocks the colour of the surface's nearest point."""
        if not len(blocks):
            return
        field = self._state.field
        place = field.grid.nodes(blocks)
        distance, _ = field.sample(place, threads=self._threads)
        color = _surface_colors(field, place, distance, self._threads)
        shape = (-1, NODES, _sdf.CHANNELS)
        field.color.reshape(shape)[blocks] = color.reshape(shape)

    def finished(self) -> Field:
        """The field, with how much the photos told."""
        self._rebuild()
        errors = {"color": 1 / _COLOR_ERROR, "mask": 1 / _MASK_ERROR, "depth": 0.0}
        # One batch stands for all: they are spread evenly.
        squares = self._engine.inform(0, replace(self._optics(0.5), **errors))
        self._state.field.information = squares * np.float32(len(self._rays.batches))
        return self._state.field


def _carried(
    values: Float32, before: NDArray[np.int32], inside: float = 0.0, outside: float = 0.0
) -> Float32:
    """Rows (blocks * 64, ...) of the blocks numbered ``before``; a constant where none was."""
    blocks = values.reshape(-1, NODES, *values.shape[1:])
    out = blocks[np.maximum(before, 0)]
    out[before < 0] = outside
    out[before == _sdf.INSIDE] = inside
    return out.reshape(-1, *values.shape[1:])
