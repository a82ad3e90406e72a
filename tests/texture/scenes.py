"""Analytic scenes: meshes with a colour known at every point, and photos of them by ray casting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.native import _texture
from gypsum.scene import Mesh, TexturedMesh, View

Float64 = NDArray[np.float64]
Pattern = Callable[[Float64], Float64]
"""World points (N, 3) to sRGB-encoded colours (N, 3), 0 to 1."""


def waves(points: Float64) -> Float64:
    """A smooth colourful pattern without any flat part."""
    x, y, z = points.T
    red = 0.5 + 0.22 * np.sin(9 * x + 2 * z) + 0.12 * np.sin(23 * y)
    green = 0.5 + 0.2 * np.sin(7 * y + 1) + 0.12 * np.cos(19 * x + 11 * z)
    blue = 0.5 + 0.25 * np.sin(5 * (x + y) + 6 * z)
    return np.stack([red, green, blue], axis=1)


def grid(width: float, count: int, height: float = 0.0) -> Mesh:
    """A square plate of ``count`` x ``count`` cells around the Z axis, facing up."""
    line = np.linspace(-width / 2, width / 2, count + 1)
    x, y = np.meshgrid(line, line)
    vertices = np.stack([x, y, np.full_like(x, height)], axis=-1).reshape(-1, 3)
    index = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def sphere(radius: float, rings: int) -> Mesh:
    """A ball around the origin, faces outwards."""
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    body = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1).reshape(-1, 3)
    vertices = radius * np.concatenate([body, [[0, 0, 1], [0, 0, -1]]])
    index = np.arange(len(body)).reshape(p.shape)
    right = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1], index[1:], right[1:], right[:-1]
    top, bottom = len(body), len(body) + 1
    faces = np.concatenate(
        [
            np.stack([a, b, c], -1).reshape(-1, 3),
            np.stack([a, c, d], -1).reshape(-1, 3),
            np.stack([np.full_like(index[0], top), index[0], right[0]], -1),
            np.stack([np.full_like(index[0], bottom), right[-1], index[-1]], -1),
        ]
    )
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(
            [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=True)]
        ),
    )


def look_at(
    name: str, folder: Path, center: Sequence[float], target: Sequence[float], focal: float = 400
) -> View:
    """A camera of 320 x 240 pixels."""
    forward = np.subtract(target, center).astype(np.float64)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0, 1]) if abs(forward[2]) < 0.99 else np.array([0.0, 1, 0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    K = np.array([[focal, 0, 160], [0, focal, 120], [0, 0, 1.0]])
    return View(name, folder / name, 320, 240, K, R, -R @ np.asarray(center, np.float64))


def ring(folder: Path, count: int, radius: float, height: float) -> list[View]:
    """Cameras on a circle that look at the origin."""
    return [
        look_at(
            f"{i:03}.png",
            folder,
            (radius * np.cos(a), radius * np.sin(a), height),
            (0, 0, 0),
        )
        for i, a in enumerate(np.linspace(0, 2 * np.pi, count, endpoint=False))
    ]


def shoot(
    view: View,
    mesh: Mesh,
    pattern: Pattern,
    gain: float = 1.0,
    ghost: tuple[int, int, int, int] | None = None,
) -> None:
    """Write the photo: the pattern at the nearest surface along each pixel's ray.

    ``gain`` multiplies linear light; ``ghost`` (x0, y0, x1, y1) is covered by something magenta.
    """
    pixels, depth = view.project(mesh.vertices)
    surface = _texture.draw_depth(
        pixels.astype(np.float32),
        depth.astype(np.float32),
        mesh.faces,
        view.width,
        view.height,
        1,
    ).astype(np.float64)
    v, u = np.mgrid[: view.height, : view.width] + 0.5
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(view.K).T
    hit = np.isfinite(surface)
    points = (rays[hit] * surface[hit][:, None] - view.t) @ view.R
    image = np.full((view.height, view.width, 3), 0.35)
    image[hit] = pattern(points)
    if gain != 1:
        image = np.clip(image, 0, 1) ** 2.2 * gain
        image = np.clip(image, 0, 1) ** (1 / 2.2)
    if ghost is not None:
        x0, y0, x1, y1 = ghost
        image[y0:y1, x0:x1] = (0.9, 0.0, 0.9)
    Image.fromarray((np.clip(image, 0, 1) * 255).round().astype(np.uint8)).save(view.path)


def atlas_of(textured: TexturedMesh) -> NDArray[np.uint8]:
    """The texture of its only material."""
    (material,) = textured.materials
    assert material.base_color is not None
    return material.base_color


def surface_colors(
    textured: TexturedMesh, faces: NDArray[np.integer], weights: Float64
) -> tuple[Float64, Float64]:
    """Points (N, 3) on faces (N,) at barycentric weights (N, 3), and what the atlas shows there."""
    mesh = textured.mesh
    points = np.einsum("nk,nkc->nc", weights, mesh.vertices[mesh.faces[faces]].astype(np.float64))
    uv = np.einsum("nk,nkc->nc", weights, textured.uvs[textured.uv_faces[faces]].astype(np.float64))
    size = len(atlas_of(textured))
    position = np.stack([uv[:, 0] * size, (1 - uv[:, 1]) * size], axis=1).astype(np.float32)
    fixed = (atlas_of(textured).astype(np.float64) / 255 * _texture.ONE).round().astype(np.int16)
    return points, _texture.sample_atlas(fixed, position, 1).astype(np.float64)


def random_spots(
    mesh: Mesh, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Float64]:
    """Random faces (N,) and barycentric weights (N, 3)."""
    return rng.integers(len(mesh.faces), size=count), rng.dirichlet(np.ones(3), count)


def psnr(found: Float64, truth: Float64) -> float:
    """Peak signal-to-noise ratio of colours 0 to 1, dB."""
    return float(-10 * np.log10(np.mean((found - truth) ** 2)))
