"""Colours of a textured mesh at its vertices and anywhere on its surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import TexturedMesh

UInt8 = NDArray[np.uint8]


def sample_atlas(atlas: UInt8, uvs: NDArray[np.floating]) -> UInt8:
    """sRGB (N, 3) at texture coordinates (N, 2), v up; bilinear, clamped at the border."""
    height, width = atlas.shape[:2]
    # Texel centres are at half integers, as pixels are everywhere else.
    x = np.clip(np.asarray(uvs[:, 0], np.float32) * width - 0.5, 0, width - 1)
    y = np.clip((1 - np.asarray(uvs[:, 1], np.float32)) * height - 0.5, 0, height - 1)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    upper = atlas[top, left] * (1 - fx) + atlas[top, right] * fx
    lower = atlas[bottom, left] * (1 - fx) + atlas[bottom, right] * fx
    colors: UInt8 = (upper * (1 - fy) + lower * fy + 0.5).astype(np.uint8)
    return colors


def vertex_colors(model: TexturedMesh) -> UInt8:
    """sRGB (V, 3) of each vertex: the mean over the face corners that meet there."""
    corners = sample_atlas(model.atlas, model.uvs)[model.uv_faces.ravel()]
    index, count = model.mesh.faces.ravel(), len(model.mesh.vertices)
    total = np.maximum(np.bincount(index, minlength=count), 1)
    sums = [np.bincount(index, corners[:, i], count) for i in range(3)]
    colors: UInt8 = np.rint(np.stack(sums, axis=1) / total[:, None]).astype(np.uint8)
    return colors
