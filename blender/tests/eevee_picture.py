# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws splats with EEVEE: eevee_picture.py SPLATS.ply PICTURE.npy."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from support import camera, load, picture  # noqa: E402

_SAMPLES = 16
"""Each card is there or not in a sample, by chance; a processor takes a second for each."""


def main(splats: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="addon")
    load(Path(splats))
    camera((2.0, -3.0, 1.5))
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0) else "BLENDER_EEVEE"
    scene.eevee.taa_render_samples = _SAMPLES
    np.save(out, picture(Path(out).with_suffix(".png")))


if __name__ == "__main__":
    main(*sys.argv[1:])
