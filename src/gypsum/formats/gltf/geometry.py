"""Triangles as glTF's primitives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import to_linear
from gypsum.formats.corners import Part, y_up
from gypsum.formats.gltf.buffer import BufferBuilder, Json


@dataclass(frozen=True)
class Geometry:
    """What a document says about its triangles."""

    primitives: list[Json]
    node: Json = field(default_factory=dict)
    """Of the node that shows them: its transformation."""
    extensions: tuple[str, ...] = ()
    """Without which the triangles can't be read."""

    @classmethod
    def plain(cls, parts: list[Part], buffer: BufferBuilder) -> Geometry:
        """Numbers as they are."""
        primitives: list[Json] = []
        for material, part in enumerate(parts):
            attributes = {
                name: buffer.add_vectors(
                    values, bounds=name == "POSITION", normalized=name == "COLOR_0"
                )
                for name, values in attributes_of(part).items()
            }
            indices = buffer.add_indices(part.faces, len(part.vertices))
            primitives.append({"attributes": attributes, "indices": indices, "material": material})
        return cls(primitives)


def attributes_of(part: Part) -> dict[str, NDArray[Any]]:
    """Vertex attributes by glTF's names, in its axes."""
    attributes: dict[str, NDArray[Any]] = {
        "POSITION": y_up(part.vertices).astype("<f4"),
        "NORMAL": y_up(part.normals).astype("<f4"),
    }
    if part.uvs is not None:
        flipped = np.stack([part.uvs[:, 0], 1 - part.uvs[:, 1]], axis=1)
        attributes["TEXCOORD_0"] = flipped.astype("<f4")
    if part.colors is not None:
        # Linear light in 16 bits; with an alpha, because rows must be multiples of 4 bytes.
        linear = np.rint(to_linear(part.colors) * 65535).astype("<u2")
        opaque = np.full((len(linear), 1), 65535, "<u2")
        attributes["COLOR_0"] = np.hstack([linear, opaque])
    return attributes
