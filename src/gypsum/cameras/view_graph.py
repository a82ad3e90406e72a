"""The relative rotations of pairs of photos, and which of them can be true together.

Things that repeat (the same picture on two walls, windows, a turned symmetric object) give pairs
that look well matched and are wrong. Wrong rotations rarely close a loop with others: triangles of
photos tell right pairs from wrong ones, and averaging all rotations robustly settles the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.sparse.linalg import spsolve
from scipy.spatial.transform import Rotation

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

#: A triangle of relative rotations closes when less than this is left over, degrees.
TRIANGLE_TOLERANCE = 4.0
#: A pair is inconsistent with the averaged rotations beyond this, degrees.
PAIR_TOLERANCE = 8.0
#: Scale of the robust loss of the averaging, degrees.
_LOSS_SCALE = 3.0
_ROUNDS = 40


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

    def components(self) -> Int64:
        """(count,) label of the connected group of each photo; the largest group is 0."""
        i, j = self.pairs.T
        shape = (self.count, self.count)
        graph = coo_matrix((np.ones(len(i)), (i, j)), shape)
        _, labels = connected_components(graph, directed=False)
        ranks = np.argsort(np.argsort(-np.bincount(labels), kind="stable"), kind="stable")
        largest_first: Int64 = ranks[labels].astype(np.int64)
        return largest_first


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


def average_rotations(graph: ViewGraph, trust: Float64) -> Float64:
    """(count, 3, 3) world-to-camera rotations that agree best with the pairs, robustly.

    Starts from the spanning tree of the most trusted pairs (``trust`` (E,), positive), then solves
    reweighted least squares in the tangent space (Chatterjee and Govindu 2013). Photos without
    pairs keep the identity; every connected group has a frame of its own.
    """
    rotations = _spread_from_tree(graph, trust)
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
    rotations = average_rotations(graph, support + 1e-3 * graph.weights)
    return pair_errors(graph, rotations) <= PAIR_TOLERANCE


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
