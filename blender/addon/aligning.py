# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on scans: import, alignment, scale, ground, and what goes into the next run."""

import shlex
from pathlib import Path

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty
from bpy_extras.io_utils import ImportHelper
from mathutils import Vector

from . import catalog, objects, scans
from .colmap import Float64, ModelError
from .workspace import box_of, plane_through, turn_between

_AXES = {
    "X": (1.0, 0.0, 0.0),
    "-X": (-1.0, 0.0, 0.0),
    "Y": (0.0, 1.0, 0.0),
    "-Y": (0.0, -1.0, 0.0),
    "Z": (0.0, 0.0, 1.0),
    "-Z": (0.0, 0.0, -1.0),
}


class GYPSUM_OT_import_scan(bpy.types.Operator, ImportHelper):
    """Import a Gypsum workspace: the model, cameras with photos, points"""

    bl_idname = "import_scene.gypsum_scan"
    bl_label = "Import Scan"
    bl_options = {"REGISTER", "UNDO"}

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    cameras: BoolProperty(name="Cameras", default=True)
    photos: BoolProperty(
        name="Photos", description="Show each photo behind what its camera sees", default=True
    )
    cloud: BoolProperty(name="Points", description="The dense points", default=False)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            root = scans.load_scan(
                context,
                Path(self.filepath or self.directory),
                cameras=self.cameras,
                photos=self.photos,
                cloud=self.cloud,
            )
        except ModelError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{root.name}: {len(root.children)} objects")
        return {"FINISHED"}


class _OnScan:
    """An operator on the scan that the active object belongs to."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return scans.scan_of(context.active_object) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            message = self.edit(context, scans.scan_of(context.active_object))
        except ModelError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, message)
        return {"FINISHED"}


class GYPSUM_OT_look_through(_OnScan, bpy.types.Operator):
    """See and render what the photo of the active camera shows"""

    bl_idname = "gypsum.look_through"
    bl_label = "Look Through Photo"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        thing = context.active_object
        return thing is not None and thing.type == "CAMERA" and "gypsum_size" in thing.data

    def edit(self, context: bpy.types.Context, _: bpy.types.Object) -> str:
        scans.look_through(context.scene, context.active_object)
        return context.active_object.name


class GYPSUM_OT_set_up(_OnScan, bpy.types.Operator):
    """Turn the scan so that one of its axes points up"""

    bl_idname = "gypsum.set_up"
    bl_label = "Set Up Axis"

    axis: EnumProperty(
        name="Axis", items=[(name, name, f"{name} of the scan") for name in _AXES], default="Z"
    )

    def edit(self, _: bpy.types.Context, root: bpy.types.Object) -> str:
        direction = scans.similarity_of(root)[:3, :3] @ np.array(_AXES[self.axis])
        scans.move(root, _turn(direction / np.linalg.norm(direction), np.array([0, 0, 1.0])))
        return f"{self.axis} of the scan is up"


class GYPSUM_OT_set_scale(_OnScan, bpy.types.Operator):
    """Scale the scan by a known length between two selected vertices, or two selected objects"""

    bl_idname = "gypsum.set_scale"
    bl_label = "Set Scale"

    length: FloatProperty(
        name="Length", description="What was measured", default=1, min=1e-6, subtype="DISTANCE"
    )

    def invoke(self, context: bpy.types.Context, _: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def edit(self, context: bpy.types.Context, root: bpy.types.Object) -> str:
        first, second = _two_points(context, root)
        distance = float(np.linalg.norm(second - first))
        if distance < 1e-9:
            raise ModelError("The two points are at the same place.")
        factor = self.length / distance
        change = np.diag([factor, factor, factor, 1.0])
        # The first point stays where it is.
        change[:3, 3] = first * (1 - factor)
        scans.move(root, change)
        return f"The scan is {factor:.6g} times as large"


class GYPSUM_OT_set_ground(_OnScan, bpy.types.Operator):
    """Lay the scan on the ground, z = 0"""

    bl_idname = "gypsum.set_ground"
    bl_label = "Set Ground"

    by: EnumProperty(
        name="By",
        items=(
            ("PLANE", "Selected Vertices", "The plane through three or more becomes level ground"),
            ("LOWEST", "Lowest Point", "The lowest vertex comes to lie on the ground"),
        ),
    )

    def edit(self, context: bpy.types.Context, root: bpy.types.Object) -> str:
        if self.by == "LOWEST":
            low = min(float(_places(thing)[:, 2].min()) for thing in _meshes(root))
            scans.move(root, _shift(np.array([0.0, 0.0, -low])))
            return "The lowest point is on the ground"
        points = _selected_vertices(context)
        if len(points) < 3:
            raise ModelError("Select three or more vertices of the ground in edit mode.")
        middle, normal = plane_through(points)
        change = _turn(normal, np.array([0.0, 0, 1]))
        change[:3, 3] = middle - change[:3, :3] @ middle - [0, 0, middle[2]]
        scans.move(root, change)
        return f"The plane of {len(points)} vertices is the ground"


class GYPSUM_OT_align(_OnScan, bpy.types.Operator):
    """Turn the scan about Z until two selected vertices or objects lie along an axis"""

    bl_idname = "gypsum.align"
    bl_label = "Align to Axis"

    axis: EnumProperty(name="Axis", items=[(name, name, "") for name in ("X", "Y")])
    origin: BoolProperty(
        name="To Origin", description="Move the first of the two to the origin", default=False
    )

    def edit(self, context: bpy.types.Context, root: bpy.types.Object) -> str:
        first, second = _two_points(context, root)
        along = (second - first) * [1, 1, 0]
        if np.linalg.norm(along) < 1e-9:
            raise ModelError("The two points lie above each other.")
        change = _turn(along / np.linalg.norm(along), np.array(_AXES[self.axis]))
        change[:3, 3] = -change[:3, :3] @ first if self.origin else first - change[:3, :3] @ first
        scans.move(root, change)
        return f"The two points lie along {self.axis}"


class GYPSUM_OT_add_crop_box(_OnScan, bpy.types.Operator):
    """Add a box around the scan; what is outside is left out of the next run"""

    bl_idname = "gypsum.add_crop_box"
    bl_label = "Add Crop Box"

    def edit(self, context: bpy.types.Context, root: bpy.types.Object) -> str:
        places = np.concatenate([_places(thing) for thing in _meshes(root)])
        low, high = places.min(axis=0), places.max(axis=0)
        box = bpy.data.objects.new(scans.BOX, None)
        box.empty_display_type = "CUBE"
        box.empty_display_size = 1.0
        box.location = ((low + high) / 2).tolist()
        box.scale = np.maximum((high - low) / 2, 1e-6).tolist()
        root.users_collection[0].objects.link(box)
        # Below the empty as it stands, so that it follows the scan.
        box.parent = root
        box.matrix_parent_inverse = root.matrix_world.inverted()
        for thing in context.selected_objects:
            thing.select_set(False)
        box.select_set(True)
        context.view_layer.objects.active = box
        return "Move and scale the box; it is sent with the next run"


class GYPSUM_OT_send_back(_OnScan, bpy.types.Operator):
    """Make the crop box and how the scan was turned and scaled options of the next run.

    The command is copied to the clipboard and kept in the workspace as well"""

    bl_idname = "gypsum.send_back"
    bl_label = "Send Edits Back"

    def edit(self, context: bpy.types.Context, root: bpy.types.Object) -> str:
        workspace = scans.workspace_of(root)
        changed: dict[str, str] = {}
        similarity = scans.similarity_of(root)
        if not np.allclose(similarity, np.eye(4), rtol=0, atol=1e-7):
            changed["cameras"] = str(workspace.send_cameras(similarity))
        boxes = [thing for thing in root.children if thing.name.startswith(scans.BOX)]
        if boxes:
            values = box_of(scans.box_corners(boxes[-1]))
            changed["box"] = " ".join(f"{value:g}" for value in values)
        if not changed:
            raise ModelError("Nothing was changed: the scan stands where it stood, without a box.")
        catalog.prepare(context.scene.gypsum, workspace, changed)
        command = shlex.join(catalog.command_of(context.scene.gypsum))
        context.window_manager.clipboard = command
        workspace.note(command)
        return f"The next run of {workspace.name} has " + " and ".join(changed)


def _turn(start: Float64, end: Float64) -> Float64:
    """(4, 4)"""
    change = np.eye(4)
    change[:3, :3] = turn_between(start, end)
    return change


def _shift(by: Float64) -> Float64:
    """(4, 4)"""
    change = np.eye(4)
    change[:3, 3] = by
    return change


def _meshes(root: bpy.types.Object) -> list[bpy.types.Object]:
    """Below a scan's empty, with vertices."""
    found = [thing for thing in root.children_recursive if thing.type == "MESH"]
    found = [thing for thing in found if len(thing.data.vertices)]
    if not found:
        raise ModelError(f"{root.name} has no model.")
    return found


def _places(thing: bpy.types.Object) -> Float64:
    """(N, 3) vertices in the scene."""
    places = np.empty((len(thing.data.vertices), 3), np.float32)
    thing.data.vertices.foreach_get("co", places.reshape(-1))
    world = objects.array_of(thing.matrix_world)
    return np.asarray(places @ world[:3, :3].T + world[:3, 3])


def _selected_vertices(context: bpy.types.Context) -> Float64:
    """(N, 3) of the mesh that is being edited, in the scene."""
    thing = context.active_object
    if thing is None or thing.type != "MESH" or thing.mode != "EDIT":
        return np.empty((0, 3))
    thing.update_from_editmode()
    return _places(thing)[objects.selected(thing.data)]


def _two_points(context: bpy.types.Context, root: bpy.types.Object) -> tuple[Float64, Float64]:
    """Two selected vertices in edit mode, or where two other objects stand."""
    points = _selected_vertices(context)
    if context.mode == "OBJECT":
        chosen = [thing for thing in context.selected_objects if thing is not root]
        places: list[Vector] = [thing.matrix_world.translation for thing in chosen]
        points = np.array(places, np.float64).reshape(-1, 3)
    if len(points) != 2:
        raise ModelError("Select two vertices in edit mode, or two objects such as empties.")
    return points[0], points[1]


def _import_entry(self: bpy.types.Menu, _: bpy.types.Context) -> None:
    self.layout.operator(GYPSUM_OT_import_scan.bl_idname, text="Gypsum Scan (workspace)")


CLASSES = (
    GYPSUM_OT_import_scan,
    GYPSUM_OT_look_through,
    GYPSUM_OT_set_up,
    GYPSUM_OT_set_scale,
    GYPSUM_OT_set_ground,
    GYPSUM_OT_align,
    GYPSUM_OT_add_crop_box,
    GYPSUM_OT_send_back,
)
MENUS = (("TOPBAR_MT_file_import", _import_entry),)
