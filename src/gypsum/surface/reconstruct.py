"""From a fused cloud to a clean mesh."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gypsum.errors import ReconstructionError
from gypsum.scene import Box, Mesh, PointCloud, Progress, View, no_progress
from gypsum.surface.closing import SPACING, base_points, solid
from gypsum.surface.poisson import octree_depth, poisson
from gypsum.surface.region import choose_region
from gypsum.surface.thinning import Samples, merge_flat, thin, trusted
from gypsum.surface.topology import (
    compact,
    manifold,
    without_degenerate_faces,
    without_ears,
    without_small_parts,
)
from gypsum.surface.trimming import outside_masks, trim

#: Fewer points than this carry no surface.
FEWEST_POINTS = 100
#: Poisson reconstruction takes about 2.4 KiB and 130 microseconds for each point that it fits: this
#: many keep the stage below 2.5 GiB and two minutes.
MOST_FITTED = 850_000
#: Of an object cut out by masks, only holes up to this share of its diagonal stay closed: nothing
#: around it hides what was guessed.
OBJECT_HOLES = 0.02


@dataclass(frozen=True)
class SurfaceOptions:
    """How fine and how closed the surface becomes."""

    cells_per_pixel: float = 0.7
    """Octree cells per photo pixel along an edge: 1 keeps all detail of the cloud and its noise."""
    point_weight: float = 1.0
    """How strictly the surface follows the points; 0 is the smoothest."""
    fill_holes: float = 0.05
    """Radius of the holes that stay closed, as a share of the region's diagonal."""
    watertight: bool = False
    """Make a solid: every opening closed, the largest with a flat base."""


def reconstruct_surface(
    cloud: PointCloud,
    views: Sequence[View],
    options: SurfaceOptions = SurfaceOptions(),
    box: Box | None = None,
    threads: int = 0,
    progress: Progress = no_progress,
) -> Mesh:
    """The coloured surface through an oriented cloud, open where nothing was seen.

    Args:
        cloud: points with normals towards the cameras.
        views: the photos; tell what the capture is about and where there is nothing. May be empty.
        options: how fine and how closed.
        box: what to reconstruct; ``choose_region`` decides when it is None.
        threads: 0 is all cores.
        progress: told how far it is.

    Returns:
        A manifold mesh in the cloud's frame, counter-clockwise seen from where the photos are;
        closed when it was asked to be watertight. Photos with masks leave the object alone, closed
        where it stood, and open where hardly any photo tells where it is.
    """
    workers = threads if threads > 0 else os.cpu_count() or 1
    progress(0.0, "finding what the photos are about")
    box = box or choose_region(cloud, views)
    samples, fitted = _samples(
        cloud.select(box.contains(cloud.points)), options.cells_per_pixel, workers
    )
    progress(0.1, f"fitting a surface to {len(fitted):,} points")
    extent = np.ptp(fitted.points, axis=0)
    depth = octree_depth(float(extent.max()), float(np.quantile(samples.cells, 0.05)))
    stood = any(view.mask for view in views)
    rough = stood or options.watertight
    holes = min(options.fill_holes, OBJECT_HOLES) if stood else options.fill_holes
    widest = holes * min(box.diagonal, float(np.linalg.norm(extent)))
    # Where bases are needed, this only has to show the openings.
    mesh = poisson(fitted, depth - rough, options.point_weight)
    progress(0.3 if rough else 0.8, "removing what no photo shows")
    known = trusted(samples, workers) if stood else samples
    mesh = _cleaned(mesh, known, views, widest, workers)
    if rough and len(mesh.faces):
        progress(0.35, "closing the surface")
        cell = float(np.median(samples.cells))
        base = base_points(mesh, cell, stood=stood, closed=options.watertight)
        base = base.select(~outside_masks(base.points, views))
        mesh = poisson(_joined(fitted, base), depth, options.point_weight)
        progress(0.9, "cleaning the surface")
        if options.watertight:
            mesh = solid(mesh)
        else:
            wide = np.full(len(base), SPACING * cell, np.float32)
            based = Samples(_joined(known.cloud, base), np.append(known.cells, wide))
            mesh = _cleaned(mesh, based, views, widest, workers)
    if not len(mesh.faces):
        raise ReconstructionError(
            "No surface is left where photos agree: take more photos that overlap."
        )
    mesh = _colored(mesh, samples, workers)
    progress(1.0, f"surface of {len(mesh.faces):,} faces")
    return mesh


def _joined(cloud: PointCloud, other: PointCloud) -> PointCloud:
    """The points of both, without what only one of them knows."""
    return PointCloud(
        np.concatenate([cloud.points, other.points]),
        np.concatenate([cloud.normals, other.normals]),
        np.concatenate([cloud.colors, other.colors]),
    )


def _samples(cloud: PointCloud, cells_per_pixel: float, workers: int) -> tuple[Samples, PointCloud]:
    """The thinned cloud, and of it what the octree fits: coarser when that would not fit memory."""
    while True:
        samples = thin(cloud, cells_per_pixel, workers)
        if len(samples.cloud) < FEWEST_POINTS:
            raise ReconstructionError(
                f"No surface can be made from {len(samples.cloud)} points: take more photos that "
                "overlap, of something with visible texture."
            )
        fitted = merge_flat(samples)
        if len(fitted) <= MOST_FITTED:
            return samples, fitted
        cells_per_pixel /= 1.1 * math.sqrt(len(fitted) / MOST_FITTED)


def _facing_normals(mesh: Mesh, samples: Samples, workers: int) -> Mesh:
    """The mesh turned so that its normals agree with those of the points."""
    some = slice(None, None, max(1, len(mesh.faces) // 20_000))
    centers = mesh.vertices[mesh.faces[some]].mean(axis=1)
    _, nearest = samples.tree.query(centers, workers=workers)
    agreement = np.einsum("ij,ij->i", mesh.face_normals()[some], samples.cloud.normals[nearest])
    if agreement.sum() >= 0:
        return mesh
    return Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces[:, ::-1]), mesh.colors)


def _cleaned(
    mesh: Mesh, samples: Samples, views: Sequence[View], widest: float, workers: int
) -> Mesh:
    """What of Poisson's closed surface was seen, without crumbs, as a manifold."""
    mesh = trim(_facing_normals(mesh, samples, workers), samples, views, widest, workers)
    mesh = without_ears(without_small_parts(without_degenerate_faces(mesh)))
    return compact(manifold(mesh))


def _colored(mesh: Mesh, samples: Samples, workers: int) -> Mesh:
    _, nearest = samples.tree.query(mesh.vertices, workers=workers)
    return Mesh(mesh.vertices, mesh.faces, samples.cloud.colors[nearest])
