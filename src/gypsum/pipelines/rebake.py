"""A textured model with so few triangles that its charts can't stay: its texture is baked anew.

The shape is reduced without regard to texture, cut into new charts, and every texel of a new
texture takes what the old model shows at that place.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.conversion import Frames, Sheet, bring_over, choose_directions, far_views
from gypsum.conversion.textures import shrink_textures
from gypsum.errors import InputError
from gypsum.formats.assembly import unique_rows
from gypsum.native import _texture
from gypsum.scene import Material, Mesh, Progress, TexturedMesh, no_progress
from gypsum.surface import simplify
from gypsum.texture.canvas import Canvas
from gypsum.texture.charts import Charts, cut_charts, plane_areas
from gypsum.texture.layout import Layout, lay_out
from gypsum.texture.maps import upright_normals
from gypsum.texture.tangents import tangent_frames
from gypsum.texture.topology import Edges, face_areas

UInt8 = NDArray[np.uint8]

USUAL_SIDE = 1024
"""Of the texture of a model whose materials have none, only colours."""
OVERLAPS = 3
"""Times that charts which lie over themselves are cut."""
_MAPS = ("occlusion", "roughness")


def rebake(
    model: TexturedMesh,
    faces: int,
    side: int | None,
    *,
    normal_map: bool = False,
    progress: Progress = no_progress,
) -> TexturedMesh:
    """The model with ``faces`` triangles, or one less, under textures of ``side`` texels.

    Without ``side`` they are as large as the largest of before. There are as many as keep the
    detail of before, but not more than there were. Maps that a material had come along; with
    ``normal_map`` there is one of normals in any case, which shows the shape of before.
    """
    threads = len(os.sched_getaffinity(0))
    density, largest = _texel_density(model), _largest_side(model)
    size = side or largest
    mesh = simplify(_joined(model.mesh), faces)
    if not face_areas(mesh).any():
        raise InputError("The model has no surface: all of its triangles are flat.")
    progress(0.3, "laying out a new texture")
    canvas = laid_out(mesh, density, size, len(model.materials), threads)
    progress(0.5, "baking its texture anew")
    if canvas.layout.scale < 1:
        small = max(1, round(largest * canvas.layout.scale))
        shrunk = (shrink_textures(material, small) for material in model.materials)
        model = replace(model, materials=tuple(shrunk))
    sheet = sheet_of(canvas)
    pages = _painted(canvas, model, sheet, normal_map, progress)
    first = model.materials[0]
    plain = len(model.materials) == 1 and first.base_color is None and model.mesh.colors is None
    materials = tuple(
        Material(
            first.name if len(pages) == 1 else f"{first.name}-{number + 1}",
            None if plain else maps["base_color"],
            first.color,
            normal=maps.get("normal"),
            occlusion=maps.get("occlusion"),
            roughness=maps.get("roughness"),
        )
        for number, maps in enumerate(pages)
    )
    coordinates = canvas.layout.texture_coordinates(canvas.charts)
    owners = canvas.layout.page[canvas.charts.of_face]
    return TexturedMesh(mesh, coordinates, canvas.charts.corner_faces, materials, owners)


def _joined(mesh: Mesh) -> Mesh:
    """Vertices at one place, which were split to keep an edge hard, as one."""
    first, place = unique_rows(mesh.vertices)
    return Mesh(mesh.vertices[first], place[mesh.faces].astype(np.int32))


def _largest_side(model: TexturedMesh) -> int:
    maps = ("base_color", "normal", *_MAPS)
    textures = [getattr(material, name) for material in model.materials for name in maps]
    return max((max(t.shape[:2]) for t in textures if t is not None), default=USUAL_SIDE)


def _texel_density(model: TexturedMesh) -> float:
    """Texels of the old textures along a unit of the world, on the whole."""
    texels, world = 0.0, face_areas(model.mesh)
    side = _largest_side(model)
    areas = plane_areas(model.uvs.astype(np.float64), model.uv_faces)
    for number, material in enumerate(model.materials):
        size = (side, side) if material.base_color is None else material.base_color.shape[:2]
        texels += float(areas[model.face_materials == number].sum()) * size[0] * size[1]
    # Without texture coordinates: as if one texture were filled.
    return float(np.sqrt((texels or side**2) / max(float(world.sum()), 1e-30)))


def laid_out(mesh: Mesh, density: float, size: int, pages: int, threads: int) -> Canvas:
    """An empty texture on whose charts no two faces lie over each other."""
    edges = Edges.of(mesh.faces)
    views = far_views(mesh, density)
    labels = choose_directions(mesh, edges.faces, edges.lengths(mesh.vertices))
    for attempt in range(OVERLAPS + 1):
        charts = cut_charts(mesh, views * (attempt + 1), labels, edges)
        layout = lay_out(charts, size, pages, threads)
        canvas = Canvas.empty(mesh, charts, layout, threads)
        hidden = _hidden(canvas.owners, charts, layout)
        if not hidden.any():
            break
        # The same direction under another number makes charts of their own.
        labels[hidden] += len(views)
    return canvas


def _hidden(owners: NDArray[np.int32], charts: Charts, layout: Layout) -> NDArray[np.bool_]:
    """(F,) faces that another face of their chart lies over."""
    corners = layout.uvs[charts.corner_faces]
    x, y = np.moveaxis(corners.mean(axis=1).astype(np.int64), 1, 0)
    owner = owners[np.clip(y, 0, len(owners) - 1), np.clip(x, 0, owners.shape[1] - 1)]
    found = np.where(owner >= 0, owner, -2 - owner)
    other = (owner != -1) & (found != np.arange(len(found)))
    # Thin faces may miss the middle of every texel; only a neighbour takes it then.
    neighbours = (charts.corner_faces[found][:, :, None] == charts.corner_faces[:, None, :]).any(
        axis=(1, 2)
    )
    hidden: NDArray[np.bool_] = other & ~neighbours
    return hidden


def sheet_of(canvas: Canvas) -> Sheet:
    coordinates = canvas.layout.texture_coordinates(canvas.charts)
    frames = frames_of(canvas.mesh, coordinates, canvas.charts.corner_faces)
    return Sheet(canvas.mesh, canvas.layout.uvs, canvas.charts.corner_faces, canvas.owners, frames)


def frames_of(mesh: Mesh, uvs: NDArray[np.float32], uv_faces: NDArray[np.int32]) -> Frames:
    """The tangent space of a mesh under a texture."""
    normals = upright_normals(mesh)
    return Frames(normals, *tangent_frames(mesh, normals, uvs, uv_faces))


def _painted(
    canvas: Canvas, model: TexturedMesh, sheet: Sheet, normal_map: bool, progress: Progress
) -> list[dict[str, UInt8]]:
    """The textures of each page, by the name of the material's field."""
    old_frames = frames_of(model.mesh, model.uvs, model.uv_faces)
    colors = canvas.atlas.reshape(-1, 3)
    others: dict[str, UInt8] = {}
    total = max(int(np.count_nonzero(sheet.owners != -1)), 1)
    done = 0
    for patch in bring_over(model, old_frames, sheet, normal_map, canvas.threads):
        colors[patch.texels] = units(patch.color)
        if patch.normal is not None:
            held = others.setdefault("normal", np.zeros((len(colors), 3), np.uint8))
            held[patch.texels] = patch.normal
        for name in _MAPS:
            values = getattr(patch, name)
            if values is not None:
                held = others.setdefault(name, np.zeros((len(colors), 3), np.uint8))
                held[patch.texels] = values[:, None]
        done += len(patch.texels)
        progress(0.5 + 0.45 * done / total, "baking its texture anew")
    pages: list[dict[str, UInt8]] = [{"base_color": page} for page in canvas.finished()]
    for name, texels in others.items():
        colors[:] = units(texels)
        for page, finished in zip(pages, canvas.finished(), strict=True):
            page[name] = finished if name == "normal" else np.ascontiguousarray(finished[..., 0])
    return pages


def units(values: UInt8) -> NDArray[np.int16]:
    """Bytes in the unit of a canvas."""
    levels = np.rint(np.arange(256) * (_texture.ONE / 255)).astype(np.int16)
    return np.asarray(levels[values], np.int16)
