# SPDX-License-Identifier: GPL-3.0-or-later
"""What several tests need."""

import os
from pathlib import Path

import bpy
import numpy as np
from addon import display
from mathutils import Vector

GYPSUM_PYTHON = os.environ.get("GYPSUM_PYTHON", "")
"""A Python in which Gypsum is installed; empty where there is none."""

WIDTH, HEIGHT, ANGLE = 120, 90, 0.7
"""Of pictures."""


def camera(eye: tuple[float, float, float]) -> bpy.types.Object:
    """Looks at the origin; the scene renders with it as Gypsum does, in little time."""
    scene = bpy.context.scene
    made = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(made)
    scene.camera = made
    made.location = eye
    made.rotation_euler = (-Vector(eye)).to_track_quat("-Z", "Y").to_euler()
    made.data.angle = ANGLE
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
    return made


def picture(path: Path) -> np.ndarray:
    """(height, width, 3) what Cycles shows, 0 to 1."""
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:], np.float32).reshape(HEIGHT, WIDTH, 4)
    return pixels[::-1, :, :3]


def load(path: Path) -> bpy.types.Object:
    bpy.ops.import_scene.gypsum_splats(filepath=str(path))
    thing = bpy.context.active_object
    display.set_input(thing, display.TRAINED_COLORS, True)
    return thing
