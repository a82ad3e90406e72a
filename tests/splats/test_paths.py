"""Paths of a camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gypsum.scene import Splats, View
from gypsum.splats.paths import (
    Subject,
    around,
    fly_through,
    orbit,
    subject_of_points,
    subject_of_splats,
    turntable,
)

from .test_depths import flat_splats, view_from

SUBJECT = Subject(np.array([1.0, 2, 3]), 0.5)


@pytest.mark.parametrize("make", [orbit, lambda s, w, h: turntable(s, 12, w, h)])
def test_the_subject_is_whole_in_the_middle_and_upright(make: object) -> None:
    for view in make(SUBJECT, 160, 90):  # type: ignore[operator]
        pixels, depth = view.project(SUBJECT.center[None])
        np.testing.assert_allclose(pixels, [[80, 45]], atol=1e-9)
        # The ball's outline lies within the shorter side, and fills most of it.
        angle = np.arcsin(SUBJECT.radius / depth[0])
        assert 0.6 * 45 < np.tan(angle) * view.K[1, 1] < 45
        assert abs(np.linalg.det(view.R) - 1) < 1e-9
        assert view.R[1, 2] < 0


def test_turntable_goes_once_around() -> None:
    centers = np.array([v.center for v in turntable(SUBJECT, 10, 64, 64, 30)]) - SUBJECT.center
    angles = np.unwrap(np.arctan2(centers[:, 1], centers[:, 0]))
    np.testing.assert_allclose(np.diff(angles), 2 * np.pi / 10)
    height = np.degrees(np.arcsin(centers[:, 2] / np.linalg.norm(centers, axis=1)))
    np.testing.assert_allclose(height, 30)


def circle(count: int) -> list[View]:
    angles = np.linspace(0, 4, count)
    return [view_from(np.array([3 * np.cos(a), 3 * np.sin(a), 1.0])) for a in angles]


def test_fly_through_begins_and_ends_with_the_photos_and_keeps_near() -> None:
    given = circle(9)
    made = fly_through(given, 200, 64, 48)
    assert len(made) == 200
    for mine, theirs in ((made[0], given[0]), (made[-1], given[-1])):
        np.testing.assert_allclose(mine.center, theirs.center, atol=1e-9)
        np.testing.assert_allclose(mine.R, theirs.R, atol=1e-9)
    centers = np.array([view.center for view in made])
    assert np.abs(np.linalg.norm(centers[:, :2], axis=1) - 3).max() < 0.05
    # No jerk: steps change little from frame to frame.
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    assert np.abs(np.diff(steps)).max() < 0.1 * steps.mean()
    assert {(view.width, view.height) for view in made} == {(64, 48)}


def test_fly_through_takes_one_place_and_places_twice() -> None:
    one = circle(2)[:1]
    assert len(fly_through(one, 5, 32, 32)) == 5
    twice = [one[0], replace(one[0]), *circle(5)]
    assert all(np.isfinite(view.R).all() for view in fly_through(twice, 60, 32, 32))


def test_subject_is_what_lies_together() -> None:
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(2000, 3))
    ball = 5 + ball / np.linalg.norm(ball, axis=1, keepdims=True)
    found = subject_of_points(np.concatenate([ball, rng.uniform(-200, 200, (300, 3))]))
    np.testing.assert_allclose(found.center, 5, atol=0.2)
    assert 0.9 < found.radius < 1.5


def test_splats_are_about_what_is_fine() -> None:
    rng = np.random.default_rng(1)
    ball = rng.normal(size=(1500, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    walls = 20 * rng.normal(size=(1000, 3)) + (5, 0, 0)
    both = Splats.from_rows(
        np.concatenate(
            [flat_splats(ball, ball, 0.02).rows(), flat_splats(walls, ball[:1000], 1.0).rows()]
        ),
        0,
    )
    found = subject_of_splats(both)
    np.testing.assert_allclose(found.center, 0, atol=0.1)
    assert 0.9 < found.radius < 1.2
    near = around(both, found)
    assert 1500 <= len(near) < 1550
