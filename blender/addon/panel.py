# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's tab."""

import bpy

from . import display, objects


class GYPSUM_PT_splats(bpy.types.Panel):
    """What can be done with the active object's splats"""

    bl_idname = "GYPSUM_PT_splats"
    bl_label = "Splats"
    bl_category = "Gypsum"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("import_scene.gypsum_splats", icon="IMPORT")
        thing = context.active_object
        if not objects.is_splats(thing):
            return
        layout.operator("export_scene.gypsum_splats", icon="EXPORT")
        layout.label(text=f"{len(thing.data.vertices):,} splats")
        modifier = thing.modifiers.get(display.MODIFIER)
        if modifier is not None and modifier.node_group is not None:
            for item in modifier.node_group.interface.items_tree:
                if item.in_out == "INPUT" and item.name in display.INPUTS:
                    layout.prop(modifier, f'["{item.identifier}"]', text=item.name)
        column = layout.column(align=True)
        column.operator_menu_enum("gypsum.select", "by", text="Select by")
        column.operator("gypsum.delete", text="Delete Selected").others = False
        column.operator("gypsum.delete", text="Crop to Selected").others = True
        column.operator("gypsum.decimate")
        column.operator("gypsum.apply_transform")
        column.operator("gypsum.merge")


def register() -> None:
    """The panel."""
    bpy.utils.register_class(GYPSUM_PT_splats)


def unregister() -> None:
    """The reverse."""
    bpy.utils.unregister_class(GYPSUM_PT_splats)
