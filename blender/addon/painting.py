# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that recolour splats: by numbers, by curves, and by a brush."""

import math
from collections.abc import Callable

import bpy
import numpy as np
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, FloatVectorProperty
from mathutils import Vector

from . import objects, recoloring
from .editing import Edit
from .splats import Float64, SplatError, Splats, sigmoid

CURVES = "Gypsum Curves"
"""Node group whose one node holds the curves: nothing else in Blender does."""
_SAMPLES = 2048
_LOWEST, _HIGHEST = -0.5, 1.5
"""Colours for which curves are sampled; harmonics reach beyond what a screen shows."""
_PICK = 12.0
"""Pixels around the pointer in which splats are picked."""
_SOLID = 0.2
"""Opacity from which a splat can be picked."""


def _chosen(mesh: bpy.types.Mesh) -> recoloring.Mask:
    """(N,) what is selected, or all when nothing is."""
    chosen = objects.selected(mesh)
    return chosen if chosen.any() else np.ones_like(chosen)


def _recolored(thing: bpy.types.Object, splats: Splats) -> None:
    """Other harmonics for an object; what is selected stays so."""
    objects.set_harmonics(thing.data, splats)
    thing.update_tag()


class GYPSUM_OT_recolor(Edit, bpy.types.Operator):
    """Change the colours of the selected splats, or of all when none is selected"""

    bl_idname = "gypsum.recolor"
    bl_label = "Recolour Splats"

    hue: FloatProperty(name="Hue", subtype="ANGLE", min=-math.pi, max=math.pi)
    saturation: FloatProperty(name="Saturation", default=1, min=0, max=4)
    value: FloatProperty(name="Value", default=1, min=0, max=4)
    contrast: FloatProperty(name="Contrast", default=1, min=0, max=4)
    tint: FloatVectorProperty(
        name="Tint", subtype="COLOR_GAMMA", default=(1, 0.8, 0.6), min=0, max=1
    )
    strength: FloatProperty(
        name="Strength", description="Of the tint", min=0, max=1, subtype="FACTOR"
    )

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        linear, offset = recoloring.matrix(
            self.hue, self.saturation, self.value, self.contrast, tuple(self.tint), self.strength
        )
        chosen = _chosen(thing.data)
        _recolored(thing, recoloring.transformed(splats, chosen, linear, offset))
        return f"{np.count_nonzero(chosen):,} splats recoloured"


class GYPSUM_OT_curves(Edit, bpy.types.Operator):
    """Take the colours of the selected splats, or of all when none is selected, through curves"""

    bl_idname = "gypsum.curves"
    bl_label = "Apply Curves"

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        node = curves_node()
        if node is None:
            raise SplatError("There are no curves yet; make them first.")
        chosen = _chosen(thing.data)
        _recolored(thing, recoloring.curved(splats, chosen, _sampled(node.mapping)))
        return f"{np.count_nonzero(chosen):,} splats recoloured"


class GYPSUM_OT_make_curves(bpy.types.Operator):
    """Make curves for the colours, or reset them"""

    bl_idname = "gypsum.make_curves"
    bl_label = "New Curves"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, _: bpy.types.Context) -> set[str]:
        old = bpy.data.node_groups.get(CURVES)
        if old is not None:
            bpy.data.node_groups.remove(old)
        tree = bpy.data.node_groups.new(CURVES, "ShaderNodeTree")
        tree.nodes.new("ShaderNodeRGBCurve")
        tree.use_fake_user = True
        return {"FINISHED"}


def curves_node() -> bpy.types.ShaderNodeRGBCurve | None:
    """What holds the curves."""
    tree = bpy.data.node_groups.get(CURVES)
    return tree.nodes[0] if tree is not None and tree.nodes else None


def _sampled(mapping: bpy.types.CurveMapping) -> Callable[[Float64], Float64]:
    """The curves as a function of (N, 3): that of all channels after each channel's own."""
    mapping.initialize()
    inputs = np.linspace(_LOWEST, _HIGHEST, _SAMPLES)
    red, green, blue, combined = (
        np.array([mapping.evaluate(curve, float(x)) for x in inputs]) for curve in mapping.curves
    )

    def through(values: Float64) -> Float64:
        own = [np.interp(values[:, i], inputs, c) for i, c in enumerate((red, green, blue))]
        return np.interp(np.stack(own, axis=1), inputs, combined)

    return through


class GYPSUM_PG_touch(bpy.types.PropertyGroup):
    """Where the brush touched"""

    location: FloatVectorProperty(subtype="TRANSLATION")


class GYPSUM_OT_paint(Edit, bpy.types.Operator):
    """Paint splats: hold the left mouse button; Enter or Escape ends painting"""

    bl_idname = "gypsum.paint"
    bl_label = "Paint Splats"

    color: FloatVectorProperty(
        name="Colour", subtype="COLOR_GAMMA", default=(0.8, 0.1, 0.1), min=0, max=1
    )
    radius: FloatProperty(name="Radius", default=0.1, min=1e-6, subtype="DISTANCE")
    strength: FloatProperty(name="Strength", default=1, min=0, max=1, subtype="FACTOR")
    stroke: CollectionProperty(type=GYPSUM_PG_touch, options={"HIDDEN"})
    pressed: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def edit(self, _: bpy.types.Context, thing: bpy.types.Object, splats: Splats) -> str:
        places = _world_places(thing, splats)
        weights = np.zeros(len(splats))
        for element in self.stroke:
            distances = np.linalg.norm(places - np.array(element.location), axis=1)
            weights = np.maximum(weights, recoloring.brush(distances, self.radius))
        weights *= self.strength
        chosen = objects.selected(thing.data)
        if chosen.any():
            weights[~chosen] = 0
        _recolored(thing, recoloring.painted(splats, np.array(self.color), weights))
        return f"{np.count_nonzero(weights):,} splats painted"

    def invoke(self, context: bpy.types.Context, _: bpy.types.Event) -> set[str]:
        if context.region_data is None or context.active_object.mode == "EDIT":
            self.report({"ERROR"}, "Paint in object mode, with the pointer in a 3D view.")
            return {"CANCELLED"}
        self.stroke.clear()
        self.pressed = False
        self._before = objects.splats_of(context.active_object.data)
        self._places = _world_places(context.active_object, self._before)
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("PAINT_BRUSH")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        thing = context.active_object
        if event.type in ("RET", "NUMPAD_ENTER", "ESC") or not objects.is_splats(thing):
            context.window.cursor_modal_restore()
            return {"FINISHED"} if len(self.stroke) else {"CANCELLED"}
        if event.type == "LEFTMOUSE":
            self.pressed = event.value == "PRESS"
        if event.type not in ("LEFTMOUSE", "MOUSEMOVE") or not self.pressed:
            return {"PASS_THROUGH"} if event.type != "LEFTMOUSE" else {"RUNNING_MODAL"}
        pointer = (event.mouse_region_x, event.mouse_region_y)
        size = (context.region.width, context.region.height)
        view = objects.array_of(context.region_data.perspective_matrix)
        hit = picked(self._places, self._before, view, size, pointer)
        if hit is not None:
            self.stroke.add().location = Vector(self._places[hit])
            self.edit(context, thing, self._before)
            context.area.tag_redraw()
        return {"RUNNING_MODAL"}


def _world_places(thing: bpy.types.Object, splats: Splats) -> Float64:
    """(N, 3)"""
    world = objects.array_of(thing.matrix_world)
    return np.asarray(splats.means @ world[:3, :3].T + world[:3, 3])


def picked(
    places: Float64,
    splats: Splats,
    view: Float64,
    size: tuple[int, int],
    pointer: tuple[float, float],
) -> int | None:
    """The nearest splat that can be seen near the pointer in a view with matrix (4, 4), if any."""
    seen = np.c_[places, np.ones(len(places))] @ view.T
    depth = seen[:, 3]
    flat = seen[:, :2] / np.where(depth > 0, depth, 1)[:, None]
    away = np.linalg.norm((flat / 2 + 0.5) * size - pointer, axis=1)
    near = (depth > 0) & (away < _PICK) & (sigmoid(splats.opacities) > _SOLID)
    if not near.any():
        return None
    return int(np.argmin(np.where(near, depth, np.inf)))


CLASSES = (
    GYPSUM_PG_touch,
    GYPSUM_OT_recolor,
    GYPSUM_OT_curves,
    GYPSUM_OT_make_curves,
    GYPSUM_OT_paint,
)
MENUS = ()
