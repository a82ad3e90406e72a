# SPDX-License-Identifier: GPL-3.0-or-later
"""How splats are shown: geometry nodes that make a card for each, and one material.

A card stands at the Gaussian's centre, parallel to the picture of the scene's camera, so that cards
cover each other in the order of their centres' depths. Its shape is the Gaussian's projection
(Zwicker et al. 2001, "EWA splatting") times the radius at which it fades below 1/255. Colours are
those that the spherical harmonics have towards the camera, in the object's own frame: they turn
with the object. In the viewport there may be points instead, which need no camera.
"""

from __future__ import annotations

import bpy

from .nodes import Nodes, Socket
from .splats import FACTORS, SH_C0, TERMS

MODIFIER = "Gypsum Splats"
MATERIAL = "Gypsum Splats"

POINTS_IN_VIEWPORT = "Points in Viewport"
TRAINED_COLORS = "Colours as Trained"
POINT_SIZE = "Point Size"
INPUTS = (POINTS_IN_VIEWPORT, TRAINED_COLORS, POINT_SIZE)
"""What people may change; the modifier's inputs by name."""

_CARD = "splat_card"
_COLOR = "splat_color"
_NEAREST = 0.01
"""Gaussians nearer to the camera are left out, scene units."""
_STEEPEST = {
    "Steepest X": "1.3 * tan(angle / 2) * min(1, width / height)",
    "Steepest Y": "1.3 * tan(angle / 2) * min(1, height / width)",
}
"""Inputs that follow the scene's camera. Beyond these slopes, a little beside the picture, a
Gaussian's projection is held, as the linear one grows without bound: what stands next to the camera
would cover the picture."""
_CAMERA = {
    "angle": "camera.data.angle",
    "width": "render.resolution_x",
    "height": "render.resolution_y",
}
_LEAST_OPACITY = 1 / 255
_TRANSPARENT_BOUNCES = 512
"""Cards that a ray may pass."""


def attach(thing: bpy.types.Object, degree: int) -> None:
    """Show an object of splats whose harmonics are of this degree."""
    modifier = thing.modifiers.get(MODIFIER) or thing.modifiers.new(MODIFIER, "NODES")
    if modifier.node_group != (tree := _tree(degree)):
        modifier.node_group = tree
        for name, expression in _STEEPEST.items():
            _follow_camera(thing, name, expression)
    if not thing.data.materials:
        thing.data.materials.append(_material())


def prepare(scene: bpy.types.Scene) -> None:
    """Let Cycles' rays pass as many cards as lie behind each other."""
    cycles = getattr(scene, "cycles", None)
    if cycles is not None:
        bounces = max(cycles.transparent_max_bounces, _TRANSPARENT_BOUNCES)
        cycles.transparent_max_bounces = bounces
        # Ending rays at random behind some cards would be most of the noise.
        cycles.min_transparent_bounces = bounces


def set_input(thing: bpy.types.Object, name: str, value: bool | float) -> None:
    """One of the modifier's inputs by its name."""
    modifier = thing.modifiers[MODIFIER]
    modifier[_identifier(modifier.node_group, name)] = value
    thing.update_tag()


def _identifier(tree: bpy.types.NodeTree, name: str) -> str:
    """Of the tree's input of this name."""
    items = tree.interface.items_tree
    return next(item.identifier for item in items if item.name == name and item.in_out == "INPUT")


def _follow_camera(thing: bpy.types.Object, name: str, expression: str) -> None:
    """Drive an input by the active scene's camera; without a camera it takes an angle of 1."""
    identifier = _identifier(thing.modifiers[MODIFIER].node_group, name)
    path = f'modifiers["{MODIFIER}"]["{identifier}"]'
    thing.driver_remove(path)
    driver = thing.driver_add(path).driver
    for variable_name, source in _CAMERA.items():
        variable = driver.variables.new()
        variable.name, variable.type = variable_name, "CONTEXT_PROP"
        variable.targets[0].context_property = "ACTIVE_SCENE"
        variable.targets[0].data_path = source
        # Without it a scene that has no camera yet would switch the driver off for good.
        variable.targets[0].use_fallback_value = True
        variable.targets[0].fallback_value = 1.0
    driver.expression = expression


def _material() -> bpy.types.Material:
    """Light of the card's colour, as opaque as the Gaussian is there."""
    known = bpy.data.materials.get(MATERIAL)
    if known is not None:
        return known
    material = bpy.data.materials.new(MATERIAL)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    material.node_tree.nodes.clear()
    if hasattr(material, "cycles"):
        # Millions of lamps would be no help.
        material.cycles.emission_sampling = "NONE"
    nodes = Nodes(material.node_tree)
    color = nodes.add("ShaderNodeAttribute", attribute_name=_COLOR).outputs
    place = nodes.add("ShaderNodeAttribute", attribute_name=_CARD).outputs["Vector"]
    squared = nodes.vector("DOT_PRODUCT", place, place)
    falloff = nodes.math("EXPONENT", nodes.math("MULTIPLY", squared, -0.5))
    alpha = nodes.math("MULTIPLY", color["Alpha"], falloff)
    clear = nodes.one("ShaderNodeBsdfTransparent")
    light = nodes.one("ShaderNodeEmission", color["Color"])
    nodes.add("ShaderNodeOutputMaterial", nodes.one("ShaderNodeMixShader", alpha, clear, light))
    return material


def _tree(degree: int) -> bpy.types.NodeTree:
    """The geometry nodes for harmonics of a degree."""
    name = f"Gypsum Splats, Degree {degree}"
    known = bpy.data.node_groups.get(name)
    if known is not None:
        return known
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.is_modifier = True
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    points = tree.interface.new_socket(
        POINTS_IN_VIEWPORT, in_out="INPUT", socket_type="NodeSocketBool"
    )
    points.default_value = True
    points.description = "Show points in the viewport, fast and from all sides; renders show splats"
    size = tree.interface.new_socket(POINT_SIZE, in_out="INPUT", socket_type="NodeSocketFloat")
    size.default_value, size.min_value = 1.0, 0.0
    size.description = "Size of the points, in standard deviations of the splat"
    trained = tree.interface.new_socket(
        TRAINED_COLORS, in_out="INPUT", socket_type="NodeSocketBool"
    )
    trained.description = "Blend as in training; right with the view transform Raw"
    for slope in _STEEPEST:
        item = tree.interface.new_socket(slope, in_out="INPUT", socket_type="NodeSocketFloat")
        item.default_value, item.hide_in_modifier = 1.0, True
    nodes = Nodes(tree)
    given = nodes.add("NodeGroupInput").outputs
    fast = nodes.one(
        "FunctionNodeBooleanMath",
        *(nodes.one("GeometryNodeIsViewport"), given[POINTS_IN_VIEWPORT]),
        operation="AND",
    )
    cards = _cards(nodes, given, degree)
    dots = _points(nodes, given["Geometry"], given[POINT_SIZE], given[TRAINED_COLORS])
    shown = nodes.one("GeometryNodeSwitch", fast, cards, dots, input_type="GEOMETRY")
    material = _material()
    nodes.add("NodeGroupOutput", nodes.one("GeometryNodeSetMaterial", shown, None, material))
    return tree


def _points(nodes: Nodes, mesh: Socket, size: Socket, trained: Socket) -> Socket:
    """Points of the constant colours."""
    color = _encoded(nodes, nodes.scaled(_named(nodes, "sh_0"), SH_C0), trained)
    radius = nodes.vector("LENGTH", _scales(nodes))
    radius = nodes.math("MULTIPLY", nodes.math("MULTIPLY", radius, 0.5), size)
    points = nodes.one("GeometryNodeMeshToPoints", mesh, None, None, radius)
    return nodes.one(
        "GeometryNodeStoreNamedAttribute",
        *(points, None, _COLOR, _with_alpha(nodes, color, 1.0)),
        data_type="FLOAT_COLOR",
    )


def _cards(nodes: Nodes, given: bpy.types.NodeOutputs, degree: int) -> Socket:
    """A quad for each vertex of the mesh; corners are those of a grid, four for each."""
    mesh, trained = given["Geometry"], given[TRAINED_COLORS]
    camera = nodes.one("GeometryNodeInputActiveCamera")
    info = nodes.add("GeometryNodeObjectInfo", camera, transform_space="RELATIVE").outputs
    center = nodes.one("GeometryNodeInputPosition")
    away = nodes.vector("SUBTRACT", center, info["Location"])
    steepest = [given[name] for name in _STEEPEST]
    right, up, radius, opacity = _projected(nodes, away, info["Rotation"], steepest)
    color = _encoded(nodes, _radiance(nodes, nodes.vector("NORMALIZE", away), degree), trained)
    color = _with_alpha(nodes, color, opacity)

    count = nodes.add("GeometryNodeAttributeDomainSize", mesh).outputs["Point Count"]
    pairs = nodes.one("FunctionNodeIntegerMath", count, 2, operation="MULTIPLY")
    grid = nodes.one("GeometryNodeMeshGrid", 1.0, 1.0, pairs, 2)
    index = nodes.one("GeometryNodeInputIndex")
    # Whole numbers: a float32 tells indices apart up to four million splats only.
    odd = nodes.one("FunctionNodeIntegerMath", index, 2, operation="MODULO")
    gaps = nodes.math("GREATER_THAN", odd, 0.5)
    quads = nodes.one("GeometryNodeDeleteGeometry", grid, gaps, domain="FACE", mode="ALL")
    splat = nodes.one("FunctionNodeIntegerMath", index, 4, operation="DIVIDE_FLOOR")

    def of_splat(value: Socket, kind: str) -> Socket:
        return nodes.one("GeometryNodeSampleIndex", mesh, value, splat, data_type=kind)

    half = nodes.one("FunctionNodeIntegerMath", index, 2, operation="DIVIDE_FLOOR")
    across = nodes.one("FunctionNodeIntegerMath", half, 2, operation="MODULO")
    reach = of_splat(radius, "FLOAT")
    corner = nodes.one("ShaderNodeCombineXYZ", across, odd, 0.5)
    corner = nodes.vector("SUBTRACT", nodes.scaled(corner, 2.0), (1.0, 1.0, 1.0))
    corner = nodes.scaled(corner, reach)
    x, y, _ = nodes.split(corner)
    place = nodes.vector(
        "ADD",
        of_splat(center, "FLOAT_VECTOR"),
        nodes.vector(
            "ADD",
            nodes.scaled(of_splat(right, "FLOAT_VECTOR"), x),
            nodes.scaled(of_splat(up, "FLOAT_VECTOR"), y),
        ),
    )
    stored = nodes.one(
        "GeometryNodeStoreNamedAttribute",
        *(quads, None, _CARD, corner),
        data_type="FLOAT_VECTOR",
    )
    stored = nodes.one(
        "GeometryNodeStoreNamedAttribute",
        *(stored, None, _COLOR, of_splat(color, "FLOAT_COLOR")),
        data_type="FLOAT_COLOR",
    )
    return nodes.one("GeometryNodeSetPosition", stored, None, place)


def _projected(
    nodes: Nodes, away: Socket, camera: Socket, steepest: list[Socket]
) -> tuple[Socket, Socket, Socket, Socket]:
    """A card's two axes in the object's frame, its radius in their lengths, and the opacity.

    With the camera's axes X, Y, Z (forward), the Gaussian's axes projected linearly onto the plane
    at its depth have rows Ax = Wx - x/z Wz and Ay = Wy - y/z Wz, where W = (X, Y, Z)' R S. Axes
    of the card are the columns of the lower triangular root of A A'.
    """
    x_axis, y_axis, z_axis = (
        nodes.one("FunctionNodeRotateVector", axis, camera)
        for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
    )
    depth = nodes.vector("DOT_PRODUCT", away, z_axis)
    back = nodes.one("FunctionNodeInvertRotation", _rotation(nodes))
    scales = _scales(nodes)

    def row(axis: Socket) -> Socket:
        own = nodes.one("FunctionNodeRotateVector", axis, back)
        return nodes.vector("MULTIPLY", own, scales)

    def slanted(axis: Socket, most: Socket) -> Socket:
        slope = nodes.math("DIVIDE", nodes.vector("DOT_PRODUCT", away, axis), depth)
        slope = nodes.math("MINIMUM", slope, most)
        slope = nodes.math("MAXIMUM", slope, nodes.math("MULTIPLY", most, -1.0))
        return nodes.vector("SUBTRACT", row(axis), nodes.scaled(row(z_axis), slope))

    first, second = slanted(x_axis, steepest[0]), slanted(y_axis, steepest[1])
    width = nodes.math("MAXIMUM", nodes.vector("LENGTH", first), 1e-12)
    shear = nodes.math("DIVIDE", nodes.vector("DOT_PRODUCT", first, second), width)
    # |second|^2 - shear^2 without the difference of two large numbers.
    area = nodes.vector("LENGTH", nodes.vector("CROSS_PRODUCT", first, second))
    height = nodes.math("DIVIDE", area, width)
    right = nodes.vector("ADD", nodes.scaled(x_axis, width), nodes.scaled(y_axis, shear))
    up = nodes.scaled(y_axis, height)

    logit = nodes.math("MULTIPLY", _named(nodes, "opacity", "FLOAT"), -1.0)
    opacity = nodes.math("ADD", nodes.math("EXPONENT", logit), 1.0)
    opacity = nodes.math("DIVIDE", 1.0, opacity)
    seen = nodes.math("GREATER_THAN", depth, _NEAREST)
    levels = nodes.math("MAXIMUM", nodes.math("DIVIDE", opacity, _LEAST_OPACITY), 1.0)
    natural = nodes.math("LOGARITHM", levels, 2.718281828459045)
    radius = nodes.math("SQRT", nodes.math("MULTIPLY", natural, 2.0))
    return right, up, nodes.math("MULTIPLY", radius, seen), opacity


def _radiance(nodes: Nodes, direction: Socket, degree: int) -> Socket:
    """The harmonics' sum in a direction, from the camera to the splat."""
    total = nodes.scaled(_named(nodes, "sh_0"), SH_C0)
    terms = TERMS[degree]
    if terms == 1:
        return total
    for term, polynomial in enumerate(_polynomials(nodes, direction, terms), 1):
        weight = nodes.math("MULTIPLY", polynomial, FACTORS[term])
        total = nodes.vector("ADD", total, nodes.scaled(_named(nodes, f"sh_{term}"), weight))
    return total


def _polynomials(nodes: Nodes, direction: Socket, terms: int) -> list[Socket]:
    """Of terms 1 to ``terms`` - 1, as :func:`splats.basis` has them."""
    x, y, z = nodes.split(direction)
    if terms == 4:
        return [y, z, x]

    def times(first: Socket | float, second: Socket) -> Socket:
        return nodes.math("MULTIPLY", first, second)

    def minus(first: Socket, second: Socket | float) -> Socket:
        return nodes.math("SUBTRACT", first, second)

    xx, yy, zz, xy = times(x, x), times(y, y), times(z, z), times(x, y)
    difference = minus(xx, yy)
    second = [xy, times(y, z), minus(times(3.0, zz), 1.0), times(x, z), difference]
    if terms == 9:
        return [y, z, x, *second]
    five = minus(times(5.0, zz), 1.0)
    third = [
        times(y, minus(times(3.0, xx), yy)),
        times(xy, z),
        times(y, five),
        times(z, minus(times(5.0, zz), 3.0)),
        times(x, five),
        times(z, difference),
        times(x, minus(xx, times(3.0, yy))),
    ]
    return [y, z, x, *second, *third]


def _encoded(nodes: Nodes, radiance: Socket, trained: Socket) -> Socket:
    """A colour from harmonics: as it is, sRGB, or as the light that Blender computes with."""
    color = nodes.vector("ADD", radiance, (0.5, 0.5, 0.5))
    color = nodes.vector("MAXIMUM", color, (0.0, 0.0, 0.0))
    linear = nodes.one("ShaderNodeCombineXYZ", *(_linear(nodes, c) for c in nodes.split(color)))
    return nodes.one("GeometryNodeSwitch", trained, linear, color, input_type="VECTOR")


def _linear(nodes: Nodes, value: Socket) -> Socket:
    """IEC 61966-2-1."""
    curve = nodes.math("POWER", nodes.math("MULTIPLY_ADD", value, 1 / 1.055, 0.055 / 1.055), 2.4)
    dark = nodes.math("LESS_THAN", value, 0.04045)
    straight = nodes.math("DIVIDE", value, 12.92)
    return nodes.one("GeometryNodeSwitch", dark, curve, straight, input_type="FLOAT")


def _with_alpha(nodes: Nodes, color: Socket, alpha: Socket | float) -> Socket:
    return nodes.one("FunctionNodeCombineColor", *nodes.split(color), alpha)


def _named(nodes: Nodes, name: str, kind: str = "FLOAT_VECTOR") -> Socket:
    return nodes.one("GeometryNodeInputNamedAttribute", name, data_type=kind)


def _scales(nodes: Nodes) -> Socket:
    """Standard deviations."""
    logarithms = nodes.split(_named(nodes, "scale"))
    return nodes.one("ShaderNodeCombineXYZ", *(nodes.math("EXPONENT", s) for s in logarithms))


def _rotation(nodes: Nodes) -> Socket:
    """Of length one, which files' quaternions need not be."""
    parts = nodes.add("FunctionNodeRotationToQuaternion", _named(nodes, "rotation", "QUATERNION"))
    return nodes.one("FunctionNodeQuaternionToRotation", *parts.outputs)
