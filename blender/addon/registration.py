# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender gets to know when the add-on is enabled, and forgets when it is disabled."""

import bpy

from . import (
    aligning,
    catalog,
    converting,
    editing,
    painting,
    panel,
    preferences,
    running,
    transfer,
)

_PARTS = (
    preferences,
    catalog,
    transfer,
    editing,
    painting,
    aligning,
    running,
    converting,
    panel,
)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for part in _PARTS:
        for kind in part.CLASSES:
            bpy.utils.register_class(kind)
        for menu, entry in part.MENUS:
            getattr(bpy.types, menu).append(entry)
    running.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    running.unregister()
    for part in reversed(_PARTS):
        for menu, entry in part.MENUS:
            getattr(bpy.types, menu).remove(entry)
        for kind in reversed(part.CLASSES):
            bpy.utils.unregister_class(kind)
