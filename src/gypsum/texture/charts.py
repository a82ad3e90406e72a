"""Charts: connected faces painted by one photo, cut out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from gypsum.scene import Mesh, View
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.topology import Edges, face_areas, grouped

UNSEEN_DENSITY = 0.25
"""Resolution of filled-in charts beside that of the others: their colours vary slowly."""
SPLIT_GAIN = 0.08
"""A chart is cut in two where the boxes around the parts are smaller than its own by this share.
Both parts show the same photo, so that the cut can't be seen; but they pack better."""
SPLIT_LEAST = 0.001
"""Charts smaller than this share of the whole are not cut: they fill the gaps."""
SPLIT_PLACES = np.linspace(0.1, 0.9, 9)
"""Where cuts are tried, shares of a chart's length."""
HULL_POINTS = 4000
"""Corners that suffice to measure a chart's box."""


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
    count, of_face = _connected(kinds, edges)
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
    whole = Charts(
        of_face.astype(np.int32),
        np.maximum(kind, UNSEEN),
        corners,
        vertices,
        corner_faces,
        order,
        first,
    )
    return _turned(_split(whole, edges))


def _connected(kinds: NDArray[np.integer], edges: Edges) -> tuple[int, NDArray[np.int32]]:
    """Number of connected parts of one kind, and the part of each face (F,)."""
    same = kinds[edges.faces[:, 0]] == kinds[edges.faces[:, 1]]
    left, right = edges.faces[same].T
    graph = sparse.coo_matrix(
        (np.ones(len(left), np.int8), (left, right)), shape=(len(kinds), len(kinds))
    )
    count, part = connected_components(graph, directed=False)
    return int(count), part.astype(np.int32)


def _split(charts: Charts, edges: Edges) -> Charts:
    """Charts with the large ragged ones cut into parts that fill their boxes better."""
    areas = plane_areas(charts.corners, charts.corner_faces)
    least = SPLIT_LEAST * areas.sum()
    piece = charts.of_face.astype(np.int64)
    count = len(charts)
    for chart in np.flatnonzero(np.bincount(charts.of_face, areas) > least):
        whole = charts.order[charts.first[chart] : charts.first[chart + 1]]
        for part in _parts(charts, areas, whole, least):
            piece[part] = count
            count += 1
    count, of_face = _connected(piece, edges)
    views = np.empty(count, np.int32)
    views[of_face] = charts.views[charts.of_face]
    key = of_face[:, None].astype(np.int64) * len(charts.corners) + charts.corner_faces
    unique, inverse = np.unique(key, return_inverse=True)
    old = unique % len(charts.corners)
    order, first = grouped(of_face, count)
    return Charts(
        of_face,
        views,
        charts.corners[old],
        charts.vertices[old],
        inverse.reshape(-1, 3).astype(np.int32),
        order,
        first,
    )


def _parts(
    charts: Charts, areas: NDArray[np.float64], whole: NDArray[np.int32], least: float
) -> Iterator[NDArray[np.int32]]:
    """Faces of the parts into which a chart is cut, along straight lines, again and again."""
    todo = [whole]
    while todo:
        faces = todo.pop()
        cut = _best_cut(charts, faces) if areas[faces].sum() > least else None
        if cut is None:
            yield faces
        else:
            todo += [faces[cut], faces[~cut]]


def _best_cut(charts: Charts, faces: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Which of a chart's faces (N,) lie before the cut that saves most, None when none does."""
    centers = charts.corners[charts.corner_faces[faces]].mean(axis=1)
    size, angle = _box(charts.corners[charts.corner_faces[faces].ravel()])
    best, side = (1 - SPLIT_GAIN) * size, None
    for turn in np.radians([angle, angle + 90]):
        along = centers @ (np.cos(turn), np.sin(turn))
        low, high = along.min(), along.max()
        for place in SPLIT_PLACES:
            before = along < low + place * (high - low)
            if before.all() or not before.any():
                continue
            parts = (charts.corner_faces[faces[half]].ravel() for half in (before, ~before))
            total = sum(_box(charts.corners[part])[0] for part in parts)
            if total < best:
                best, side = total, before
    return side


def _box(points: NDArray[np.float64]) -> tuple[float, float]:
    """Area of the smallest rectangle around points (N, 2), and its angle, degrees."""
    some = points[:: max(1, len(points) // HULL_POINTS)]
    _, (width, height), angle = cv2.minAreaRect(some.astype(np.float32))
    return float(width * height), float(angle)


def _turned(charts: Charts) -> Charts:
    """Charts turned so that the boxes around them are smallest."""
    corners = charts.corners.copy()
    order, first = grouped(charts.of_corner, len(charts))
    for chart in range(len(charts)):
        mine = order[first[chart] : first[chart + 1]]
        angle = np.radians(_box(corners[mine])[1])
        c, s = np.cos(angle), np.sin(angle)
        corners[mine] = corners[mine] @ np.array([[c, -s], [s, c]])
    return replace(charts, corners=corners)


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
