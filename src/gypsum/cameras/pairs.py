"""Which photos to match with which."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from gypsum.scene.capture import PhotoFile

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Pair = tuple[int, int]

#: Up to this many photos every pair is matched; the work for more grows linearly.
EXHAUSTIVE = 120
#: Partners of each photo by looks, in the order given (video, a walk around) and by GPS.
SIMILAR = 24
IN_ORDER = 4
NEARBY = 8
#: Visual words, and the descriptors that they are learned from.
WORDS = 64
SAMPLE = 40_000
_EARTH_RADIUS = 6_371_000.0


def all_pairs(count: int) -> list[Pair]:
    """Every pair (i, j), i < j."""
    return list(itertools.combinations(range(count), 2))


def likely_pairs(photos: Sequence[PhotoFile], descriptors: Iterable[UInt8]) -> list[Pair]:
    """Pairs that probably overlap, sorted: similar photos, neighbours in order, neighbours by GPS.

    ``descriptors`` gives (N, 128) for each photo, and is gone through twice.
    """
    similarity = aggregate(list(descriptors))
    similarity = similarity @ similarity.T
    np.fill_diagonal(similarity, -np.inf)
    count = len(photos)
    pairs = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + 1 + IN_ORDER))}
    for i in range(count):
        nearest = np.argsort(-similarity[i], kind="stable")[:SIMILAR]
        pairs.update((min(i, int(j)), max(i, int(j))) for j in nearest if j != i)
    pairs.update(_nearby(photos))
    return sorted(pairs)


def aggregate(descriptors: Sequence[UInt8]) -> Float32:
    """One unit vector (n, WORDS * 128) per photo: VLAD over words learned from the photos.

    Residuals of descriptors to their visual word are summed per word, normalised per word, and
    damped by the signed square root (Arandjelović and Zisserman 2013).
    """
    rng = np.random.default_rng(0)
    per_photo = max(1, SAMPLE // max(1, len(descriptors)))
    sample = np.concatenate([d[rng.permutation(len(d))[:per_photo]] for d in descriptors]).astype(
        np.float32
    )
    words = _k_means(sample, min(WORDS, len(sample)), rng)
    vectors = np.zeros((len(descriptors), len(words) * 128), np.float32)
    for i, rows in enumerate(descriptors):
        points = rows.astype(np.float32)
        nearest = _nearest_word(points, words)
        sums = np.zeros_like(words)
        np.add.at(sums, nearest, points - words[nearest])
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        vectors[i] = (np.sign(sums) * np.sqrt(np.abs(sums))).ravel()
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


def _k_means(points: Float32, count: int, rng: np.random.Generator, rounds: int = 12) -> Float32:
    centres = points[rng.permutation(len(points))[:count]].copy()
    for _ in range(rounds):
        nearest = _nearest_word(points, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        sizes = np.bincount(nearest, minlength=count)
        used = sizes > 0
        centres[used] = sums[used] / sizes[used, None]
    return centres


def _nearest_word(points: Float32, words: Float32) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = np.argmax(points @ words.T - 0.5 * (words**2).sum(axis=1), axis=1)
    return nearest


def _nearby(photos: Sequence[PhotoFile]) -> set[Pair]:
    """Each photo with GPS and its nearest others."""
    placed = [(i, p.gps) for i, p in enumerate(photos) if p.gps is not None]
    if len(placed) < 2:
        return set()
    latitudes = np.radians([gps[0] for _, gps in placed])
    longitudes = np.radians([gps[1] for _, gps in placed])
    east = _EARTH_RADIUS * longitudes * math.cos(float(latitudes.mean()))
    places = np.stack([east, _EARTH_RADIUS * latitudes], axis=1)
    pairs = set()
    for row, (i, _) in enumerate(placed):
        distance = np.linalg.norm(places - places[row], axis=1)
        for other in np.argsort(distance, kind="stable")[: NEARBY + 1]:
            j = placed[int(other)][0]
            if i != j:
                pairs.add((min(i, j), max(i, j)))
    return pairs
