"""How scans of one place fit together that were taken from different places.

Pairs of scans are brought together by points that look alike: histograms of the angles between a
point's normal and those around it (the point feature histograms of Rusu et al. 2009, here of
cosines without sign, because the normals' own is not known), consistent triples of them, and the
iterative closest point to plane (Chen and Medioni 1991). Pairs that fit make a graph; all scans in
it are then moved together until all overlaps fit best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from gypsum.clouds.gathering import Motion
from gypsum.native import _cloud
from gypsum.scene import Progress, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

POINTS = 15_000
"""Of each scan that are compared."""
AROUND = 40
"""Neighbours that a point's histogram is made of."""
BINS = 11
TRIPLES = 100_000
"""Of corresponding points that are tried."""
RIGID = 0.9
"""Ratio of the lengths between corresponding points, at least."""
TRIED = 12
"""Best motions that are refined."""
NEAR = 1.5
"""Points of two scans are the same within so many times the points' spacing."""
ALIKE = 0.8
"""Cosine of their normals, at least."""
LEAST_OVERLAP = 0.12
"""Share of the smaller scan's points that the other one has, too, for a pair to fit."""
LEFT_ALONE = 0.3
"""Scans that overlap by this much as they come are in one frame already."""
_ROUNDS = 30
_JOINT_ROUNDS = 15
_PER_PAIR = 4_000


@dataclass(frozen=True)
class Registration:
    """Where scans belong."""

    motions: tuple[Motion | None, ...]
    """Of each scan, to the frame of the first; None for those that fit no other."""
    errors: tuple[float, ...]
    """Median distance of each scan's points from the others' planes, metres; 0 where alone."""
    moved: bool
    """Whether any scan was moved: they may fit as they come."""


@dataclass(frozen=True)
class _Scan:
    points: Float64
    normals: Float64
    spacing: float
    features: Float32
    tree: cKDTree


def register(
    scans: Sequence[Float32], *, seed: int = 0, threads: int = 0, progress: Progress = no_progress
) -> Registration:
    """Find how scans, each of points (N, 3) in metres, fit together."""
    prepared = [_prepared(points, threads) for points in scans]
    pairs: dict[tuple[int, int], tuple[Motion, float]] = {}
    wanted = [*combinations(range(len(scans)), 2)]
    for done, (first, second) in enumerate(wanted):
        progress(0.9 * done / len(wanted), f"fitting scan {second + 1} to scan {first + 1}")
        found = _pair(prepared[first], prepared[second], seed)
        if found is not None:
            pairs[first, second] = found
    placed = _spanned(len(scans), pairs)
    progress(0.9, "fitting all scans together")
    motions = _together(prepared, placed, list(pairs))
    moved = any(
        motion is not None and not np.allclose(motion.moved(scan.points), scan.points, atol=1e-9)
        for motion, scan in zip(motions, prepared, strict=True)
    )
    return Registration(tuple(motions), _errors(prepared, motions, list(pairs)), moved)


def _prepared(points: Float32, threads: int) -> _Scan:
    """A scan thinned evenly, with features."""
    low = points.min(axis=0).astype(np.float64)
    edge = 1e-6 * float(np.ptp(points, axis=0).max())
    grid = _cloud.Grid(max(edge, 1e-9), POINTS)
    count = len(points)
    zeros = np.zeros(count, np.float32)
    grid.add(
        np.ascontiguousarray(points - low, np.float64),
        np.zeros((count, 3), np.uint8),
        np.zeros((count, 3), np.float32),
        zeros,
        np.zeros(count, np.uint8),
    )
    thin = grid.finish()[0]
    distance, normals, _, _ = _cloud.local_shape(thin, min(16, len(thin) - 1), threads)
    spacing = float(np.median(distance)) * 0.7
    places = thin.astype(np.float64) + low
    return _Scan(
        places, normals.astype(np.float64), spacing, _features(thin, normals, threads),
        cKDTree(places),
    )  # fmt: skip


def _features(points: Float32, normals: Float32, threads: int) -> Float32:
    """Histograms (N, 6 * BINS): of a near and of a wide neighbourhood, each joined with its own
    neighbours' (fast point feature histograms)."""
    index, distance = _cloud.nearest(points, points, min(AROUND + 1, len(points)), threads)
    index, distance = index[:, 1:], distance[:, 1:]
    offset = points[index] - points[:, None]
    offset /= np.maximum(distance, 1e-12)[..., None]
    cosines = (
        np.abs(np.einsum("nkd,nd->nk", offset, normals)),
        np.abs(np.einsum("nkd,nkd->nk", offset, normals[index])),
        np.abs(np.einsum("nd,nkd->nk", normals, normals[index])),
    )
    parts = []
    for size in (index.shape[1] // 3, index.shape[1]):
        simple = np.concatenate([_histogram(cosine[:, :size]) for cosine in cosines], axis=1)
        weight = 1 / np.maximum(distance[:, :size], 1e-12)
        weight /= weight.sum(axis=1, keepdims=True)
        around = np.einsum("nk,nkf->nf", weight, simple[index[:, :size]])
        parts.append(simple + around)
    return np.concatenate(parts, axis=1).astype(np.float32)


def _histogram(cosines: Float32) -> Float32:
    # By angle: most neighbours are nearly coplanar, where cosines hardly differ.
    place = np.arccos(np.clip(cosines, 0, 1)) * (2 / np.pi) * BINS
    bins = np.minimum(place.astype(np.int64), BINS - 1)
    rows = np.arange(len(bins))[:, None] * BINS
    counts = np.bincount((rows + bins).ravel(), minlength=len(bins) * BINS)
    return np.asarray(counts.reshape(-1, BINS) / cosines.shape[1], np.float32)


def _pair(first: _Scan, second: _Scan, seed: int) -> tuple[Motion, float] | None:
    """How the second scan is moved to the first, and their overlap; None where they don't fit."""
    as_it_is = Motion(np.eye(3), np.zeros(3))
    if _overlap(first, second, as_it_is) >= LEFT_ALONE:
        return as_it_is, _overlap(first, second, as_it_is)
    best: tuple[Motion, float] | None = None
    for motion in _guesses(first, second, np.random.default_rng(seed)):
        refined = _closest(first, second, motion, rounds=10)
        overlap = _overlap(first, second, refined)
        if best is None or overlap > best[1]:
            best = (refined, overlap)
    if best is None:
        return None
    refined = _closest(first, second, best[0], rounds=_ROUNDS)
    overlap = _overlap(first, second, refined)
    return (refined, overlap) if overlap >= LEAST_OVERLAP else None


def _guesses(first: _Scan, second: _Scan, rng: np.random.Generator) -> list[Motion]:
    """Motions by which triples of points that look alike come to lie on each other."""
    scale = max(first.spacing, second.spacing)
    here, there = _alike(first.features, second.features)
    if len(here) < 3:
        return []
    p, q = first.points[here], second.points[there]
    triples = rng.integers(0, len(here), (TRIPLES, 3))
    good = np.ones(TRIPLES, bool)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        a = np.linalg.norm(p[triples[:, i]] - p[triples[:, j]], axis=1)
        b = np.linalg.norm(q[triples[:, i]] - q[triples[:, j]], axis=1)
        shorter, longer = np.minimum(a, b), np.maximum(a, b)
        good &= (shorter > 8 * scale) & (shorter >= RIGID * longer)
    triples = triples[good][:5_000]
    if not len(triples):
        return []
    turns, shifts = _kabsch(q[triples], p[triples])
    score = np.zeros(len(triples))
    for start in range(0, len(triples), 200):
        part = slice(start, start + 200)
        moved = np.einsum("tij,nj->tni", turns[part], q) + shifts[part, None]
        score[part] = (np.linalg.norm(moved - p, axis=2) < 3 * scale).sum(axis=1)
    order = np.argsort(-score, kind="stable")
    chosen: list[Motion] = []
    for number in order:
        motion = Motion(turns[number], shifts[number])
        if all(_different(motion, other, q, 5 * scale) for other in chosen):
            chosen.append(motion)
        if len(chosen) == TRIED:
            break
    return chosen


def _alike(first: Float32, second: Float32) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Points of either scan whose features are each other's nearest, or nearly; those on plain
    planes, which are everywhere, are left out."""
    spread = [np.linalg.norm(f - np.median(f, axis=0), axis=1) for f in (first, second)]
    some = [np.argsort(-s, kind="stable")[: len(s) // 3] for s in spread]
    one, other = (f[chosen] for f, chosen in zip((first, second), some, strict=True))
    _, to_other = cKDTree(other).query(one, k=1, workers=-1)
    _, to_one = cKDTree(one).query(other, k=1, workers=-1)
    mutual = to_one[to_other] == np.arange(len(one))
    here = np.concatenate([np.arange(len(one))[mutual], to_one])
    there = np.concatenate([to_other[mutual], np.arange(len(other))])
    return some[0][here], some[1][there]


def _kabsch(moving: Float64, fixed: Float64) -> tuple[Float64, Float64]:
    """Rotations (T, 3, 3) and shifts (T, 3) that bring triples (T, 3, 3) onto others."""
    a, b = moving.mean(axis=1), fixed.mean(axis=1)
    products = np.einsum("tni,tnj->tij", moving - a[:, None], fixed - b[:, None])
    u, _, vt = np.linalg.svd(products)
    sign = np.sign(np.linalg.det(np.einsum("tij,tjk->tik", u, vt)))
    vt[:, 2] *= sign[:, None]
    turns = np.einsum("tji,tkj->tik", vt, u)
    return turns, b - np.einsum("tij,tj->ti", turns, a)


def _different(one: Motion, other: Motion, points: Float64, scale: float) -> bool:
    some = points[:: max(1, len(points) // 50)]
    return bool(np.abs(one.moved(some) - other.moved(some)).max() > scale)


def _closest(first: _Scan, second: _Scan, motion: Motion, rounds: int) -> Motion:
    """Point to plane, with a reach that shrinks from round to round."""
    scale = max(first.spacing, second.spacing)
    some = second.points[:: max(1, len(second.points) // _PER_PAIR)]
    for number in range(rounds):
        reach = scale * (1 + 5 * (1 - number / rounds))
        moved = motion.moved(some)
        away, nearest = first.tree.query(moved, distance_upper_bound=reach, workers=-1)
        met = np.isfinite(away)
        if met.sum() < 20:
            return motion
        step = _step(moved[met], first.points[nearest[met]], first.normals[nearest[met]])
        motion = step.after(motion)
    return motion


def _step(moving: Float64, fixed: Float64, normals: Float64) -> Motion:
    """The small motion that brings points nearest to planes."""
    middle = moving.mean(axis=0)
    lever = np.cross(moving - middle, normals)
    rows = np.hstack([lever, normals])
    residual = np.einsum("ij,ij->i", fixed - moving, normals)
    # What the planes leave open, along them, is not moved.
    scale = np.sqrt((rows**2).mean(axis=0)).max()
    system = rows.T @ rows + 1e-6 * len(rows) * scale**2 * np.eye(6)
    found = np.linalg.solve(system, rows.T @ residual)
    turn = Rotation.from_rotvec(found[:3]).as_matrix()
    return Motion(turn, middle - turn @ middle + found[3:])


def _overlap(first: _Scan, second: _Scan, motion: Motion) -> float:
    """Share of the smaller scan's points that lie on the other's surface."""
    moved = motion.moved(second.points)
    reach = NEAR * max(first.spacing, second.spacing)
    away, nearest = first.tree.query(moved, distance_upper_bound=reach, workers=-1)
    met = np.isfinite(away)
    turned = second.normals[met] @ motion.turn.T
    alike = np.abs(np.einsum("ij,ij->i", turned, first.normals[nearest[met]])) >= ALIKE
    return float(alike.sum() / min(len(first.points), len(second.points)))


def _spanned(count: int, pairs: dict[tuple[int, int], tuple[Motion, float]]) -> list[Motion | None]:
    """Motions along the tree of the largest overlaps, from the first scan (Prim 1957)."""
    placed: list[Motion | None] = [None] * count
    placed[0] = Motion(np.eye(3), np.zeros(3))
    while True:
        best: tuple[float, int, Motion] | None = None
        for (first, second), (motion, overlap) in pairs.items():
            one, other = placed[first], placed[second]
            if one is not None and other is None:
                new, target = one.after(motion), second
            elif one is None and other is not None:
                new, target = other.after(motion.back), first
            else:
                continue
            if best is None or overlap > best[0]:
                best = (overlap, target, new)
        if best is None:
            return placed
        placed[best[1]] = best[2]


def _together(
    scans: Sequence[_Scan], placed: list[Motion | None], pairs: Sequence[tuple[int, int]]
) -> list[Motion | None]:
    """All scans but the first moved at once, to where all pairs fit best."""
    motions = list(placed)
    linked = [(a, b) for a, b in pairs if motions[a] is not None and motions[b] is not None]
    still = Motion(np.eye(3), np.zeros(3))
    if all(motion is None or np.array_equal(motion.turn, still.turn) for motion in motions):
        return motions
    for _ in range(_JOINT_ROUNDS if len(linked) > 1 else 0):
        size = 6 * len(scans)
        system, right = 1e-9 * np.eye(size), np.zeros(size)
        for a, b in linked:
            _add_pair(scans, motions, a, b, system, right)
        found = np.linalg.solve(system[6:, 6:] + 1e-6 * np.trace(system) / size * np.eye(size - 6),
                                right[6:])  # fmt: skip
        for number in range(1, len(scans)):
            motion = motions[number]
            if motion is not None:
                step = found[6 * (number - 1) : 6 * number]
                turn = Rotation.from_rotvec(step[:3]).as_matrix()
                motions[number] = Motion(turn, step[3:]).after(motion)
    return motions


def _add_pair(
    scans: Sequence[_Scan], motions: Sequence[Motion | None], a: int, b: int,
    system: Float64, right: Float64,
) -> None:  # fmt: skip
    """The equations of one overlap: points of ``b`` on planes of ``a``, both free to move."""
    one, other = motions[a], motions[b]
    assert one is not None
    assert other is not None
    points, fixed, normals = _met(scans[a], scans[b], one, other)
    if not len(points):
        return
    rows = np.zeros((len(points), len(right)))
    rows[:, 6 * b : 6 * b + 6] = np.hstack([np.cross(points, normals), normals])
    rows[:, 6 * a : 6 * a + 6] -= np.hstack([np.cross(fixed, normals), normals])
    residual = np.einsum("ij,ij->i", fixed - points, normals)
    system += rows.T @ rows
    right += rows.T @ residual


def _met(
    first: _Scan, second: _Scan, one: Motion, other: Motion
) -> tuple[Float64, Float64, Float64]:
    """Points of the second scan, those of the first nearest to them, and their normals."""
    some = second.points[:: max(1, len(second.points) // _PER_PAIR)]
    moved = other.moved(some)
    within = one.back.moved(moved)
    reach = NEAR * max(first.spacing, second.spacing)
    away, nearest = first.tree.query(within, distance_upper_bound=reach, workers=-1)
    met = np.isfinite(away)
    fixed = one.moved(first.points[nearest[met]])
    return moved[met], fixed, first.normals[nearest[met]] @ one.turn.T


def _errors(
    scans: Sequence[_Scan], motions: Sequence[Motion | None], pairs: Sequence[tuple[int, int]]
) -> tuple[float, ...]:
    held: list[list[Float64]] = [[] for _ in scans]
    for a, b in pairs:
        one, other = motions[a], motions[b]
        if one is None or other is None:
            continue
        points, fixed, normals = _met(scans[a], scans[b], one, other)
        away = np.abs(np.einsum("ij,ij->i", fixed - points, normals))
        held[a].append(away)
        held[b].append(away)
    return tuple(float(np.median(np.concatenate(parts))) if parts else 0.0 for parts in held)
