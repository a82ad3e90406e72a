"""Colours across charts: one smooth correction over all charts, then Poisson levelling at seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture.canvas import Canvas
from gypsum.texture.charts import Charts
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.layout import Layout
from gypsum.texture.topology import Edges

Float64 = NDArray[np.float64]

STIFFNESS = 0.1
"""How much a correction resists changing inside a chart, beside meeting its neighbour."""
ANCHOR = 3e-3
"""How much it resists at all: colours drift when corrections reach far, and rendered test views
get worse; sqrt(STIFFNESS / ANCHOR), about six edges, is how far a correction reaches."""
REACH = 24
"""Texels into the chart over which the last difference at a seam fades, in an atlas of 4096."""
LEAST_REACH = 6
LEVEL = 0.01
"""Step of the worst border that nobody sees."""
TOUCH_UPS = 10
"""Further rounds at most, for seams where more than ``RESIDUE`` is left, until all are level."""
RESIDUE = 0.006
NEARBY = 64
"""Seen vertices whose mean colours a part that nothing connects to them."""
SHORTEST_BORDER = 8
"""Texels; shorter borders are specks whose steps can't be seen."""
ITERATIONS = 60
CG_ITERATIONS = 2000
CG_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Seams:
    """Mesh edges along which two charts meet."""

    corners: NDArray[np.int32]
    """(E, 2, 2) corners: side, end."""
    charts: NDArray[np.int32]
    """(E, 2) the chart of each side."""

    def __len__(self) -> int:
        return len(self.corners)

    @classmethod
    def of(cls, mesh: Mesh, charts: Charts, edges: Edges) -> Seams:
        """All seams."""
        sides = charts.of_face[edges.faces]
        chosen = np.flatnonzero(sides[:, 0] != sides[:, 1])
        corners = np.empty((len(chosen), 2, 2), np.int32)
        for side in range(2):
            face = edges.faces[chosen, side]
            for end in range(2):
                at = mesh.faces[face] == edges.vertices[chosen, end][:, None]
                corners[:, side, end] = charts.corner_faces[face, at.argmax(axis=1)]
        return cls(corners, sides[chosen])

    def painted(self, charts: Charts) -> Seams:
        """Those between charts that photos paint."""
        chosen = np.all(charts.views[self.charts] != UNSEEN, axis=1)
        return Seams(self.corners[chosen], self.charts[chosen])

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


def level_globally(canvas: Canvas, seams: Seams) -> None:
    """Add one smooth correction to every chart so that neighbours agree along their seams.

    Waechter 2014, section 4.3: unknown is a correction at every corner; where two charts share a
    vertex, their corrected colours shall be equal; within a chart the correction shall be smooth.
    """
    charts = canvas.charts
    seams = seams.painted(charts)
    if len(seams) == 0:
        return
    steps = _texture.measure_seams(canvas.atlas, seams.lines(canvas.layout), canvas.threads)
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
    canvas.add(solve(matrix, target, np.zeros((count, 3)), canvas.threads).astype(np.float32))


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


def level_locally(canvas: Canvas, seams: Seams) -> None:
    """Make both sides of every seam meet."""
    if len(seams) == 0:
        return
    lines = seams.lines(canvas.layout)
    reach = max(LEAST_REACH, round(REACH * canvas.layout.size / 4096))
    for _ in range(1 + TOUCH_UPS):
        _texture.level_seams(
            lines,
            canvas.owners,
            canvas.charts.of_face,
            reach,
            ITERATIONS,
            canvas.atlas,
            canvas.threads,
        )
        # Where several charts meet, something is left, close to the seams. All are measured again:
        # what one round changes at a seam, its neighbours feel.
        left = _texture.seam_contrasts(canvas.atlas, seams.lines(canvas.layout), canvas.threads)
        if _steps(seams, seams.lines(canvas.layout), left)[1] < LEVEL:
            break
        lines = np.ascontiguousarray(seams.lines(canvas.layout)[left > RESIDUE])
        reach = LEAST_REACH


def border_steps(canvas: Canvas, seams: Seams) -> tuple[float, float]:
    """Mean colour step over all borders between two charts, and that of the worst of some length.

    A step is the absolute difference between both sides of a border, bilinear as a viewer samples
    the finished texture, averaged along the border and over the channels; share of the range.
    """
    if len(seams) == 0:
        return 0.0, 0.0
    lines = seams.lines(canvas.layout)
    return _steps(seams, lines, _texture.seam_contrasts(canvas.atlas, lines, canvas.threads))


def _steps(
    seams: Seams, lines: NDArray[np.float32], contrast: NDArray[np.float32]
) -> tuple[float, float]:
    """Mean and worst border from the contrasts of the seams' edges (E,)."""
    length = np.linalg.norm(lines[:, :, 1] - lines[:, :, 0], axis=2).mean(axis=1) + 1e-6
    pair = np.sort(seams.charts, axis=1).astype(np.int64)
    _, border = np.unique(pair[:, 0] << 32 | pair[:, 1], return_inverse=True)
    lengths = np.bincount(border, length)
    steps = np.bincount(border, length * contrast) / lengths
    worst = steps[lengths >= SHORTEST_BORDER].max(initial=0)
    return float((length * contrast).sum() / length.sum()), float(worst)


def fill_unseen(canvas: Canvas, edges: Edges) -> None:
    """Paint the charts that no photo shows with colours that continue their surroundings.

    The colours at the vertices are harmonic: each the mean of its neighbours, and fixed where a
    photo shows a face at the vertex. Parts without any seen neighbour get the mean colour of the
    nearest vertices that are seen.
    """
    mesh, charts = canvas.mesh, canvas.charts
    unseen = charts.views[charts.of_corner] == UNSEEN
    if not unseen.any():
        return
    count = len(mesh.vertices)
    known = np.bincount(charts.vertices[~unseen], minlength=count)
    sampled = canvas.sample(canvas.layout.uvs[~unseen])
    colors = np.zeros((count, 3))
    for channel in range(3):
        colors[:, channel] = np.bincount(charts.vertices[~unseen], sampled[:, channel], count)
    colors /= np.maximum(known, 1)[:, None]
    free = np.flatnonzero((known == 0) & (np.bincount(charts.vertices, minlength=count) > 0))
    if len(free):
        matrix = _laplacian(edges.vertices[:, 0], edges.vertices[:, 1], 1.0, count)
        rows = matrix[free]
        inner = (rows[:, free] + 1e-6 * sparse.eye_array(len(free), format="csr")).tocsr()
        guess = _colors_nearby(mesh.vertices, np.flatnonzero(known), colors, free)
        right = 1e-6 * guess - rows @ np.where(known[:, None] > 0, colors, 0)
        colors[free] = solve(inner, right, guess, canvas.threads)
    painted = np.zeros((len(charts.corners), 3), np.float32)
    painted[unseen] = colors[charts.vertices[unseen]]
    canvas.add(painted)


def _colors_nearby(
    vertices: NDArray[np.float32], known: NDArray[np.int64], colors: Float64, at: NDArray[np.int64]
) -> Float64:
    """(N, 3) mean colour of the known vertices nearest to each of the vertices ``at``."""
    if len(known) == 0:
        return np.full((len(at), 3), 0.5)
    count = min(NEARBY, len(known))
    _, nearest = cKDTree(vertices[known]).query(vertices[at], k=[*range(1, count + 1)])
    mean: Float64 = colors[known[nearest]].mean(axis=1)
    return mean
