"""Charts: connected faces painted by one photo, cut out of it, and their places in the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from gypsum.errors import ReconstructionError
from gypsum.native import _texture
from gypsum.scene import Mesh, View
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.topology import Edges, face_areas, grouped

UNSEEN_DENSITY = 0.25
"""Resolution of filled-in charts beside that of the others: their colours vary slowly."""
FINEST = 2.0
"""Texels for each photo pixel at most. Up to two keep detail that a viewer's bilinear filter and
the oblique charts would blur (0.1 dB on rendered test views); more would store nothing new."""
FULLEST = 0.9
"""Square root of the share of the atlas that charts may cover at best: where the search begins."""
SHRINK = 0.99
"""Step of the search for the largest scale that fits."""
MOST_TRIES = 200
GRID = 1024
"""Charts are placed on a grid of this many cells across the atlas."""


@dataclass(frozen=True)
class Charts:
    """Charts and their corners; a corner is a vertex as one chart sees it."""

    of_face: NDArray[np.int32]
    """(F,)"""
    views: NDArray[np.int32]
    """(C,) the view that paints each chart, or ``UNSEEN``."""
    corners: NDArray[np.float64]
    """(T, 2) each chart's own plane in photo pixels, x right, y down."""
    vertices: NDArray[np.int32]
    """(T,) the mesh's vertex of each corner."""
    corner_faces: NDArray[np.int32]
    """(F, 3) corners of each face."""
    order: NDArray[np.int32]
    """(F,) faces sorted by chart."""
    first: NDArray[np.int64]
    """(C + 1,) where each chart begins in ``order``."""

    def __len__(self) -> int:
        return len(self.views)

    @property
    def of_corner(self) -> NDArray[np.int32]:
        """(T,) the chart of each corner."""
        chart = np.empty(len(self.corners), np.int32)
        chart[self.corner_faces] = self.of_face[:, None]
        return chart


def cut_charts(
    mesh: Mesh, views: Sequence[View], labels: NDArray[np.int32], edges: Edges
) -> Charts:
    """Charts from the view of every face (F,)."""
    kinds = labels.copy()
    unseen = labels == UNSEEN
    # Faces that no photo shows are laid flat along the axis they face most: six kinds.
    normals = mesh.face_normals()[unseen]
    axis = np.abs(normals).argmax(axis=1)
    side = np.take_along_axis(normals, axis[:, None], 1)[:, 0] < 0
    kinds[unseen] = -1 - (2 * axis + side)
    same = kinds[edges.faces[:, 0]] == kinds[edges.faces[:, 1]]
    left, right = edges.faces[same].T
    graph = sparse.coo_matrix(
        (np.ones(len(left), np.int8), (left, right)), shape=(len(kinds), len(kinds))
    )
    count, of_face = connected_components(graph, directed=False)
    kind = np.empty(count, np.int32)
    kind[of_face] = kinds
    key = of_face[:, None].astype(np.int64) * len(mesh.vertices) + mesh.faces
    unique, inverse = np.unique(key, return_inverse=True)
    corner_faces = inverse.reshape(-1, 3).astype(np.int32)
    chart = (unique // len(mesh.vertices)).astype(np.int32)
    vertices = (unique % len(mesh.vertices)).astype(np.int32)
    corners = _project(mesh, views, vertices, kind[chart])
    seen = ~unseen
    pixels_per_unit = _density(mesh, corners, corner_faces, seen)
    corners[kind[chart] < 0] *= UNSEEN_DENSITY * pixels_per_unit
    order, first = grouped(of_face, count)
    return Charts(
        of_face.astype(np.int32),
        np.maximum(kind, UNSEEN),
        corners,
        vertices,
        corner_faces,
        order,
        first,
    )


def _project(
    mesh: Mesh, views: Sequence[View], vertices: NDArray[np.int32], kinds: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(T, 2) photo pixels; world units for faces that no photo shows."""
    corners = np.zeros((len(vertices), 2))
    for kind in np.unique(kinds):
        chosen = np.flatnonzero(kinds == kind)
        points = mesh.vertices[vertices[chosen]].astype(np.float64)
        if kind >= 0:
            corners[chosen] = views[kind].project(points)[0]
            continue
        axis, negative = divmod(-1 - int(kind), 2)
        across = points[:, [(axis + 1) % 3, (axis + 2) % 3]]
        corners[chosen] = across[:, ::-1] if negative else across
        # Seen from outside, y down: the same sense of rotation as in a photo.
        corners[chosen, 1] *= -1
    return corners


def plane_areas(
    corners: NDArray[np.floating], corner_faces: NDArray[np.int32]
) -> NDArray[np.float64]:
    """(F,) areas in the charts' plane."""
    a, b, c = (corners[corner_faces[:, i]].astype(np.float64) for i in range(3))
    ab, ac = b - a, c - a
    areas: NDArray[np.float64] = 0.5 * np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    return areas


def _density(
    mesh: Mesh,
    corners: NDArray[np.float64],
    corner_faces: NDArray[np.int32],
    seen: NDArray[np.bool_],
) -> float:
    """Photo pixels for each unit of length on the surface."""
    world = face_areas(mesh)
    if not seen.any():
        # Without any photo, a few hundred pixels across the whole surface are plenty.
        return 256 / UNSEEN_DENSITY / float(np.sqrt(world.sum() or 1.0))
    pixels = plane_areas(corners, corner_faces)
    return float(np.sqrt(pixels[seen].sum() / max(float(world[seen].sum()), 1e-30)))


@dataclass(frozen=True)
class Layout:
    """Where the charts lie in the atlas."""

    size: int
    padding: int
    """Texels around each chart that repeat its colours."""
    scale: float
    """Texels for each photo pixel."""
    uvs: NDArray[np.float32]
    """(T, 2) in texels, x right, y down from the top-left corner."""

    def texture_coordinates(self) -> NDArray[np.float32]:
        """(T, 2) in [0, 1], origin bottom-left."""
        flipped = self.uvs / np.float32(self.size)
        flipped[:, 1] = 1 - flipped[:, 1]
        coordinates: NDArray[np.float32] = np.clip(flipped, 0, 1)
        return coordinates


def pack(charts: Charts, size: int, threads: int) -> Layout:
    """Place all charts, as large as they fit but not larger than ``FINEST``."""
    cell = max(1, size // GRID)
    padding = max(2, size // 2048)
    total = plane_areas(charts.corners, charts.corner_faces).sum()
    start = min(FINEST, FULLEST * size / float(np.sqrt(max(total, 1e-30))))
    scales = [start * SHRINK**step for step in range(MOST_TRIES)]
    # Several scales are tried at once; which one is taken doesn't depend on how many.
    with ThreadPoolExecutor(max_workers=threads) as workers:
        for some in (scales[i : i + threads] for i in range(0, len(scales), threads)):
            for scale, uvs in zip(
                some,
                workers.map(lambda s: _place(charts, s, size, cell, padding), some),
                strict=True,
            ):
                if uvs is not None:
                    return Layout(size, padding, scale, uvs)
    raise ReconstructionError(
        f"The {len(charts)} pieces of the texture don't fit into {size}x{size} texels; "
        "ask for a larger texture or fewer faces."
    )


def _place(
    charts: Charts, scale: float, size: int, cell: int, padding: int
) -> NDArray[np.float32] | None:
    """(T, 2) texels at one scale, or None when that doesn't fit."""
    scaled = charts.corners * scale
    chart = charts.of_corner
    low = np.full((len(charts), 2), np.inf)
    np.minimum.at(low, chart, scaled)
    # Whole texels, so that at full scale texels and photo pixels coincide and nothing is resampled.
    local = (scaled - np.floor(low)[chart]).astype(np.float32)
    places = _texture.pack_charts(
        local[charts.corner_faces[charts.order]], charts.first, size, cell, padding
    )
    if places is None:
        return None
    x, y, turns = places[chart].T
    u, v = local.T
    across = np.choose(turns, [u, -v, -u, v])
    down = np.choose(turns, [v, u, -v, -u])
    uvs: NDArray[np.float32] = np.stack([x + across, y + down], axis=1).astype(np.float32)
    return uvs
