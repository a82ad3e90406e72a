"""A model of each kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gypsum.formats import write_asset
from gypsum.scene import Mesh, PointCloud, Splats


def splats(count: int = 2000) -> Splats:
    """Red ones above, green ones below, in a ball of radius one around the origin."""
    rng = np.random.default_rng(0)
    rows = np.zeros((count, 59), np.float32)
    direction = rng.normal(size=(count, 3))
    rows[:, :3] = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    rows[:, 3:6] = np.log(0.1)
    rows[:, 6:10] = rng.normal(size=(count, 4))
    rows[:, 10] = 4
    above = rows[:, 2] > 0
    rows[:, 11:14] = np.where(above[:, None], (1.7, -1.7, -1.7), (-1.7, 1.7, -1.7))
    return Splats.from_rows(rows, 3)


def cube() -> Mesh:
    """From -1 to 1; red above, green below."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    colors = np.where(corners[:, 2:] > 0, (230, 0, 0), (0, 230, 0)).astype(np.uint8)
    return Mesh(corners, np.array(faces, np.int32), colors)


def points(count: int = 20_000) -> PointCloud:
    """The ball of the splats."""
    direction = np.random.default_rng(1).normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    colors = np.where(direction[:, 2:] > 0, (230, 0, 0), (0, 230, 0)).astype(np.uint8)
    return PointCloud(direction.astype(np.float32), direction.astype(np.float32), colors)


def file(kind: str, folder: Path) -> Path:
    """A file of a kind: ``splats``, ``mesh`` or ``points``."""
    name, made = {
        "splats": ("spz", splats()),
        "mesh": ("obj", cube()),
        "points": ("xyz", points()),
    }[kind]
    path = folder / f"some {kind}.{name}"
    write_asset(path, made, name)
    return path
