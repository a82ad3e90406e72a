"""From a mesh and posed photos to a textured mesh.

In the family of Waechter, Moehrle, Goesele 2014, "Let There Be Color! Large-Scale Texturing of 3D
Reconstructions": one photo for each chart, chosen by a labelling of the faces; colours equalised
between photos, over charts and finally at their seams.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError, ResourceError
from gypsum.native import _texture
from gypsum.scene import Material, Mesh, Progress, TexturedMesh, View, no_progress
from gypsum.texture.candidates import find_candidates, reject_intruders
from gypsum.texture.charts import Charts, Layout, cut_charts, pack, plane_areas
from gypsum.texture.color import gain_curves
from gypsum.texture.exposure import estimate_gains
from gypsum.texture.facts import Clock, TextureFacts
from gypsum.texture.labelling import UNSEEN, choose_photos
from gypsum.texture.levelling import Seams, fill_unseen, level_globally, level_locally
from gypsum.texture.photos import stream
from gypsum.texture.topology import Edges, face_areas

SMALLEST, LARGEST = 256, 16384
"""Sides of an atlas."""
BYTES_PER_TEXEL = 16
"""Colour under work (6), owner (4), finished colour (3) and the pyramid that fills gaps."""
BYTES_PER_FACE = 4000
"""Candidates with their colours, messages of the labelling, the sparse systems."""
MOST_SAMPLES = 8
"""Sub-samples of a texel along one side, when photos are finer than the atlas."""


def bake_texture(
    mesh: Mesh,
    views: Sequence[View],
    size: int,
    *,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress = no_progress,
) -> tuple[TexturedMesh, TextureFacts]:
    """Paint ``mesh`` from ``views`` into one atlas of ``size`` x ``size`` texels.

    Photos are read one after the other. ``threads`` 0 means all cores; ``memory`` is a budget in
    bytes. The result does not depend on the number of threads.
    """
    threads = threads or len(os.sched_getaffinity(0))
    _check(mesh, views, size, memory)
    clock = Clock()
    with clock.part("visibility"):
        edges = Edges.of(mesh.faces)
        candidates = find_candidates(mesh, views, threads, _part(progress, 0.0, 0.4))
    with clock.part("exposure"):
        gains = estimate_gains(candidates, len(views))
    with clock.part("outliers"):
        progress(0.42, "leaving out what only a few photos show")
        candidates, rejected = reject_intruders(candidates, gains, edges, threads)
    with clock.part("labelling"):
        progress(0.45, "choosing the best photo for every place")
        labels = choose_photos(mesh, candidates, edges)
        del candidates
    with clock.part("packing"):
        progress(0.55, "laying out the texture")
        charts = cut_charts(mesh, views, labels, edges)
        layout = pack(charts, size, threads)
        owners = _draw_owners(charts, layout, threads)
    with clock.part("painting"):
        atlas = np.zeros((size, size, 3), np.int16)
        _paint(
            mesh, views, gains, charts, layout, owners, atlas, threads, _part(progress, 0.6, 0.85)
        )
    with clock.part("levelling"):
        progress(0.85, "removing seams")
        seams = Seams.of(mesh, charts, edges)
        level_globally(charts, layout, seams, owners, atlas, threads)
        step = level_locally(charts, layout, seams, owners, atlas, threads)
    with clock.part("filling"):
        progress(0.95, "filling what no photo shows")
        fill_unseen(mesh, charts, layout, edges, owners, atlas, threads)
        picture = _texture.finish_atlas(atlas, owners, threads)
    textured = TexturedMesh.of_one(
        mesh, layout.texture_coordinates(), charts.corner_faces, Material("scan", picture)
    )
    used = np.unique(charts.views[charts.views != UNSEEN])
    seen = labels != UNSEEN
    world, texels = face_areas(mesh), plane_areas(layout.uvs, charts.corner_faces)
    facts = TextureFacts(
        size=size,
        coverage=float(world[seen].sum() / max(float(world.sum()), 1e-30)),
        atlas_use=float(texels.sum() / size**2),
        charts=len(charts),
        photos_used=len(used),
        photos_given=len(views),
        texels_per_pixel=layout.scale,
        texels_per_unit=float(np.sqrt(texels[seen].sum() / max(float(world[seen].sum()), 1e-30))),
        unseen_faces=int((~seen).sum()),
        rejected=rejected,
        exposure_range=float(np.ptp(np.log2(gains.mean(axis=1)))),
        seam_step=step,
        seconds=clock.seconds,
    )
    progress(1.0, "texture done")
    return textured, facts


def _check(mesh: Mesh, views: Sequence[View], size: int, memory: int | None) -> None:
    if not SMALLEST <= size <= LARGEST:
        raise InputError(
            f"A texture of {size}x{size} can't be made: ask for {SMALLEST} to {LARGEST} texels."
        )
    if len(mesh.faces) == 0:
        raise InputError("The mesh has no faces, so there is nothing to paint.")
    if not views:
        raise InputError("There are no posed photos to paint the mesh from.")
    largest = max(view.width * view.height for view in views)
    needed = size**2 * BYTES_PER_TEXEL + len(mesh.faces) * BYTES_PER_FACE + 8 * largest
    if memory is not None and needed > memory:
        raise ResourceError(
            f"A texture of {size}x{size} needs about {needed / 2**30:.1f} GiB of memory, more than "
            f"the {memory / 2**30:.1f} GiB allowed; ask for a smaller texture or fewer faces."
        )


def _part(progress: Progress, start: float, end: float) -> Progress:
    """The share of a stage's progress that one part fills."""

    def report(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return report


def _draw_owners(charts: Charts, layout: Layout, threads: int) -> NDArray[np.int32]:
    """(S, S) the face that paints each texel."""
    shared = np.bincount(charts.vertices)[charts.vertices] > 1
    border = np.logical_or(shared, _open_boundary(charts))
    touching: NDArray[np.bool_] = np.any(border[charts.corner_faces], axis=1)
    return _texture.draw_owners(
        layout.uvs,
        charts.corner_faces,
        charts.order,
        charts.first,
        touching,
        layout.size,
        layout.padding,
        threads,
    )


def _open_boundary(charts: Charts) -> NDArray[np.bool_]:
    """(T,) corners on an edge that only one face of the chart has."""
    ends = np.sort(
        np.stack([charts.corner_faces, np.roll(charts.corner_faces, -1, axis=1)], axis=2), axis=2
    ).reshape(-1, 2)
    key = ends[:, 0].astype(np.int64) << 32 | ends[:, 1].astype(np.int64)
    _, index, counts = np.unique(key, return_index=True, return_counts=True)
    open_ = np.zeros(len(charts.corners), bool)
    open_[ends[index[counts == 1]]] = True
    return open_


def _paint(
    mesh: Mesh,
    views: Sequence[View],
    gains: NDArray[np.float64],
    charts: Charts,
    layout: Layout,
    owners: NDArray[np.int32],
    atlas: NDArray[np.int16],
    threads: int,
    progress: Progress,
) -> None:
    """Fill the atlas, photo by photo."""
    used = np.unique(charts.views[charts.views != UNSEEN])
    samples = min(MOST_SAMPLES, round(1 / layout.scale))
    for number, (view, picture) in enumerate(stream([views[index] for index in used])):
        progress(number / len(used), "painting the texture")
        K = view.K
        _texture.paint_charts(
            layout.uvs,
            charts.corner_faces,
            charts.order,
            charts.first,
            np.flatnonzero(charts.views == used[number]),
            owners,
            mesh.faces,
            (mesh.vertices.astype(np.float64) @ view.R.T + view.t).astype(np.float32),
            (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])),
            picture,
            gain_curves(gains[used[number]]),
            samples,
            layout.padding,
            atlas,
            threads,
        )
