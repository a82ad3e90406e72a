"""Choosing pairs of large sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from gypsum.cameras.pairs import (
    FEW,
    IN_ORDER,
    LEAST,
    NEAR,
    NEARBY,
    RANKS,
    RESERVE,
    SIMILAR,
    STRIDES,
    aggregate,
    all_pairs,
    likely_pairs,
    next_pairs,
    promising_pairs,
)

from .scenes import capture_of, random_descriptors


def walk(count: int) -> list[np.ndarray]:
    """Descriptors of photos along a closed walk: each shares most points with the next."""
    world = random_descriptors(40 * count, seed=3)
    rng = np.random.default_rng(4)
    photos = []
    for i in range(count):
        rows = np.arange(40 * i, 40 * i + 240) % len(world)
        noisy = world[rows].astype(int) + rng.integers(-5, 6, (240, 128))
        photos.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return photos


def test_all_pairs() -> None:
    assert all_pairs(3) == [(0, 1), (0, 2), (1, 2)]


def test_alike_photos_are_paired_whatever_their_order() -> None:
    count = 150
    photos = capture_of([f"{i}.png" for i in range(count)]).photos
    order = np.random.default_rng(0).permutation(count)
    descriptors = walk(count)
    pairs = likely_pairs(photos, [descriptors[k] for k in order])
    assert len(pairs) <= count * (SIMILAR + IN_ORDER)
    assert pairs == sorted(set(pairs))
    assert all(i < j for i, j in pairs)
    place = np.argsort(order)
    chosen = set(pairs)
    neighbours = [(place[k], place[(k + 1) % count]) for k in range(count)]
    found = [(min(a, b), max(a, b)) in chosen for a, b in neighbours]
    assert np.mean(found) > 0.97


def test_neighbours_by_gps_are_paired() -> None:
    count = 60
    photos = [
        replace(photo, gps=(47 + 0.001 * ((7 * i) % count), 8.0, None))
        for i, photo in enumerate(capture_of([f"{i}.png" for i in range(count)]).photos)
    ]
    unlike = [random_descriptors(50, seed=i) for i in range(count)]
    pairs = set(likely_pairs(photos, unlike))
    place = {(7 * i) % count: i for i in range(count)}
    for k in range(count - 1):
        a, b = place[k], place[k + 1]
        assert (min(a, b), max(a, b)) in pairs
    assert len(pairs) <= count * (SIMILAR + IN_ORDER + NEARBY)


def test_aggregated_descriptors_are_unit_and_repeatable() -> None:
    descriptors = walk(10)
    first, second = aggregate(descriptors), aggregate(descriptors)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-5)


def test_photos_without_features_are_no_trouble() -> None:
    photos = capture_of(["a", "b", "c"]).photos
    none = np.empty((0, 128), np.uint8)
    assert likely_pairs(photos, [none, random_descriptors(30, 1), none])


def test_neighbours_in_time_are_paired() -> None:
    count = 150
    start = datetime(2024, 5, 1)
    photos = [
        replace(photo, time=start + timedelta(seconds=(7 * i) % count))
        for i, photo in enumerate(capture_of([f"{i}.png" for i in range(count)]).photos)
    ]
    unlike = [random_descriptors(20, seed=i) for i in range(count)]
    pairs = set(likely_pairs(photos, unlike))
    place = {(7 * i) % count: i for i in range(count)}
    for k in range(count - 1):
        a, b = place[k], place[k + 1]
        assert (min(a, b), max(a, b)) in pairs


def test_frames_of_a_clip_are_paired_in_its_order() -> None:
    """Near ones and a few further along, whatever order they are given in."""
    rng = np.random.default_rng(4)
    count = 130
    frames = rng.permutation(count)
    capture = capture_of([f"{i}.jpg" for i in range(count)])
    photos = [
        replace(photo, clip="walk.mp4", frame=10 * int(frame))
        for photo, frame in zip(capture.photos, frames, strict=True)
    ]
    descriptors = [rng.integers(0, 256, (20, 128)).astype(np.uint8) for _ in range(count)]
    pairs = set(likely_pairs(photos, descriptors))
    place = np.argsort(frames)
    for stride in STRIDES:
        for i, j in zip(place, place[stride:], strict=False):
            assert (min(i, j), max(i, j)) in pairs


def test_few_photos_are_all_matched() -> None:
    pairs = all_pairs(FEW)
    near, far = promising_pairs(FEW, dict.fromkeys(pairs, 0.0))
    assert sorted(near + far) == pairs


def test_each_photo_gets_its_promising_partners() -> None:
    """Photos on a line promise the more the nearer they are, and nothing from afar."""
    count = 300
    promise = {(i, j): max(0.0, 40.0 - (j - i)) for i, j in all_pairs(count)}
    near, far = promising_pairs(count, promise)
    assert near == sorted(near)
    assert far == sorted(far)
    pairs = sorted(near + far)
    assert pairs == sorted(set(pairs))
    assert {(i, i + 1) for i in range(count - 1)} <= set(near)
    assert max(j - i for i, j in near) <= NEAR
    assert all(promise[pair] > 0 for pair in pairs)
    assert len(pairs) <= count * len(RANKS)
    # Not only neighbours: partners further off hold a long walk together.
    assert max(j - i for i, j in pairs) > 10


def test_a_photo_like_no_other_still_gets_partners() -> None:
    count = FEW + 6
    promise = {(i, j): 0.0 if i == 0 else 9.0 for i, j in all_pairs(count)}
    near, far = promising_pairs(count, promise)
    assert sum(0 in pair for pair in near + far) == LEAST


def test_next_pairs_are_the_best_that_were_not_tried() -> None:
    promise = {(0, j): float(j) for j in range(1, 60)} | {(1, 2): 99.0}
    tried = {(0, 59), (0, 58)}
    assert next_pairs([0], promise, tried) == [(0, j) for j in range(58 - RESERVE, 58)]
    assert next_pairs([], promise, tried) == []
