"""Colours across charts: one smooth correction over all charts, then Poisson levelling at seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture.charts import Charts, Layout
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.topology import Edges

Float64 = NDArray[np.float64]
Int16 = NDArray[np.int16]

STIFFNESS = 0.1
"""How much a correction resists changing inside a chart, beside meeting its neighbour."""
ANCHOR = 3e-3
"""How much it resists at all: colours drift when corrections reach far, and rendered test views
get worse; sqrt(STIFFNESS / ANCHOR), about six edges, is how far a correction reaches."""
REACH = 24
"""Texels into the chart over which the last difference at a seam fades, in an atlas of 4096."""
ITERATIONS = 60
CG_ITERATIONS = 2000
CG_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Seams:
    """Mesh edges along which two painted charts meet."""

    corners: NDArray[np.int32]
    """(E, 2, 2) corners: side, end."""

    def __len__(self) -> int:
        return len(self.corners)

    @classmethod
    def of(cls, mesh: Mesh, charts: Charts, edges: Edges) -> Seams:
        """All seams between charts that photos paint."""
        sides = charts.of_face[edges.faces]
        painted = np.all(charts.views[sides] != UNSEEN, axis=1)
        chosen = np.flatnonzero(painted & (sides[:, 0] != sides[:, 1]))
        corners = np.empty((len(chosen), 2, 2), np.int32)
        for side in range(2):
            face = edges.faces[chosen, side]
            for end in range(2):
                at = mesh.faces[face] == edges.vertices[chosen, end][:, None]
                corners[:, side, end] = charts.corner_faces[face, at.argmax(axis=1)]
        return cls(corners)

    def lines(self, layout: Layout) -> NDArray[np.float32]:
        """(E, 2, 2, 2) positions in the atlas, texels."""
        return np.ascontiguousarray(layout.uvs[self.corners])


def solve(matrix: sparse.csr_matrix, right: Float64, start: Float64, threads: int) -> Float64:
    """x (N, 3) with matrix @ x = right, for a symmetric positive definite matrix."""
    x = np.ascontiguousarray(start, np.float64)
    _texture.solve_spd(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float64),
        np.ascontiguousarray(right, np.float64),
        CG_ITERATIONS,
        CG_TOLERANCE,
        x,
        threads,
    )
    return x


def level_globally(
    charts: Charts,
    layout: Layout,
    seams: Seams,
    owners: NDArray[np.int32],
    atlas: Int16,
    threads: int,
) -> None:
    """Add one smooth correction to every chart so that neighbours agree along their seams.

    Waechter 2014, section 4.3: unknown is a correction at every corner; where two charts share a
    vertex, their corrected colours shall be equal; within a chart the correction shall be smooth.
    """
    if len(seams) == 0:
        return
    steps = _texture.measure_seams(atlas, seams.lines(layout).reshape(-1, 2, 2, 2), threads)
    count = len(charts.corners)
    left = seams.corners[:, 0].reshape(-1)
    right = seams.corners[:, 1].reshape(-1)
    step = steps.reshape(-1, 3).astype(np.float64)
    a = charts.corner_faces[:, [0, 1, 2]].reshape(-1)
    b = charts.corner_faces[:, [1, 2, 0]].reshape(-1)
    matrix = _laplacian(left, right, 1.0, count) + _laplacian(a, b, STIFFNESS, count)
    matrix = (matrix + ANCHOR * sparse.eye_array(count, format="csr")).tocsr()
    target = np.zeros((count, 3))
    for channel in range(3):
        target[:, channel] += np.bincount(left, step[:, channel], count)
        target[:, channel] -= np.bincount(right, step[:, channel], count)
    correction = solve(matrix, target, np.zeros((count, 3)), threads).astype(np.float32)
    _texture.add_colors(layout.uvs, charts.corner_faces, owners, correction, atlas, threads)


def _laplacian(
    a: NDArray[np.int32], b: NDArray[np.int32], weight: float, count: int
) -> sparse.csr_matrix:
    """Matrix of the sum of weight * (x[a] - x[b])**2."""
    values = np.full(len(a), weight)
    return sparse.coo_matrix(
        (
            np.concatenate([values, values, -values, -values]),
            (np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])),
        ),
        shape=(count, count),
    ).tocsr()


def level_locally(
    charts: Charts,
    layout: Layout,
    seams: Seams,
    owners: NDArray[np.int32],
    atlas: Int16,
    threads: int,
) -> float:
    """Make both sides of every seam meet; returns the mean step left, share of the range."""
    if len(seams) == 0:
        return 0.0
    lines = seams.lines(layout).reshape(-1, 2, 2, 2)
    reach = max(6, round(REACH * layout.size / 4096))
    _texture.level_seams(lines, owners, charts.of_face, reach, ITERATIONS, atlas, threads)
    left = _texture.measure_seams(atlas, lines, threads)
    return float(np.abs(left).mean())


def fill_unseen(
    mesh: Mesh,
    charts: Charts,
    layout: Layout,
    edges: Edges,
    owners: NDArray[np.int32],
    atlas: Int16,
    threads: int,
) -> None:
    """Paint the charts that no photo shows with colours that continue their surroundings.

    The colours at the vertices are harmonic: each the mean of its neighbours, and fixed where a
    photo shows a face at the vertex. Parts without any seen neighbour get the mean colour.
    """
    unseen = charts.views[charts.of_corner] == UNSEEN
    if not unseen.any():
        return
    count = len(mesh.vertices)
    known = np.bincount(charts.vertices[~unseen], minlength=count)
    sampled = _texture.sample_atlas(atlas, np.ascontiguousarray(layout.uvs[~unseen]), threads)
    colors = np.zeros((count, 3))
    for channel in range(3):
        colors[:, channel] = np.bincount(charts.vertices[~unseen], sampled[:, channel], count)
    colors /= np.maximum(known, 1)[:, None]
    mean = sampled.mean(axis=0) if len(sampled) else np.full(3, 0.5)
    free = np.flatnonzero((known == 0) & (np.bincount(charts.vertices, minlength=count) > 0))
    if len(free):
        matrix = _laplacian(edges.vertices[:, 0], edges.vertices[:, 1], 1.0, count)
        rows = matrix[free]
        inner = (rows[:, free] + 1e-6 * sparse.eye_array(len(free), format="csr")).tocsr()
        right = 1e-6 * mean - rows @ np.where(known[:, None] > 0, colors, 0)
        colors[free] = solve(inner, right, np.tile(mean, (len(free), 1)), threads)
    painted = np.zeros((len(charts.corners), 3), np.float32)
    painted[unseen] = colors[charts.vertices[unseen]]
    _texture.add_colors(layout.uvs, charts.corner_faces, owners, painted, atlas, threads)
