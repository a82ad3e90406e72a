"""Shape from shading on a ball whose bumps only its shades show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import to_srgb
from gypsum.implicit import Observation
from gypsum.implicit.meshing import surface_nets
from gypsum.implicit.shading import refine_by_shading
from gypsum.native._render import rasterize
from gypsum.scene import Box, Mesh

SIDE = 96
LAMP = np.array([0.35, 0.2, 0.45])


def ball() -> Mesh:
    """Of radius 1, about 0.07 between vertices."""
    box = Box.between([-1.2] * 3, [1.2] * 3)
    centers = (np.indices((36, 36, 36)) + 0.5) / 36 * 2.4 - 1.2
    mesh = surface_nets((1 - np.linalg.norm(centers, axis=0)).astype(np.float32), box)
    length = np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    return replace(mesh, vertices=mesh.vertices / length)


def rippled(mesh: Mesh) -> Mesh:
    """The ball with waves of 0.02."""
    wave = 1 + 0.02 * np.sin(8 * mesh.vertices[:, [0]]) * np.sin(8 * mesh.vertices[:, [1]])
    return replace(mesh, vertices=(mesh.vertices * wave).astype(np.float32))


def photo(mesh: Mesh, paint: NDArray[np.float64], turn: float, height: float) -> Observation:
    """What a lamp far away and the sky show of a matte thing; ``paint`` is one of each vertex."""
    place = 4 * np.array(
        [np.cos(turn) * np.cos(height), np.sin(turn) * np.cos(height), np.sin(height)]
    )
    forward = -place / 4
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    t = -R @ place
    K = np.array([[130.0, 0, SIDE / 2], [0, 130, SIDE / 2], [0, 0, 1]])
    corners = np.ascontiguousarray(mesh.vertices @ R.T + t, np.float32)
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    face, weights, _ = rasterize(corners, faces, K, SIDE, SIDE, np.zeros(3), float("inf"), 1)
    shade = paint * (0.4 + mesh.vertex_normals() @ LAMP)
    weights = np.concatenate([1 - weights.sum(-1, keepdims=True), weights], -1)
    bright = (shade[mesh.faces[face]] * weights).sum(-1) * (face >= 0)
    image = to_srgb(np.repeat(bright[..., None], 3, -1).clip(0, 1))
    return Observation(image, (face >= 0).astype(np.float32), K, R, t)


def photos(mesh: Mesh, paint: NDArray[np.float64]) -> list[Observation]:
    return [
        photo(mesh, paint, turn, height)
        for height in (-0.9, 0.0, 0.9)
        for turn in np.linspace(0, 2 * np.pi, 6, endpoint=False) + height
    ]


def wrong_by(mesh: Mesh, truth: Mesh) -> float:
    """Degrees between the vertices' normals, at their mean."""
    cosine = (mesh.vertex_normals() * truth.vertex_normals()).sum(1)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def test_bumps_of_one_paint_come_back_from_their_shades() -> None:
    smooth = ball()
    truth = rippled(smooth)
    found = refine_by_shading(smooth, photos(truth, np.ones(len(smooth.vertices))), threads=1)
    assert found.refined
    assert wrong_by(found.mesh, truth) < 0.8 * wrong_by(smooth, truth)
    # Where things are was right already, but for the bumps.
    off = np.linalg.norm(found.mesh.vertices - smooth.vertices, axis=1)
    assert 0 < off.max() < 0.04


def test_paint_is_not_taken_for_shade() -> None:
    smooth = ball()
    checks = (np.sin(6 * smooth.vertices) > 0).sum(1) % 2
    found = refine_by_shading(smooth, photos(smooth, 0.3 + 0.7 * checks), threads=1)
    assert not found.refined
    assert found.mesh is smooth


def test_what_no_photo_shows_stays() -> None:
    smooth = ball()
    found = refine_by_shading(smooth, [], threads=1)
    assert not found.refined
    assert found.mesh is smooth
