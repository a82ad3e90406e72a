# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats as Blender's objects: a mesh of vertices with an attribute for each quantity.

Attributes hold exactly the numbers of the file, in the file's frame; the object's transform takes
them to the scene's. ``scale`` are logarithms, ``opacity`` logits, ``rotation`` is (w, x, y, z),
``sh_0`` is ``f_dc`` and ``sh_1`` to ``sh_15`` are ``f_rest``, red, green and blue together.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Quaternion
from numpy.typing import NDArray

from . import display, files
from .splats import TERMS, Float32, SplatError, Splats

UP_ROTATIONS = {
    "Z": Quaternion((1, 0, 0, 0)),
    "Y": Quaternion((0.5**0.5, 0.5**0.5, 0, 0)),
    "-Y": Quaternion((0.5**0.5, -(0.5**0.5), 0, 0)),
}
"""From a file's frame to Blender's, by what points up in the file."""

_MARK = "gypsum_splats"
"""Custom property of the mesh: the degree of its harmonics."""


def is_splats(thing: bpy.types.Object | None) -> bool:
    """Whether an object was made here."""
    return thing is not None and thing.type == "MESH" and _MARK in thing.data


def create(context: bpy.types.Context, name: str, splats: Splats, up: str) -> bpy.types.Object:
    """A new object in the active collection, shown and selected."""
    thing = bpy.data.objects.new(name, mesh_of(name, splats))
    thing.matrix_world = UP_ROTATIONS[up].to_matrix().to_4x4()
    context.collection.objects.link(thing)
    display.attach(thing, splats.degree)
    for other in context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    context.view_layer.objects.active = thing
    return thing


def load(context: bpy.types.Context, path: Path, up: str) -> bpy.types.Object:
    """A file as an object; ``up`` may be ``AUTO`` for what the format's files mostly have."""
    chosen = files.format_of(path).up if up == "AUTO" else up
    return create(context, path.stem, files.read(path), chosen)


def mesh_of(name: str, splats: Splats) -> bpy.types.Mesh:
    """A new mesh that holds them."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(splats))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(splats.means).ravel())
    _store(mesh, "scale", "FLOAT_VECTOR", splats.log_scales)
    _store(mesh, "rotation", "QUATERNION", splats.quaternions)
    _store(mesh, "opacity", "FLOAT", splats.opacities)
    for term in range(splats.harmonics.shape[1]):
        _store(mesh, f"sh_{term}", "FLOAT_VECTOR", splats.harmonics[:, term])
    mesh[_MARK] = splats.degree
    mesh.update()
    return mesh


def splats_of(mesh: bpy.types.Mesh) -> Splats:
    """What a mesh holds, to the last bit; in edit mode what it held before."""
    count = len(mesh.vertices)
    if count == 0:
        raise SplatError(f"{mesh.name} has no splats left.")
    means = np.empty((count, 3), np.float32)
    mesh.vertices.foreach_get("co", means.reshape(-1))
    terms = TERMS[mesh[_MARK]]
    harmonics = [_loaded(mesh, f"sh_{term}", "vector", 3) for term in range(terms)]
    return Splats(
        means,
        _loaded(mesh, "scale", "vector", 3),
        _loaded(mesh, "rotation", "value", 4),
        _loaded(mesh, "opacity", "value", 1)[:, 0],
        np.stack(harmonics, axis=1),
    )


def replace(thing: bpy.types.Object, splats: Splats) -> None:
    """Other splats for an object, which keeps its name, its transform and how it is shown."""
    old = thing.data
    new = mesh_of(old.name, splats)
    if old.materials:
        new.materials.append(old.materials[0])
    thing.data = new
    if old.users == 0:
        name = old.name
        bpy.data.meshes.remove(old)
        new.name = name
    display.attach(thing, splats.degree)


def set_harmonics(mesh: bpy.types.Mesh, splats: Splats) -> None:
    """Other colours for a mesh of as many splats of the same degree."""
    for term in range(splats.harmonics.shape[1]):
        values = np.ascontiguousarray(splats.harmonics[:, term], np.float32)
        mesh.attributes[f"sh_{term}"].data.foreach_set("vector", values.ravel())
    mesh.update()


def in_file_frame(thing: bpy.types.Object, up: str) -> Splats:
    """Where they stand in the scene, in a file where this axis is up.

    What was neither moved nor edited since it was read has the numbers that it had.
    """
    to_file = UP_ROTATIONS[up].to_matrix().to_4x4().inverted() @ thing.matrix_world
    return splats_of(thing.data).moved(array_of(to_file))


def array_of(matrix: Matrix) -> NDArray[np.float64]:
    """(4, 4)"""
    return np.array(matrix, np.float64)


def selected(mesh: bpy.types.Mesh) -> NDArray[np.bool_]:
    """(N,) which vertices are selected."""
    values = np.empty(len(mesh.vertices), np.bool_)
    mesh.vertices.foreach_get("select", values)
    return values


def set_selected(mesh: bpy.types.Mesh, values: NDArray[np.bool_]) -> None:
    """The reverse."""
    mesh.vertices.foreach_set("select", np.ascontiguousarray(values))
    mesh.update()


def _store(mesh: bpy.types.Mesh, name: str, kind: str, values: Float32) -> None:
    attribute = mesh.attributes.new(name, kind, "POINT")
    field = "vector" if kind == "FLOAT_VECTOR" else "value"
    attribute.data.foreach_set(field, np.ascontiguousarray(values, np.float32).ravel())


def _loaded(mesh: bpy.types.Mesh, name: str, field: str, width: int) -> Float32:
    attribute = mesh.attributes.get(name)
    if attribute is None or len(attribute.data) != len(mesh.vertices):
        raise SplatError(f"{mesh.name} has lost its attribute {name}; import the splats again.")
    values = np.empty((len(attribute.data), width), np.float32)
    attribute.data.foreach_get(field, values.reshape(-1))
    return values
