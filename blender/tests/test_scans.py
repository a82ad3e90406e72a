# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans in the scene, their alignment, and what is sent back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import bpy
import numpy as np
import pytest
import workspaces
from addon import files, objects, scans
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from support import GYPSUM_PYTHON


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace."""
    return workspaces.make(tmp_path / "square.gypsum")


@pytest.fixture
def root(folder: Path) -> bpy.types.Object:
    """Its scan, imported."""
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder))
    return bpy.context.active_object


def _mesh() -> bpy.types.Object:
    return next(thing for thing in bpy.data.objects if thing.type == "MESH")


def _root() -> bpy.types.Object:
    """Undo makes objects anew."""
    return next(thing for thing in bpy.data.objects if scans.WORKSPACE in thing)


def _places() -> np.ndarray:
    mesh = _mesh()
    bpy.context.view_layer.update()
    return np.array([mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices])


def _select(*indices: int) -> None:
    """Vertices of the mesh, in edit mode."""
    mesh = _mesh()
    bpy.context.view_layer.objects.active = mesh
    chosen = np.zeros(len(mesh.data.vertices), bool)
    chosen[list(indices)] = True
    for parts in (mesh.data.edges, mesh.data.polygons):
        parts.foreach_set("select", np.zeros(len(parts), bool))
    mesh.data.vertices.foreach_set("select", chosen)
    bpy.ops.object.mode_set(mode="EDIT")


def test_everything_arrives_below_one_empty(folder: Path) -> None:
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder), cloud=True)
    root = bpy.context.active_object
    assert root.name == "square"
    assert Path(root[scans.WORKSPACE]) == folder
    kinds = sorted(thing.type for thing in root.children_recursive)
    assert kinds == ["CAMERA", "CAMERA", "CAMERA", "MESH", "MESH"]
    mesh = next(t for t in root.children if t.type == "MESH" and t.data.polygons)
    assert np.allclose(sorted(v.co.z for v in mesh.data.vertices), 0.2)
    assert mesh.data.uv_layers
    nodes = mesh.data.materials[0].node_tree.nodes
    assert next(node for node in nodes if node.type == "TEX_IMAGE").image.size[:] == (64, 64)
    cloud = next(t for t in root.children if t.type == "MESH" and not t.data.polygons)
    assert len(cloud.data.vertices) == 200
    shown = cloud.evaluated_get(bpy.context.evaluated_depsgraph_get()).evaluated_geometry()
    assert len(shown.pointcloud.points) == 200


def test_a_splat_scan_has_its_splats(tmp_path: Path, make_splats) -> None:
    folder = workspaces.make(tmp_path / "a.gypsum")
    record = json.loads((folder / "scan.json").read_text())
    record["options"]["mode"] = "splat"
    (folder / "scan.json").write_text(json.dumps(record))
    splats = make_splats(30)
    files.write(folder / "models" / "a.ply", splats)
    (folder / "models" / "a.compressed.ply").write_bytes(b"")
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder), cameras=False)
    root = bpy.context.active_object
    made = [thing for thing in root.children if objects.is_splats(thing)]
    assert len(made) == 1
    assert np.array_equal(objects.splats_of(made[0].data).means, splats.means)
    assert len(root.children) == 2


def test_the_model_beside_a_workspace_names_it(folder: Path) -> None:
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder / "models" / "square.glb"))
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder.with_suffix(".glb")))
    assert sum(scans.WORKSPACE in thing for thing in bpy.data.objects) == 2
    with pytest.raises(RuntimeError, match="no workspace"):
        bpy.ops.import_scene.gypsum_scan(filepath="")


def test_importing_is_undone_in_one_step(folder: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.import_scene.gypsum_scan(filepath=str(folder))
    bpy.ops.ed.undo_push(message="imported")
    assert len(bpy.data.objects) == 5
    bpy.ops.ed.undo()
    assert not bpy.data.objects


@pytest.mark.usefixtures("root")
def test_cameras_project_as_the_photos_were_taken() -> None:
    fx, fy, cx, cy = workspaces.PARAMS[:4]
    width, height = workspaces.SIZE
    scene = bpy.context.scene
    point = np.array([0.1, -0.2, 0.3])
    for number, (R, t) in enumerate(workspaces.poses()):
        camera = bpy.data.objects[f"{number}.png"]
        bpy.context.view_layer.objects.active = camera
        bpy.ops.gypsum.look_through()
        assert scene.camera == camera
        bpy.context.view_layer.update()
        assert (scene.render.resolution_x, scene.render.resolution_y) == (width, height)
        x, y, z = R @ point + t
        seen = world_to_camera_view(scene, camera, Vector(point))
        assert seen.x * width == pytest.approx(fx * x / z + cx, abs=0.01)
        assert (1 - seen.y) * height == pytest.approx(fy * y / z + cy, abs=0.01)
        assert seen.z == pytest.approx(z, abs=1e-5)
        assert camera.data["gypsum_lens"] == "OPENCV"
        assert tuple(camera.data["gypsum_distortion"]) == workspaces.PARAMS[4:]
        behind = camera.data.background_images[0].image
        assert Path(behind.filepath).name == f"{number}.png"


def test_what_is_no_workspace_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no workspace"):
        bpy.ops.import_scene.gypsum_scan(filepath=str(tmp_path))
    (tmp_path / "scan.json").write_text("{}")
    with pytest.raises(RuntimeError, match="no results yet"):
        bpy.ops.import_scene.gypsum_scan(filepath=str(tmp_path))
    (tmp_path / "sparse").mkdir()
    (tmp_path / "sparse" / "cameras.bin").write_bytes(b"123456789")
    (tmp_path / "sparse" / "images.bin").write_bytes(b"")
    with pytest.raises(RuntimeError, match="damaged"):
        bpy.ops.import_scene.gypsum_scan(filepath=str(tmp_path))


@pytest.mark.usefixtures("root")
def test_scale_from_a_known_length() -> None:
    before = _places()
    bpy.ops.ed.undo_push(message="before")
    near = np.linalg.norm(before - before[0], axis=1)
    other = int(np.argmax(near))
    _select(0, other)
    bpy.ops.gypsum.set_scale(length=5)
    bpy.ops.object.mode_set(mode="OBJECT")
    after = _places()
    assert np.linalg.norm(after[other] - after[0]) == pytest.approx(5, abs=1e-4)
    assert np.allclose(after[0], before[0], atol=1e-5)
    assert np.allclose(_root().matrix_world.to_scale(), 5 / near[other])
    bpy.ops.ed.undo_push(message="scaled")
    bpy.ops.ed.undo()
    assert np.allclose(_places(), before, atol=1e-6)


def test_scale_between_two_empties(root) -> None:
    for number in range(2):
        empty = bpy.data.objects.new("point", None)
        bpy.context.scene.collection.objects.link(empty)
        empty.location.x = number
        empty.select_set(True)
    bpy.context.view_layer.update()
    bpy.ops.gypsum.set_scale(length=0.25)
    assert np.allclose(root.matrix_world.to_scale(), 0.25)
    bpy.ops.object.select_all(action="DESELECT")
    with pytest.raises(RuntimeError, match="Select two"):
        bpy.ops.gypsum.set_scale(length=1)


def test_ground_from_a_plane_and_from_the_lowest_point(root) -> None:
    root.rotation_euler = (0.4, -0.3, 1.0)
    root.location = (1, 2, 3)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="tilted")
    tilted = _places()
    _select(*range(4))
    bpy.ops.gypsum.set_ground(by="PLANE")
    bpy.ops.object.mode_set(mode="OBJECT")
    assert np.abs(_places()[:, 2]).max() < 1e-5
    bpy.ops.ed.undo_push(message="level")
    bpy.ops.ed.undo()
    assert np.allclose(_places(), tilted, atol=1e-5)
    bpy.context.view_layer.objects.active = _root()
    bpy.ops.gypsum.set_ground(by="LOWEST")
    assert _places()[:, 2].min() == pytest.approx(0, abs=1e-6)
    with pytest.raises(RuntimeError, match="three or more"):
        bpy.ops.gypsum.set_ground(by="PLANE")


@pytest.mark.parametrize("axis", ["X", "-X", "Y", "-Y", "Z", "-Z"])
def test_up_axis(root, axis: str) -> None:
    root.rotation_euler = (0.4, -0.3, 1.0)
    bpy.context.view_layer.update()
    before = np.array(root.matrix_world)
    bpy.ops.ed.undo_push(message="tilted")
    bpy.ops.gypsum.set_up(axis=axis)
    column = np.array(_root().matrix_world)[:3, "XYZ".index(axis[-1])]
    assert np.allclose(column, [0, 0, -1 if axis[0] == "-" else 1], atol=1e-5)
    bpy.ops.ed.undo_push(message="up")
    bpy.ops.ed.undo()
    assert np.allclose(np.array(_root().matrix_world), before, atol=1e-6)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("axis", ["X", "Y"])
def test_align_along_an_axis(axis: str) -> None:
    _select(0, 1)
    first, second = _places()[:2]
    assert not np.allclose(first, second)
    bpy.ops.gypsum.align(axis=axis, origin=True)
    bpy.ops.object.mode_set(mode="OBJECT")
    after = _places()
    assert np.allclose(after[0], 0, atol=1e-6)
    along = after[1] - after[0]
    assert along["XY".index(axis)] == pytest.approx(np.linalg.norm(second - first), abs=1e-5)
    bpy.ops.ed.undo_push(message="aligned")


def test_crop_box_surrounds_the_scan(root) -> None:
    bpy.ops.ed.undo_push(message="before")
    root.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    bpy.ops.gypsum.add_crop_box()
    bpy.context.view_layer.update()
    corners = scans.box_corners(bpy.context.active_object)
    assert np.allclose(corners.min(axis=0), [-1, -1, 0.4], atol=1e-4)
    assert np.allclose(corners.max(axis=0), [1, 1, 0.4], atol=1e-4)
    bpy.ops.ed.undo_push(message="boxed")
    bpy.ops.ed.undo()
    assert scans.BOX not in bpy.data.objects


def _sent(root: bpy.types.Object) -> dict[str, object]:
    """What the next run is given after turning, scaling and cropping."""
    root.rotation_euler = (0.1, 0.2, 0.3)
    root.scale = (2, 2, 2)
    root.location = (1, 2, 3)
    bpy.context.view_layer.update()
    bpy.ops.gypsum.add_crop_box()
    bpy.context.view_layer.objects.active = root
    bpy.ops.gypsum.send_back()
    return bpy.context.scene.gypsum.values


def test_edits_become_options_of_the_next_run(root, folder: Path) -> None:
    values = _sent(root)
    run = bpy.context.scene.gypsum
    assert values["cameras"] == str(folder / "blender" / "cameras")
    corners = np.array(str(values["box"]).split(), float)
    places = _places()
    assert np.allclose(corners[:3], places.min(axis=0), atol=1e-3)
    assert np.allclose(corners[3:], places.max(axis=0), atol=1e-3)
    assert values["quality"] == "draft"
    assert values["faces"] == 5000
    assert values["watertight"] is True
    assert values["format"] == ["obj"]
    assert values["distance"] == ["0 1 0.25"]
    assert [item.name for item in run.inputs] == [str(folder / "photos")]
    command = (folder / "blender" / "next_run.txt").read_text()
    assert command.startswith("gypsum scan ")
    for part in ("--watertight", "--faces=5000", "'--box=", "'--distance=0 1 0.25'", "--cameras="):
        assert part in command


def test_the_cameras_sent_back_see_the_moved_scan(root, folder: Path) -> None:
    _sent(root)
    matrix = np.array(root.matrix_world)
    point = np.array([0.1, -0.2, 0.3])
    moved = matrix[:3, :3] @ point + matrix[:3, 3]
    lines = (folder / "blender/cameras/images.txt").read_text().splitlines()[::2]
    from addon.colmap import rotation_of

    for line, (R, t) in zip(lines, workspaces.poses(), strict=True):
        numbers = np.array(line.split()[1:8], float)
        seen = rotation_of(numbers[:4]) @ moved + numbers[4:]
        assert np.allclose(seen, 2 * (R @ point + t), atol=1e-4)
    if GYPSUM_PYTHON:
        script = (
            "import sys, pathlib; from gypsum.cameras.known import read_known_cameras as read;"
            "known = read(pathlib.Path(sys.argv[1])); print(len(known.photos), known.has_poses)"
        )
        arguments = [GYPSUM_PYTHON, "-c", script, str(folder / "blender" / "cameras")]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["3", "True"]


def test_nothing_changed_is_told_and_stretching_refused(root) -> None:
    with pytest.raises(RuntimeError, match="Nothing was changed"):
        bpy.ops.gypsum.send_back()
    root.scale = (1, 2, 1)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="alike along all axes"):
        bpy.ops.gypsum.send_back()


def test_a_record_without_catalog_is_enough(root, folder: Path) -> None:
    """Options of the last run are known from scan.json, and no program has to be there."""
    (folder / "scan.json").write_text(json.dumps({"inputs": ["a.jpg"], "options": {}}))
    root.location.x = 1
    bpy.context.view_layer.update()
    bpy.ops.gypsum.send_back()
    assert set(bpy.context.scene.gypsum.values) == {"cameras"}
