"""What a capture is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.report.framing import find_focus
from gypsum.report.render import Renderer
from gypsum.scene import Mesh

from .scenes import BALL, RADIUS, Scene, eyes_around, view_of


def test_the_ball_not_the_table(scene: Scene):
    focus = find_focus(scene.model.mesh, scene.views, Renderer(scene.model))
    np.testing.assert_allclose(focus.center, BALL, atol=0.12)
    # The feet are taken to be as wide as what stands on them.
    assert RADIUS < focus.radius < 1.45 * RADIUS
    assert focus.all_around
    assert focus.elevation == pytest.approx(np.radians(30), abs=np.radians(4))


def test_the_portrait_holds_the_whole_object(scene: Scene):
    focus = find_focus(scene.model.mesh, scene.views, Renderer(scene.model))
    pixels, depth = focus.portrait(400, 300).project(scene.model.mesh.vertices[:-4])
    assert (depth > 0).all()
    assert pixels.min() > 0
    assert (pixels < (400, 300)).all()
    assert np.ptp(pixels[:, 1]) > 200


def test_half_a_circle_is_not_all_around(scene: Scene):
    eyes = eyes_around(np.linspace(2.0, 4.0, 6))
    views = [view_of(str(i), Path(), eye) for i, eye in enumerate(eyes)]
    focus = find_focus(scene.model.mesh, views, Renderer(scene.model))
    assert not focus.all_around
    assert focus.middle == pytest.approx(3.0, abs=0.15)
    assert focus.span == pytest.approx(2.0, abs=0.3)


def test_flat_ground_alone_is_the_focus_itself(scene: Scene):
    table = Mesh(scene.model.mesh.vertices[-4:], np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    focus = find_focus(table, scene.views, Renderer(table))
    assert np.isfinite(focus.center).all()
    assert focus.radius > 0.2


def test_a_step_of_a_plinth_is_no_ground() -> None:
    mesh = stacked([(0.5, 0.0, 0.35), (0.25, 0.35, 1.6)])
    eyes = eyes_around(np.linspace(0, 2 * np.pi, 12, endpoint=False))
    views = [view_of(str(i), Path(), eye) for i, eye in enumerate(eyes)]
    focus = find_focus(mesh, views, Renderer(mesh))
    pixels, _ = focus.portrait(400, 300).project(mesh.vertices)
    assert pixels[:, 1].max() < 300


def stacked(boxes: list[tuple[float, float, float]]) -> Mesh:
    """Square pillars on one another: half the side, bottom and top of each."""
    import trimesh

    solids = []
    for half, low, high in boxes:
        solid = trimesh.creation.box((2 * half, 2 * half, high - low))
        solid.apply_translation((0, 0, (low + high) / 2))
        solids.append(solid.subdivide().subdivide().subdivide())
    whole = trimesh.util.concatenate(solids)
    return Mesh(whole.vertices.astype(np.float32), whole.faces.astype(np.int32))
