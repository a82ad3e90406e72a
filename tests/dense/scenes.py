"""Analytic scenes: a textured plane seen by pinhole cameras, rendered in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.scene import Camera, Photo, SparseModel, View

Float64 = NDArray[np.float64]

NORMAL = np.array([0.2, -0.15, 1.0]) / np.linalg.norm([0.2, -0.15, 1.0])
"""Unit normal of the plane through the origin, towards the cameras."""


def texture(points: Float64) -> Float64:
    """Grey levels (N,) of a pattern without repetition that pictures of 320 pixels can resolve."""
    rng = np.random.default_rng(3)
    value = np.zeros(len(points))
    for frequency in (3.0, 7.0, 15.0, 30.0, 45.0):
        for _ in range(6):
            wave = rng.normal(size=3)
            wave *= frequency / np.linalg.norm(wave)
            value += np.sin(points @ wave + rng.uniform(0, 2 * np.pi))
    return 128 + 18 * value


def look_at(center: Float64, target: Float64) -> tuple[Float64, Float64]:
    """World-to-camera rotation and translation of an upright camera (Z up)."""
    z = target - center
    z = z / np.linalg.norm(z)
    x = np.cross(z, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    return R, -R @ center


def rays(view: View) -> Float64:
    """(H, W, 3) world directions of the pixels, with depth one along the optical axis."""
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    camera = np.stack(
        [(x - view.K[0, 2]) / view.K[0, 0], (y - view.K[1, 2]) / view.K[1, 1], np.ones_like(x)], -1
    )
    return camera @ view.R


def plane_depth(view: View) -> Float64:
    """(H, W) exact depth of the plane."""
    depth: Float64 = -(view.center @ NORMAL) / (rays(view) @ NORMAL)
    return depth


def plane_views(folder: Path, count: int = 5, width: int = 320, height: int = 240) -> list[View]:
    """Photos of the plane from an arc above it, written as PNG."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    K = np.array([[1.1 * width, 0, width / 2], [0, 1.1 * width, height / 2], [0, 0, 1.0]])
    views = []
    for i in range(count):
        angle = np.radians(9.0 * (i - count // 2))
        R, t = look_at(
            np.array([np.sin(angle), 0.15 * (-1) ** i, np.cos(angle)]) * 2.0, np.zeros(3)
        )
        name = f"{i}.png"
        view = View(name, folder / "images" / name, width, height, K, R, t)
        points = view.center + rays(view) * plane_depth(view)[..., None]
        gray = np.clip(np.rint(texture(points.reshape(-1, 3))), 0, 255).astype(np.uint8)
        gray = gray.reshape(height, width)
        Image.fromarray(np.stack([gray] * 3, -1)).save(view.path)
        views.append(view)
    return views


def seen_by_others(view: View, views: list[View], border: int = 12) -> NDArray[np.int64]:
    """(H, W) how many of the other photos see each pixel's point, a border left out."""
    points = (view.center + rays(view) * plane_depth(view)[..., None]).reshape(-1, 3)
    count = np.zeros(len(points), np.int64)
    for other in views:
        if other.name != view.name:
            pixels, _ = other.project(points)
            low, high = border, np.array([other.width, other.height]) - border
            count += np.all((pixels > low) & (pixels < high), axis=1)
    seen = count.reshape(view.height, view.width)
    inner = np.zeros_like(seen)
    inner[border:-border, border:-border] = seen[border:-border, border:-border]
    return inner


def sparse_model(views: list[View], points: int = 300) -> SparseModel:
    """The true cameras with points scattered over the plane."""
    rng = np.random.default_rng(0)
    tangent = np.linalg.svd(NORMAL[None])[2][1:]
    positions = rng.uniform(-0.6, 0.6, (points, 2)) @ tangent
    photos = {}
    tracks: list[list[tuple[int, int]]] = [[] for _ in range(points)]
    for i, view in enumerate(views, 1):
        pixels, _ = view.project(positions)
        seen = np.all((pixels > 0) & (pixels < (view.width, view.height)), axis=1)
        ids = np.flatnonzero(seen)
        photos[i] = Photo(i, view.name, 1, view.R, view.t, pixels[ids], ids.astype(np.int64) + 1)
        for keypoint, row in enumerate(ids):
            tracks[row].append((i, keypoint))
    K, (width, height) = views[0].K, (views[0].width, views[0].height)
    camera = Camera(1, "PINHOLE", width, height, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
    return SparseModel(
        {1: camera},
        photos,
        np.arange(points, dtype=np.int64) + 1,
        positions,
        np.zeros((points, 3), np.uint8),
        np.zeros(points),
        [np.array(track, np.uint32).reshape(-1, 2) for track in tracks],
    )
