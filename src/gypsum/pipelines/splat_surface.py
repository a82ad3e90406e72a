"""From splats to the surface that they show."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.scene import Box, Mesh, PointCloud, Progress, Splats, View, no_progress
from gypsum.splats.seen import SeenDepths
from gypsum.surface import SurfaceOptions, choose_region, reconstruct_surface
from gypsum.surface.from_depths import cloud_of, surface_of_depths

#: How strictly the last surface follows that of the depths: splats are lumpy.
_POINT_WEIGHT = 0.3
#: Points of the cloud that stand for the rest where the size of a pixel is measured.
_SOME = 50


@dataclass(frozen=True)
class SplatSurface:
    """What was made."""

    mesh: Mesh
    box: Box
    """The part of the world that was kept."""


def surface_of_splats(
    splats: Splats,
    views: Sequence[View],
    folder: Path,
    *,
    extent: float,
    box: Box | None = None,
    everything: bool = False,
    watertight: bool = False,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress = no_progress,
) -> SplatSurface:
    """The surface that splats show to the views.

    Their depth maps, as far as they agree, are joined in a signed distance field. What that has
    for a surface is smoothed, and narrow holes in it are closed, as with the points of photos.

    Args:
        splats: in the frame of ``views``.
        views: of the size in which depths are drawn.
        folder: for the depth maps; it is removed in the end.
        extent: spread of the cameras, world units.
        box: what to keep; None finds out what the views are about.
        everything: keep all instead.
        watertight: close the surface.
        threads: 0 is all cores.
        memory: bytes that the field may take.
        progress: told how far it is.
    """
    depths = SeenDepths(
        splats, views, folder, extent, threads=threads, progress=_part(progress, 0, 0.4)
    )
    try:
        progress(0.4, "finding what the views are about")
        cloud = cloud_of(depths.trusted())
        if not len(cloud):
            raise ReconstructionError(
                "The splats look different from each side, so they have no surface; train them "
                "longer, or with more photos."
            )
        box = box or choose_region(cloud, () if everything else views)
        inside = cloud.points[box.contains(cloud.points)]
        if not len(inside):
            raise ReconstructionError("No surface of the splats lies in the box given with --box.")
        mesh = surface_of_depths(
            depths.trusted(),
            box,
            _pixel(inside, views),
            count=len(depths),
            threads=threads,
            memory=memory,
            progress=_part(progress, 0.45, 0.8),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    smooth = reconstruct_surface(
        _as_cloud(mesh),
        views,
        SurfaceOptions(point_weight=_POINT_WEIGHT, watertight=watertight),
        box,
        threads=threads,
        progress=_part(progress, 0.8, 1),
    )
    return SplatSurface(smooth, box)


def _pixel(points: NDArray[np.float32], views: Sequence[View]) -> float:
    """Size of a pixel on most of the points (N, 3) before the views, world units."""
    sizes = np.concatenate([view.project(points[::_SOME])[1] / view.K[0, 0] for view in views])
    return float(np.median(sizes[sizes > 0]))


def _as_cloud(mesh: Mesh) -> PointCloud:
    """The corners of a mesh as oriented points; grey."""
    sides = np.linalg.norm(
        mesh.vertices[mesh.faces[:, 0]] - mesh.vertices[mesh.faces[:, 1]], axis=1
    )
    count = len(mesh.vertices)
    return PointCloud(
        mesh.vertices,
        mesh.vertex_normals(),
        np.full((count, 3), 128, np.uint8),
        radii=np.full(count, np.median(sides), np.float32),
    )


def _part(progress: Progress, start: float, end: float) -> Progress:
    """The share of the whole progress that one part fills."""

    def report(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return report
