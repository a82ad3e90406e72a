# SPDX-License-Identifier: GPL-3.0-or-later
"""Node trees written as expressions."""

from __future__ import annotations

from typing import Any

import bpy

Socket = bpy.types.NodeSocket
Value = Socket | float | int | str | tuple[float, ...] | bpy.types.ID


class Nodes:
    """Adds nodes to a tree; every method gives the socket of the result."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(self, kind: str, *inputs: Value | None, **settings: Any) -> bpy.types.Node:
        """A node with its enabled inputs linked or set in order; ``None`` leaves one alone."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        sockets = [socket for socket in node.inputs if socket.enabled]
        for socket, value in zip(sockets, inputs, strict=False):
            self.set(socket, value)
        return node

    def set(self, socket: Socket, value: Value | None) -> None:
        """Link an output to an input, or give the input a value."""
        if isinstance(value, Socket):
            self.tree.links.new(value, socket)
        elif value is not None:
            socket.default_value = value

    def one(self, kind: str, *inputs: Value | None, **settings: Any) -> Socket:
        """The first enabled output of such a node."""
        node = self.add(kind, *inputs, **settings)
        return next(socket for socket in node.outputs if socket.enabled)

    def math(self, operation: str, *inputs: Value) -> Socket:
        """Of numbers."""
        return self.one("ShaderNodeMath", *inputs, operation=operation)

    def vector(self, operation: str, *inputs: Value) -> Socket:
        """Of vectors."""
        return self.one("ShaderNodeVectorMath", *inputs, operation=operation)

    def scaled(self, vector: Value, factor: Value) -> Socket:
        """A vector times a number."""
        return self.vector("SCALE", vector, factor)

    def split(self, vector: Socket) -> tuple[Socket, Socket, Socket]:
        """x, y and z."""
        x, y, z = self.add("ShaderNodeSeparateXYZ", vector).outputs
        return x, y, z
