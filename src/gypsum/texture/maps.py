"""Maps of the material besides its colour: normals, ambient occlusion, roughness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import srgb_decoded
from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture.candidates import Candidates
from gypsum.texture.canvas import Canvas
from gypsum.texture.delight import roughness, shading
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.tangents import tangent_frames

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

RAYS = 192
"""Rays over each vertex for ambient occlusion."""
LIFT = 1e-4
"""Their start above the surface, share of the mesh's diagonal."""
REACH = 0.01
"""Distance at which the finer surface is sought, share of the diagonal."""


@dataclass(frozen=True)
class Surface:
    """What light makes of the surface, at every vertex."""

    normals: Float32
    """(V, 3)"""
    openness: Float32
    """(V,) ambient occlusion; 1 is open."""
    roughness: Float32
    """(V,)"""

    @classmethod
    def of(
        cls,
        mesh: Mesh,
        candidates: Candidates,
        gains: NDArray[np.float64],
        threads: int,
    ) -> Surface:
        """Measured on the mesh and, for roughness, in the photos; with all looks, gleams too."""
        normals = upright_normals(mesh)
        openness = _texture.ambient_occlusion(
            mesh.vertices, mesh.faces, normals, RAYS, LIFT * _diagonal(mesh), threads
        )
        return cls(normals, openness, roughness(mesh, candidates, gains))


def upright_normals(mesh: Mesh) -> Float32:
    """(V, 3) vertex normals as the exporters write them: up where no face gives a direction."""
    normals = mesh.vertex_normals()
    normals[~normals.any(axis=1)] = (0, 0, 1)
    return normals


def take_light_out(canvas: Canvas, surface: Surface) -> None:
    """Divide the colours by the light that they seem to show."""
    mesh, charts = canvas.mesh, canvas.charts
    seen = charts.views[charts.of_corner] != UNSEEN
    if not seen.any():
        return
    shown = srgb_decoded(np.clip(canvas.sample(canvas.layout.uvs[seen]), 0, 1))
    count = len(mesh.vertices)
    at = charts.vertices[seen]
    sums = np.stack([np.bincount(at, shown[:, c], count) for c in range(3)], axis=1)
    colors = sums / np.maximum(np.bincount(at, minlength=count), 1)[:, None]
    light = shading(mesh, surface.normals, surface.openness, colors)
    _texture.scale_light(
        canvas.layout.uvs,
        charts.corner_faces,
        charts.order,
        charts.first,
        canvas.owners,
        (1 / light[charts.vertices]).astype(np.float32),
        canvas.atlas,
        canvas.threads,
    )


def draw_surface(canvas: Canvas, surface: Surface) -> list[tuple[UInt8, UInt8]]:
    """Occlusion and roughness of each page, (S, S) linear; the canvas is painted over."""
    values = np.zeros((len(canvas.charts.corners), 3), np.float32)
    values[:, 0] = surface.openness[canvas.charts.vertices]
    values[:, 1] = surface.roughness[canvas.charts.vertices]
    canvas.atlas[:] = 0
    canvas.add(values)
    return [
        (np.ascontiguousarray(page[..., 0]), np.ascontiguousarray(page[..., 1]))
        for page in canvas.finished()
    ]


def bake_normal_map(canvas: Canvas, detail: Mesh) -> list[UInt8]:
    """Normals of ``detail`` on the canvas's mesh, for each page (S, S, 3), tangent space, green up.

    ``detail`` is a finer mesh of the same surface.
    """
    mesh, charts, layout = canvas.mesh, canvas.charts, canvas.layout
    normals = upright_normals(mesh)
    tangents, signs = tangent_frames(
        mesh, normals, layout.texture_coordinates(charts), charts.corner_faces
    )
    map_ = _texture.bake_normals(
        layout.uvs,
        charts.corner_faces,
        charts.order,
        charts.first,
        canvas.owners,
        mesh.faces,
        mesh.vertices,
        normals,
        tangents,
        signs,
        detail.vertices,
        detail.faces,
        upright_normals(detail),
        REACH * _diagonal(mesh),
        canvas.threads,
    )
    return [map_[n * layout.size : (n + 1) * layout.size] for n in range(layout.pages)]


def _diagonal(mesh: Mesh) -> float:
    return float(np.linalg.norm(np.ptp(mesh.vertices[np.unique(mesh.faces)], axis=0)))
