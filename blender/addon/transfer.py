# SPDX-License-Identifier: GPL-3.0-or-later
"""Files into the scene and out of it: operators, menus, drag and drop."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from . import display, files, objects
from .splats import SplatError, joined

_PATTERN = ";".join(f"*{suffix}" for suffix in files.FORMATS)

_UPS = (
    ("AUTO", "By Format", "Z for PLY, Y for SPZ, -Y for SOG and .splat"),
    ("Z", "Z", "Files of Gypsum"),
    ("Y", "Y", "Files for phones and the web"),
    ("-Y", "-Y", "Files of trainers that keep the photos' frame, such as the reference's"),
)


class GYPSUM_OT_import_splats(bpy.types.Operator, ImportHelper):
    """Import 3D Gaussian splats: PLY, SPZ, SOG, .splat"""

    bl_idname = "import_scene.gypsum_splats"
    bl_label = "Import Splats"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default=_PATTERN, options={"HIDDEN"})
    files: CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN"})
    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN"})
    up: EnumProperty(name="Up Axis", description="What points up in the file", items=_UPS)

    def execute(self, context: bpy.types.Context) -> set[str]:
        names = [file.name for file in self.files if file.name]
        paths = [Path(self.directory, name) for name in names] or [Path(self.filepath)]
        for path in paths:
            try:
                thing = objects.load(context, path, self.up)
            except SplatError as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            self.report({"INFO"}, f"{path.name}: {len(thing.data.vertices):,} splats")
        display.prepare(context.scene)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Dropped files are imported at once."""
        if self.directory and any(file.name for file in self.files):
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)


class GYPSUM_OT_export_splats(bpy.types.Operator, ExportHelper):
    """Export the selected splats, joined, where they stand in the scene: PLY or SPZ"""

    bl_idname = "export_scene.gypsum_splats"
    bl_label = "Export Splats"

    filename_ext = ".ply"
    filter_glob: StringProperty(default="*.ply;*.spz", options={"HIDDEN"})
    check_extension = None
    up: EnumProperty(name="Up Axis", description="What is to point up in the file", items=_UPS)
    check_existing: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return any(map(objects.is_splats, context.selected_objects))

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(self.filepath)
        try:
            up = files.format_of(path).up if self.up == "AUTO" else self.up
            things = [thing for thing in context.selected_objects if objects.is_splats(thing)]
            for thing in things:
                thing.update_from_editmode()
            splats = joined([objects.in_file_frame(thing, up) for thing in things])
            files.write(path, splats)
        except SplatError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{path.name}: {len(splats):,} splats")
        return {"FINISHED"}


class GYPSUM_FH_splats(bpy.types.FileHandler):
    """Drag and drop"""

    bl_idname = "GYPSUM_FH_splats"
    bl_label = "Gaussian Splats"
    bl_import_operator = "import_scene.gypsum_splats"
    bl_export_operator = "export_scene.gypsum_splats"
    bl_file_extensions = ";".join(files.FORMATS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


def _import_entry(self: bpy.types.Menu, _: bpy.types.Context) -> None:
    name = GYPSUM_OT_import_splats.bl_idname
    self.layout.operator(name, text="Gaussian Splats (.ply, .spz, .sog, .splat)")


def _export_entry(self: bpy.types.Menu, _: bpy.types.Context) -> None:
    name = GYPSUM_OT_export_splats.bl_idname
    self.layout.operator(name, text="Gaussian Splats (.ply, .spz)")


CLASSES = (GYPSUM_OT_import_splats, GYPSUM_OT_export_splats, GYPSUM_FH_splats)
MENUS = (
    ("TOPBAR_MT_file_import", _import_entry),
    ("TOPBAR_MT_file_export", _export_entry),
)
