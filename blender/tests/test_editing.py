# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator that edits, and its undo."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from addon import objects
from addon.splats import basis, crowding, sigmoid, sizes, unit, visibility


@pytest.fixture
def thing(make_splats) -> bpy.types.Object:
    """500 splats, active and selected."""
    made = objects.create(bpy.context, "splats", make_splats(500), "Z")
    bpy.context.view_layer.update()
    return made


def _active() -> bpy.types.Object:
    """Undo makes objects anew."""
    return bpy.context.view_layer.objects.active


def test_selecting_by_each_measure(thing) -> None:
    splats = objects.splats_of(thing.data)
    bpy.ops.gypsum.select(by="BOX", center=(0.5, 0, 0), size=(1, 2, 4))
    inside = np.all(np.abs(splats.means - [0.5, 0, 0]) <= [0.5, 1, 2], axis=1)
    assert 0 < inside.sum() < 500
    assert np.array_equal(objects.selected(thing.data), inside)
    bpy.ops.gypsum.select(by="SPHERE", radius=0.8, action="SUBTRACT")
    away = np.linalg.norm(splats.means, axis=1)
    assert np.array_equal(objects.selected(thing.data), inside & (away > 0.8))
    bpy.ops.gypsum.select(by="OPACITY", least=0.9, most=1)
    assert np.array_equal(objects.selected(thing.data), sigmoid(splats.opacities) >= 0.9)
    bpy.ops.gypsum.select(by="SIZE", least=0.1, most=9, action="ADD")
    either = (sigmoid(splats.opacities) >= 0.9) | (sizes(splats) >= np.float32(0.1))
    assert np.array_equal(objects.selected(thing.data), either)
    bpy.ops.gypsum.select(by="COLOR", color=(0.5, 0.5, 0.5), tolerance=0.05)
    near = np.all(np.abs(splats.harmonics[:, 0]) * 0.2820948 <= 0.05, axis=1)
    assert near.any()
    assert np.array_equal(objects.selected(thing.data), near)


def test_floaters_are_those_alone(make_splats) -> None:
    random = np.random.default_rng(0)
    splats = make_splats(3000)
    splats.means[:] = random.uniform(-1, 1, (3000, 3)) * [1, 1, 0.02]
    splats.means[:20] += random.uniform([0, 0, 1], [5, 5, 6], (20, 3))
    made = objects.create(bpy.context, "splats", splats, "Z")
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.gypsum.select(by="FLOATERS")
    chosen = objects.selected(made.data)
    assert chosen[:20].sum() >= 19
    assert chosen[20:].sum() <= 5
    # What is large and far from all else may be a wall.
    splats.log_scales[:20] = 1
    objects.replace(made, splats)
    bpy.ops.gypsum.select(by="FLOATERS")
    assert not objects.selected(made.data)[:20].any()
    bpy.ops.gypsum.select(by="FLOATERS", neighbors=3000)
    assert objects.selected(made.data).all()


@pytest.mark.parametrize("count", [1, 2, 400])
def test_crowding_counts_cells_next_to_each_other(count: int) -> None:
    means = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
    found = crowding(means, np.zeros(count))
    low = means.min(axis=0)
    side = max(float((means.max(axis=0) - low).max()), 1e-9)
    slow = [
        (np.abs(cells[:, None] - cells[None]).max(axis=2) <= 1).sum(axis=1)
        for cells in (((means - low) * (2**n / side)).astype(int) for n in range(8))
    ]
    assert any(np.array_equal(found, one) for one in slow)
    assert np.median(found) >= min(count, 32)


def test_a_box_is_in_the_scene_not_in_the_object(thing) -> None:
    thing.location.x = 100
    bpy.context.view_layer.update()
    bpy.ops.gypsum.select(by="BOX", center=(100, 0, 0), size=(20, 20, 20))
    assert objects.selected(thing.data).all()


def test_delete_crop_and_undo(thing) -> None:
    whole = objects.splats_of(thing.data)
    bpy.ops.gypsum.select(by="SPHERE", radius=1)
    chosen = objects.selected(thing.data)
    bpy.ops.ed.undo_push(message="selected")
    bpy.ops.gypsum.delete()
    bpy.ops.ed.undo_push(message="deleted")
    assert np.array_equal(objects.splats_of(_active().data).means, whole.means[~chosen])
    bpy.ops.ed.undo()
    assert np.array_equal(objects.splats_of(_active().data).harmonics, whole.harmonics)
    bpy.ops.gypsum.delete(others=True)
    assert np.array_equal(objects.splats_of(_active().data).harmonics, whole.harmonics[chosen])


def test_delete_works_in_edit_mode_as_blenders_own(thing) -> None:
    whole = objects.splats_of(thing.data)
    bpy.ops.gypsum.select(by="SPHERE", radius=1)
    chosen = objects.selected(thing.data)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.delete(type="VERT")
    bpy.ops.gypsum.select(by="SPHERE", radius=2)
    assert thing.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")
    left = objects.splats_of(thing.data)
    assert np.array_equal(left.quaternions, whole.quaternions[~chosen])
    assert np.array_equal(left.harmonics, whole.harmonics[~chosen])


def test_deleting_all_is_refused(thing) -> None:
    bpy.ops.gypsum.select(by="SPHERE", radius=1000)
    with pytest.raises(RuntimeError, match="leave no splat"):
        bpy.ops.gypsum.delete()
    assert len(thing.data.vertices) == 500


def test_decimating_keeps_what_shows_most(thing) -> None:
    weight = visibility(objects.splats_of(thing.data))
    bpy.ops.ed.undo_push(message="whole")
    bpy.ops.gypsum.decimate(ratio=0.3)
    bpy.ops.ed.undo_push(message="decimated")
    left = visibility(objects.splats_of(_active().data))
    assert len(left) == 150
    assert left.min() >= np.sort(weight)[-150]
    bpy.ops.ed.undo()
    assert len(_active().data.vertices) == 500


def test_applying_the_transform_takes_everything_along(thing) -> None:
    before = objects.splats_of(thing.data)
    thing.rotation_euler = (0.3, -0.8, 1.9)
    thing.scale = (1.5, 1.5, 1.5)
    thing.location = (1, 2, 3)
    bpy.context.view_layer.update()
    world = np.array(thing.matrix_world)
    turn = world[:3, :3] / 1.5
    bpy.ops.gypsum.apply_transform()
    after = objects.splats_of(thing.data)
    assert np.allclose(thing.matrix_world, np.eye(4))
    assert np.allclose(after.means, before.means @ world[:3, :3].T + world[:3, 3], atol=1e-4)
    assert np.allclose(after.log_scales, before.log_scales + np.log(1.5), atol=1e-4)
    assert np.allclose(_axes(after), turn @ _axes(before), atol=1e-4)
    directions = unit(np.random.default_rng(1).normal(size=(20, 4)))[:, :3]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen = np.einsum("dt,ntc->dnc", basis(directions), before.harmonics)
    now = np.einsum("dt,ntc->dnc", basis(directions @ turn.T), after.harmonics)
    assert np.allclose(seen, now, atol=1e-3)


def _axes(splats) -> np.ndarray:
    """(N, 3, 3)"""
    w, x, y, z = unit(splats.quaternions).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def test_stretching_is_refused(thing) -> None:
    thing.scale = (1, 2, 1)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="alike along all axes"):
        bpy.ops.gypsum.apply_transform()


def test_merging_keeps_places_and_the_highest_degree(make_splats, thing) -> None:
    first = objects.splats_of(thing.data)
    second = make_splats(100, degree=1, seed=5)
    other = objects.create(bpy.context, "other", second, "Z")
    other.location.y = 7
    thing.select_set(True)
    bpy.context.view_layer.objects.active = other
    bpy.context.view_layer.update()
    bpy.ops.gypsum.merge()
    merged = objects.splats_of(other.data)
    assert len(bpy.data.objects) == 1
    assert merged.degree == 3
    assert np.array_equal(merged.means[:100], second.means)
    assert np.allclose(merged.means[100:], first.means - [0, 7, 0], atol=1e-5)
    assert np.array_equal(merged.harmonics[100:], first.harmonics)
    assert other.modifiers[0].node_group.name.endswith("Degree 3")
