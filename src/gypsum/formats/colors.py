"""Colours of a textured mesh at its vertices and anywhere on its surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.sampling import blend
from gypsum.scene import Material, TexturedMesh

UInt8 = NDArray[np.uint8]


def sample_texture(texture: UInt8, uvs: NDArray[np.floating]) -> UInt8:
    """Texels (N, C) at texture coordinates (N, 2), v up; bilinear.

    Clamped at the texture's border; coordinates outside of [0, 1] repeat it, as in all formats.
    """
    height, width = texture.shape[:2]
    u, v = (_repeated(np.asarray(uvs[:, i], np.float32)) for i in range(2))
    # Texel centres are at half integers, as pixels are everywhere else.
    x = np.clip(u * width - 0.5, 0, width - 1)
    y = np.clip((1 - v) * height - 0.5, 0, height - 1)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    upper = texture[top, left] * (1 - fx) + texture[top, right] * fx
    lower = texture[bottom, left] * (1 - fx) + texture[bottom, right] * fx
    texels: UInt8 = (upper * (1 - fy) + lower * fy + 0.5).astype(np.uint8)
    return texels


def plain_color(material: Material) -> UInt8:
    """sRGB (3,) of a material without a texture."""
    return to_srgb(np.array(material.color))


def srgb_encoded(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light to sRGB, both 0 to 1 (IEC 61966-2-1); beyond 1 the curve goes on."""
    power = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, power)


def srgb_decoded(encoded: NDArray[np.floating]) -> NDArray[np.floating]:
    """sRGB to linear light, both 0 to 1."""
    power = ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, power)


def to_srgb(linear: NDArray[np.floating]) -> UInt8:
    """Linear values in [0, 1] as sRGB bytes."""
    return np.asarray(np.rint(srgb_encoded(np.clip(linear, 0, 1)) * 255), np.uint8)


def to_linear(encoded: UInt8) -> NDArray[np.float32]:
    """sRGB bytes as linear values in [0, 1]."""
    table = srgb_decoded(np.arange(256) / 255)
    return np.asarray(table.astype(np.float32)[encoded])


def colors_at(
    model: TexturedMesh, faces: NDArray[np.integer], weights: NDArray[np.float32]
) -> UInt8:
    """sRGB (N, 3) on faces (N,) at barycentric weights (N, 3)."""
    colors = np.empty((len(faces), 3), np.uint8)
    owners = model.face_materials[faces]
    for index, material in enumerate(model.materials):
        here = owners == index
        face, weight = faces[here], weights[here]
        if material.base_color is not None:
            uvs = blend(weight, model.uvs[model.uv_faces[face]])
            colors[here] = sample_texture(material.base_color, uvs)
        elif model.mesh.colors is not None:
            corners = model.mesh.colors[model.mesh.faces[face]].astype(np.float32)
            colors[here] = np.rint(blend(weight, corners))
        else:
            colors[here] = plain_color(material)
    return colors


def vertex_colors(model: TexturedMesh) -> UInt8:
    """sRGB (V, 3) of each vertex: the mean over the face corners that meet there."""
    faces = np.repeat(np.arange(len(model.mesh.faces)), 3)
    weights = np.tile(np.eye(3, dtype=np.float32), (len(model.mesh.faces), 1))
    corners = colors_at(model, faces, weights)
    index, count = model.mesh.faces.ravel(), len(model.mesh.vertices)
    total = np.maximum(np.bincount(index, minlength=count), 1)
    sums = [np.bincount(index, corners[:, i], count) for i in range(3)]
    colors: UInt8 = np.rint(np.stack(sums, axis=1) / total[:, None]).astype(np.uint8)
    return colors


def _repeated(coordinates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Into [0, 1]; what is there already stays, also 1."""
    outside = (coordinates < 0) | (coordinates > 1)
    return np.where(outside, coordinates - np.floor(coordinates), coordinates)
