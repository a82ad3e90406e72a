"""Textures of another size."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Material

UInt8 = NDArray[np.uint8]


def shrink_textures(material: Material, side: int) -> Material:
    """The material with textures of at most ``side`` texels along their longer side."""
    return replace(
        material,
        base_color=_shrunk(material.base_color, side),
        normal=_unit(_shrunk(material.normal, side), material.normal),
        occlusion=_shrunk(material.occlusion, side),
        roughness=_shrunk(material.roughness, side),
    )


def _shrunk(texture: UInt8 | None, side: int) -> UInt8 | None:
    """Each texel is the mean of those that it takes the place of."""
    if texture is None or max(texture.shape[:2]) <= side:
        return texture
    height, width = texture.shape[:2]
    share = side / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _unit(shrunk: UInt8 | None, before: UInt8 | None) -> UInt8 | None:
    """A mean of normals is shorter than they are."""
    if shrunk is None or shrunk is before:
        return shrunk
    normals = shrunk.astype(np.float32) / 127.5 - 1
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    return np.asarray(np.rint((normals + 1) * 127.5), np.uint8)
