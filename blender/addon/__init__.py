# SPDX-License-Identifier: GPL-3.0-or-later
"""Gypsum in Blender: scans and 3D Gaussian splats."""

import bpy

bl_info = {
    "name": "Gypsum",
    "description": "Scans and 3D Gaussian splats",
    "blender": (4, 2, 0),
    "version": (0, 1, 0),
    "category": "Import-Export",
}
"""For Blender before 4.2, which knows no manifests and has to be told why nothing works."""

if bpy.app.version >= bl_info["blender"]:
    from .registration import register, unregister
else:
    from .refusal import register, unregister

__all__ = ["register", "unregister"]
