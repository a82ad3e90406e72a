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
