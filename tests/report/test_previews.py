"""All pictures of a scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.report import previews, write_previews
from gypsum.report.comparison import compare, show_depth, spread
from gypsum.report.framing import find_focus
from gypsum.report.pictures import EVIDENCE, MASKS, OF_SPLATS, PICTURES, TERRAIN
from gypsum.report.render import Eye, Renderer
from gypsum.report.scenery import draw_cameras
from gypsum.scene import Mesh

from .scenes import Scene, photographed


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_FRAMES": 4,
        "_FRAME_SIDE": 64,
        "_PORTRAIT": (120, 90),
        "_CLAY": (64, 64),
    }.items():
        monkeypatch.setattr(previews, name, value)  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_every_picture_is_written_and_progress_only_grows(scene: Scene, tmp_path: Path):
    done: list[float] = []
    facts = write_previews(
        tmp_path / "previews",
        scene.model,
        scene.cloud,
        scene.sparse,
        scene.views,
        depth_of=lambda view: np.ones((view.height // 2, view.width // 2), np.float32),
        progress=lambda share, _doing="": done.append(share),
    )
    of_a_model = set(PICTURES) - {*OF_SPLATS, EVIDENCE, MASKS, TERRAIN}
    assert {path.name for path in facts.files} == {picture.file for picture in of_a_model}
    assert sorted(facts.files) == sorted((tmp_path / "previews").iterdir())
    for path in facts.files:
        with Image.open(path) as image:
            image.load()
    with Image.open(tmp_path / "previews" / "turntable.webp") as turntable:
        assert (turntable.n_frames, turntable.info["loop"]) == (4, 0)
    with Image.open(tmp_path / "previews" / "turntable.png") as strip:
        assert strip.size == (8 * 64, 64)
    assert done == sorted(done)
    assert 0 <= done[0] <= done[-1] <= 1


@pytest.mark.usefixtures("quick")
def test_a_capture_from_one_side_swings(tmp_path: Path):
    scene = photographed(tmp_path, np.linspace(0, 1.5, 5))
    focus = find_focus(scene.model.mesh, scene.views, Renderer(scene.model))
    swing = previews._azimuths(focus, 12, loop=True)
    assert np.abs(swing - focus.middle).max() < 0.5 * focus.span
    assert abs(swing[0] - swing[-1]) < 0.5
    facts = write_previews(
        tmp_path / "previews", scene.model, scene.cloud, scene.sparse, scene.views
    )
    assert "depth.jpg" not in {path.name for path in facts.files}


def test_equal_pictures_agree_and_wrong_ones_do_not(scene: Scene):
    good = compare(Renderer(scene.model), scene.views[:2])
    (material,) = scene.model.materials
    assert material.base_color is not None
    negative = replace(material, base_color=255 - material.base_color)
    wrong = replace(scene.model, materials=(negative,))
    bad = compare(Renderer(wrong), scene.views[:2])
    assert good.agreement_db is not None
    assert bad.agreement_db is not None
    assert good.agreement_db > 40 > 15 > bad.agreement_db


def test_nothing_in_view_has_no_agreement(scene: Scene):
    far = Mesh(scene.model.mesh.vertices + np.float32(100), scene.model.mesh.faces)
    assert compare(Renderer(far), scene.views[:1]).agreement_db is None


def test_compared_views_are_far_apart(scene: Scene):
    focus = find_focus(scene.model.mesh, scene.views, Renderer(scene.model))
    chosen = spread(scene.views, focus, 3)
    places = np.array([view.center - focus.center for view in chosen])
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    cosines = (places @ places.T)[np.triu_indices(3, 1)]
    assert cosines.max() < 0.65
    assert spread(scene.views[:2], focus, 3) == scene.views[:2]


def test_depth_maps_are_red_near_and_blue_far(scene: Scene):
    view = scene.views[0]
    depth = np.tile(np.linspace(1, 5, view.width, dtype=np.float32), (view.height, 1))
    depth[:20] = 0
    picture = show_depth([view], {view.name: depth})[view.height + 12 :]
    near, far, unknown = picture[60, 4], picture[60, -4], picture[5, 50]
    assert near[0] > near[2]
    assert far[2] > far[0]
    assert not unknown.any()


def test_cameras_are_drawn_from_first_to_last(scene: Scene):
    focus = find_focus(scene.model.mesh, scene.views, Renderer(scene.model))
    picture = draw_cameras(scene.cloud, scene.sparse, focus.center, focus.radius, side=300)
    assert picture.shape == (300, 600, 3)
    pixels = picture.reshape(-1, 3).astype(int)
    blue = (pixels[:, 2] > pixels[:, 0] + 80).sum()
    orange = (pixels[:, 0] > pixels[:, 2] + 80).sum()
    assert blue > 30
    assert orange > 30
    # Nothing is cut off: the border is paper or grid.
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (border.max(axis=1).astype(int) - border.min(axis=1)).max() < 25


def test_eyes_of_photos_see_what_the_photo_saw(scene: Scene):
    view = scene.views[3]
    again = Renderer(scene.model).render(Eye.of(view))[..., :3]
    np.testing.assert_array_equal(again, view.read())
