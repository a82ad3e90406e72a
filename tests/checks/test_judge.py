"""Directions, motions and repeats of captures that are points and pairs alone, known exactly."""

from __future__ import annotations

import itertools
from datetime import datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.checks.around import find_directions
from gypsum.checks.judge import Finding, Severity, judge, photo_findings
from gypsum.checks.motion import find_moved, find_moving, same_places, steadiness, turntable_share
from gypsum.checks.pictures import PictureMeasures
from gypsum.pipelines.check import recommend
from gypsum.sample import look_at
from gypsum.scene.capture import Capture, PhotoFile, SkippedPhoto
from gypsum.scene.preview import PairPreview, Preview

Float64 = NDArray[np.float64]
WIDTH, HEIGHT, FOCAL = 800, 600, 700.0
GOOD = PictureMeasures(blur=0.5, defocus=0.0, brightness=0.8, burnt=0.05, plain=0.0)


def photo(number: int, width: int = WIDTH, height: int = HEIGHT) -> PhotoFile:
    return PhotoFile(
        name=f"{number:02d}.jpg", source=f"{number:02d}.jpg", width=width, height=height,
        focal_px=FOCAL, camera="one", gps=None, time=datetime(2026, 1, 1, 10, number % 60),
        sharpness=0.8, brightness=0.5, digest=str(number),
    )  # fmt: skip


def ring(count: int, arc: float = 360.0, height: float = 1.5) -> list[tuple[Float64, Float64]]:
    """Cameras (R, t) on an arc (degrees) around the origin that look at it."""
    angles = np.radians(np.arange(count) * arc / count)
    return [look_at(np.array([3 * np.sin(a), -3 * np.cos(a), height]), np.zeros(3)) for a in angles]


def scene(seed: int = 0) -> tuple[Float64, Float64]:
    """(240, 3) points of a table around (160, 3) of a thing, so that none hides another."""
    rng = np.random.default_rng(seed)
    turn, away = rng.uniform(0, 2 * np.pi, 240), rng.uniform(0.75, 1.5, 240)
    table = np.column_stack([away * np.cos(turn), away * np.sin(turn), np.full(240, -0.4)])
    thing = rng.uniform(-0.3, 0.3, (160, 3)) - (0, 0, 0.1)
    return table, thing


def seen(
    cameras: list[tuple[Float64, Float64]],
    moved_from: int | None = None,
    reach: float = 40.0,
    unsteady: bool = False,
) -> Preview:
    """What a perfect matcher sees; the thing is pushed before photo ``moved_from`` is taken."""
    table, thing = scene()
    points, every = [], np.arange(len(table) + len(thing))
    for number, (R, t) in enumerate(cameras):
        pushed = moved_from is not None and number >= moved_from
        world = np.concatenate([table, thing + ([0.25, 0.1, 0.0] if pushed else [0, 0, 0])])
        camera = world @ R.T + t
        xy = camera[:, :2] / camera[:, 2:] * FOCAL + (WIDTH / 2, HEIGHT / 2)
        points.append(xy.astype(np.float32))
    pairs = []
    for i, j in itertools.combinations(range(len(cameras)), 2):
        (Ri, ti), (Rj, tj) = cameras[i], cameras[j]
        if np.degrees(np.arccos(np.clip(Ri[2] @ Rj[2], -1, 1))) > reach:
            continue
        R = Rj @ Ri.T
        t = tj - R @ ti
        across = moved_from is not None and i < moved_from <= j
        of_thing = every >= len(table)
        motion = np.where(of_thing & across, 2, 1).astype(np.uint8)
        if unsteady:
            motion[of_thing] = 0
        matches = np.column_stack([every, every]).astype(np.uint32)
        length = np.linalg.norm(t)
        pairs.append(PairPreview(i, j, matches, motion, R, t / length if length else t))
    count = len(cameras)
    return Preview(
        points=tuple(points),
        focal_px=(FOCAL,) * count,
        pairs=tuple(pairs),
        rotations=np.array([R for R, _ in cameras]),
        group=np.zeros(count, np.int64),
    )


def found(
    preview: Preview, measures: PictureMeasures = GOOD, skipped: tuple[SkippedPhoto, ...] = ()
) -> dict[str, Finding]:
    count = len(preview.points)
    capture = Capture(tuple(photo(n) for n in range(count)), skipped)
    return {f.code: f for f in judge(capture, [measures] * count, preview).findings}


def test_a_full_ring_is_good() -> None:
    capture = Capture(tuple(photo(n) for n in range(24)))
    judgement = judge(capture, [GOOD] * 24, seen(ring(24)))
    assert judgement.usable
    assert not judgement.findings
    assert all(measure.good for measure in judgement.measures)
    assert not any(one.marks for one in judgement.photos)


def test_gaps_and_steps_are_measured_exactly() -> None:
    photos = [photo(n) for n in range(24)]
    directions = find_directions(photos, seen(ring(24)))
    assert directions.gap == pytest.approx(15, abs=0.1)
    assert directions.step == pytest.approx(13.4, abs=1.5)
    half = find_directions(photos, seen(ring(24, arc=120)))
    assert half.gap == pytest.approx(360 - 115, abs=0.1)


def test_one_side_of_a_thing_is_named_but_not_of_a_wall() -> None:
    assert set(found(seen(ring(20, arc=100)))) == {"one-sided"}
    # The same table as a wall: cameras that look at it from straight ahead.
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    wall = [
        look_at(np.array([3 * np.sin(a), 0.2, 3 * np.cos(a)]), np.zeros(3))
        for a in np.radians(np.linspace(-25, 25, 12))
    ]
    turned = [(R_ @ R.T, t) for R_, t in wall]
    assert "one-sided" not in found(seen(turned))


def test_few_photos_far_apart_are_named() -> None:
    assert found(seen(ring(7), reach=60.0))["few"].severity is Severity.PROBLEM


def test_a_thing_that_was_pushed_is_found_with_the_moment() -> None:
    preview = seen(ring(20), moved_from=9)
    moved = find_moved(preview)
    assert moved is not None
    assert (moved.photo, moved.share, moved.within) == (9, 1.0, 0.0)
    finding = found(preview)["moved"]
    assert finding.photos[0] == "09.jpg"
    assert find_moved(seen(ring(20))) is None


def test_markings_that_repeat_are_no_motion() -> None:
    """Like a printed dial: every near pair has matches of a second motion, at any time."""
    preview = seen(ring(20))
    rng = np.random.default_rng(0)
    pairs = []
    for pair in preview.pairs:
        motion = pair.motion.copy()
        if rng.random() < 0.3:
            motion[240:300] = 2
        pairs.append(PairPreview(pair.first, pair.second, pair.matches, motion, pair.rotation,
                                 pair.translation))  # fmt: skip
    repeats = Preview(preview.points, preview.focal_px, tuple(pairs), preview.rotations,
                      preview.group)  # fmt: skip
    assert "moved" not in found(repeats)


def with_walker(preview: Preview, photos: range, count: int = 40) -> Preview:
    """A small thing that crosses the picture while ``photos`` are taken."""
    shape = np.random.default_rng(5).uniform(-25, 25, (count, 2))
    way = [np.array([60 + 30 * step, 70 + 4 * step**1.2]) for step in range(len(preview.points))]
    points = tuple(
        np.concatenate([xy, shape + place]).astype(np.float32)
        for xy, place in zip(preview.points, way, strict=True)
    )
    extra = np.arange(400, 400 + count, dtype=np.uint32)
    pairs = []
    for pair in preview.pairs:
        if pair.first in photos and pair.second in photos:
            matches = np.concatenate([pair.matches, np.column_stack([extra, extra])])
            motion = np.concatenate([pair.motion, np.full(count, 2, np.uint8)])
            pair = PairPreview(
                pair.first, pair.second, matches, motion, pair.rotation, pair.translation
            )
        pairs.append(pair)
    return Preview(points, preview.focal_px, tuple(pairs), preview.rotations, preview.group)


def test_who_walks_through_is_told_from_what_was_pushed_once() -> None:
    assert not find_moving(seen(ring(20))).pairs
    assert not find_moving(seen(ring(20), moved_from=9)).pairs
    walked = with_walker(seen(ring(20)), range(4, 11))
    moving = find_moving(walked)
    assert moving.photos == tuple(range(4, 11))
    assert moving.size == pytest.approx(40 / 440)
    finding = found(walked)["moving"]
    assert finding.severity is Severity.WARNING
    assert finding.photos == tuple(f"{n:02d}.jpg" for n in range(4, 11))
    restless = with_walker(seen(ring(20)), range(20), 200)
    assert found(restless)["moving"].severity is Severity.PROBLEM
    assert "moved" not in found(restless)


def test_focus_behind_matters_when_many_photos_have_it() -> None:
    photos = [photo(n) for n in range(12)]
    behind = PictureMeasures(blur=1.0, defocus=2.5, brightness=0.8, burnt=0.0, plain=0.0)
    assert photo_findings(photos, [behind] * 3 + [GOOD] * 9) == []
    (many,) = photo_findings(photos, [behind] * 6 + [GOOD] * 6)
    assert (many.code, many.severity) == ("unfocused", Severity.PROBLEM)


def test_photos_of_the_same_place_are_named() -> None:
    cameras = [camera for camera in ring(12) for _ in range(2)]
    preview = seen(cameras)
    assert same_places([photo(n) for n in range(24)], preview) == {
        n + 1: n for n in range(0, 24, 2)
    }
    assert found(preview)["duplicates"].value == pytest.approx(0.5)
    again = (SkippedPhoto("copy.jpg", "is the same picture as 01.jpg"),)
    assert found(seen(ring(24)), skipped=again)["duplicates"].severity is Severity.NOTE


def test_a_middle_that_matches_nowhere_shines() -> None:
    inside, outside = steadiness([photo(n) for n in range(24)], seen(ring(24), unsteady=True))
    assert inside < 0.45 * outside
    assert found(seen(ring(24), unsteady=True))["reflective"].severity is Severity.PROBLEM


def test_a_turntable_is_told() -> None:
    """Background points stay where they are in the picture."""
    preview = seen(ring(20))
    still = np.random.default_rng(3).uniform(0, 600, (40, 2)).astype(np.float32)
    points = tuple(np.concatenate([xy, still]) for xy in preview.points)
    pairs = []
    for pair in preview.pairs:
        extra = np.arange(400, 440, dtype=np.uint32)
        matches = np.concatenate([pair.matches, np.column_stack([extra, extra])])
        motion = np.concatenate([pair.motion, np.full(40, 2, np.uint8)])
        pairs.append(PairPreview(pair.first, pair.second, matches, motion, pair.rotation,
                                 pair.translation))  # fmt: skip
    table = Preview(points, preview.focal_px, tuple(pairs), preview.rotations, preview.group)
    assert turntable_share([photo(n) for n in range(20)], table) == 1.0
    assert "turntable" in found(table)
    assert "moved" not in found(table)


def test_photos_without_overlap_are_a_problem() -> None:
    preview = seen(ring(20))
    lonely = Preview(
        preview.points, preview.focal_px, (), preview.rotations, np.arange(20, dtype=np.int64)
    )
    assert found(lonely)["unlinked"].severity is Severity.PROBLEM


@pytest.mark.parametrize(
    ("code", "measures"),
    [
        ("blurred", PictureMeasures(2.5, 0.0, 0.8, 0.0, 0.0)),
        ("dark", PictureMeasures(0.5, 0.0, 0.1, 0.0, 0.0)),
        ("burnt", PictureMeasures(0.5, 0.0, 1.0, 0.8, 0.0)),
    ],
)
def test_a_fault_of_few_photos_warns_and_of_many_is_a_problem(
    code: str, measures: PictureMeasures
) -> None:
    photos = [photo(n) for n in range(12)]
    (few,) = photo_findings(photos, [measures] * 2 + [GOOD] * 10)
    assert (few.code, few.severity, few.photos) == (code, Severity.WARNING, ("00.jpg", "01.jpg"))
    (many,) = photo_findings(photos, [measures] * 6 + [GOOD] * 6)
    assert many.severity is Severity.PROBLEM


def test_small_photos_warn() -> None:
    photos = [photo(n, 320, 240) for n in range(12)]
    (small,) = photo_findings(photos, [GOOD] * 12)
    assert (small.code, small.severity) == ("small", Severity.WARNING)


def test_plain_things_are_named() -> None:
    plain = PictureMeasures(blur=0.5, defocus=0.0, brightness=0.8, burnt=0.05, plain=0.4)
    assert found(seen(ring(24)), plain)["plain"].severity is Severity.PROBLEM


@pytest.mark.parametrize("unsteady", [True, False])
def test_what_has_no_features_is_for_the_mode_without(unsteady: bool) -> None:
    plain = PictureMeasures(blur=0.5, defocus=0.0, brightness=0.8, burnt=0.05, plain=0.4)
    capture = Capture(tuple(photo(n) for n in range(24)))
    measures = [GOOD if unsteady else plain] * 24
    judgement = judge(capture, measures, seen(ring(24), unsteady=unsteady))
    assert judgement.usable
    method, reason = recommend(judgement)
    assert method == "featureless"
    assert ("limit 0.45" if unsteady else "0.40, limit 0.15") in reason
