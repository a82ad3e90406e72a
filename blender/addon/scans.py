# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans in the scene: the model, cameras with their photos, and points, below one empty.

The empty is the scan's frame. Moving, turning and scaling it aligns the whole scan; what it says is
sent back to Gypsum as the cameras of the next run.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from . import display, objects
from .colmap import Float64, ModelError, Shot
from .nodes import Nodes
from .splats import SplatError
from .workspace import MESHES, Workspace, open_workspace

WORKSPACE = "gypsum_workspace"
"""Custom property of a scan's empty: the folder."""
BOX = "Crop Box"
LOADED = (*MESHES, ".ply", ".spz", ".sog", ".splat")
"""Files of models that :func:`load_model` takes, the best first."""
_POINTS = "Gypsum Points"
_COLORS = "Col"
"""What Blender's importer of PLY calls a cloud's colours."""
_DOTS_ACROSS = 1500
"""A cloud's points are drawn this many times smaller than the cloud."""
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
"""From the camera of COLMAP (Y down, Z forward) to that of Blender and back."""


def load_scan(
    context: bpy.types.Context, path: Path, *, cameras: bool, photos: bool, cloud: bool
) -> bpy.types.Object:
    """A workspace as a collection; gives its empty."""
    workspace = open_workspace(path)
    shots = workspace.shots() if cameras else []
    if not (workspace.mesh or workspace.splats or workspace.cloud or shots):
        raise ModelError(f"{workspace.name} has no results yet; run the scan to its end.")
    home = bpy.data.collections.new(workspace.name)
    context.scene.collection.children.link(home)
    root = bpy.data.objects.new(workspace.name, None)
    root.empty_display_type = "ARROWS"
    root[WORKSPACE] = str(workspace.root)
    home.objects.link(root)
    if workspace.splats is not None:
        _adopt(root, home, [objects.load(context, workspace.splats, "AUTO")])
        display.prepare(context.scene)
    if workspace.mesh is not None:
        _adopt(root, home, load_model(context, workspace.mesh))
    if cloud and workspace.cloud is not None:
        _adopt(root, home, [_cloud(workspace.cloud)])
    if shots:
        place = bpy.data.collections.new(f"{workspace.name} cameras")
        home.children.link(place)
        made = [_camera(workspace, shot, photos) for shot in shots]
        for thing in made:
            place.objects.link(thing)
        _adopt(root, place, made)
        _size_cameras(shots, made)
        context.scene.camera = context.scene.camera or made[0]
    for thing in context.selected_objects:
        thing.select_set(False)
    root.select_set(True)
    context.view_layer.objects.active = root
    context.view_layer.update()
    return root


def load_model(context: bpy.types.Context, path: Path) -> list[bpy.types.Object]:
    """Objects of a file that Blender or this add-on reads."""
    before = set(bpy.data.objects)
    kind = path.suffix.lower()
    if kind in (".glb", ".gltf"):
        if not hasattr(bpy.types, "IMPORT_SCENE_OT_gltf"):
            raise ModelError("Enable Blender's add-on glTF 2.0 to import models.")
        try:
            bpy.ops.import_scene.gltf(filepath=str(path))
        except RuntimeError as error:
            raise ModelError(f"Blender can't read {path.name}: {error}") from None
    elif kind == ".obj":
        bpy.ops.wm.obj_import(filepath=str(path))
    elif kind == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path))
    elif kind == ".stl":
        bpy.ops.wm.stl_import(filepath=str(path), forward_axis="Y", up_axis="Z")
    elif kind == ".ply" and not _holds_splats(path):
        bpy.ops.wm.ply_import(filepath=str(path), forward_axis="Y", up_axis="Z")
    else:
        try:
            objects.load(context, path, "AUTO")
        except SplatError as error:
            raise ModelError(str(error)) from None
        display.prepare(context.scene)
    return [thing for thing in bpy.data.objects if thing not in before]


def scan_of(thing: bpy.types.Object | None) -> bpy.types.Object | None:
    """The empty of the scan that an object belongs to."""
    while thing is not None and WORKSPACE not in thing:
        thing = thing.parent
    return thing


def workspace_of(root: bpy.types.Object) -> Workspace:
    """Where a scan came from."""
    return open_workspace(Path(root[WORKSPACE]))


def move(root: bpy.types.Object, change: Float64) -> None:
    """Turn, scale or shift the whole scan by (4, 4), in the scene."""
    root.matrix_world = Matrix(change.tolist()) @ root.matrix_world
    bpy.context.view_layer.update()


def similarity_of(root: bpy.types.Object) -> Float64:
    """(4, 4) from the scan's frame to the scene; it has to keep angles."""
    matrix = objects.array_of(root.matrix_world)
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    turn = matrix[:3, :3] / (scale or 1.0)
    if scale <= 0 or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4):
        raise ModelError("A scan can be turned, shifted and scaled alike along all axes only.")
    return matrix


def box_corners(box: bpy.types.Object) -> Float64:
    """(8, 3) in the scene, of an empty shown as a cube or of any object's bounds."""
    size = box.empty_display_size
    signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(8, 3)
    local = signs * size if box.type == "EMPTY" else np.array(box.bound_box, np.float64)
    world = objects.array_of(box.matrix_world)
    return np.asarray(local @ world[:3, :3].T + world[:3, 3])


def look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Render what a photo shows: its camera, its size, its pixels' shape."""
    data = camera.data
    width, height = data["gypsum_size"]
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    scene.render.resolution_percentage = 100
    ratio = float(data["gypsum_pixel_aspect"])
    scene.render.pixel_aspect_x = max(1.0, 1 / ratio)
    scene.render.pixel_aspect_y = max(1.0, ratio)


def _adopt(
    root: bpy.types.Object, home: bpy.types.Collection, things: list[bpy.types.Object]
) -> None:
    """Put objects into the scan's collection and below its empty."""
    for thing in things:
        if home not in thing.users_collection:
            for other in thing.users_collection:
                other.objects.unlink(thing)
            home.objects.link(thing)
        if thing.parent is None:
            thing.parent = root


def _holds_splats(path: Path) -> bool:
    with path.open("rb") as file:
        return b"f_dc_0" in file.read(10_000)


def _camera(workspace: Workspace, shot: Shot, photos: bool) -> bpy.types.Object:
    """A photo's camera: its angle, its principal point, and the photo behind what it sees.

    Blender's lenses have no distortion; what the photo's has is noted as custom properties.
    """
    lens = shot.lens
    (fx, fy), (cx, cy) = lens.focals, lens.center
    data = bpy.data.cameras.new(shot.name)
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = 36.0
    data.lens = data.sensor_width * fx / lens.width
    data.shift_x = (lens.width / 2 - cx) / lens.width
    data.shift_y = (cy - lens.height / 2) * fx / fy / lens.width
    data["gypsum_size"] = (lens.width, lens.height)
    data["gypsum_pixel_aspect"] = fx / fy
    data["gypsum_lens"] = lens.model
    data["gypsum_distortion"] = lens.distortion
    if photos and (photo := workspace.photo(shot.name)) is not None:
        behind = data.background_images.new()
        behind.image = bpy.data.images.load(str(photo), check_existing=True)
        behind.frame_method = "STRETCH"
        behind.display_depth = "BACK"
        behind.alpha = 1.0
        data.show_background_images = True
    thing = bpy.data.objects.new(shot.name, data)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = shot.R, shot.t
    thing.matrix_world = Matrix((np.linalg.inv(pose) @ _FLIP).tolist())
    return thing


def _size_cameras(shots: list[Shot], made: list[bpy.types.Object]) -> None:
    """Draw cameras as large as a tenth of the ring that they stand in."""
    places = np.array([-shot.R.T @ shot.t for shot in shots])
    spread = float(np.linalg.norm(places - places.mean(axis=0), axis=1).mean())
    for thing in made:
        thing.data.display_size = max(0.1 * spread, 1e-3)


def _cloud(path: Path) -> bpy.types.Object:
    """Points with their colours."""
    before = set(bpy.data.objects)
    bpy.ops.wm.ply_import(filepath=str(path), forward_axis="Y", up_axis="Z")
    thing = next(thing for thing in bpy.data.objects if thing not in before)
    places = np.empty((len(thing.data.vertices), 3), np.float32)
    thing.data.vertices.foreach_get("co", places.reshape(-1))
    # Strays must not make the points large.
    low, high = np.percentile(places, [5, 95], axis=0)
    modifier = thing.modifiers.new(_POINTS, "NODES")
    modifier.node_group = _points_tree()
    radius = next(
        item.identifier
        for item in modifier.node_group.interface.items_tree
        if item.name == "Radius"
    )
    modifier[radius] = float(np.linalg.norm(high - low)) / _DOTS_ACROSS
    return thing


def _points_tree() -> bpy.types.NodeTree:
    """Vertices as points of one size and their own colours."""
    known = bpy.data.node_groups.get(_POINTS)
    if known is not None:
        return known
    tree = bpy.data.node_groups.new(_POINTS, "GeometryNodeTree")
    tree.is_modifier = True
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Radius", in_out="INPUT", socket_type="NodeSocketFloat")
    nodes = Nodes(tree)
    given = nodes.add("NodeGroupInput").outputs
    points = nodes.one("GeometryNodeMeshToPoints", given["Geometry"], None, None, given["Radius"])
    shown = nodes.one("GeometryNodeSetMaterial", points, None, _points_material())
    nodes.add("NodeGroupOutput", shown)
    return tree


def _points_material() -> bpy.types.Material:
    material = bpy.data.materials.new(_POINTS)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    material.node_tree.nodes.clear()
    nodes = Nodes(material.node_tree)
    color = nodes.add("ShaderNodeAttribute", attribute_name=_COLORS).outputs["Color"]
    nodes.add("ShaderNodeOutputMaterial", nodes.one("ShaderNodeEmission", color))
    return material
