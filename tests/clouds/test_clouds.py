"""Clouds are gathered, cleaned, oriented and registered: closed forms and slow twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from gypsum.clouds import (
    Gathered,
    Motion,
    clean,
    colors_near,
    gather,
    gather_each,
    orient,
    read_gathered,
    register,
    write_gathered,
)
from gypsum.formats.clouds import Chunk, CloudFile, Scan
from gypsum.native import _cloud
from gypsum.scene import PointCloud

Float64 = NDArray[np.float64]

MAP = np.array([600_000.0, 5_000_000.0, 0.0])


def file_of(points: Float64, **rest: object) -> CloudFile:
    """As if read from a file, in three pieces."""
    position = rest.pop("position", None)
    parts = np.array_split(np.arange(len(points)), 3)

    def chunks():  # type: ignore[no-untyped-def]
        for part in parts:
            yield Chunk(points[part], **{name: values[part] for name, values in rest.items()})  # type: ignore[index]

    return CloudFile(len(points), chunks, (Scan("scan", position),))  # type: ignore[arg-type]


def test_the_grid_keeps_means_and_majorities() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 3, (20_000, 3))
    colors = rng.integers(0, 256, (20_000, 3)).astype(np.uint8)
    classes = np.where(points[:, 0] > 0, 6, 2).astype(np.uint8)
    grid = _cloud.Grid(0.5, 10**6)
    some = np.zeros((20_000, 3), np.float32)
    grid.add(points, colors, some, points[:, 0].astype(np.float32), classes)
    places, means, _, intensity, kinds, counts = grid.finish()
    cell = np.floor(points / 0.5).astype(int)
    unique, group = np.unique(cell, axis=0, return_inverse=True)
    assert len(grid) == len(unique)
    true = {
        tuple(key): (points[group == n].mean(axis=0), colors[group == n].mean(axis=0))
        for n, key in enumerate(unique[:50])
    }
    found = {tuple(key): n for n, key in enumerate(np.floor(places / 0.5).astype(int).tolist())}
    for key, (place, color) in true.items():
        n = found[key]
        assert np.allclose(places[n], place, atol=1e-5)
        assert np.abs(means[n] - color).max() <= 0.51
        assert intensity[n] == pytest.approx(place[0], abs=1e-4)
        assert kinds[n] == (6 if key[0] >= 0 else 2)
    assert counts.sum() == 20_000


def test_the_grid_coarsens_to_what_it_may_hold() -> None:
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(0, 10, (100_000, 2)), np.zeros(100_000)])
    held = gather([(file_of(points), "plane")], 5_000)
    assert 1_000 < len(held.cloud) <= 5_000
    assert held.given == 100_000
    assert held.cloud.support is not None
    assert held.cloud.support.sum() == 100_000
    weighted = held.cloud.points * held.cloud.support[:, None]
    assert np.allclose(weighted.sum(axis=0) / 100_000, points.mean(axis=0), atol=1e-4)


def test_neighbours_are_those_of_a_slow_search() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(3_000, 3)).astype(np.float32)
    points[100:110] = points[100]
    wanted = rng.normal(size=(500, 3)).astype(np.float32)
    _, distance = _cloud.nearest(points, wanted, 9, 2)
    true, _ = cKDTree(points).query(wanted, k=9)
    assert np.allclose(distance, true, atol=1e-5)
    few, _ = _cloud.nearest(points[:4], wanted, 9, 2)
    assert (few[:, 4:] == -1).all()


def test_a_tilted_plane_has_its_normal_and_loses_its_strays() -> None:
    rng = np.random.default_rng(3)
    turn = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    flat = np.column_stack([rng.uniform(-5, 5, (40_000, 2)), rng.normal(0, 0.005, 40_000)])
    strays = rng.uniform(-5, 5, (200, 3))
    strays[:, 2] += np.sign(strays[:, 2])
    points = np.vstack([flat, strays]) @ turn.T + (500_000, 4_000_000, 100)
    eye = turn @ (0, 0, 30) + (500_000, 4_000_000, 100)
    held = gather([(file_of(points, position=tuple(eye)), "plane")], 10**6)
    found = clean(held)
    assert found.oriented == "scanners"
    assert found.spacing == pytest.approx(0.05, rel=0.1)
    assert found.noise == pytest.approx(0.005, rel=0.2)
    assert held.cloud.place is not None
    local = held.cloud.place.local(np.array([[500_000.0, 4_000_000.0, 100.0]]))[0]
    height = np.abs((found.cloud.points - local) @ turn[:, 2])
    assert (height > 0.1).sum() < 10
    assert 190 <= found.removed <= 230
    assert len(found.cloud) > 39_500
    on = height < 0.02
    assert np.median(found.cloud.normals[on] @ turn[:, 2]) > 0.97
    assert (found.cloud.normals[on] @ turn[:, 2] > 0).mean() > 0.999


@pytest.mark.parametrize("inside", [False, True])
def test_a_closed_surface_is_oriented_as_a_whole(inside: bool) -> None:
    rng = np.random.default_rng(4)
    sphere = rng.normal(size=(8_000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    other = sphere[:3_000] * 0.4 + (3, 0, 0)
    points = np.vstack([sphere, other]).astype(np.float32)
    normals = np.vstack([sphere, sphere[:3_000]]).astype(np.float32)
    flipped = normals * rng.choice([-1, 1], len(normals))[:, None].astype(np.float32)
    found = orient(points, flipped, np.zeros_like(points), inside=inside)
    agree = np.einsum("ij,ij->i", found, normals)
    # What stands apart always faces outwards.
    assert (agree[8_000:] > 0).all()
    assert (agree[:8_000] < 0).all() if inside else (agree[:8_000] > 0).all()


def test_what_is_known_decides_for_its_neighbours() -> None:
    rng = np.random.default_rng(5)
    points = np.column_stack([rng.uniform(0, 1, (2_000, 2)), np.zeros(2_000)]).astype(np.float32)
    normals = np.zeros_like(points)
    normals[:, 2] = rng.choice([-1, 1], 2_000)
    facing = np.zeros_like(points)
    facing[:50, 2] = -1
    assert (orient(points, normals, facing)[:, 2] == -1).all()


def test_colors_come_from_the_nearest_points() -> None:
    x = np.linspace(0, 1, 101, dtype=np.float32)
    points = np.stack([x, 0 * x, 0 * x], axis=1)
    colors = np.repeat(np.rint(200 * x)[:, None], 3, axis=1).astype(np.uint8)
    cloud = PointCloud(points, np.zeros_like(points), colors)
    places = np.array([[0.305, 0.001, 0], [0.5, 0, 0]], np.float32)
    assert np.abs(colors_near(cloud, places).astype(int)[:, 0] - [61, 100]).max() <= 1


def test_a_gathered_cloud_comes_back_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    points = rng.uniform(0, 10, (500, 3)) + MAP
    held = gather([(file_of(points, intensity=np.arange(500, dtype=np.float32)), "a")], 1_000)
    write_gathered(tmp_path / "a.npz", held)
    again = read_gathered(tmp_path / "a.npz")
    assert isinstance(again, Gathered)
    assert np.array_equal(again.cloud.points, held.cloud.points)
    assert again.cloud.place == held.cloud.place
    assert again.given == 500


def corner_room(rng: np.random.Generator) -> Float64:
    """Points on the floor and walls of a room with a cupboard, a table and a step."""
    parts = []
    for low, high in (
        ((0, 0, 0), (5, 4, 0)), ((0, 0, 0), (5, 0, 2.5)), ((0, 0, 0), (0, 4, 2.5)),
        ((5, 0, 0), (5, 4, 2.5)), ((0, 4, 0), (5, 4, 2.5)), ((1, 3.4, 0), (2.2, 3.4, 2)),
        ((2.2, 3.4, 0), (2.2, 4, 2)), ((1, 3.4, 0), (1, 4, 2)), ((2.5, 1, 0.7), (4, 1.8, 0.7)),
        ((3.5, 3, 0.3), (5, 4, 0.3)), ((3.5, 3, 0), (3.5, 4, 0.3)), ((3.5, 3, 0), (5, 3, 0.3)),
    ):  # fmt: skip
        size = np.subtract(high, low)
        area = np.prod(size[size > 0])
        parts.append(low + rng.random((int(area * 2_500), 3)) * size)
    return np.concatenate(parts)


def test_scans_from_three_places_are_brought_together() -> None:
    rng = np.random.default_rng(7)
    room = corner_room(rng)
    scans, motions = [], []
    for number, (place, turn) in enumerate((((1, 1), 0.0), ((3.2, 1.2), 1.9), ((2, 3), -2.4))):
        away = np.hypot(*(room[:, :2] - place).T)
        seen = room[(away < 3.3) & (rng.random(len(room)) < 0.7)]
        R = Rotation.from_euler("zx", [turn, 0.04 * number]).as_matrix()
        motion = Motion(R, np.array([2.0, -3.0, 0.3]) * number)
        noisy = seen + rng.normal(0, 0.003, seen.shape)
        scans.append(motion.moved(noisy).astype(np.float32))
        motions.append(motion)
    found = register(scans)
    assert found.moved
    for scan, motion, true in zip(scans, found.motions, motions, strict=True):
        assert motion is not None
        wanted = motions[0].after(true.back)
        error = np.linalg.norm(motion.moved(scan) - wanted.moved(scan), axis=1)
        assert error.mean() < 0.01
    assert max(found.errors) < 0.006


def test_scans_in_one_frame_stay_where_they_are_and_strangers_are_left_out() -> None:
    rng = np.random.default_rng(8)
    room = corner_room(rng)
    left, right = room[room[:, 0] < 3.5], room[room[:, 0] > 1.5]
    ball = rng.normal(size=(5_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    found = register([part.astype(np.float32) for part in (left, right, 9 * ball + 100)])
    assert not found.moved
    assert found.motions[1] is not None
    assert np.array_equal(found.motions[1].turn, np.eye(3))
    assert found.motions[2] is None


def test_each_scan_for_itself_in_one_frame() -> None:
    rng = np.random.default_rng(9)
    points = rng.uniform(0, 10, (500, 3)) + MAP
    moved = points + np.full(3, 50.0)
    each = gather_each([(file_of(points), "a"), (file_of(moved), "b")], 10_000)
    assert [*each] == [(0, 0), (1, 0)]
    first, second = (gathered.cloud for gathered in each.values())
    assert first.place == second.place
    one, other = (
        np.average(cloud.points.astype(np.float64), axis=0, weights=cloud.support)
        for cloud in (first, second)
    )
    assert np.allclose(other - one, 50, atol=1e-3)
