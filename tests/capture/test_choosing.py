"""Which frames are taken: few enough, sharp, apart, and none where nothing moves."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from gypsum.capture.choosing import Candidate, _without_blurred, choose_frames
from gypsum.capture.measure import sharpness

from .clips import HEIGHT, WIDTH, UInt8, picture, walk


class Disk:
    """What is stored, and how many frames were at a time."""

    def __init__(self) -> None:
        self.stored: dict[int, UInt8] = {}
        self.most = 0

    def store(self, candidate: Candidate, frame: UInt8) -> None:
        assert candidate.number not in self.stored
        self.stored[candidate.number] = frame
        self.most = max(self.most, len(self.stored))

    def drop(self, candidate: Candidate) -> None:
        del self.stored[candidate.number]


def choose(frames: Sequence[UInt8], most: int = 100) -> list[int]:
    """Numbers of the frames taken; the files left must be theirs."""
    disk = Disk()
    chosen, count = choose_frames(frames, most, disk.store, disk.drop)
    numbers = [candidate.number for candidate in chosen]
    assert count == len(frames)
    assert numbers == sorted(set(numbers)) == sorted(disk.stored)
    assert disk.most <= 2 * most + 1
    for number in numbers:
        assert disk.stored[number] is frames[number]
    return numbers


@pytest.fixture(scope="module")
def frames() -> list[UInt8]:
    return walk(150)


def test_the_whole_way_is_covered_evenly(frames: list[UInt8]) -> None:
    numbers = choose(frames)
    gaps = np.diff(numbers)
    assert 15 < len(numbers) < 100
    assert numbers[0] < 10
    assert numbers[-1] > 140
    assert gaps.max() <= 3 * np.median(gaps)


@pytest.mark.parametrize("most", [3, 8, 20])
def test_the_count_is_bounded(frames: list[UInt8], most: int) -> None:
    numbers = choose(frames, most)
    assert 0.6 * most <= len(numbers) <= most
    assert numbers[-1] - numbers[0] > 75


def test_the_way_counts_and_not_the_time() -> None:
    slow = choose(walk(150, speed=1.0))
    fast = choose(walk(50, speed=3.0))
    assert len(fast) == pytest.approx(len(slow), rel=0.35)


def test_a_camera_that_stands_still_gives_one_frame(frames: list[UInt8]) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (40, HEIGHT, WIDTH, 3), np.uint8)
    still = [cv2.add(frames[0] // 2, n) for n in noise]
    assert len(choose(still)) <= 1


def test_turning_on_the_spot_gives_far_fewer_than_walking() -> None:
    """Without depth everything moves alike, as on a tripod."""
    wide = picture(WIDTH + 400, HEIGHT, 3)
    turning = [np.ascontiguousarray(wide[:, 2 * i : 2 * i + WIDTH]) for i in range(150)]
    assert len(choose(turning)) < 0.7 * len(choose(walk(150, speed=1.0)))


def test_shaken_frames_are_passed_over() -> None:
    shaken = [
        frame if number % 5 == 2 else cv2.blur(frame, (9, 1))
        for number, frame in enumerate(walk(150, speed=0.5))
    ]
    numbers = choose(shaken)
    sharp = [number for number in numbers if number % 5 == 2]
    assert len(numbers) > 10
    assert len(sharp) > 0.85 * len(numbers)


def test_a_frame_that_is_blurred_among_sharp_ones_is_left_out() -> None:
    candidates = [Candidate(i, float(i), 0.3 if i == 4 else 0.7) for i in range(10)]
    assert [c.number for c in _without_blurred(candidates)] == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_scenes_that_are_cut_together_are_both_taken(frames: list[UInt8]) -> None:
    numbers = choose(frames[:60] + walk(60, seed=50))
    assert min(sum(n < 60 for n in numbers), sum(n >= 60 for n in numbers)) >= 5


def test_frames_that_show_nothing_are_not_taken() -> None:
    assert choose([np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 30) == []
    assert choose([]) == []


def test_sharpness_tells_shaken_frames(frames: list[UInt8]) -> None:
    grey = cv2.cvtColor(frames[0], cv2.COLOR_BGR2GRAY)
    assert sharpness(cv2.blur(grey, (9, 1))) < 0.8 * sharpness(grey)
