# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on is in a Blender that is too old for it: a sentence."""

import bpy

_WORDS = f"Gypsum needs Blender 4.2 or newer; this is {bpy.app.version_string}."


class GYPSUM_AP_refusal(bpy.types.AddonPreferences):
    """Says so where the add-on was enabled"""

    bl_idname = __package__

    def draw(self, _: bpy.types.Context) -> None:
        self.layout.label(text=_WORDS, icon="ERROR")


def register() -> None:
    """Say so, and do nothing else."""
    print(_WORDS)
    bpy.utils.register_class(GYPSUM_AP_refusal)


def unregister() -> None:
    """Say nothing any more."""
    bpy.utils.unregister_class(GYPSUM_AP_refusal)
