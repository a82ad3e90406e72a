"""Shapes as if made of clay, in soft light: from many directions, each with its shadows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_LAMPS = 48
"""Directions of the sky's light, and as many of the key light: their shadows merge."""
_KEY_ANGLE = np.radians(24)
"""Half the angle over which the key light spreads."""
_KEY_SHARE = 0.62
"""Of the light on a surface that faces the key light."""
_FRONT = np.array([222, 212, 199], np.float32)
_BACK = np.array([130, 58, 52], np.float32)


class Clay:
    """Lights one mesh."""

    def __init__(self, mesh: Mesh, center: Float64 | None = None, radius: float = np.inf) -> None:
        """Only faces within ``radius`` of ``center`` throw shadows."""
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        triangles = mesh.vertices[mesh.faces]
        if center is not None:
            distance = np.linalg.norm(triangles.mean(axis=1) - center, axis=1)
            triangles = triangles[distance < radius]
        self._scene = EmbreeScene()
        if len(triangles):
            TriangleMesh(self._scene, np.ascontiguousarray(triangles, np.float32))
        self._lift = 1e-4 * float(np.ptp(triangles.reshape(-1, 3), axis=0).max(initial=0))

    def colors(
        self,
        points: Float32,
        normals: Float32,
        back: NDArray[np.bool_],
        eye_R: Float64,
        group: NDArray[np.int32],
        groups: int,
    ) -> Float32:
        """Colours (N, 3), 0 to 255, at ``points`` (N, 3) with unit ``normals`` (N, 3), world.

        ``back`` (N,) says where the surface's back is seen. The lamps are dealt out to ``groups``
        of points, so that the mean over neighbours of all groups (N,) is lit by all of them.
        """
        normals = np.where(back[:, None], -normals, normals)
        start = points + self._lift * normals
        lamps, radiance = _lamps(eye_R)
        light = np.zeros(len(points), np.float32)
        for number in range(groups):
            mine = np.flatnonzero(group == number)
            share = self._light(
                start[mine], normals[mine], lamps[number::groups], radiance[number::groups]
            )
            light[mine] = groups * share
        light = np.minimum(1.2 * light, 1.15)
        return np.asarray(np.where(back[:, None], _BACK, _FRONT) * light[:, None], np.float32)

    def _light(
        self, start: Float32, normals: Float32, lamps: Float32, radiance: Float32
    ) -> Float32:
        """Light (N,) that reaches ``start`` (N, 3) from lamps (L, 3)."""
        light = np.zeros(len(start), np.float32)
        for lamp, bright in zip(lamps, radiance, strict=True):
            cosine = normals @ lamp
            lit = np.flatnonzero(cosine > 0)
            free = self._free(start[lit], np.broadcast_to(lamp, (len(lit), 3)))
            light[lit] += bright * cosine[lit] * free
        return light

    def _free(self, start: Float32, rays: Float32) -> Float32:
        """1 where nothing is hit, else 0."""
        if len(start) == 0:
            return np.zeros(0, np.float32)
        hit = self._scene.run(
            np.ascontiguousarray(start, np.float32),
            np.ascontiguousarray(rays, np.float32),
            query="OCCLUDED",
        )
        return np.asarray(hit < 0, np.float32)


def _lamps(eye_R: Float64) -> tuple[Float32, Float32]:
    """Lamps (L, 3), towards them, world, and what each gives to a surface that faces it (L,).

    A key light from the eye's upper left, and a sky that is brighter above than below. A surface
    in the open that faces the key light gets 1 in all.
    """
    right, forward = eye_R[0], eye_R[2] * (1, 1, 0)
    forward = forward / max(float(np.linalg.norm(forward)), 1e-6)
    key = -0.6 * right - 0.55 * forward + np.array([0, 0, 0.68])
    key /= np.linalg.norm(key)
    sky = _spiral(_LAMPS, -1.0)
    brightness = 0.55 + 0.45 * sky[:, 2]
    brightness *= (1 - _KEY_SHARE) / (brightness @ np.clip(sky @ key, 0, 1))
    side = np.cross(key, [0, 0, 1])
    side /= np.linalg.norm(side)
    spread = _spiral(_LAMPS, np.cos(_KEY_ANGLE)) @ np.stack([side, np.cross(key, side), key])
    lamps = np.vstack([sky, spread])
    radiance = np.concatenate([brightness, np.full(_LAMPS, _KEY_SHARE / (spread @ key).sum())])
    return lamps.astype(np.float32), radiance.astype(np.float32)


def _spiral(count: int, lowest: float) -> Float64:
    """Directions (N, 3) spread evenly over the part of the sphere above z = ``lowest``."""
    index = np.arange(count) + 0.5
    height = 1 - (1 - lowest) * index / count
    turn = np.pi * (1 + 5**0.5) * index
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
