"""Shape from shading: on a plain matte thing, how bright a place is tells how it is turned.

Light from afar falls on a matte surface by its normal alone, and is a harmonic of second degree in
it, nine numbers (Ramamoorthi and Hanrahan, SIGGRAPH 2001). Where these and one paint explain how
nearly all of the surface looks, what is left tells by how much its normals are wrong. Vertices move
along their normals, so that the surface turns to its shade (as depths do in Wu, Wilburn,
Matsushita, Theobalt, CVPR 2011), and are held where they are: normals by shading are good for fine
detail and bad for the shape at large (Nehab et al., SIGGRAPH 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.sparse.linalg import cg

from gypsum.formats.colors import to_linear
from gypsum.implicit.observation import Observation
from gypsum.native._render import rasterize
from gypsum.scene import Mesh

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Light has to explain this share of how differently the surface's places look.
ENOUGH = 0.8
#: Of the looks of a place, dark to bright, this quantile is its matte one: gleams are bright.
_MATTE = 0.35
#: Looks that make one, at least, and how squarely each sees the surface (cosine).
_LOOKS, _SQUARE = 3, 0.3
#: A place is hidden where something is so many edges before it.
_HIDDEN = 1.5
#: Weights of smoothness and of staying in place, against errors of shading in their own spread;
#: movements in edges.
_SMOOTH, _STAY = 30.0, 3.0
#: Errors of shading beyond this many times their spread are of something else: a shadow, paint.
_ROBUST, _ROUNDS = 1.5, 8
#: No vertex moves by more edges than that.
_FURTHEST = 0.5
_SOLVER_STEPS, _SOLVED = 150, 1e-3


@dataclass(frozen=True)
class Shaded:
    """A surface after its shades were looked at."""

    mesh: Mesh
    explained: float
    """Share of the variance of its looks that light alone explains, 0 to 1."""

    @property
    def refined(self) -> bool:
        """Whether that was enough for its normals to follow the shades."""
        return self.explained >= ENOUGH


def refine_by_shading(
    mesh: Mesh, observations: Sequence[Observation], *, threads: int = 0
) -> Shaded:
    """The surface with normals that its shades tell, where one light and one paint explain them.

    ``threads`` 0 is all cores; the result does not depend on it.
    """
    vertices = mesh.vertices.astype(np.float64)
    edge = _edge(mesh)
    normals = mesh.vertex_normals().astype(np.float64)
    looks, seen = _looks(mesh, normals, observations, edge, threads)
    if np.count_nonzero(seen) < 100:
        return Shaded(mesh, 0.0)
    light, weight, spread = _light(normals, looks, seen)
    left = looks - _harmonics(normals) @ light
    variance = max(float(np.var(looks[seen])), 1e-12)
    explained = max(0.0, 1 - float(np.var(left[seen])) / variance)
    if explained < ENOUGH:
        return Shaded(mesh, explained)
    shading, error = _turning(mesh, looks, light, weight, edge, spread)
    smooth = _laplacian(mesh)
    system = shading.T @ shading + _SMOOTH * (smooth.T @ smooth)
    system += _STAY * sparse.eye(len(vertices))
    moved, _ = cg(system, shading.T @ error, maxiter=_SOLVER_STEPS, rtol=_SOLVED)
    moved = np.clip(moved, -_FURTHEST, _FURTHEST) * edge
    found = vertices + normals * moved[:, None]
    return Shaded(replace(mesh, vertices=found.astype(np.float32)), explained)


def _edge(mesh: Mesh) -> float:
    a, b = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in (0, 1))
    return float(np.median(np.linalg.norm(b - a, axis=1)))


def _looks(
    mesh: Mesh,
    normals: Float64,
    observations: Sequence[Observation],
    edge: float,
    threads: int,
) -> tuple[Float64, Bool]:
    """The matte linear brightness (V,) of vertices, and which of them enough photos show."""
    found = np.full((len(observations), len(mesh.vertices)), np.nan, np.float32)
    for row, one in zip(found, observations, strict=True):
        camera = mesh.vertices @ one.R.T + one.t
        height, width = one.mask.shape
        K = np.ascontiguousarray(one.K, np.float64)
        corners = np.ascontiguousarray(camera, np.float32)
        faces = np.ascontiguousarray(mesh.faces, np.int32)
        _, _, depth = rasterize(
            corners, faces, K, width, height, np.zeros(3), float("inf"), threads
        )
        x, y = (camera[:, :2] / camera[:, 2:] * np.diag(K)[:2] + K[:2, 2]).T
        toward = -one.R.T @ one.t - mesh.vertices
        toward /= np.linalg.norm(toward, axis=1, keepdims=True)
        shown = (camera[:, 2] > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        shown &= (toward * normals).sum(1) > _SQUARE
        at = np.flatnonzero(shown)
        nearest = depth[y[at].astype(np.int64), x[at].astype(np.int64)]
        at = at[np.abs(nearest - camera[at, 2]) < _HIDDEN * edge]
        grey = to_linear(one.image).mean(-1)
        row[at] = map_coordinates(grey, [y[at] - 0.5, x[at] - 0.5], order=1, mode="nearest")
    seen: Bool = np.count_nonzero(np.isfinite(found), axis=0) >= _LOOKS
    looks = np.zeros(len(mesh.vertices))
    if seen.any():
        looks[seen] = np.nanquantile(found[:, seen], _MATTE, axis=0)
    return looks, seen


def _harmonics(normals: Float64) -> Float64:
    """(N, 9) the harmonics up to second degree, not normalised."""
    x, y, z = normals.T
    return np.stack(
        [np.ones_like(x), x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1], 1
    )


def _by_normal(normals: Float64, light: Float64) -> Float64:
    """(N, 3) the derivative of the brightness by the normal."""
    x, y, z = normals.T
    c = light
    return np.stack(
        [
            c[1] + c[4] * y + c[6] * z + 2 * c[7] * x,
            c[2] + c[4] * x + c[5] * z - 2 * c[7] * y,
            c[3] + c[5] * y + c[6] * x + 6 * c[8] * z,
        ],
        1,
    )


def _light(normals: Float64, looks: Float64, seen: Bool) -> tuple[Float64, Float64, float]:
    """The light (9,), how much each vertex's look is to be believed (V,), and the errors' spread.

    By iteratively reweighted least squares, with Cauchy's weights.
    """
    harmonics = _harmonics(normals)
    weight = seen.astype(np.float64)
    light, spread = np.zeros(9), 1.0
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        light[:] = np.linalg.lstsq(harmonics * root[:, None], looks * root, rcond=None)[0]
        left = looks - harmonics @ light
        spread = max(1.4826 * float(np.median(np.abs(left[seen]))), 1e-6)
        weight = seen / (1 + np.square(left / (_ROBUST * spread)))
    return light, weight, spread


def _turning(
    mesh: Mesh,
    looks: Float64,
    light: Float64,
    weight: Float64,
    edge: float,
    spread: float,
) -> tuple[sparse.csr_matrix, Float64]:
    """How faces' brightness follows movements of vertices along normals (F, V), and should (F,).

    A normal loses the slope of the movement over the face: n' = n - grad(movement). Movements in
    edges, brightness in spreads, each face by its belief and the root of its size.
    """
    faces = mesh.faces
    a, b, c = (mesh.vertices[faces[:, k]].astype(np.float64) for k in range(3))
    across = np.cross(b - a, c - a)
    area = np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-20)
    front = across / area
    derivative = _by_normal(front, light)
    size = np.sqrt(np.minimum(area[:, 0] / edge**2, 4))
    believed = weight[faces].min(1) * size / spread
    # The slopes of the functions that are one at one corner and zero at the others.
    slopes = [np.cross(front, side) / area for side in (c - b, a - c, b - a)]
    by_corner = np.stack([-(derivative * slope).sum(1) for slope in slopes], 1)
    entries = by_corner * (believed * edge)[:, None]
    rows = np.repeat(np.arange(len(faces)), 3)
    shape = (len(faces), len(mesh.vertices))
    matrix = sparse.csr_matrix((entries.ravel(), (rows, faces.ravel())), shape)
    error = (looks[faces].mean(1) - _harmonics(front) @ light) * believed
    return matrix, error


def _laplacian(mesh: Mesh) -> sparse.csr_matrix:
    """(V, V) the mean of a vertex's neighbours less its own value."""
    pairs = np.unique(np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    count = len(mesh.vertices)
    ones = np.ones(2 * len(pairs))
    beside = sparse.csr_matrix((ones, (pairs.ravel(), pairs[:, ::-1].ravel())), (count, count))
    mean = sparse.diags(1 / np.maximum(np.asarray(beside.sum(1)).ravel(), 1))
    return sparse.csr_matrix(mean @ beside - sparse.eye(count))
