"""From depth maps to a clean mesh, by way of a signed distance field."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.scene import Box, Mesh, PointCloud, Progress, View, no_progress
from gypsum.surface.topology import (
    compact,
    manifold,
    without_degenerate_faces,
    without_ears,
    without_small_parts,
)
from gypsum.surface.volume import TsdfVolume

Float32 = NDArray[np.float32]

DepthMaps = Iterable[tuple[View, Float32, Float32]]
"""Views, each with depths (height, width), 0 where unknown, and how much they count."""

#: Voxels are this many pixels wide.
_PIXELS_PER_VOXEL = 1.5
#: But a box has no more of them along its diagonal.
_MOST_ALONG = 1500
#: Every so many pixels one stands for the rest in the cloud.
_STEP = 6
#: A part of the surface is kept when its area is this share of the largest part's.
_SMALL_PART = 0.02
#: A voxel counts when it was seen this often, squarely.
_SEEN = 1.0


def cloud_of(maps: DepthMaps) -> PointCloud:
    """Points of a few pixels of each map, with normals towards the cameras; grey."""
    points, normals = [np.empty((0, 3))], [np.empty((0, 3))]
    for view, depth, _ in maps:
        y, x = np.nonzero(depth[::_STEP, ::_STEP])
        x, y = x * _STEP, y * _STEP
        rays = np.stack([x + 0.5, y + 0.5, np.ones(len(x))], 1) @ np.linalg.inv(view.K).T
        points.append((rays * depth[y, x][:, None] - view.t) @ view.R)
        normals.append(_normals(view, depth)[y, x])
    placed = np.concatenate(points).astype(np.float32)
    grey = np.full((len(placed), 3), 128, np.uint8)
    return PointCloud(placed, np.concatenate(normals).astype(np.float32), grey)


def surface_of_depths(
    maps: DepthMaps,
    box: Box,
    pixel: float,
    *,
    count: int,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress = no_progress,
) -> Mesh:
    """The surface in ``box`` that depth maps show, open where they show none.

    Args:
        maps: ``count`` views with their depths.
        box: what to reconstruct.
        pixel: size of a depth map's pixel on the surface, world units.
        count: how many maps there are.
        threads: 0 is all cores.
        memory: bytes that the field may take.
        progress: told how far it is.
    """
    voxel = max(_PIXELS_PER_VOXEL * pixel, box.diagonal / _MOST_ALONG)
    limit = {} if memory is None else {"memory": memory}
    volume = TsdfVolume(voxel, threads=threads, **limit)
    room = Box(box.center, box.axes, box.half + 2 * volume.truncation)
    for number, (view, depth, weight) in enumerate(maps):
        progress(0.8 * number / count, f"joining view {number + 1} of {count}")
        volume.integrate(_within(room, view, depth), view, weights=weight)
    progress(0.8, "laying the surface")
    mesh = _cut(volume.mesh(_SEEN), box)
    mesh = without_ears(without_small_parts(without_degenerate_faces(mesh), _SMALL_PART))
    mesh = compact(manifold(mesh))
    if not len(mesh.faces):
        raise ReconstructionError(
            "The splats make no surface on which their views agree; train them longer, or with "
            "more photos."
        )
    progress(1.0, f"surface of {len(mesh.faces):,} faces")
    return mesh


def _within(box: Box, view: View, depth: Float32) -> Float32:
    """The depths (height, width) of what is in the box, 0 elsewhere."""
    y, x = np.nonzero(depth)
    rays = np.stack([x + 0.5, y + 0.5, np.ones(len(x))], 1) @ np.linalg.inv(view.K).T
    inside = box.contains((rays * depth[y, x][:, None] - view.t) @ view.R)
    kept = np.zeros_like(depth)
    kept[y[inside], x[inside]] = depth[y[inside], x[inside]]
    return kept


def _cut(mesh: Mesh, box: Box) -> Mesh:
    """The faces whose corners are all in the box."""
    inside = box.contains(mesh.vertices)
    return Mesh(mesh.vertices, mesh.faces[inside[mesh.faces].all(axis=1)], mesh.colors)


def _normals(view: View, depth: Float32) -> NDArray[np.float64]:
    """(height, width, 3) world, of the plane through each pixel and its neighbours."""
    x = (np.arange(view.width) + 0.5 - view.K[0, 2]) / view.K[0, 0]
    y = (np.arange(view.height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
    points = np.stack([depth * x, depth * y[:, None], depth], axis=-1).astype(np.float64)
    normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
    world: NDArray[np.float64] = normals @ view.R
    return world
