# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures by Cycles against those by Gypsum's own renderer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from addon import display, files, objects
from support import ANGLE, GYPSUM_PYTHON, HEIGHT, WIDTH, camera, load, picture


@pytest.fixture
def splats(make_splats):
    """300 Gaussians of a few pixels and more."""
    drawn = make_splats(300, seed=3)
    return type(drawn)(
        drawn.means * np.float32(0.5), drawn.log_scales + np.float32(0.8), drawn.quaternions,
        drawn.opacities, drawn.harmonics,
    )  # fmt: skip


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


def test_cycles_shows_what_gypsum_shows(tmp_path: Path, splats) -> None:
    files.write(tmp_path / "a.ply", splats)
    load(tmp_path / "a.ply")
    seat = camera((2.0, -3.0, 1.5))
    shown = picture(tmp_path / "cycles.png")
    psnr = _psnr(shown, _reference(tmp_path, tmp_path / "a.ply", seat))
    print(f"PSNR {psnr:.1f} dB, folder {tmp_path}")
    assert psnr >= 28


def test_eevee_shows_the_same(tmp_path: Path, splats) -> None:
    """In a process of its own, which ends where there is no OpenGL, be it in software."""
    files.write(tmp_path / "a.ply", splats)
    script = Path(__file__).with_name("eevee_picture.py")
    arguments = [str(tmp_path / "a.ply"), str(tmp_path / "eevee.npy")]
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True)
    if done.returncode:
        pytest.skip("EEVEE doesn't run here; it needs OpenGL, which Mesa has without a card, too")
    load(tmp_path / "a.ply")
    reference = _reference(tmp_path, tmp_path / "a.ply", camera((2.0, -3.0, 1.5)))
    shown = np.load(tmp_path / "eevee.npy")
    psnr = _psnr(shown, reference)
    print(f"EEVEE: PSNR {psnr:.1f} dB")
    # What is left is noise, which has no mean.
    assert psnr >= 26
    assert abs(shown.mean() - reference.mean()) < 0.003


def test_turning_the_object_turns_its_colours(tmp_path: Path, splats) -> None:
    files.write(tmp_path / "a.ply", splats)
    thing = load(tmp_path / "a.ply")
    seat = camera((2.0, -3.0, 1.5))
    before = picture(tmp_path / "before.png")
    thing.rotation_euler.z = np.pi / 2
    bpy.context.view_layer.update()
    after = picture(tmp_path / "after.png")
    assert _psnr(before, after) < 20
    bpy.ops.export_scene.gypsum_splats(filepath=str(tmp_path / "turned.ply"))
    assert _psnr(after, _reference(tmp_path, tmp_path / "turned.ply", seat)) >= 28
    # From where the object sees the camera as before it looks as before.
    seat.location = (3.0, 2.0, 1.5)
    seat.rotation_euler = (-seat.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()
    assert _psnr(before, picture(tmp_path / "same.png")) >= 35


def test_the_viewport_shows_points_and_renders_cards(make_splats) -> None:
    thing = objects.create(bpy.context, "splats", make_splats(10), "Z")
    camera((0.0, -9.0, 0.0))
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(shown.data.vertices) == 0
    display.set_input(thing, display.POINTS_IN_VIEWPORT, False)
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert len(shown.data.vertices) == 40
    assert len(shown.data.polygons) == 10
