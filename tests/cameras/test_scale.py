"""Known lengths give the model its size, and say how sure it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gypsum.cameras.alignment import align, keep_frame
from gypsum.cameras.scale import (
    KnownLengths,
    MarkedPoint,
    Measure,
    check_lengths,
    combine,
    length,
    measure_scale,
    read_points,
)
from gypsum.errors import InputError
from gypsum.scene import SparseModel

from .scenes import capture_of
from .test_markers import SQUARES, model_of, photograph, photographers, project

NAMES = [f"{number:02}.png" for number in range(1, 7)]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[SparseModel, Path]:
    """Photos of two markers, and their model at a scale of its own."""
    folder = tmp_path_factory.mktemp("photos")
    model = model_of(photographers())
    photograph(model.photos, SQUARES, folder)
    return model.transformed(3.7, np.eye(3), np.zeros(3)), folder


def mark(name: str, place: np.ndarray, photos: tuple[int, ...]) -> list[MarkedPoint]:
    """As a person would: to the nearest pixel."""
    seen = photographers()
    points = []
    for number in photos:
        x, y = np.floor(project(seen[number], place[None])[0])
        points.append(MarkedPoint(name, seen[number].name, x, y))
    return points


def test_markers_make_the_model_metric(shown: tuple[SparseModel, Path]) -> None:
    model, folder = shown
    measured = measure_scale(model, capture_of(NAMES), folder, KnownLengths(0.05), threads=2)
    assert measured is not None
    assert measured.scale == pytest.approx(1 / 3.7, rel=1e-3)
    assert 0 < measured.error < 2e-3
    assert len(measured.measures) == 2
    aligned, facts = align(model, capture_of(NAMES), measured)
    assert (facts["metric"], facts["scale"], facts["scale_observations"]) == (True, "markers", 2)
    spread = np.std([photo.center for photo in aligned.photos.values()], axis=0)
    truth = np.std([photo.center for photo in photographers().values()], axis=0)
    assert np.linalg.norm(spread) == pytest.approx(np.linalg.norm(truth), rel=1e-3)


def test_flat_markers_tell_up_where_nothing_better_does(shown: tuple[SparseModel, Path]) -> None:
    model, folder = shown
    measured = measure_scale(model, capture_of(NAMES), folder, KnownLengths(0.05), threads=2)
    aligned, facts = align(model, capture_of(NAMES), measured)
    assert facts["up"] == "markers"
    for photo, truth in zip(aligned.photos.values(), photographers().values(), strict=True):
        up = photo.R.T @ truth.R @ (0, 0, 1)
        assert np.degrees(np.arccos(min(up[2], 1))) < 0.3


def test_distances_come_before_markers(shown: tuple[SparseModel, Path]) -> None:
    model, folder = shown
    apart = float(np.linalg.norm(SQUARES[3].mean(axis=0) - SQUARES[11].mean(axis=0)))
    lengths = KnownLengths(0.06, (("3", "11", apart),))
    measured = measure_scale(model, capture_of(NAMES), folder, lengths, threads=2)
    assert measured is not None
    assert measured.kind == "distances"
    assert measured.scale == pytest.approx(1 / 3.7, rel=5e-4)
    assert [m.used for m in measured.measures] == [True, False, False]
    # The markers were measured wrongly, and that is said.
    assert sum("was given as 6 cm" in text for text in measured.warnings) == 2
    kept, facts = keep_frame(model, measured)
    np.testing.assert_allclose(kept.photos[1].R, model.photos[1].R)
    assert facts["metric"] is True


def test_distances_between_marked_points(shown: tuple[SparseModel, Path]) -> None:
    model, folder = shown
    ends = np.array([0.08, 0.02, 0.01]), np.array([-0.07, -0.03, 0.03])
    points = mark("tip", ends[0], (1, 3, 5)) + mark("foot", ends[1], (1, 4, 6))
    apart = float(np.linalg.norm(ends[0] - ends[1]))
    lengths = KnownLengths(None, (("tip", "foot", apart),), tuple(points))
    measured = measure_scale(model, capture_of(NAMES), folder, lengths, threads=1)
    assert measured is not None
    off = abs(measured.scale * 3.7 - 1)
    assert off < 0.01
    assert off < 3 * measured.error < 0.03


def test_what_cannot_be_measured_is_explained(shown: tuple[SparseModel, Path]) -> None:
    model, folder = shown
    capture = capture_of(NAMES)

    def measure(lengths: KnownLengths) -> None:
        measure_scale(model, capture, folder, lengths, threads=1)

    with pytest.raises(InputError, match="marker 5; the markers found are: 11, 3"):
        measure(KnownLengths(None, (("3", "5", 0.1),)))
    nowhere = (*mark("a", np.zeros(3), (1,)), MarkedPoint("a", "gone.png", 1, 2))
    with pytest.raises(InputError, match="Point a can't be placed"):
        measure(KnownLengths(None, (("a", "3", 0.1),), nowhere))
    empty = replace(model, photos={n: model.photos[n] for n in (1, 2)})
    assert measure_scale(empty, capture, folder, KnownLengths(), threads=1) is None


def test_no_marker_in_the_photos(tmp_path: Path) -> None:
    model = model_of(photographers(3))
    photograph(model.photos, {}, tmp_path)
    with pytest.raises(InputError, match="no AprilTag"):
        measure_scale(model, capture_of(NAMES), tmp_path, KnownLengths(0.05), threads=1)


def test_combined_lengths_weigh_by_their_errors() -> None:
    exact, vague = Measure("a", 1.0, 2.0, 0.001, 3), Measure("b", 1.0, 2.1, 0.1, 3)
    scale, error = combine([exact])
    assert (scale, error) == pytest.approx((0.5, 0.0005))
    assert combine([exact, vague])[0] == pytest.approx(0.5, rel=2e-3)
    # Lengths that disagree beyond their errors make the result less sure.
    other = Measure("c", 1.0, 2.2, 0.001, 3)
    scale, error = combine([exact, other])
    assert 0.46 < scale < 0.49
    assert error > 0.02


def test_points_are_read(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("name,photo,x,y\n# comment\n\ntip, a.jpg, 12, 7.5\nfoot,b.jpg,1,2\n")
    assert read_points(path) == (
        MarkedPoint("tip", "a.jpg", 12, 7.5),
        MarkedPoint("foot", "b.jpg", 1, 2),
    )
    path.write_text("tip,a.jpg,12\n")
    with pytest.raises(InputError, match=r"Line 1 of points\.csv"):
        read_points(path)
    with pytest.raises(InputError, match="can't be read"):
        read_points(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("distance", "points", "says"),
    [
        (("0", "0", 1.0), (), "itself"),
        (("0", "tip", 1.0), (), "Nothing is called tip"),
        (("0", "tip", 1.0), (MarkedPoint("tip", "a.jpg", 1, 2),), "in one photo"),
        (("0", "tip", 1.0), (MarkedPoint("tip", "z.jpg", 1, 2),), r"z\.jpg, which is none"),
    ],
)
def test_lengths_are_checked_first(
    distance: tuple[str, str, float], points: tuple[MarkedPoint, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_lengths(KnownLengths(None, (distance,), points), ["photos/a.jpg", "photos/b.jpg"])


def test_lengths_in_words() -> None:
    assert [length(v) for v in (2.5, 0.25, 0.0125, 0.004)] == ["2.5 m", "25 cm", "1.25 cm", "4 mm"]
