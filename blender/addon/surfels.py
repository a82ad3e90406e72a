# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats on the surface of a mesh (Pfister et al. 2000, "Surfels"), free of Blender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .splats import SH_C0, Float64, SplatError, Splats

_THIN = 0.1
"""Standard deviation across the surface, of that along it."""
_OPACITY = 4.6
"""Logit of 0.99."""
_GREY = 0.8
"""Where there is no colour."""


@dataclass(frozen=True)
class Surface:
    """Triangles with what colours them, the best first: a texture, or colours of the corners."""

    corners: Float64
    """(F, 3, 3) in the scene."""
    places: Float64 | None
    """(F, 3, 2) texture coordinates, the origin at the bottom left."""
    colors: Float64 | None
    """(F, 3, 3) sRGB of the corners."""
    materials: NDArray[np.int32]
    """(F,) number of each one's material."""
    pictures: Sequence[Float64]
    """Of each material: (H, W, 3) sRGB, top row first, one pixel when plain, NaN when unknown."""


def sampled(surface: Surface, count: int, overlap: float, seed: int) -> Splats:
    """Flat splats in places spread evenly by area, each as large as the distance to the next."""
    edges = surface.corners[:, 1:] - surface.corners[:, :1]
    cross = np.cross(edges[:, 0], edges[:, 1])
    areas = np.linalg.norm(cross, axis=1) / 2
    total = float(areas.sum())
    if not total > 0:
        raise SplatError("The mesh has no area.")
    random = np.random.default_rng(seed)
    # One in each of as many equal parts of the area: more even than where chance would put them.
    steps = (np.arange(count) + random.random(count)) / count
    faces = np.minimum(np.searchsorted(np.cumsum(areas) / total, steps), len(areas) - 1)
    weights = _barycentric(random.random((count, 2)))
    means = np.einsum("nk,nkc->nc", weights, surface.corners[faces])
    width = overlap * float(np.sqrt(total / count))
    scales = np.log([width, width, _THIN * width])
    colors = _colors(surface, faces, weights)
    return Splats(
        means.astype(np.float32),
        np.tile(scales, (count, 1)).astype(np.float32),
        _facing(cross[faces]).astype(np.float32),
        np.full(count, _OPACITY, np.float32),
        ((colors[:, None] - 0.5) / SH_C0).astype(np.float32),
    )


def _barycentric(random: Float64) -> Float64:
    """(N, 3) even over a triangle (Turk 1990), of (N, 2) even over a square."""
    root = np.sqrt(random[:, 0])
    return np.stack([1 - root, root * (1 - random[:, 1]), root * random[:, 1]], axis=1)


def _facing(normals: Float64) -> Float64:
    """(N, 4) the least rotations (w, x, y, z) that take Z to directions of any length."""
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    x, y, z = (normals / np.maximum(lengths, 1e-30)).T
    # Half the angle: (1 + Z . n, Z x n); what points straight down turns about X.
    whole = np.stack([1 + z, -y, x, np.zeros_like(x)], axis=1)
    whole[z < -1 + 1e-9] = (0, 1, 0, 0)
    return np.asarray(whole / np.linalg.norm(whole, axis=1, keepdims=True))


def _colors(surface: Surface, faces: NDArray[np.int64], weights: Float64) -> Float64:
    """(N, 3) sRGB."""
    colors = np.full((len(faces), 3), _GREY)
    if surface.colors is not None:
        colors = np.einsum("nk,nkc->nc", weights, surface.colors[faces])
    materials = surface.materials[faces]
    for number, picture in enumerate(surface.pictures):
        of = materials == number
        plain = picture.shape[:2] == (1, 1)
        if np.isnan(picture).any() or (plain and surface.colors is not None):
            continue
        if plain:
            colors[of] = picture[0, 0]
        elif surface.places is not None:
            places = np.einsum("nk,nkc->nc", weights[of], surface.places[faces[of]])
            colors[of] = _looked_up(picture, places)
    return colors


def _looked_up(picture: Float64, places: Float64) -> Float64:
    """(N, 3) of a picture that repeats, bilinearly, at (N, 2) from the bottom left."""
    height, width = picture.shape[:2]
    x = places[:, 0] * width - 0.5
    y = (1 - places[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right_share, low_share = (x - left)[:, None], (y - top)[:, None]
    x0, x1, y0, y1 = left % width, (left + 1) % width, top % height, (top + 1) % height
    upper = picture[y0, x0] * (1 - right_share) + picture[y0, x1] * right_share
    lower = picture[y1, x0] * (1 - right_share) + picture[y1, x1] * right_share
    return np.asarray(upper * (1 - low_share) + lower * low_share)
