# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of splats changed by numbers, curves and the brush, and undone."""

from __future__ import annotations

import colorsys

import bpy
import numpy as np
import pytest
from addon import objects, painting, recoloring
from addon.splats import basis, colors


@pytest.fixture
def thing(make_splats) -> bpy.types.Object:
    """500 splats, active, none selected."""
    made = objects.create(bpy.context, "splats", make_splats(500), "Z")
    bpy.context.view_layer.update()
    objects.set_selected(made.data, np.zeros(500, bool))
    return made


def _active() -> bpy.types.Object:
    return bpy.context.view_layer.objects.active


def _seen(splats, direction) -> np.ndarray:
    """(N, 3) colours from one direction."""
    return 0.5 + np.einsum("t,ntc->nc", basis(np.array([direction]))[0], splats.harmonics)


def _unchanged_but_for_colors(before, after) -> bool:
    names = ("means", "log_scales", "quaternions", "opacities")
    return all(np.array_equal(getattr(before, name), getattr(after, name)) for name in names)


def test_hue_and_saturation_hold_in_every_direction_and_are_undone(thing) -> None:
    before = objects.splats_of(thing.data)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.gypsum.recolor(hue=2 * np.pi / 3, saturation=0.5, contrast=1.5)
    bpy.ops.ed.undo_push(message="recoloured")
    after = objects.splats_of(_active().data)
    assert _unchanged_but_for_colors(before, after)
    linear, offset = recoloring.matrix(2 * np.pi / 3, 0.5, 1.0, 1.5)
    for direction in ([0, 0, 1.0], [0.6, -0.8, 0]):
        wanted = _seen(before, direction) @ linear.T + offset
        assert np.allclose(_seen(after, direction), wanted, atol=1e-5)
    bpy.ops.ed.undo()
    assert np.array_equal(objects.splats_of(_active().data).harmonics, before.harmonics)


def test_a_third_of_a_turn_makes_red_green() -> None:
    linear, _ = recoloring.matrix(hue=2 * np.pi / 3)
    assert np.allclose(linear @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    grey, _ = recoloring.matrix(saturation=0)
    assert np.allclose(grey @ [0.2, 0.4, 0.6], recoloring.LUMA @ [0.2, 0.4, 0.6])
    tinted, _ = recoloring.matrix(tint=(1, 0, 0), strength=1)
    assert np.allclose(tinted @ [0.5, 0.5, 0.5], [0.5, 0, 0])
    hue = colorsys.rgb_to_hsv(*(recoloring.matrix(hue=1.0)[0] @ [0.6, 0.4, 0.4]))[0]
    assert hue == pytest.approx(1 / (2 * np.pi), abs=0.02)


def test_only_the_selected_change_and_neutral_values_change_nothing(thing) -> None:
    before = objects.splats_of(thing.data)
    chosen = np.arange(500) < 100
    objects.set_selected(thing.data, chosen)
    bpy.ops.gypsum.recolor(value=0.5, tint=(1, 0, 0), strength=0.3)
    after = objects.splats_of(thing.data)
    assert np.array_equal(after.harmonics[~chosen], before.harmonics[~chosen])
    assert not np.allclose(after.harmonics[chosen], before.harmonics[chosen])
    assert np.array_equal(objects.selected(thing.data), chosen)
    bpy.ops.gypsum.recolor()
    assert np.allclose(objects.splats_of(thing.data).harmonics, after.harmonics, atol=1e-6)


def test_curves(thing) -> None:
    before = objects.splats_of(thing.data)
    with pytest.raises(RuntimeError, match="make them first"):
        bpy.ops.gypsum.curves()
    bpy.ops.gypsum.make_curves()
    bpy.ops.gypsum.curves()
    neutral = objects.splats_of(thing.data)
    inside = np.all(np.abs(colors(before) - 0.5) < 0.45, axis=1)
    assert np.allclose(neutral.harmonics[inside], before.harmonics[inside], atol=5e-3)
    mapping = painting.curves_node().mapping
    # Red is inverted: its whole dependence on the direction turns about.
    mapping.curves[0].points[0].location = (0, 1)
    mapping.curves[0].points[1].location = (1, 0)
    mapping.update()
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.gypsum.curves()
    bpy.ops.ed.undo_push(message="curved")
    after = objects.splats_of(_active().data)
    assert _unchanged_but_for_colors(before, after)
    red, was = _seen(after, [0, 0.6, 0.8])[inside, 0], _seen(neutral, [0, 0.6, 0.8])[inside, 0]
    assert np.allclose(red, 1 - was, atol=0.02)
    assert np.allclose(after.harmonics[inside, :, 1:], neutral.harmonics[inside, :, 1:], atol=0.01)
    bpy.ops.ed.undo()
    assert np.array_equal(objects.splats_of(_active().data).harmonics, neutral.harmonics)
    bpy.ops.gypsum.make_curves()
    assert len(painting.curves_node().mapping.curves[0].points) == 2


def _stroke(*places: tuple[float, float, float]) -> list[dict[str, object]]:
    return [{"name": "", "location": place} for place in places]


def test_paint_fades_to_the_brush_s_edge_and_is_undone(thing) -> None:
    before = objects.splats_of(thing.data)
    places = before.means.astype(np.float64)
    bpy.ops.ed.undo_push(message="before")
    stroke = _stroke(tuple(places[3]), tuple(places[7]))
    bpy.ops.gypsum.paint(color=(1, 0, 0), radius=0.5, stroke=stroke)
    bpy.ops.ed.undo_push(message="painted")
    after = objects.splats_of(_active().data)
    assert np.allclose(colors(after)[[3, 7]], [1, 0, 0], atol=1e-5)
    assert np.allclose(after.harmonics[3, 1:], 0, atol=1e-6)
    away = np.minimum(*(np.linalg.norm(places - places[i], axis=1) for i in (3, 7)))
    assert np.array_equal(after.harmonics[away > 0.5], before.harmonics[away > 0.5])
    weight = recoloring.brush(away, 0.5)[:, None]
    assert np.allclose(colors(after), colors(before) * (1 - weight) + weight * [1, 0, 0], atol=1e-5)
    bpy.ops.ed.undo()
    assert np.array_equal(objects.splats_of(_active().data).harmonics, before.harmonics)


def test_paint_keeps_to_the_selection_and_to_its_strength(thing) -> None:
    before = objects.splats_of(thing.data)
    chosen = np.arange(500) == 3
    objects.set_selected(thing.data, chosen)
    stroke = _stroke(tuple(before.means[3].tolist()))
    bpy.ops.gypsum.paint(color=(0, 0, 1), radius=9, strength=0.5, stroke=stroke)
    after = objects.splats_of(thing.data)
    assert np.array_equal(after.harmonics[~chosen], before.harmonics[~chosen])
    assert np.allclose(colors(after)[3], colors(before)[3] / 2 + [0, 0, 0.5], atol=1e-5)


def test_the_pointer_picks_the_nearest_that_can_be_seen(make_splats) -> None:
    splats = make_splats(4)
    places = np.array([[0, 0, 5.0], [0, 0, 2], [0, 0, 1], [3, 0, 2]])
    splats.opacities[:] = (5, 5, -5, 5)
    view = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]])
    assert painting.picked(places, splats, view, (200, 100), (101, 49)) == 1
    assert painting.picked(places, splats, view, (200, 100), (20, 90)) is None
