"""What the photos are about."""

from __future__ import annotations

import numpy as np

from gypsum.surface import choose_region, subject_box

from .shapes import cloud_of, joined, looking_at, orbit, plane_points, sphere_points


def test_orbit_keeps_the_object_and_some_table_but_no_walls() -> None:
    statue, outward = sphere_points(8_000, 0.2)
    table, up = plane_points(1.5, 0.02, -0.2)
    walls = [
        np.roll(plane_points(3.0, 0.05, side)[0], k, axis=1) for k in (1, 2) for side in (-3.0, 3.0)
    ]
    cloud = joined(
        cloud_of(statue, outward, 0.002, 12),
        cloud_of(table, up, 0.003, 6),
        *(cloud_of(w, np.ones_like(w), 0.008, 3) for w in walls),
    )
    region = choose_region(cloud, orbit(24, 1.0, 0.4))
    assert region.contains(statue).all()
    near = np.linalg.norm(table[:, :2], axis=1) < 0.25
    assert region.contains(table[near]).all()
    assert not region.contains(np.concatenate(walls)).any()


def test_a_table_is_kept_around_what_stands_on_it() -> None:
    statue, outward = sphere_points(8_000, 0.2)
    coin, face = plane_points(0.03, 0.005, -0.18)
    coin[:, 0] += 0.5
    table, up = plane_points(1.5, 0.01, -0.2, np.random.default_rng(0))
    tilt = np.radians(2)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    noise = np.random.default_rng(1).normal(0, 5e-4, table.shape)
    for lower in (1.0, 0.2):
        # A statue, and what is left of it when it lies flat.
        flat = statue * (1, 1, lower) + (0, 0, 0.2 * (lower - 1))
        cloud = joined(
            cloud_of(flat @ turn, outward, 0.002, 12),
            cloud_of(coin @ turn, face, 0.002, 12),
            cloud_of((table + noise) @ turn, up, 0.003, 6),
        )
        region = choose_region(cloud, orbit(24, 2.5, 0.8, 350.0))
        assert region.contains(flat @ turn).all()
        away = np.linalg.norm(table[:, :2], axis=1)
        assert region.contains(table[away < 0.25] @ turn).all()
        assert not region.contains(table[away > 0.9] @ turn).any()


def test_a_box_is_set_early_only_around_what_the_photographer_walked_around() -> None:
    statue, outward = sphere_points(8_000, 0.2)
    table, up = plane_points(1.5, 0.01, -0.2)
    cloud = joined(cloud_of(statue, outward, 0.002, 12), cloud_of(table, up, 0.003, 6))
    views = orbit(24, 2.5, 0.8, 350.0)
    box = subject_box(cloud, views)
    assert box is not None
    assert box.grown(1 / 1.1).contains(statue).all()
    assert not box.contains(table[np.linalg.norm(table[:, :2], axis=1) > 0.9]).any()
    few = cloud.select(np.arange(0, len(cloud), 100))
    assert subject_box(few, views) is None
    arc = [views[i] for i in (0, 1, 2, 3, 4, 5)]
    assert subject_box(cloud, arc) is None


def test_a_flat_thing_is_no_table() -> None:
    """A relief without anything that stands up."""
    ground, up = plane_points(0.6, 0.005, 0.0)
    ground[:, 2] = 0.002 * np.sin(40 * ground[:, 0])
    region = choose_region(cloud_of(ground, up, 0.002), orbit(24, 2.5, 1.5, 350.0))
    assert region.contains(ground).all()


def test_facade_is_kept_whole() -> None:
    wall, up = plane_points(2.0, 0.02)
    upright, facing = wall[:, [2, 0, 1]], up[:, [2, 0, 1]]
    arc = np.radians(np.linspace(-40, 40, 11))
    views = [
        looking_at(np.array([4 * np.cos(a), 4 * np.sin(a), 0.0]), np.zeros(3), 350.0) for a in arc
    ]
    region = choose_region(cloud_of(upright, facing, 0.01), views)
    assert region.contains(upright).all()


def test_a_relief_seen_from_a_wide_arc_keeps_its_wall() -> None:
    """Ends of the wall are in few of the photos, yet they are part of what was photographed."""
    wall, up = plane_points(2.0, 0.02)
    upright, facing = wall[:, [2, 0, 1]], up[:, [2, 0, 1]]
    arc = np.radians(np.linspace(-66, 66, 11))
    views = [
        looking_at(np.array([2.5 * np.cos(a), 2.5 * np.sin(a), 0.0]), np.zeros(3), 350.0)
        for a in arc
    ]
    cloud = cloud_of(upright, facing, 0.007)
    assert choose_region(cloud, views).contains(upright).all()
    assert subject_box(cloud, views) is None


def test_ground_from_the_air_is_kept_whole() -> None:
    ground, up = plane_points(10.0, 0.1)
    spots = [(x, y) for x in (-6.0, -2.0, 2.0, 6.0) for y in (-6.0, -2.0, 2.0, 6.0)]
    views = [looking_at(np.array([x, y, 10.0]), np.array([x, y + 0.01, 0])) for x, y in spots]
    assert choose_region(cloud_of(ground, up, 0.02), views).contains(ground).all()


def test_box_stands_level_and_follows_the_cloud() -> None:
    points, normals = plane_points(1.0, 0.05)
    turn = np.radians(30)
    points = points * (1.0, 0.3, 1.0)
    points = points @ np.array(
        [[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    region = choose_region(cloud_of(points, normals), [])
    np.testing.assert_allclose(region.axes @ region.axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(region.axes[2], (0, 0, 1))
    assert region.contains(points).all()
    assert np.sort(region.half)[1] < 0.4
    assert region.grown(2).diagonal == 2 * region.diagonal
