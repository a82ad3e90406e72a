# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's tab."""

import bpy

from . import display, objects, painting, preferences, scans
from .catalog import GYPSUM_PG_option


class _Panel:
    bl_category = "Gypsum"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"


class GYPSUM_PT_run(_Panel, bpy.types.Panel):
    """Photos into a model"""

    bl_idname = "GYPSUM_PT_run"
    bl_label = "Scan"

    def draw(self, context: bpy.types.Context) -> None:
        layout, run = self.layout, context.scene.gypsum
        shown = context.window_manager.gypsum
        if shown.running:
            text = f"{shown.doing} ({shown.left} left)" if shown.left else shown.doing
            layout.progress(factor=shown.share, text=text)
            layout.operator("gypsum.cancel", icon="CANCEL")
            return
        for line in shown.warnings.splitlines()[-3:]:
            layout.label(text=line, icon="ERROR")
        layout.operator("gypsum.choose_input", icon="FILE_IMAGE")
        if run.inputs:
            more = f" and {len(run.inputs) - 1} more" if len(run.inputs) > 1 else ""
            layout.label(text=bpy.path.basename(run.inputs[0].name) + more)
        layout.prop(preferences.preferences(context), "where", text="")
        layout.prop(run, "output")
        if not run.catalog:
            layout.operator("gypsum.load_options", icon="FILE_REFRESH")
        else:
            row = layout.row(align=True)
            row.prop(run, "mode")
            row.operator("gypsum.load_options", text="", icon="FILE_REFRESH")
        for option in run.options:
            if option.given or run.advanced or not option.advanced:
                _draw_option(layout, option)
        layout.prop(run, "advanced")
        layout.operator("gypsum.scan", icon="PLAY")


class GYPSUM_PT_scan(_Panel, bpy.types.Panel):
    """What can be done with an imported scan"""

    bl_idname = "GYPSUM_PT_scan"
    bl_label = "Imported Scan"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("import_scene.gypsum_scan", icon="IMPORT")
        if scans.scan_of(context.active_object) is None:
            return
        layout.operator("gypsum.look_through", icon="CAMERA_DATA")
        column = layout.column(align=True)
        column.operator_menu_enum("gypsum.set_up", "axis")
        column.operator_menu_enum("gypsum.set_ground", "by")
        column.operator_menu_enum("gypsum.align", "axis")
        column.operator("gypsum.set_scale")
        column.operator("gypsum.add_crop_box")
        layout.operator("gypsum.send_back", icon="LOOP_BACK")


class GYPSUM_PT_splats(_Panel, bpy.types.Panel):
    """What can be done with the active object's splats"""

    bl_idname = "GYPSUM_PT_splats"
    bl_label = "Splats"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("import_scene.gypsum_splats", icon="IMPORT")
        layout.operator("gypsum.mesh_to_splats", icon="OUTLINER_OB_POINTCLOUD")
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
        layout.operator("gypsum.splats_to_mesh", icon="MESH_DATA")


class GYPSUM_PT_colors(_Panel, bpy.types.Panel):
    """Other colours for splats"""

    bl_idname = "GYPSUM_PT_colors"
    bl_label = "Splat Colours"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return objects.is_splats(context.active_object)

    def draw(self, _: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("gypsum.recolor", icon="COLOR")
        row = layout.row()
        # The pointer's place is to be that in the view, not in the sidebar.
        row.operator_context = "INVOKE_REGION_WIN"
        row.operator("gypsum.paint", icon="BRUSH_DATA")
        node = painting.curves_node()
        if node is not None:
            layout.template_curve_mapping(node, "mapping", type="COLOR")
            layout.operator("gypsum.curves")
        layout.operator("gypsum.make_curves", text="New Curves" if node is None else "Reset Curves")


def _draw_option(layout: bpy.types.UILayout, option: GYPSUM_PG_option) -> None:
    """A tick for giving it, and its value."""
    row = layout.row(align=True)
    row.prop(option, "given", text="")
    value = row.row()
    value.enabled = option.given
    value.prop(option, option.field, text=option.title)


CLASSES = (GYPSUM_PT_run, GYPSUM_PT_scan, GYPSUM_PT_splats, GYPSUM_PT_colors)
MENUS = ()
