# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators between splats and meshes."""

import tempfile
from pathlib import Path

import bpy
import numpy as np
from bpy.props import FloatProperty, IntProperty

from . import display, files, objects, preferences, scans
from .colmap import ModelError
from .files.pictures import pixels_of
from .jobs import Event, Job, Process
from .running import Arrived, Runs
from .splats import Float64, SplatError, joined
from .surfels import Surface, sampled


class GYPSUM_OT_splats_to_mesh(Runs, bpy.types.Operator):
    """Make a textured mesh of the selected splats, by the program gypsum"""

    bl_idname = "gypsum.splats_to_mesh"
    bl_label = "Splats to Mesh"

    faces: IntProperty(name="Triangles", default=50_000, min=100, max=20_000_000)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return Runs.poll(context) and any(map(objects.is_splats, context.selected_objects))

    def begin(self, context: bpy.types.Context) -> tuple[Job, Arrived]:
        things = [thing for thing in context.selected_objects if objects.is_splats(thing)]
        gypsum = preferences.program(context)
        self._folder = tempfile.TemporaryDirectory(prefix="gypsum-")
        source = Path(self._folder.name, f"{bpy.path.clean_name(things[0].name)}.ply")
        mesh = source.with_suffix(".glb")
        try:
            files.write(source, joined([objects.in_file_frame(thing, "Z") for thing in things]))
        except SplatError as error:
            raise ModelError(str(error)) from None
        command = [gypsum, "mesh", str(source), "-o", str(mesh), "--up-axis", "z"]
        return Process([*command, "--faces", str(self.faces)], mesh), self._arrived

    def _arrived(self, context: bpy.types.Context, event: Event) -> str:
        made = scans.load_model(context, Path(event["models"][0]))
        # The file is about to go, so pictures have to be in the scene.
        for image in (i for i in bpy.data.images if i.source == "FILE" and not i.packed_file):
            if Path(bpy.path.abspath(image.filepath)).is_relative_to(self._folder.name):
                image.pack()
        self._folder.cleanup()
        return f"{made[0].name} is in the scene"


class GYPSUM_OT_mesh_to_splats(bpy.types.Operator):
    """Cover the active mesh with flat splats of its colours: texture, attribute or material"""

    bl_idname = "gypsum.mesh_to_splats"
    bl_label = "Mesh to Splats"
    bl_options = {"REGISTER", "UNDO"}

    count: IntProperty(name="Splats", default=100_000, min=10, max=20_000_000)
    overlap: FloatProperty(
        name="Overlap",
        description="Standard deviation in distances between splats",
        default=0.6,
        min=0.1,
        max=4,
    )
    seed: IntProperty(name="Seed", min=0)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        thing = context.active_object
        return thing is not None and thing.type == "MESH" and not objects.is_splats(thing)

    def execute(self, context: bpy.types.Context) -> set[str]:
        thing = context.active_object
        try:
            surface = _surface(context, thing)
            splats = sampled(surface, self.count, self.overlap, self.seed)
        except SplatError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        made = objects.create(context, f"{thing.name} splats", splats, "Z")
        display.prepare(context.scene)
        self.report({"INFO"}, f"{made.name}: {len(splats):,} splats")
        return {"FINISHED"}


def _surface(context: bpy.types.Context, thing: bpy.types.Object) -> Surface:
    """Triangles in the scene with colours, as the object is shown."""
    evaluated = thing.evaluated_get(context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        if count == 0:
            raise SplatError(f"{thing.name} has no faces.")
        loops = np.empty(3 * count, np.int32)
        mesh.loop_triangles.foreach_get("loops", loops)
        corners = np.empty(3 * count, np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        materials = np.empty(count, np.int32)
        mesh.loop_triangles.foreach_get("material_index", materials)
        places = np.empty((len(mesh.vertices), 3), np.float32)
        mesh.vertices.foreach_get("co", places.reshape(-1))
        world = objects.array_of(thing.matrix_world)
        return Surface(
            (places @ world[:3, :3].T + world[:3, 3])[corners].reshape(count, 3, 3),
            _texture_places(mesh, loops),
            _vertex_colors(mesh, loops, corners),
            materials,
            [_pictured(slot.material) for slot in thing.material_slots],
        )
    finally:
        evaluated.to_mesh_clear()


def _texture_places(mesh: bpy.types.Mesh, loops: np.ndarray) -> Float64 | None:
    """(F, 3, 2)"""
    if not mesh.uv_layers:
        return None
    values = np.empty((len(mesh.loops), 2), np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", values.reshape(-1))
    return values[loops].reshape(-1, 3, 2).astype(np.float64)


def _vertex_colors(mesh: bpy.types.Mesh, loops: np.ndarray, corners: np.ndarray) -> Float64 | None:
    """(F, 3, 3) sRGB of the active colour attribute."""
    layer = mesh.color_attributes.active_color
    if layer is None:
        return None
    values = np.empty((len(layer.data), 4), np.float32)
    layer.data.foreach_get("color_srgb", values.reshape(-1))
    of = loops if layer.domain == "CORNER" else corners
    return values[of, :3].reshape(-1, 3, 3).astype(np.float64)


def _pictured(material: bpy.types.Material | None) -> np.ndarray:
    """(H, W, 3) sRGB of a material's base colour, 0 to 1, top row first; one pixel when plain."""
    nodes = material.node_tree.nodes if material is not None and material.node_tree else ()
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return np.full((1, 1, 3), np.nan)
    socket = shader.inputs["Base Color"]
    node = socket.links[0].from_node if socket.links else None
    if node is None:
        return _encoded(np.array(socket.default_value[:3], np.float64))[None, None]
    picture = next((n for n in (node, *_before(node)) if n.type == "TEX_IMAGE"), None)
    if picture is None or picture.image is None:
        return np.full((1, 1, 3), np.nan)
    return pixels_of(picture.image)[..., :3] / 255.0


def _before(node: bpy.types.Node) -> list[bpy.types.Node]:
    """Nodes that lead into one."""
    found = [link.from_node for socket in node.inputs for link in socket.links]
    return found + [other for before in found for other in _before(before)]


def _encoded(linear: Float64) -> Float64:
    """sRGB (IEC 61966-2-1)."""
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve)


CLASSES = (GYPSUM_OT_splats_to_mesh, GYPSUM_OT_mesh_to_splats)
MENUS = ()
