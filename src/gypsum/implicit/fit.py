"""A field of signed distances fitted to photos by differentiable volume rendering.

Rays of the photos' pixels are rendered through the field as in NeuS (Wang et al., NeurIPS 2021);
distances and colours at the nodes follow the derivative of the errors. Three levels from coarse to
fine; in each the density sharpens. Distances keep a slope of one (eikonal term) and little
curvature; their derivative is diffused before each step, so that neighbours move together (a
Sobolev gradient, as in Nicolet et al., SIGGRAPH Asia 2021), and Adam is bounded from below by the
surface's mean, so that noise takes no full steps where photos tell little. After some steps the
distances are made distances again, and blocks follow the surface. It never leaves the hull.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gypsum.errors import ReconstructionError
from gypsum.implicit.field import Field
from gypsum.implicit.grid import NODES, TRUNCATION, Bool, Float32, Frame, around_surface
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
#: Adam's moments, and the share of the surface's mean that bounds the second from below.
_FIRST, _SECOND, _FLOOR = 0.9, 0.98, 0.3
#: Curvature and slope count within this distance of the surface, voxels.
_WIDTH = 4.0
#: Nodes so near the surface make the mean.
_NEAR = 1.5
#: Errors that colours and opacities have anyway, 0 to 1: what counts as information is above them.
_COLOR_ERROR, _MASK_ERROR = 0.05, 0.5
#: Standard deviation, in voxels, of the blur that takes the stairs off a hull of voxels.
_HULL_BLUR = 1.0


def fit(
    observations: Sequence[Observation],
    box: Box,
    hull: Bool | None,
    settings: ImplicitSettings = DEFAULT_SETTINGS,
    *,
    threads: int = 0,
    progress: Progress = no_progress,
) -> Field:
    """The field of an object.

    Args:
        observations: photos with masks, and depths where they are known.
        box: what the object lies in, world.
        hull: (nx, ny, nz) occupied voxels that fill the box, along its axes, which the surface
            starts from and does not leave; None: all of the box.
        settings: how finely, how long, how smoothly.
        threads: 0 is all cores; results depend on the number.
        progress: told how far it is.
    """
    threads = min(threads or os.cpu_count() or 1, _MOST_THREADS)
    bound = _Bound.of(box, np.ones((8, 8, 8), bool) if hull is None else hull, settings)
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
        rays = gather(observations, level.photos, level.rays, points, frame.voxel)
        fitter = _Fitter(field, observations, rays, level, settings, bound, rng, threads)
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
    field = Field(grid, distance, color, 1.0, np.zeros(grid.rows, np.float32))
    field.distance = _redistanced(field, threads)
    return field


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
    nearest = place - distance[:, None] * field.normals(place, threads)
    _, color = field.sample(nearest, colors=True, threads=threads)
    assert color is not None
    distance = (distance * ratio).clip(-TRUNCATION, TRUNCATION)
    finer = Field(grid, distance, color, field.sharpness, np.zeros(grid.rows, np.float32))
    finer.distance = _redistanced(finer, threads)
    return finer


def _redistanced(field: Field, threads: int) -> Float32:
    to = np.empty_like(field.distance)
    _sdf.redistance(field.distance, field.grid.around, TRUNCATION, _ROUNDS, to, threads)
    return to


class _Fitter:
    """A level's steps."""

    def __init__(
        self,
        field: Field,
        observations: Sequence[Observation],
        rays: Rays,
        level: Level,
        settings: ImplicitSettings,
        bound: _Bound,
        rng: np.random.Generator,
        threads: int,
    ) -> None:
        self._field, self._rays, self._level, self._settings = field, rays, level, settings
        self._bound, self._rng, self._threads = bound, rng, threads
        frame = field.grid.frame
        self._cameras = rays.cameras(frame, observations, level.photos)
        self._depth = rays.depths(frame)
        order = np.argsort(rays.pattern, kind="stable").astype(np.int32)
        ends = np.searchsorted(rays.pattern[order], np.arange(1, rays.side**2))
        self._batches = np.split(order, ends)
        self._turn: list[int] = []
        self._moments = np.zeros((2, field.grid.rows), np.float32)
        self._color_moments = np.zeros((2, field.grid.rows, _sdf.CHANNELS), np.float32)
        self._rates = np.full(_sdf.CHANNELS, settings.gloss_rate, np.float32)
        self._rates[0:12:4] = settings.color_rate
        self._decay = np.full(_sdf.CHANNELS, settings.gloss_decay, np.float32)
        self._decay[0:12:4] = 0
        self._moved = 0
        self._prepare()

    def _prepare(self) -> None:
        """What has to follow when blocks change."""
        grid = self._field.grid
        parts = self._threads
        self._by_distance = np.zeros((parts, grid.rows), np.float32)
        self._by_color = np.zeros((parts, grid.rows, _sdf.CHANNELS), np.float32)
        self._seen = np.zeros((parts, len(grid.places)), np.uint8)
        self._scene = self._make_scene()
        near = np.abs(self._field.distance) < 0.5
        shown = self._rays.target[:, 3].sum() / self._rays.side**2
        # So that errors weigh as if each node of the surface were met by one ray.
        self._share = float(np.count_nonzero(near)) / max(float(shown), 1.0)

    def _make_scene(self) -> _sdf.Scene:
        rays, field = self._rays, self._field
        return _sdf.Scene(
            field.grid.table, field.distance, field.color, TRUNCATION, self._cameras,
            rays.camera, rays.pixel, rays.target, rays.trust, self._depth, self._threads,
        )  # fmt: skip

    def _optics(self) -> Float32:
        s = self._settings
        weights = np.array([s.color_weight, s.mask_weight, s.depth_weight]) * self._share
        sharpness = self._field.sharpness
        step = float(np.clip(_STEP / sharpness, *_STEPS))
        return np.array([sharpness, step, s.noise, s.tail, *weights], np.float32)

    def step(self, number: int, only_colors: bool = False) -> tuple[float, float, float]:
        """Move all once; returns the errors of colours, mask and depth, each by ray."""
        s = self._settings
        done = number / self._level.steps
        low, high = s.sharpness
        self._field.sharpness = low * (high / low) ** done
        if number and number % s.rebuild == 0:
            self._rebuild()
        batch = self._batches[self._next_batch()]
        *losses, _ = self._scene.descend(
            self._optics(), float(self._rng.random()), batch, self._by_distance, self._by_color,
            self._seen,
        )  # fmt: skip
        fallen = _FALL**done
        first, second = self._color_moments
        _sdf.adam(
            self._field.color, first, second, self._by_color, self._seen,
            (self._rates * fallen).astype(np.float32), self._decay, number + 1, self._threads,
        )  # fmt: skip
        gradient = self._by_distance.sum(0)
        self._by_distance[:] = 0
        if not only_colors:
            self._move(gradient, self._level.rate * fallen)
        scale = 1 / max(len(batch) * self._share, 1e-9)
        return losses[0] * scale, losses[1] * scale, losses[2] * scale

    def _next_batch(self) -> int:
        if not self._turn:
            self._turn = self._rng.permutation(len(self._batches)).tolist()
        return self._turn.pop()

    def _move(self, gradient: Float32, rate: float) -> None:
        s, field = self._settings, self._field
        around = field.grid.around
        _sdf.regularize(
            field.distance, around, s.eikonal, s.curvature, s.edge, _WIDTH, gradient, self._threads
        )
        _sdf.diffuse(gradient, around, s.diffusion, self._threads)
        self._moved += 1
        first, second = self._moments
        first += (1 - _FIRST) * (gradient - first)
        second += (1 - _SECOND) * (gradient * gradient - second)
        near = np.abs(field.distance) < _NEAR
        scale = np.sqrt(second / (1 - _SECOND**self._moved))
        mean = float(np.sqrt(np.mean(np.square(scale[near])))) if near.any() else 1.0
        scale += _FLOOR * mean + 1e-12
        np.divide(first, scale, out=scale)
        scale *= rate / (1 - _FIRST**self._moved)
        field.distance -= scale.clip(-rate, rate)

    def _rebuild(self) -> None:
        """Distances made distances again, within the hull; blocks where the surface is now."""
        field = self._field
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
        old = before >= 0
        far = np.where(before == _sdf.INSIDE, -TRUNCATION, TRUNCATION).astype(np.float32)
        distance = _carried(field.distance, before, far)
        color = _carried(field.color, before, np.full(len(before), 0.0, np.float32))
        self._moments = np.stack(
            [_carried(m, before, np.zeros(len(before), np.float32)) for m in self._moments]
        )
        self._color_moments = np.stack(
            [_carried(m, before, np.zeros(len(before), np.float32)) for m in self._color_moments]
        )
        self._field = Field(
            fresh, distance, color, field.sharpness, np.zeros(fresh.rows, np.float32)
        )
        self._field.distance = _redistanced(self._field, self._threads)
        self._color_fresh(np.flatnonzero(~old))
        self._prepare()

    def _color_fresh(self, blocks: NDArray[np.intp]) -> None:
        """Give nodes of new blocks the colour of the surface's nearest point."""
        if not len(blocks):
            return
        field = self._field
        place = field.grid.nodes(blocks)
        distance, _ = field.sample(place, threads=self._threads)
        nearest = place - distance[:, None] * field.normals(place, self._threads)
        _, color = field.sample(nearest, colors=True, threads=self._threads)
        assert color is not None
        field.color.reshape(-1, NODES, _sdf.CHANNELS)[blocks] = color.reshape(
            -1, NODES, _sdf.CHANNELS
        )

    def finished(self) -> Field:
        """The field, with how much the photos told."""
        self._rebuild()
        squares = np.zeros((self._threads, self._field.grid.rows), np.float32)
        optics = self._optics()
        optics[4:] = 1 / _COLOR_ERROR, 1 / _MASK_ERROR, 0
        # One batch stands for all: they are spread evenly.
        self._scene.inform(optics, 0.5, self._batches[0], squares)
        self._field.information = squares.sum(0) * np.float32(self._rays.side**2)
        return self._field


def _carried(values: Float32, before: NDArray[np.int32], otherwise: Float32) -> Float32:
    """Rows (blocks * 64, ...) of the blocks numbered ``before``; a constant where none was."""
    blocks = values.reshape(-1, NODES, *values.shape[1:])
    out = blocks[np.maximum(before, 0)]
    missing = before < 0
    out[missing] = otherwise[missing].reshape(-1, *[1] * (out.ndim - 1))
    return out.reshape(-1, *values.shape[1:])
