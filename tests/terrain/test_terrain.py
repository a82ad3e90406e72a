"""Terrain with houses and trees whose ground is a formula, and maps that other programs read."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.errors import ReconstructionError
from gypsum.scene import Crs, Place, PointCloud
from gypsum.terrain import (
    HeightMap,
    contour_lines,
    encode_contours,
    encode_map,
    height_map,
    interval_for,
    picture,
)

Float64 = NDArray[np.float64]


def truth(places: Float64) -> Float64:
    """Hills on a slope."""
    x, y = places[:, 0], places[:, 1]
    return np.asarray(5 * np.sin(x / 30) + 0.05 * y + 3 * np.cos(y / 40))


def survey(classes: bool = False) -> tuple[PointCloud, NDArray[np.bool_]]:
    """A cloud of 150 m in square, and which of its points are ground."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 150, (100_000, 2))
    height = truth(places) + rng.normal(0, 0.02, len(places))
    ground = np.ones(len(places), bool)
    house = (np.abs(places - (60, 57)) < (10, 8)).all(axis=1)
    height[house] = truth(np.array([[60.0, 57.0]]))[0] + 8
    ground[house] = False
    for tree in rng.uniform(0, 150, (40, 2)):
        leaves = (np.hypot(*(places - tree).T) < 4) & (rng.random(len(places)) < 0.8)
        height[leaves] += rng.uniform(2, 10, leaves.sum())
        ground[leaves] = False
    points = np.column_stack([places, height]).astype(np.float32)
    kinds = np.where(ground, 2, 5).astype(np.uint8) if classes else None
    gray = np.zeros(points.shape, np.uint8)
    return PointCloud(points, np.zeros_like(points), gray, classes=kinds), ground


def centers(found: HeightMap) -> Float64:
    """The places of cells' centres (H * W, 2)."""
    row, column = np.indices(found.heights.shape)
    x = found.west + (column.ravel() + 0.5) * found.cell
    y = found.north - (row.ravel() + 0.5) * found.cell
    return np.stack([x, y], axis=1)


@pytest.mark.parametrize("classes", [False, True])
def test_the_ground_below_houses_and_trees(classes: bool) -> None:
    cloud, ground = survey(classes)
    found = height_map(cloud)
    assert (found.ground == ground).mean() > 0.97
    error = found.heights.ravel() - truth(centers(found))
    error = error[np.isfinite(error)]
    assert len(error) > 0.98 * found.heights.size
    assert np.sqrt((error**2).mean()) < 0.04
    assert np.abs(error).max() < 0.6


def test_contours_of_a_cone_are_circles() -> None:
    row, column = np.mgrid[:201, :201]
    heights = 100 - np.hypot(row - 100, column - 100)
    (line,) = contour_lines(heights, 40.0)
    assert np.array_equal(line[0], line[-1])
    assert np.abs(np.hypot(*(line - 100).T) - 60).max() < 0.01
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    assert length == pytest.approx(2 * np.pi * 60, rel=1e-3)


def test_contours_of_a_saddle_part_and_stop_at_gaps() -> None:
    y, x = np.mgrid[-1:1:41j, -1:1:41j]
    assert len(contour_lines(x * y, 0.1)) == 2
    level = contour_lines(x, 0.03)
    assert len(level) == 1
    gap = x.copy()
    gap[20, :] = np.nan
    assert len(contour_lines(gap, 0.03)) == 2


@pytest.mark.parametrize(("low", "high", "step"), [(0, 100, 10), (3, 9, 0.5), (0, 0.2, 0.02)])
def test_intervals_are_round(low: float, high: float, step: float) -> None:
    assert interval_for(low, high) == pytest.approx(step)


def ramp() -> HeightMap:
    """Two metres up for each to the east."""
    heights = np.tile(2 * (np.arange(8) + 0.5), (5, 1)).astype(np.float32)
    heights[0, 0] = np.nan
    return HeightMap(heights, 0.0, 5.0, 1.0, np.ones(3, bool))


def test_a_map_knows_where_it_lies() -> None:
    keys = (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632)
    place = Place((500_000, 5_400_000, 100), crs=Crs(keys=keys))
    with Image.open(io.BytesIO(encode_map(ramp(), place))) as image:
        heights, tags = np.array(image), image.tag_v2  # type: ignore[attr-defined]
    assert heights[0, 0] == -9999
    assert heights[1, 3] == pytest.approx(107)
    assert tags[33922] == (0, 0, 0, 500_000, 5_400_005, 0)
    assert tags[33550] == (1, 1, 0)
    assert tags[42113].startswith("-9999")
    directory = np.reshape(tags[34735], (-1, 4))
    assert directory[0].tolist() == [1, 1, 0, 3]
    assert [3072, 0, 1, 32632] in directory.tolist()
    assert directory[1:, 0].tolist() == sorted(directory[1:, 0])


def test_contours_in_the_larger_frame() -> None:
    place = Place((500_000, 5_400_000, 100), crs=Crs('PROJCS["a",AUTHORITY["EPSG","25832"]]'))
    files = encode_contours(ramp(), place, 5.0)
    collection = json.loads(files["contours.geojson"])
    assert collection["crs"]["properties"]["name"].endswith("::25832")
    heights = [feature["properties"]["height"] for feature in collection["features"]]
    assert heights == [105, 110, 115]
    for feature in collection["features"]:
        x, y = np.array(feature["geometry"]["coordinates"]).T
        assert np.allclose(x, 500_000 + (feature["properties"]["height"] - 100) / 2)
        assert y.min() >= 5_400_000
        assert y.max() <= 5_400_005
    assert b"AC1009" in files["contours.dxf"]


def test_a_picture_is_white_beyond_the_points() -> None:
    drawn = picture(ramp(), 5.0)
    assert drawn.dtype == np.uint8
    assert (drawn[0, 0] == 255).all()
    assert (drawn[-1, -1] < 255).any()


def test_too_few_points() -> None:
    points = np.zeros((5, 3), np.float32)
    with pytest.raises(ReconstructionError, match="too few"):
        height_map(PointCloud(points, points, np.zeros((5, 3), np.uint8)))
