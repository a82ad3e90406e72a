"""A surface moved to where the photos agree best.

Depth maps compare small flat windows; a surface lets whole photos be compared through its actual
shape. The energy is that of Vu, Labatut, Pons and Keriven (PAMI 2012): for pairs of photos, how
badly windows of one correlate with the other photo carried over by the surface, plus the
thin-plate energy of the surface. They descend its gradient; this takes Gauss-Newton steps, of which
a few are enough: the shift ``h`` of all vertices along their normals solves

    (D + s W'W + a) h = -g - s W'b - a d

with the photos' gradient ``g`` and its lumped second derivative ``D`` (``native/refine``), the
bending ``b + W h`` of the surface after the shift, and the shift ``d`` since the level began. Where
no photo tells anything, ``D`` and ``g`` vanish, and the surface only becomes smoother.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from gypsum.native import _refine, _render
from gypsum.scene import Mesh, Progress, View, no_progress
from gypsum.surface.resampling import pixel_sizes, resample, split_long_edges
from gypsum.surface.topology import border_edges

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]
Picture = TypeVar("Picture", UInt8, Float32)

#: Surfaces seen at a flatter angle than 75 degrees tell little.
MIN_COSINE = 0.26
#: Noise of the photos, grey levels: windows with less contrast count for little.
NOISE = 2.5
#: 1 - NCC above which a window rather shows a highlight or a reflection than a wrong shape.
TOLERANCE = 0.6
#: No vertex moves further in one step, pixels of the level.
LONGEST_STEP = 0.5
#: Iterations of the solver; it starts from zero, so fewer only make a shorter step.
SOLVER_ROUNDS = 40
#: Share of the way to their neighbours' middle that vertices slide along the surface in a step.
SLIDE = 0.2
#: However many pixels show the surface, each photo is compared with at least so many others.
FEWEST_PHOTOS = 2
#: How many times smaller the photos are in which those pixels are counted.
COUNTED_IN = 8
#: Share of the memory that photos and depths may take.
CACHED = 0.25


@dataclass(frozen=True)
class RefineOptions:
    """How far and how closely the surface follows the photos."""

    levels: tuple[tuple[float, int], ...] = ((0.5, 4), (1.0, 4))
    """Sizes of the photos, one after the other, and the steps taken at each."""
    photos: int = 5
    """Others with which each photo is compared, at most."""
    comparisons: float = 1e8
    """Pixels compared in a step at full size: beyond, each photo is compared with fewer others."""
    pixels_per_face: float = 8.0
    """Area of a triangle in the closest photo of a level, while it moves."""
    radius: int = 3
    """Windows of the correlation reach this many pixels from their centre."""
    smoothness: float = 15.0
    """Weight of the bending energy."""
    anchor: float = 0.02
    """Weight of the shift since the level began."""


def refine(
    mesh: Mesh,
    views: Sequence[View],
    neighbors: Sequence[Sequence[int]],
    options: RefineOptions = RefineOptions(),
    threads: int = 0,
    memory: int = 2**32,
    progress: Progress = no_progress,
) -> Mesh:
    """The mesh with finer triangles, moved until the photos agree.

    Args:
        mesh: the surface, already right to a pixel or two.
        views: the photos, at the largest size worth looking at.
        neighbors: for each view the indices of those with which it may be compared, best first.
        options: how far and how closely.
        threads: 0 is all cores.
        memory: bytes to stay within.
        progress: told how far it is.

    Returns:
        A mesh without colours, with as many parts and borders as the one given. Each triangle is
        cut in four at the end, so that a model with many triangles can be made of it. Only where
        no two photos could be compared, triangles stay as large as in the first level: a base, or
        a gap closed over a dark hollow, has no detail to show.
    """
    options = replace(options, photos=_affordable_photos(mesh, views, options, threads))
    work = [steps * scale**2 for scale, steps in options.levels]
    done = 0.0
    coarse = np.zeros(len(mesh.vertices))
    for (scale, steps), share in zip(options.levels, work, strict=True):
        small = [_scaled(view, scale) for view in views]
        pixel = np.maximum(pixel_sizes(mesh.vertices, small), coarse)
        mesh = resample(mesh, pixel, options.pixels_per_face)
        level = _Level(mesh, small, neighbors, options, threads, int(CACHED * memory))
        doing = f"comparing photos at {scale:.0%} of their size"
        for _ in range(steps):
            part = share / steps / sum(work)
            level.step(_part_of(progress, done, part, doing))
            done += part
        mesh = level.mesh
        coarse = np.where(level.told, 0.0, level.pixel)
    return split_long_edges(mesh, np.where(level.told, 0.0, np.inf), 1.0)[0]


def _affordable_photos(
    mesh: Mesh, views: Sequence[View], options: RefineOptions, threads: int
) -> int:
    """With how many others each photo is compared, from the pixels that show the surface."""
    shown = 0.0
    for view in views:
        small = _scaled(view, 1 / COUNTED_IN)
        pixels = view.width * view.height / (small.width * small.height)
        shown += pixels * np.count_nonzero(_drawn(mesh, small, threads)[0] >= 0)
    affordable = min(options.comparisons / max(shown, 1.0), options.photos)
    return max(min(options.photos, FEWEST_PHOTOS), int(affordable))


def _drawn(mesh: Mesh, view: View, threads: int) -> tuple[NDArray[np.int32], Float32, Float32]:
    """Face, barycentric weights and depth at each pixel of the view."""
    points = (mesh.vertices.astype(np.float64) @ view.R.T + view.t).astype(np.float32)
    return _render.rasterize(
        points, mesh.faces, view.K, view.width, view.height, np.zeros(3), np.inf, threads
    )


def _scaled(view: View, scale: float) -> View:
    return view.limited(max(1, round(scale * max(view.width, view.height))))


def _part_of(progress: Progress, begun: float, share: float, doing: str) -> Callable[[float], None]:
    """A progress function for a part of the whole."""
    return lambda done: progress(begun + share * done, doing)


class _Level:
    """The surface with the photos at one size.

    ``pixel`` (V,) is the size of a pixel at each vertex, ``told`` (V,) whether the photos weighed
    more there than the tie to where the level began.
    """

    def __init__(
        self,
        mesh: Mesh,
        views: Sequence[View],
        neighbors: Sequence[Sequence[int]],
        options: RefineOptions,
        threads: int,
        budget: int,
    ) -> None:
        self.mesh = mesh
        self._views = views
        self._neighbors = [list(others)[: options.photos] for others in neighbors]
        self._options = options
        self._threads = threads
        self._start = mesh.vertices.astype(np.float64)
        self.pixel = pixel_sizes(mesh.vertices, views)
        self.told = np.ones(len(mesh.vertices), bool)
        inner = np.ones(len(mesh.vertices), bool)
        inner[border_edges(mesh.faces)] = False
        self._umbrella, self._edge = _umbrella(mesh, inner)
        self._bend = self._umbrella.multiply(1 / self._edge[:, None]).tocsr()
        self._lumas: _Cache[UInt8] = _Cache(budget // 4, lambda i: _luma(views[i]))
        self._depths: _Cache[Float32] = _Cache(budget - budget // 4, lambda i: self._draw(i)[2])

    def step(self, progress: Callable[[float], None]) -> float:
        """Move the surface once; returns the mean of the photos' disagreement before."""
        pull, stiffness, energy = self._photo_forces(progress)
        x = self.mesh.vertices.astype(np.float64)
        normals = self.mesh.vertex_normals().astype(np.float64)
        toward = self._umbrella @ x
        bending = np.einsum("ij,ij->i", toward, normals) / self._edge
        tie = self._options.anchor / self.pixel**2
        since = np.einsum("ij,ij->i", x - self._start, normals)
        s = self._options.smoothness
        shift = _solve(
            self._bend,
            s,
            stiffness + tie,
            -pull - s * (self._bend.T @ bending) - tie * since,
        )
        limit = LONGEST_STEP * self.pixel
        x += np.clip(shift, -limit, limit)[:, None] * normals
        slide = toward - np.einsum("ij,ij->i", toward, normals)[:, None] * normals
        x += SLIDE * slide
        self.mesh = Mesh(x.astype(np.float32), self.mesh.faces)
        self.told = stiffness > tie
        self._depths.clear()
        return energy

    def _photo_forces(self, progress: Callable[[float], None]) -> tuple[Float64, Float64, float]:
        """Gradient (V,), its second derivative (V,), and the mean energy of a window."""
        pull, stiffness = np.zeros((2, len(self.mesh.vertices)))
        face_normals, vertex_normals = self.mesh.face_normals(), self.mesh.vertex_normals()
        energy, windows = 0.0, 0
        for i, others in enumerate(self._neighbors):
            progress(i / len(self._neighbors))
            if not others:
                continue
            face, weights, depth = self._draw(i)
            self._depths.put(i, depth)
            photos = [i, *others]
            views = [self._views[j] for j in photos]
            found = _refine.compare(
                self.mesh.faces,
                face_normals,
                vertex_normals,
                face,
                weights,
                [self._lumas[j] for j in photos],
                [self._depths[j] for j in photos],
                [view.K for view in views],
                [np.column_stack([view.R, view.t]) for view in views],
                self._options.radius,
                NOISE,
                TOLERANCE,
                MIN_COSINE,
                self._threads,
                False,
                pull,
                stiffness,
            )
            energy, windows = energy + found[0], windows + found[1]
        return pull, stiffness, energy / max(windows, 1)

    def _draw(self, number: int) -> tuple[NDArray[np.int32], Float32, Float32]:
        return _drawn(self.mesh, self._views[number], self._threads)


class _Cache(Generic[Picture]):
    """Pictures by number, made when asked for, the least recently used dropped beyond a budget."""

    def __init__(self, budget: int, make: Callable[[int], Picture]) -> None:
        self._budget = budget
        self._make: Callable[[int], Picture] = make
        self._held: OrderedDict[int, Picture] = OrderedDict()

    def __getitem__(self, number: int) -> Picture:
        if number not in self._held:
            self.put(number, self._make(number))
        self._held.move_to_end(number)
        return self._held[number]

    def put(self, number: int, picture: Picture) -> None:
        """Keep one that is already made."""
        self._held[number] = picture
        while len(self._held) > 1 and sum(p.nbytes for p in self._held.values()) > self._budget:
            self._held.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()


def _luma(view: View) -> UInt8:
    """The photo's grey levels (Rec. 601), (H, W)."""
    gray = view.read().astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(gray).astype(np.uint8)


def _umbrella(mesh: Mesh, inner: NDArray[np.bool_]) -> tuple[csr_matrix, Float64]:
    """(V, V) takes positions to the way towards the neighbours' mean; (V,) mean length of edges.

    Neighbours weigh by nearness, so that triangles of different size pull nothing along the
    surface. Rows of border vertices are zero.
    """
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    a, b = np.concatenate([edges, edges[:, ::-1]]).T
    length = np.linalg.norm(mesh.vertices[a].astype(np.float64) - mesh.vertices[b], axis=1)
    count = np.bincount(a, minlength=len(mesh.vertices))
    mean = np.bincount(a, length, len(mesh.vertices)) / np.maximum(count, 1)
    mean = np.where(mean > 0, mean, 1.0)
    weight = 1 / np.maximum(length, 0.1 * mean[a])
    total = np.bincount(a, weight, len(mesh.vertices))
    keep = inner[a]
    rows, columns, values = a[keep], b[keep], (weight / total[a])[keep]
    middle = np.flatnonzero(inner & (count > 0))
    rows = np.concatenate([rows, middle])
    columns = np.concatenate([columns, middle])
    values = np.concatenate([values, np.full(len(middle), -1.0)])
    return csr_matrix((values, (rows, columns)), shape=(len(mesh.vertices),) * 2), mean


def _solve(bend: csr_matrix, weight: float, diagonal: Float64, rhs: Float64) -> Float64:
    """``(diagonal + weight bend'bend) x = rhs`` by conjugate gradients, Jacobi-preconditioned."""
    back = bend.T.tocsr()
    inverse = 1 / (diagonal + weight * np.asarray(bend.multiply(bend).sum(axis=0)).ravel() + 1e-300)
    x = np.zeros_like(rhs)
    rest, way = rhs, inverse * rhs
    size = float(rest @ way)
    for _ in range(SOLVER_ROUNDS):
        if size <= 0:
            break
        image = diagonal * way + weight * (back @ (bend @ way))
        step = size / float(way @ image)
        x, rest = x + step * way, rest - step * image
        scaled = inverse * rest
        size, before = float(rest @ scaled), size
        way = scaled + (size / before) * way
    return x
