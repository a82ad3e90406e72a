# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that edit splats, each one step of Blender's undo.

What is selected are the vertices of the mesh, so that Blender's own tools for selecting (box,
lasso, circle), moving out of the way and deleting vertices in edit mode work on splats, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
)
from mathutils import Matrix
from numpy.typing import NDArray

from . import objects
from .splats import SplatError, Splats, colors, crowding, joined, sigmoid, sizes, visibility


@contextmanager
def _object_mode(thing: bpy.types.Object) -> Iterator[None]:
    """Edit mode has its own copy of the mesh; leave it, and come back."""
    editing = thing.mode == "EDIT"
    if editing:
        bpy.ops.object.mode_set(mode="OBJECT")
    try:
        yield
    finally:
        if editing:
            bpy.ops.object.mode_set(mode="EDIT")


class Edit:
    """An operator on the active object's splats."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return objects.is_splats(context.active_object)

    def execute(self, context: bpy.types.Context) -> set[str]:
        thing = context.active_object
        try:
            with _object_mode(thing):
                message = self.edit(context, thing, objects.splats_of(thing.data))
        except SplatError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, message)
        return {"FINISHED"}


class GYPSUM_OT_select(Edit, bpy.types.Operator):
    """Select splats by place, colour, size, opacity, or being alone"""

    bl_idname = "gypsum.select"
    bl_label = "Select Splats"

    by: EnumProperty(
        name="By",
        items=(
            ("BOX", "Box", "What lies in a box"),
            ("SPHERE", "Sphere", "What lies in a sphere"),
            ("COLOR", "Colour", "What has nearly this colour"),
            ("SIZE", "Size", "By the largest standard deviation, in the object's units"),
            ("OPACITY", "Opacity", "By the opacity"),
            ("FLOATERS", "Floaters", "What is nearly alone, far from all else"),
        ),
    )
    action: EnumProperty(
        name="Action",
        items=(
            ("SET", "Set", "Select these and no others"),
            ("ADD", "Extend", "Select these as well"),
            ("SUBTRACT", "Subtract", "Deselect these"),
        ),
    )
    center: FloatVectorProperty(name="Centre", description="In the scene", subtype="TRANSLATION")
    size: FloatVectorProperty(name="Size", default=(1, 1, 1), min=0, subtype="XYZ")
    radius: FloatProperty(name="Radius", default=1, min=0, subtype="DISTANCE")
    color: FloatVectorProperty(
        name="Colour", subtype="COLOR_GAMMA", default=(1, 1, 1), min=0, max=1
    )
    tolerance: FloatProperty(
        name="Tolerance", description="Of red, green and blue", default=0.1, min=0, max=1
    )
    least: FloatProperty(name="Least", default=0, min=0)
    most: FloatProperty(name="Most", default=1, min=0)

    neighbors: IntProperty(
        name="Neighbours",
        description="Floaters have fewer around them, where half of all splats have 32",
        default=6,
        min=1,
    )

    _SHOWN = {
        "BOX": ("center", "size"),
        "SPHERE": ("center", "radius"),
        "COLOR": ("color", "tolerance"),
        "SIZE": ("least", "most"),
        "OPACITY": ("least", "most"),
        "FLOATERS": ("neighbors",),
    }

    def draw(self, _: bpy.types.Context) -> None:
        """Only what the choice needs."""
        self.layout.use_property_split = True
        for name in ("by", "action", *self._SHOWN[self.by]):
            self.layout.prop(self, name)

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        chosen = self._chosen(splats, objects.array_of(thing.matrix_world))
        if self.action == "ADD":
            chosen |= objects.selected(thing.data)
        elif self.action == "SUBTRACT":
            chosen = objects.selected(thing.data) & ~chosen
        objects.set_selected(thing.data, chosen)
        return f"{np.count_nonzero(chosen):,} of {len(splats):,} splats selected"

    def _chosen(self, splats: Splats, world: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,)"""
        if self.by in ("BOX", "SPHERE"):
            away = splats.means @ world[:3, :3].T + world[:3, 3] - np.array(self.center)
            if self.by == "BOX":
                return np.all(np.abs(away) <= np.array(self.size) / 2, axis=1)
            return np.linalg.norm(away, axis=1) <= self.radius
        if self.by == "COLOR":
            away = np.abs(colors(splats).clip(0, 1) - np.array(self.color))
            return np.all(away <= self.tolerance, axis=1)
        if self.by == "FLOATERS":
            return crowding(splats.means, 2 * sizes(splats)) <= self.neighbors
        values = sizes(splats) if self.by == "SIZE" else sigmoid(splats.opacities)
        return (values >= self.least) & (values <= self.most)


class GYPSUM_OT_delete(Edit, bpy.types.Operator):
    """Delete the selected splats, or all others"""

    bl_idname = "gypsum.delete"
    bl_label = "Delete Splats"

    others: BoolProperty(
        name="Crop", description="Keep what is selected and delete the rest", default=False
    )

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        chosen = objects.selected(thing.data)
        keep = chosen if self.others else ~chosen
        return _kept(thing, splats, keep)


class GYPSUM_OT_decimate(Edit, bpy.types.Operator):
    """Keep the splats that show most, by opacity and area"""

    bl_idname = "gypsum.decimate"
    bl_label = "Decimate Splats"

    ratio: FloatProperty(
        name="Ratio", description="Part to keep", default=0.5, min=0, max=1, subtype="FACTOR"
    )

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        order = np.argsort(-visibility(splats), kind="stable")
        keep = np.zeros(len(splats), np.bool_)
        keep[order[: round(self.ratio * len(splats))]] = True
        return _kept(thing, splats, keep)


class GYPSUM_OT_apply_transform(Edit, bpy.types.Operator):
    """Apply the object's transform to places, sizes, rotations and harmonics"""

    bl_idname = "gypsum.apply_transform"
    bl_label = "Apply Transform to Splats"

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        chosen = objects.selected(thing.data)
        objects.replace(thing, splats.moved(objects.array_of(thing.matrix_world)))
        objects.set_selected(thing.data, chosen)
        thing.matrix_world = Matrix()
        return f"{len(splats):,} splats transformed"


class GYPSUM_OT_merge(Edit, bpy.types.Operator):
    """Join the selected splats into the active object, where they stand"""

    bl_idname = "gypsum.merge"
    bl_label = "Merge Splats"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        others = filter(objects.is_splats, context.selected_objects)
        return objects.is_splats(context.active_object) and len(list(others)) > 1

    def edit(self, context: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        others = [
            other
            for other in context.selected_objects
            if objects.is_splats(other) and other is not thing
        ]
        home = thing.matrix_world.inverted()
        parts = [splats]
        for other in others:
            matrix = objects.array_of(home @ other.matrix_world)
            parts.append(objects.splats_of(other.data).moved(matrix))
        objects.replace(thing, joined(parts))
        for other in others:
            bpy.data.objects.remove(other)
        return f"{len(thing.data.vertices):,} splats"


def _kept(thing: bpy.types.Object, splats: Splats, keep: NDArray[np.bool_]) -> str:
    """Delete the others; an object without any splats is none."""
    if not keep.any():
        raise SplatError("That would leave no splat; delete the object instead.")
    objects.replace(thing, splats.select(keep))
    return f"{np.count_nonzero(keep):,} of {len(splats):,} splats kept"


CLASSES = (
    GYPSUM_OT_select,
    GYPSUM_OT_delete,
    GYPSUM_OT_decimate,
    GYPSUM_OT_apply_transform,
    GYPSUM_OT_merge,
)
MENUS = ()
