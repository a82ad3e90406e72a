"""From a mesh and posed photos to a textured mesh.

In the family of Waechter, Moehrle, Goesele 2014, "Let There Be Color! Large-Scale Texturing of 3D
Reconstructions": one photo for each chart, chosen by a labelling of the faces; colours equalised
between photos, over charts and finally at their seams. With ``smoothing``, photos are mixed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from gypsum.errors import InputError, ResourceError
from gypsum.scene import Material, Mesh, Progress, TexturedMesh, View, no_progress
from gypsum.texture.blending import Mix
from gypsum.texture.candidates import find_candidates, reject_highlights, reject_intruders
from gypsum.texture.canvas import Canvas
from gypsum.texture.charts import cut_charts, plane_areas
from gypsum.texture.exposure import estimate_gains
from gypsum.texture.facts import Clock, TextureFacts
from gypsum.texture.labelling import UNSEEN, choose_photos
from gypsum.texture.layout import lay_out
from gypsum.texture.levelling import (
    Seams,
    border_steps,
    fill_unseen,
    level_globally,
    level_locally,
)
from gypsum.texture.maps import Surface, bake_normal_map, draw_surface, take_light_out
from gypsum.texture.painting import paint
from gypsum.texture.topology import Edges, face_areas

SMALLEST, LARGEST = 256, 16384
"""Sides of a texture."""
MOST_TEXTURES = 64
BYTES_PER_TEXEL = 16
"""Colour under work (6), owner (4), finished colour (3) and the pyramid that fills gaps."""
BYTES_PER_FACE = 4000
"""Candidates with their colours, messages of the labelling, the sparse systems."""


def bake_texture(
    mesh: Mesh,
    views: Sequence[View],
    size: int,
    *,
    most_textures: int = 1,
    spare: bool = False,
    smoothing: bool = False,
    matte: bool = False,
    detail: Mesh | None = None,
    pbr: bool = False,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress = no_progress,
) -> tuple[TexturedMesh, TextureFacts]:
    """Paint ``mesh`` from ``views`` into textures of ``size`` x ``size`` texels.

    A mesh and posed photos are all it takes, wherever they are from. There are as many textures as
    keep the photos' whole resolution, but at most ``most_textures``. With ``spare`` they are made
    smaller where that still shows all that the photos do. With ``smoothing`` several
    photos are mixed at every place; without, each place shows the one photo that shows it best.
    ``matte`` leaves highlights out, which move with the camera, and mixes the rest.
    ``detail``, a finer mesh of the same surface, gives a normal map; ``pbr`` takes the light out of
    the colours and adds ambient occlusion and roughness.
    Photos are read one after the other. ``threads`` 0 means all cores; ``memory`` is a budget in
    bytes. The result does not depend on the number of threads.
    """
    threads = threads or len(os.sched_getaffinity(0))
    smoothing = smoothing or matte
    _check(mesh, views, size, most_textures)
    _check_memory(mesh, views, size, 1, memory)
    clock = Clock()
    with clock.part("visibility"):
        edges = Edges.of(mesh.faces)
        candidates = find_candidates(mesh, views, threads, _part(progress, 0.0, 0.4))
    with clock.part("exposure"):
        gains = estimate_gains(candidates, len(views))
    with clock.part("maps"):
        surface = Surface.of(mesh, candidates, gains, threads) if pbr else None
    with clock.part("outliers"):
        progress(0.42, "leaving out what only a few photos show")
        candidates, rejected = reject_intruders(candidates, gains, edges, threads)
        if matte:
            candidates, shining = reject_highlights(candidates, gains)
            rejected += shining
    with clock.part("labelling"):
        progress(0.45, "choosing the best photo for every place")
        labels = choose_photos(mesh, candidates, edges)
    with clock.part("mixing"):
        mix = Mix(mesh, candidates, gains) if smoothing else None
        del candidates
    with clock.part("packing"):
        progress(0.55, "laying out the texture")
        charts = cut_charts(mesh, views, labels, edges)
        layout = lay_out(charts, size, most_textures, threads, spare)
        _check_memory(mesh, views, size, layout.pages, memory)
        canvas = Canvas.empty(mesh, charts, layout, threads)
    with clock.part("painting"):
        used = paint(canvas, views, gains, mix, _part(progress, 0.6, 0.85))
        del mix
    with clock.part("levelling"):
        progress(0.85, "removing seams")
        seams = Seams.of(mesh, charts, edges)
        if not smoothing:
            level_globally(canvas, seams)
        fill_unseen(canvas, edges)
        if surface is not None:
            take_light_out(canvas, surface)
        level_locally(canvas, seams)
    with clock.part("maps"):
        progress(0.9, "making the maps of the material")
        normal_maps = None if detail is None else bake_normal_map(canvas, detail)
    with clock.part("finishing"):
        progress(0.95, "filling the room between the pieces")
        pages = canvas.finished()
        mean_step, worst_step = border_steps(canvas, seams)
        drawn = None if surface is None else draw_surface(canvas, surface)
    materials = tuple(
        Material(
            "scan" if layout.pages == 1 else f"scan-{number + 1}",
            page,
            normal=None if normal_maps is None else normal_maps[number],
            occlusion=None if drawn is None else drawn[number][0],
            roughness=None if drawn is None else drawn[number][1],
        )
        for number, page in enumerate(pages)
    )
    textured = TexturedMesh(
        mesh,
        layout.texture_coordinates(charts),
        charts.corner_faces,
        materials,
        layout.page[charts.of_face],
    )
    seen = labels != UNSEEN
    world, texels = face_areas(mesh), plane_areas(layout.uvs, charts.corner_faces)
    facts = TextureFacts(
        size=layout.size,
        textures=layout.pages,
        smoothing=smoothing,
        coverage=float(world[seen].sum() / max(float(world.sum()), 1e-30)),
        atlas_use=float(texels.sum() / (layout.pages * layout.size**2)),
        charts=len(charts),
        photos_used=len(used),
        photos_given=len(views),
        texels_per_pixel=layout.scale,
        texels_per_unit=float(np.sqrt(texels[seen].sum() / max(float(world[seen].sum()), 1e-30))),
        unseen_faces=int((~seen).sum()),
        rejected=rejected,
        exposure_range=float(np.ptp(np.log2(gains.mean(axis=1)))),
        seam_step=mean_step,
        worst_seam_step=worst_step,
        seconds=clock.seconds,
    )
    progress(1.0, "texture done")
    return textured, facts


def _check(mesh: Mesh, views: Sequence[View], size: int, most_textures: int) -> None:
    if not SMALLEST <= size <= LARGEST:
        raise InputError(
            f"A texture of {size}x{size} can't be made: ask for {SMALLEST} to {LARGEST} texels."
        )
    if not 1 <= most_textures <= MOST_TEXTURES:
        raise InputError(f"{most_textures} textures can't be made: ask for 1 to {MOST_TEXTURES}.")
    if len(mesh.faces) == 0:
        raise InputError("The mesh has no faces, so there is nothing to paint.")
    if not views:
        raise InputError("There are no posed photos to paint the mesh from.")


def _check_memory(
    mesh: Mesh, views: Sequence[View], size: int, textures: int, memory: int | None
) -> None:
    largest = max(view.width * view.height for view in views)
    texels = textures * size**2
    needed = texels * BYTES_PER_TEXEL + len(mesh.faces) * BYTES_PER_FACE + 8 * largest
    if memory is not None and needed > memory:
        what = "A texture" if textures == 1 else f"{textures} textures"
        raise ResourceError(
            f"{what} of {size}x{size} needs about {needed / 2**30:.1f} GiB of memory, more than "
            f"the {memory / 2**30:.1f} GiB allowed; ask for a smaller texture or fewer faces."
        )


def _part(progress: Progress, start: float, end: float) -> Progress:
    """The share of a stage's progress that one part fills."""

    def report(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return report
