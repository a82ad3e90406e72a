"""From which sides a thing was photographed."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.report.coverage import Coverage, draw_coverage, find_coverage
from gypsum.report.framing import direction
from gypsum.report.render import Eye
from gypsum.scene import Camera, Photo, SparseModel

MIDDLE = np.array([2.0, -1.0, 0.5])


def towards(azimuths: list[float], elevation: float) -> list[np.ndarray]:
    """Unit vectors, degrees."""
    return [direction(np.radians(a), np.radians(elevation)) for a in azimuths]


def model_of(directions: list[np.ndarray], target: np.ndarray = MIDDLE) -> SparseModel:
    photos = {}
    for number, one in enumerate(directions, start=1):
        eye = Eye.looking(target + 3 * one, target, 100, 100, 0.5)
        photos[number] = Photo(
            number, f"{number:03}.jpg", 1, eye.R, eye.t, np.empty((0, 2)), np.empty(0, np.int64)
        )
    nothing = np.empty((0, 3))
    camera = Camera(1, "PINHOLE", 100, 100, np.array([200.0, 200, 50, 50]))
    return SparseModel(
        {1: camera}, photos, np.empty(0, np.int64), nothing, nothing.astype(np.uint8), np.empty(0)
    )


AROUND = [float(a) for a in range(-90, 270, 20)]


def coverage_of(directions: list[np.ndarray]) -> Coverage:
    found = find_coverage(model_of(directions))
    assert found is not None
    return found


def test_two_rings_and_a_cap_leave_nothing_out() -> None:
    views = towards(AROUND, 15) + towards(AROUND, 42) + towards(AROUND[::3], 65)
    coverage = coverage_of(views)
    np.testing.assert_allclose(coverage.directions, views, atol=1e-9)
    assert coverage.weak == ()


def test_a_gap_is_named_as_seen_from_the_first_photo() -> None:
    """The first photo is taken from -Y; its right is +X, azimuth 0."""
    some = [a for a in AROUND if not -40 < a < 40]
    views = towards(some, 15) + towards(some, 42) + towards([0.0, 120.0, 240.0], 75)
    assert coverage_of(views).weak == ("the right",)
    views = towards(AROUND, 15) + towards([a for a in AROUND if not 50 < a < 130], 42)
    assert coverage_of(views + towards([-90.0], 75)).weak == ("the back, halfway up",)


def test_what_was_never_seen_from_low_down_or_above() -> None:
    assert coverage_of(towards(AROUND, 50)).weak[0] == "most sides, low down"
    assert coverage_of(towards(AROUND, 15) + towards(AROUND, 38)).weak == ("above",)


def test_a_wall_is_not_asked_to_be_seen_from_behind() -> None:
    views = towards([float(a) for a in range(-130, -49, 10)], 10)
    assert coverage_of(views).weak == ()


def test_cameras_that_look_outwards_or_straight_down_have_no_such_thing() -> None:
    model = model_of(towards(AROUND, 10))
    turned = {
        n: Photo(p.id, p.name, 1, R := p.R @ np.diag([-1.0, -1, 1]), -R @ p.center, p.xy,
                 p.point3d_ids)
        for n, p in model.photos.items()
    }  # fmt: skip
    outwards = SparseModel(
        model.cameras, turned, model.point_ids, model.points, model.colors, model.errors
    )
    assert find_coverage(outwards) is None
    down = np.diag([1.0, -1, -1])
    flight = {
        n: Photo(n, f"{n}.jpg", 1, down, -down @ np.array([n, n % 2, 9.0]), np.empty((0, 2)),
                 np.empty(0, np.int64))
        for n in range(1, 9)
    }  # fmt: skip
    straight = SparseModel(
        model.cameras, flight, model.point_ids, model.points, model.colors, model.errors
    )
    assert find_coverage(straight) is None


@pytest.mark.parametrize("elevation", [30.0, -40.0])
def test_the_chart_has_a_dot_for_each_photo_and_the_colours_of_its_legend(
    elevation: float,
) -> None:
    picture = draw_coverage(coverage_of(towards(AROUND[:9], elevation)), height=300)
    assert picture.shape == (300, 825, 3)
    colors = {tuple(color) for color in picture.reshape(-1, 3)}
    assert {(238, 190, 170), (244, 226, 178), (201, 224, 203)} <= colors
    # The first photo's dot, blue, is at the bottom of the disc where it is drawn.
    blue = (picture[:, :300].astype(int) @ (-1, 0, 1)) > 100
    rows, columns = np.nonzero(blue)
    assert abs(columns.mean() - 150) < 6
    assert rows.mean() > 180
