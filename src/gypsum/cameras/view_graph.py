"""The relative rotations of pairs of photos, and which of them can be true together.

Things that repeat (the same picture on two walls, windows, a turned symmetric object) give pairs
that look well matched and are wrong. Wrong rotations rarely close a loop with others: triangles of
photos tell right pairs from wrong ones, and averaging all rotations robustly settles the rest. A
photo that the averaging left where a few pairs agree is moved to where more of its pairs do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

from gypsum.cameras.pairs import Pair

if TYPE_CHECKING:
    import pycolmap

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

#: A triangle of relative rotations closes when less than this is left over, degrees.
TRIANGLE_TOLERANCE = 4.0
#: A pair is inconsistent with the averaged rotations beyond this, degrees.
PAIR_TOLERANCE = 8.0
#: Where pairs are usually exact, one is inconsistent when off by this factor of the usual already,
#: but not below this angle, degrees: what is nearly right joins different things, too.
_UNUSUAL = 6.0
_LEAST_TOLERANCE = 3.0
#: Scale of the robust loss of the averaging, degrees.
_LOSS_SCALE = 3.0
_ROUNDS = 40
#: Cells along the longer side of a photo; matches are weighed by the cells that they touch.
_GRID = 10
#: When more of the matches than this fit no calibrated geometry, the focal length is not to trust.
_UNCALIBRATED_SHARE = 0.6
#: Rounds of votes over all photos, and the share by which another place has to win.
_VOTES = 10
_MAJORITY = 1.02


@dataclass(frozen=True)
class ViewGraph:
    """Photos 0 … count-1 and E pairs of them."""

    count: int
    pairs: Int64
    """(E, 2) i < j."""
    rotations: Float64
    """(E, 3, 3) from camera i to camera j: ``R_j = R_ij @ R_i``."""
    weights: Float64
    """(E,) how much each pair shows: larger is better."""

    def select(self, keep: Bool) -> ViewGraph:
        """The graph with some of its pairs."""
        return replace(
            self,
            pairs=self.pairs[keep],
            rotations=self.rotations[keep],
            weights=self.weights[keep],
        )

    def weight_of_photos(self, chosen: Bool) -> Float64:
        """(count,) weight of the chosen (E,) pairs of each photo."""
        weights = np.repeat(self.weights * chosen, 2)
        sums: Float64 = np.bincount(self.pairs.ravel(), weights, minlength=self.count).astype(float)
        return sums

    def components(self) -> Int64:
        """(count,) label of the connected group of each photo; the largest group is 0."""
        i, j = self.pairs.T
        shape = (self.count, self.count)
        graph = coo_matrix((np.ones(len(i)), (i, j)), shape)
        _, labels = connected_components(graph, directed=False)
        ranks = np.argsort(np.argsort(-np.bincount(labels), kind="stable"), kind="stable")
        largest_first: Int64 = ranks[labels].astype(np.int64)
        return largest_first


def build_graph(
    points: Sequence[Float64],
    cameras: Sequence[pycolmap.Camera],
    geometries: Mapping[Pair, pycolmap.TwoViewGeometry],
) -> ViewGraph:
    """The pairs with a relative rotation, weighed by how much of both photos they cover.

    ``points`` are (N, 2) pixels for each photo. Counting covered cells and not matches keeps one
    small, richly textured thing that repeats from outvoting the rest of the photo. Pairs that fit
    no calibrated geometry are left out: as the cameras are known, they join different things.
    """
    import pycolmap

    uncalibrated = int(pycolmap.TwoViewGeometryConfiguration.UNCALIBRATED)
    pairs, rotations, weights = [], [], []
    for (i, j), geometry in sorted(geometries.items()):
        if geometry.cam2_from_cam1 is None or geometry.config == uncalibrated:
            continue
        pairs.append((i, j))
        rotations.append(geometry.cam2_from_cam1.rotation.matrix())
        weights.append(covered_by_both(points, cameras, (i, j), geometry))
    return ViewGraph(
        len(points),
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array(rotations).reshape(-1, 3, 3),
        np.array(weights, np.float64),
    )


def covered_by_both(
    points: Sequence[Float64],
    cameras: Sequence[pycolmap.Camera],
    pair: Pair,
    geometry: pycolmap.TwoViewGeometry,
) -> int:
    """How many cells of a grid over both photos the verified matches of a pair touch."""
    return min(
        covered_cells(points[k][rows], cameras[k].width, cameras[k].height)
        for k, rows in zip(pair, geometry.inlier_matches.T, strict=True)
    )


def covered_cells(xy: Float64, width: int, height: int) -> int:
    """How many cells of a grid over the photo hold at least one of the points (N, 2)."""
    cells = np.floor(xy * (_GRID / max(width, height))).astype(np.int64)
    return len(np.unique(cells[:, 1] * 4 * _GRID + cells[:, 0]))


def trusts_focal_lengths(
    cameras: Sequence[pycolmap.Camera], geometries: Mapping[Pair, pycolmap.TwoViewGeometry]
) -> bool:
    """Whether every camera came with a focal length, and the matches agree with it."""
    import pycolmap

    if not all(camera.has_prior_focal_length for camera in cameras):
        return False
    uncalibrated = int(pycolmap.TwoViewGeometryConfiguration.UNCALIBRATED)
    total = fit = 0
    for geometry in geometries.values():
        total += len(geometry.inlier_matches)
        fit += len(geometry.inlier_matches) * (geometry.config != uncalibrated)
    return fit >= (1 - _UNCALIBRATED_SHARE) * total


def triangle_support(graph: ViewGraph, tolerance: float = TRIANGLE_TOLERANCE) -> Float64:
    """(E,) the weight of the triangles that close over each pair.

    A triangle weighs as much as the weaker of its other two pairs.
    """
    n = graph.count
    R = np.zeros((n, n, 3, 3))
    W = np.zeros((n, n))
    i, j = graph.pairs.T
    R[i, j], R[j, i] = graph.rotations, graph.rotations.transpose(0, 2, 1)
    W[i, j] = W[j, i] = graph.weights
    least_trace = 1 + 2 * np.cos(np.radians(tolerance))
    support = np.zeros(len(graph.pairs))
    for e, (a, b) in enumerate(graph.pairs):
        around = np.minimum(W[a], W[b])
        third = np.flatnonzero(around)
        # The way from a to b over c, compared with the pair's own rotation.
        detour = R[third, b] @ R[a, third]
        trace = np.einsum("kij,ij->k", detour, graph.rotations[e])
        support[e] = around[third][trace >= least_trace].sum()
    return support


def average_rotations(graph: ViewGraph, trust: Float64, start: Float64 | None = None) -> Float64:
    """(count, 3, 3) world-to-camera rotations that agree best with the pairs, robustly.

    Starts from ``start``, else from the spanning tree of the most trusted pairs (``trust`` (E,),
    positive), then solves reweighted least squares in the tangent space (Chatterjee and Govindu
    2013). Photos without pairs keep the identity; every connected group has a frame of its own.
    """
    rotations = _spread_from_tree(graph, trust) if start is None else start.copy()
    i, j = graph.pairs.T
    E, n = len(i), graph.count
    if E == 0:
        return rotations
    rows = np.repeat(np.arange(E), 2)
    columns = np.stack([i, j], axis=1).ravel()
    incidence = csr_matrix((np.tile([-1.0, 1.0], E), (rows, columns)), (E, n))
    scale = np.radians(_LOSS_SCALE)
    for _ in range(_ROUNDS):
        residual = Rotation.from_matrix(
            rotations[j].transpose(0, 2, 1) @ graph.rotations @ rotations[i]
        ).as_rotvec()
        size = np.linalg.norm(residual, axis=1)
        weights = trust * (scale**2 / (scale**2 + size**2)) ** 2
        normal = incidence.T @ incidence.multiply(weights[:, None])
        # A touch of damping fixes each group's free turn.
        normal = (normal + 1e-9 * trust.sum() * _identity(n)).tocsc()
        step = np.asarray(spsolve(normal, incidence.T @ (weights[:, None] * residual)))
        rotations = rotations @ Rotation.from_rotvec(step).as_matrix()
        if np.abs(step).max() < 1e-6:
            break
    return rotations


def pair_errors(graph: ViewGraph, rotations: Float64) -> Float64:
    """(E,) angle in degrees between each pair's rotation and that of the cameras (count, 3, 3)."""
    i, j = graph.pairs.T
    difference = rotations[j].transpose(0, 2, 1) @ graph.rotations @ rotations[i]
    errors: Float64 = np.degrees(Rotation.from_matrix(difference).magnitude())
    return errors


def consistent_pairs(graph: ViewGraph) -> Bool:
    """(E,) the pairs that can be true together.

    Without a single closed triangle (a chain of photos) there is nothing to judge by, and all pairs
    stay.
    """
    support = triangle_support(graph)
    if not support.any():
        return np.ones(len(support), np.bool_)
    # Both count: what repeats may be seen by many photos, but covers little of each.
    trust = np.sqrt(support * graph.weights) + 1e-3 * graph.weights
    rotations = average_rotations(graph, trust)
    rotations = average_rotations(graph, trust, vote(graph, rotations))
    errors = pair_errors(graph, rotations)
    fitting = errors[errors <= PAIR_TOLERANCE]
    usual = float(np.median(fitting)) if len(fitting) else PAIR_TOLERANCE
    return errors <= min(PAIR_TOLERANCE, max(_LEAST_TOLERANCE, _UNUSUAL * usual))


def vote(graph: ViewGraph, rotations: Float64) -> Float64:
    """The rotations (count, 3, 3), after photos moved to where most weight of their pairs agrees.

    Averaging stays where it started from a wrong pair; this leaves such places, photo by photo.
    """
    rotations = rotations.copy()
    i, j = graph.pairs.T
    near = [
        (np.flatnonzero(i == photo), np.flatnonzero(j == photo)) for photo in range(graph.count)
    ]
    least_trace = 1 + 2 * np.cos(np.radians(PAIR_TOLERANCE))
    for _ in range(_VOTES):
        moved = False
        for photo, (first, second) in enumerate(near):
            # Where each pair puts the photo; the last is where it is.
            places = np.concatenate(
                [
                    graph.rotations[first].transpose(0, 2, 1) @ rotations[j[first]],
                    graph.rotations[second] @ rotations[i[second]],
                    rotations[photo][None],
                ]
            )
            weights = np.r_[graph.weights[first], graph.weights[second], 0.0]
            agree = np.einsum("aij,bij->ab", places, places) >= least_trace
            votes = agree @ weights
            best = int(votes.argmax())
            if votes[best] > _MAJORITY * votes[-1]:
                rotations[photo] = places[best]
                moved = True
        if not moved:
            break
    return rotations


def _spread_from_tree(graph: ViewGraph, trust: Float64) -> Float64:
    """Rotations along the spanning tree of greatest trust, from the first photo of each group."""
    n = graph.count
    i, j = graph.pairs.T
    cost = 1.0 / np.maximum(trust, 1e-12)
    tree = minimum_spanning_tree(coo_matrix((cost, (i, j)), (n, n)).tocsr()).tocoo()
    number = {(int(a), int(b)): e for e, (a, b) in enumerate(graph.pairs)}
    neighbours: list[list[tuple[int, Float64]]] = [[] for _ in range(n)]
    for a, b in zip(tree.row, tree.col, strict=True):
        R = graph.rotations[number[int(a), int(b)]]
        neighbours[a].append((int(b), R))
        neighbours[b].append((int(a), R.T))
    rotations = np.tile(np.eye(3), (n, 1, 1))
    reached = np.zeros(n, np.bool_)
    for root in range(n):
        stack = [] if reached[root] else [root]
        reached[root] = True
        while stack:
            here = stack.pop()
            for there, R in neighbours[here]:
                if not reached[there]:
                    reached[there] = True
                    rotations[there] = R @ rotations[here]
                    stack.append(there)
    return rotations


def _identity(n: int) -> csr_matrix:
    return csr_matrix((np.ones(n), (np.arange(n), np.arange(n))), (n, n))
