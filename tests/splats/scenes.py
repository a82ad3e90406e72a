"""A small scene of known splats, photographed from all around."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gypsum.scene import SH_C0, Camera, Photo, SparseModel, Splats, View
from gypsum.splats import render

from . import twin

WIDTH, HEIGHT = 64, 48


def truth(count: int = 300, seed: int = 4) -> Splats:
    """A ball of opaque, coloured splats around the origin."""
    rows = twin.random_rows(count, seed, size=0.09)
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(count, 3))
    rows[:, :3] = 0.8 * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    rows[:, 10] = 3
    rows[:, 11:14] = rng.uniform(-1.5, 1.5, (count, 3))
    return Splats.from_rows(rows, 0)


def views(count: int, folder: Path) -> list[View]:
    """Cameras on a ring that look at the origin."""
    K = np.array([[1.2 * WIDTH, 0, WIDTH / 2], [0, 1.2 * WIDTH, HEIGHT / 2], [0, 0, 1]])
    made = []
    for number in range(count):
        angle = 2 * np.pi * number / count
        place = np.array([2.6 * np.cos(angle), 2.6 * np.sin(angle), 0.9 + 0.4 * (number % 2)])
        z = -place / np.linalg.norm(place)
        x = np.cross(z, (0, 0, 1))
        x /= np.linalg.norm(x)
        R = np.stack([x, np.cross(z, x), z])
        name = f"{number:03d}.png"
        made.append(View(name, folder / name, WIDTH, HEIGHT, K, R, -R @ place))
    return made


def capture(
    count: int, folder: Path, background: tuple[float, float, float] = (0.3, 0.3, 0.3)
) -> tuple[SparseModel, list[View]]:
    """Photos of the truth on disk, and a sparse model with a point at every third splat."""
    scene, posed = truth(), views(count, folder)
    for view in posed:
        Image.fromarray(render(scene, view, background)[0]).save(view.path)
    points = scene.means[::3].astype(np.float64)
    points += np.random.default_rng(0).normal(0, 0.01, points.shape)
    ids = np.arange(len(points))
    photos = {
        number: Photo(number, view.name, 1, view.R, view.t, view.project(points)[0], ids)
        for number, view in enumerate(posed)
    }
    K = posed[0].K
    camera = Camera(1, "PINHOLE", WIDTH, HEIGHT, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
    colors = (255 * (0.5 + SH_C0 * scene.harmonics[::3, 0])).clip(0, 255).astype(np.uint8)
    return SparseModel({1: camera}, photos, ids, points, colors, np.zeros(len(points))), posed
