# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures by Cycles against those by Gypsum's own renderer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
from addon import display, files, objects
from mathutils import Vector
from support import GYPSUM_PYTHON

WIDTH, HEIGHT, ANGLE = 120, 90, 0.7


@pytest.fixture
def splats(make_splats):
    """300 Gaussians of a few pixels and more."""
    drawn = make_splats(300, seed=3)
    return type(drawn)(
        drawn.means * np.float32(0.5), drawn.log_scales + np.float32(0.8), drawn.quaternions,
        drawn.opacities, drawn.harmonics,
    )  # fmt: skip


def _camera(eye: tuple[float, float, float]) -> bpy.types.Object:
    """Looks at the origin; the scene renders with it as Gypsum does, in little time."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.location = eye
    camera.rotation_euler = (-Vector(eye)).to_track_quat("-Z", "Y").to_euler()
    camera.data.angle = ANGLE
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.cycles.samples = 8
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "GAUSSIAN"
    # A Gaussian of variance 0.3, that of Gypsum's pixels: exp(-72 x^2 / width^2).
    scene.cycles.filter_width = (144 * 0.3) ** 0.5
    scene.view_settings.view_transform = "Raw"
    bpy.context.view_layer.update()
    return camera


def _picture(path: Path) -> np.ndarray:
    """(height, width, 3) what Cycles shows, 0 to 1."""
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:], np.float32).reshape(HEIGHT, WIDTH, 4)
    return pixels[::-1, :, :3]


def _reference(folder: Path, ply: Path, camera: bpy.types.Object) -> np.ndarray:
    """(height, width, 3) what Gypsum shows, 0 to 1."""
    if not GYPSUM_PYTHON:
        pytest.skip("GYPSUM_PYTHON names no Python in which Gypsum is installed")
    flip = np.diag([1.0, -1, -1])
    pose = np.array(camera.matrix_world.inverted())
    request = {
        "width": WIDTH, "height": HEIGHT, "focal": WIDTH / 2 / np.tan(ANGLE / 2), "extent": 1.0,
        "R": (flip @ pose[:3, :3]).tolist(), "t": (flip @ pose[:3, 3]).tolist(),
    }  # fmt: skip
    (folder / "request.json").write_text(json.dumps(request))
    script = Path(__file__).with_name("gypsum_picture.py")
    arguments = [str(ply), str(folder / "request.json"), str(folder / "reference.npy")]
    subprocess.run([GYPSUM_PYTHON, str(script), *arguments], check=True)
    return np.load(folder / "reference.npy") / 255.0


def _psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((first - second) ** 2)))


def _load(path: Path) -> bpy.types.Object:
    bpy.ops.import_scene.gypsum_splats(filepath=str(path))
    thing = bpy.context.active_object
    display.set_input(thing, display.TRAINED_COLORS, True)
    return thing


def test_cycles_shows_what_gypsum_shows(tmp_path: Path, splats) -> None:
    files.write(tmp_path / "a.ply", splats)
    _load(tmp_path / "a.ply")
    camera = _camera((2.0, -3.0, 1.5))
    shown = _picture(tmp_path / "cycles.png")
    psnr = _psnr(shown, _reference(tmp_path, tmp_path / "a.ply", camera))
    print(f"PSNR {psnr:.1f} dB, folder {tmp_path}")
    assert psnr >= 28


def test_turning_the_object_turns_its_colours(tmp_path: Path, splats) -> None:
    files.write(tmp_path / "a.ply", splats)
    thing = _load(tmp_path / "a.ply")
    camera = _camera((2.0, -3.0, 1.5))
    before = _picture(tmp_path / "before.png")
    thing.rotation_euler.z = np.pi / 2
    bpy.context.view_layer.update()
    after = _picture(tmp_path / "after.png")
    assert _psnr(before, after) < 20
    bpy.ops.export_scene.gypsum_splats(filepath=str(tmp_path / "turned.ply"))
    assert _psnr(after, _reference(tmp_path, tmp_path / "turned.ply", camera)) >= 28
    # From where the object sees the camera as before it looks as before.
    camera.location = (3.0, 2.0, 1.5)
    camera.rotation_euler = (-camera.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    assert _psnr(before, _picture(tmp_path / "same.png")) >= 35


def test_the_viewport_shows_points_and_renders_cards(make_splats) -> None:
    thing = objects.create(bpy.context, "splats", make_splats(10), "Z")
    _camera((0.0, -9.0, 0.0))
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(shown.data.vertices) == 0
    display.set_input(thing, display.POINTS_IN_VIEWPORT, False)
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(shown.data.vertices) == 40
    assert len(shown.data.polygons) == 10
