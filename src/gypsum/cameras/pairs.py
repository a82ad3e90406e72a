"""Which photos to match with which.

Matching is the dearest step, and most pairs of a large set share nothing. So pairs are proposed
cheaply (all of a small set, those that look alike of a larger one), ranked by a preview, a match of
a few features of each photo (Wu 2013, "Towards linear-time incremental structure from motion"), and
only promising ones are matched in full.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from gypsum.scene.capture import PhotoFile

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Pair = tuple[int, int]

#: Up to this many photos every pair is previewed; the work for more grows linearly.
EXHAUSTIVE = 120
#: Partners of each photo by looks, in the order given (video, a walk around), in the order of time,
#: and by GPS.
SIMILAR = 60
IN_ORDER = 4
NEARBY = 8
#: Frames of a clip that are paired, by how many lie from one to the other: those that show almost
#: the same, and a few from further along. Where a clip comes back to a place is found by looks.
STRIDES = (1, 2, 3, 4, 6, 9, 13, 19, 28)
#: Up to this many photos every pair is matched in full.
FEW = 24
#: Partners of each photo, as ranks by the preview. The best see almost the same; those further
#: down, from another side, hold the model together at large.
RANKS = (0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 27)
#: Partners up to this rank are matched by all features of both photos, others by the largest.
NEAR = 5
#: As many partners are tried even when the preview looks like chance.
LEAST = 4
#: Further partners that a photo gets when those left it weakly held.
RESERVE = 16
#: Visual words, and the descriptors that they are learned from.
WORDS = 64
SAMPLE = 40_000
_EARTH_RADIUS = 6_371_000.0


def all_pairs(count: int) -> list[Pair]:
    """Every pair (i, j), i < j."""
    return list(itertools.combinations(range(count), 2))


def likely_pairs(photos: Sequence[PhotoFile], descriptors: Iterable[UInt8]) -> list[Pair]:
    """Pairs that probably overlap, sorted: similar photos, and neighbours in order (of the photos
    and of a clip's frames), time and GPS.

    ``descriptors`` gives (N, 128) for each photo.
    """
    similarity = aggregate(list(descriptors))
    similarity = similarity @ similarity.T
    np.fill_diagonal(similarity, -np.inf)
    count = len(photos)
    pairs = _in_order(range(count)) | _in_order(_by_time(photos))
    for i in range(count):
        nearest = np.argsort(-similarity[i], kind="stable")[:SIMILAR]
        pairs.update((min(i, int(j)), max(i, int(j))) for j in nearest if j != i)
    pairs.update(_nearby(photos))
    pairs.update(_in_clips(photos))
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
        sums = _sums(points - words[nearest], nearest, len(words))
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        vectors[i] = (np.sign(sums) * np.sqrt(np.abs(sums))).ravel()
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


def _k_means(points: Float32, count: int, rng: np.random.Generator, rounds: int = 12) -> Float32:
    centres = points[rng.permutation(len(points))[:count]].copy()
    for _ in range(rounds):
        nearest = _nearest_word(points, centres)
        sums = _sums(points, nearest, count)
        sizes = np.bincount(nearest, minlength=count)
        used = sizes > 0
        centres[used] = sums[used] / sizes[used, None]
    return centres


def _sums(points: Float32, word: NDArray[np.intp], count: int) -> Float32:
    """(count, 128) sum of the points of each word."""
    members = csr_matrix(
        (np.ones(len(points), np.float32), (word, np.arange(len(points)))), (count, len(points))
    )
    sums: Float32 = members @ points
    return sums


def _nearest_word(points: Float32, words: Float32) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = np.argmax(points @ words.T - 0.5 * (words**2).sum(axis=1), axis=1)
    return nearest


def promising_pairs(count: int, promise: Mapping[Pair, float]) -> tuple[list[Pair], list[Pair]]:
    """The pairs worth matching, sorted, given how much each promises; zero is chance.

    Each of the ``count`` photos chooses partners by :data:`RANKS`, and is chosen by others too.
    First those that are among the first :data:`NEAR` of either photo, then the others.
    """
    partners: list[list[tuple[float, int]]] = [[] for _ in range(count)]
    for (i, j), score in promise.items():
        partners[i].append((-score, j))
        partners[j].append((-score, i))
    near: set[Pair] = set()
    far: set[Pair] = set(promise) if count <= FEW else set()
    for i, ranked in enumerate(partners):
        ranked.sort()
        for rank in RANKS:
            if rank < len(ranked) and (rank < LEAST or ranked[rank][0] < 0):
                j = ranked[rank][1]
                (near if rank < NEAR else far).add((min(i, j), max(i, j)))
    return sorted(near), sorted(far - near)


def next_pairs(
    photos: Iterable[int], promise: Mapping[Pair, float], tried: Container[Pair]
) -> list[Pair]:
    """The most promising pairs of these photos that were not tried, sorted."""
    chosen: set[Pair] = set()
    for photo in photos:
        others = [pair for pair in promise if photo in pair and pair not in tried]
        chosen.update(sorted(others, key=lambda pair: (-promise[pair], pair))[:RESERVE])
    return sorted(chosen)


def _in_order(photos: Sequence[int]) -> set[Pair]:
    """Pairs of photos that are near each other in a sequence."""
    return {
        (min(i, j), max(i, j))
        for place, i in enumerate(photos)
        for j in photos[place + 1 : place + 1 + IN_ORDER]
    }


def _in_clips(photos: Sequence[PhotoFile]) -> set[Pair]:
    """Frames of the same clip at growing strides."""
    frames: dict[str, list[tuple[int, int]]] = {}
    for i, photo in enumerate(photos):
        if photo.clip is not None and photo.frame is not None:
            frames.setdefault(photo.clip, []).append((photo.frame, i))
    pairs = set()
    for numbered in frames.values():
        order = [i for _, i in sorted(numbered)]
        for stride in STRIDES:
            for i, j in zip(order, order[stride:], strict=False):
                pairs.add((min(i, j), max(i, j)))
    return pairs


def _by_time(photos: Sequence[PhotoFile]) -> list[int]:
    """Photos that tell when they were taken, in that order."""
    times = [(photo.time, i) for i, photo in enumerate(photos) if photo.time is not None]
    return [i for _, i in sorted(times)]


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
