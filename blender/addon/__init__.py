# SPDX-License-Identifier: GPL-3.0-or-later
"""Gypsum in Blender: 3D Gaussian splats, imported, shown, edited and exported."""

from . import editing, panel, transfer

_PARTS = (transfer, editing, panel)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    for part in reversed(_PARTS):
        part.unregister()
