"""Which of its two sides a surface was seen from.

Where scanners stood is known, normals turn to them. Else neighbouring normals are made to agree,
most alike neighbours first, along a minimum spanning tree (Hoppe et al. 1992), and each connected
part is turned as a whole: outwards, or inwards for rooms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from gypsum.native import _cloud

Float32 = NDArray[np.float32]

#: Points among which agreement is sought; the others follow the nearest of them.
MOST = 300_000
#: Neighbours that each is compared with.
NEIGHBOURS = 10
#: Directions from which a part is looked at to tell its outside.
LOOKS = 26


def orient(
    points: Float32, normals: Float32, facing: Float32, *, inside: bool = False, threads: int = 0
) -> Float32:
    """Normals (N, 3) that point to the side that was seen.

    ``facing`` (N, 3) points there where that is known, and is zero elsewhere. Connected parts of
    which nothing is known face outwards, with ``inside`` all but the largest.
    """
    agreement = np.einsum("ij,ij->i", normals, facing)
    sign = np.where(agreement < 0, np.float32(-1), np.float32(1))
    unknown = np.abs(facing).sum(axis=1) == 0
    if unknown.any():
        sign[unknown] = _agreeing(points, normals, sign, unknown, inside, threads)[unknown]
    return np.asarray(normals * sign[:, None], np.float32)


def _agreeing(
    points: Float32,
    normals: Float32,
    sign: Float32,
    unknown: NDArray[np.bool_],
    inside: bool,
    threads: int,
) -> Float32:
    """(N,) signs that make neighbours agree, also with those that are known."""
    step = -(-len(points) // MOST)
    some = np.arange(0, len(points), step)
    few = np.ascontiguousarray(points[some])
    turned = (normals * sign[:, None])[some]
    found = _tree_signs(few, turned, ~unknown[some], inside, threads)
    if step == 1:
        return np.asarray(sign * found, np.float32)
    nearest, _ = _cloud.nearest(few, points, 1, threads)
    theirs = (turned * found[:, None])[nearest[:, 0]]
    alike = np.einsum("ij,ij->i", normals, theirs)
    return np.where(alike < 0, np.float32(-1), np.float32(1))


def _tree_signs(
    points: Float32, normals: Float32, known: NDArray[np.bool_], inside: bool, threads: int
) -> Float32:
    """(N,) 1 or -1 for each normal."""
    count = len(points)
    index, _ = _cloud.nearest(points, points, min(NEIGHBOURS + 1, count), threads)
    here = np.repeat(np.arange(count), index.shape[1] - 1)
    there = index[:, 1:].ravel().astype(np.int64)
    here, there = here[there >= 0], there[there >= 0]
    dot = np.einsum("ij,ij->i", normals[here], normals[there])
    # Never zero: that would be no edge. Neighbours that lie in each other's plane come first.
    offset = points[there] - points[here]
    length = np.maximum(np.linalg.norm(offset, axis=1), 1e-20)
    out = np.abs(np.einsum("ij,ij->i", normals[here], offset)) / length
    weight = 1e-4 + (1 - np.abs(dot)) + out
    graph = coo_matrix((weight, (here, there)), shape=(count, count)).tocsr()
    graph = graph.maximum(graph.T)
    tree = minimum_spanning_tree(graph)
    parts, label = connected_components(tree, directed=False)
    order_of_part = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order_of_part], np.arange(parts + 1))
    signs = _followed(tree, normals, order_of_part[starts[:-1]])
    largest = int(np.bincount(label).argmax())
    for part in range(parts):
        members = order_of_part[starts[part] : starts[part + 1]]
        turned = normals[members] * signs[members, None]
        # What stands apart in a room is seen from its outside.
        within = inside and part == largest
        if _wrong(points[members], turned, signs[members], known[members], within):
            signs[members] *= -1
    return signs


def _followed(tree: coo_matrix, normals: Float32, firsts: NDArray[np.integer]) -> Float32:
    """Signs (N,) of a forest's normals, each by its parent's: products along the way to the root.

    All trees hang on one root, by their ``firsts``. The way is halved each time: what a node knows
    of its ancestor is joined with what that knows of its own.
    """
    count = len(normals)
    links = tree.tocoo()
    ends = (np.append(links.row, np.full(len(firsts), count)), np.append(links.col, firsts))
    weights = np.append(links.data, np.ones(len(firsts)))
    joined = coo_matrix((weights, ends), shape=(count + 1, count + 1)).tocsr()
    order, parent = breadth_first_order(joined, count, directed=False)
    child = order[1:]
    above = np.full(count + 1, count)
    above[child] = parent[child]
    rooted = np.vstack([normals, np.zeros((1, 3), np.float32)])
    dots = np.einsum("ij,ij->i", rooted[child], rooted[parent[child]])
    signs = np.ones(count + 1, np.float32)
    signs[child] = np.where(dots < 0, -1, 1)
    while (above[child] != count).any():
        signs[child] *= signs[above[child]]
        above[child] = above[above[child]]
    return signs[:-1]


def _wrong(
    points: Float32,
    normals: Float32,
    signs: Float32,
    known: NDArray[np.bool_],
    inside: bool,
) -> bool:
    """Whether a part has to be turned: by what is known of it, else by how it looks from afar."""
    if known.any():
        return bool(signs[known].sum() < 0)
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(LOOKS, 3))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    # What is furthest in a direction faces that direction, if normals point outwards.
    extreme = (points @ looks.T).argmax(axis=0)
    outwards = np.einsum("ij,ij->i", normals[extreme], looks).sum()
    return bool((outwards > 0) == inside)
