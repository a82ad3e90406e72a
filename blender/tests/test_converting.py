# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes into splats and splats into meshes."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
import workspaces
from addon import files, objects
from addon.splats import colors, sigmoid, unit


@pytest.fixture
def square(tmp_path: Path) -> bpy.types.Object:
    """One metre wide, at z = 0.2, red on the left and green on the right."""
    workspaces.make(tmp_path / "square.gypsum")
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "square.gypsum/models/square.glb"))
    return bpy.context.view_layer.objects.active


def test_a_textured_mesh_becomes_splats_and_is_undone(square) -> None:
    square.location.z = 1
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.gypsum.mesh_to_splats(count=2000, overlap=0.5)
    bpy.ops.ed.undo_push(message="sampled")
    splats = objects.splats_of(bpy.context.view_layer.objects.active.data)
    assert len(splats) == 2000
    assert splats.degree == 0
    assert np.allclose(splats.means[:, 2], 1.2, atol=1e-5)
    assert np.abs(splats.means[:, :2]).max() <= 0.5
    counts = np.histogram2d(splats.means[:, 0], splats.means[:, 1], bins=4)[0]
    assert counts.min() > 80
    assert counts.max() < 170
    # The picture repeats, so its colours mix at the rim, too.
    away = (np.abs(splats.means[:, 0]) > 0.02) & (np.abs(splats.means[:, 0]) < 0.49)
    left = splats.means[:, 0] < 0
    assert np.allclose(colors(splats)[away & left], [1, 0, 0], atol=0.01)
    assert np.allclose(colors(splats)[away & ~left], [0, 1, 0], atol=0.01)
    assert np.allclose(np.exp(splats.log_scales[0]), 0.5 / np.sqrt(2000) * np.array([1, 1, 0.1]))
    assert sigmoid(splats.opacities).min() > 0.98
    bpy.ops.ed.undo()
    assert not any(objects.is_splats(thing) for thing in bpy.data.objects)


def test_splats_lie_flat_on_any_surface() -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=2, segments=64, ring_count=32)
    bpy.ops.gypsum.mesh_to_splats(count=3000)
    splats = objects.splats_of(bpy.context.view_layer.objects.active.data)
    w, x, y, z = unit(splats.quaternions).T
    thin = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    outward = splats.means / np.linalg.norm(splats.means, axis=1, keepdims=True)
    assert np.sum(thin * outward, axis=1).min() > 0.99


def test_plain_and_painted_meshes_keep_their_colours() -> None:
    bpy.ops.mesh.primitive_plane_add()
    thing = bpy.context.active_object
    material = bpy.data.materials.new("plain")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (0.21404, 1, 0, 1)
    thing.data.materials.append(material)
    bpy.ops.gypsum.mesh_to_splats(count=100)
    made = bpy.context.view_layer.objects.active
    assert np.allclose(colors(objects.splats_of(made.data)), [0.5, 1, 0], atol=1e-3)
    bpy.context.view_layer.objects.active = thing
    layer = thing.data.color_attributes.new("Col", "BYTE_COLOR", "CORNER")
    layer.data.foreach_set("color_srgb", np.tile([1.0, 0, 1, 1], len(layer.data)))
    bpy.ops.gypsum.mesh_to_splats(count=100)
    made = bpy.context.view_layer.objects.active
    assert np.allclose(colors(objects.splats_of(made.data)), [1, 0, 1], atol=1e-3)


def test_a_mesh_without_faces_is_refused() -> None:
    mesh = bpy.data.meshes.new("dots")
    mesh.vertices.add(3)
    thing = bpy.data.objects.new("dots", mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    with pytest.raises(RuntimeError, match="has no faces"):
        bpy.ops.gypsum.mesh_to_splats()


@pytest.mark.usefixtures("square")
def test_there_and_back_through_a_file(tmp_path: Path) -> None:
    """What was made of a mesh is exported and imported like any other splats."""
    bpy.ops.gypsum.mesh_to_splats(count=500)
    made = objects.splats_of(bpy.context.view_layer.objects.active.data)
    bpy.ops.export_scene.gypsum_splats(filepath=str(tmp_path / "a.ply"))
    back = files.read(tmp_path / "a.ply")
    assert np.array_equal(back.means, made.means)
    assert np.array_equal(back.harmonics, made.harmonics)


@pytest.mark.usefixtures("gypsum")
def test_splats_become_a_textured_mesh() -> None:
    """A ball of splats, by the real program."""
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, segments=48, ring_count=24)
    ball = bpy.context.active_object
    bpy.ops.gypsum.mesh_to_splats(count=6000, overlap=0.8)
    bpy.data.objects.remove(ball)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.gypsum.splats_to_mesh(faces=2000) == {"FINISHED"}
    bpy.ops.ed.undo_push(message="meshed")
    things = [t for t in bpy.data.objects if t.type == "MESH" and not objects.is_splats(t)]
    mesh = things[0].data
    places = np.array([things[0].matrix_world @ vertex.co for vertex in mesh.vertices])
    radii = np.linalg.norm(places, axis=1)
    assert np.median(np.abs(radii - 0.5)) < 0.02
    assert 500 < len(mesh.polygons) <= 2000
    assert mesh.uv_layers
    nodes = mesh.materials[0].node_tree.nodes
    assert next(node.image for node in nodes if node.type == "TEX_IMAGE").packed_file
    bpy.ops.ed.undo()
    assert all(map(objects.is_splats, bpy.data.objects))


def test_without_the_program_it_says_so(preferences, make_splats) -> None:
    objects.create(bpy.context, "splats", make_splats(10), "Z")
    preferences.program = "/nowhere/gypsum"
    with pytest.raises(RuntimeError, match="is no program"):
        bpy.ops.gypsum.splats_to_mesh()
