"""A solid for 3D printing: every edge with two faces, one outside.

A table top, a wall or a statue without its underside is an open sheet. Its large openings get
straight walls down to a flat base; as oriented points these join the cloud, and Poisson
reconstruction makes one surface of all that cannot cut through itself. Smaller openings it closes
as it does anyway.

An object cut out by masks lacks the spots where it stood: their base is one plane, flush with the
rims.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Mesh, PointCloud
from gypsum.surface.topology import (
    border_edges,
    compact,
    face_areas,
    face_components,
    manifold,
)

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

#: An opening gets a base when its area is at least this share of the surface's.
LARGE_OPENING = 0.02
#: A base is level when its direction is within 40 degrees of straight down.
LEVEL = 0.766
#: The base lies this share of the surface's diagonal below its lowest point: a print needs a floor.
FLOOR = 0.01
#: Share of the rims that may lie below a base flush with them: they are as ragged as the points.
BELOW_FLUSH = 0.1
#: What the object stands on is level, unless its rims clearly tell otherwise: this weight against
#: all of theirs.
LEVELLING = 1.0
#: Openings belong to the spot where the object stood when their middle is at most this share of the
#: surface's diagonal above it.
RESTING = 0.05
#: Share of the vertices that may lie below what counts as the lowest point: strays.
STRAYS = 0.001
#: Points of walls and base lie this many cells apart, further where they would be more than MOST.
SPACING = 2.0
MOST = 400_000
#: Parts with less than this share of the largest one's area are left out.
SMALL_PART = 0.01
#: Rounds of taking out faces that share an edge with two others and closing what that opens.
REPAIRS = 5
#: Vertices in one place move apart by this share of the way to their neighbours' middle.
PARTED = 0.01


def base_points(sheet: Mesh, cell: float, *, stood: bool, closed: bool) -> PointCloud:
    """Walls and bases for the large openings of a sheet, as grey oriented points.

    Args:
        sheet: the surface.
        cell: the usual distance between the points that it runs through.
        stood: the sheet is an object cut out of what it stood on; the base there is flush.
        closed: also where it did not stand.
    """
    extent = float(np.linalg.norm(np.ptp(sheet.vertices, axis=0)))
    area = float(face_areas(sheet).sum())
    rims = [_Rim.of(sheet.vertices[loop].astype(np.float64)) for loop in border_loops(sheet)]
    large = [rim for rim in rims if rim.area >= LARGE_OPENING * area]
    points, normals = [np.empty((0, 3))], [np.empty((0, 3))]
    bases: list[tuple[_Rim, Float64, float]] = []
    under = [rim.ring for rim in large if rim.below] if stood else []
    if under:
        down, depth = _ground(np.concatenate(under))
        low = depth - RESTING * extent
        resting = [rim for rim in rims if rim.below and float((rim.ring @ down).mean()) >= low]
        bases += [(rim, down, depth) for rim in resting]
    for rim in large if closed else []:
        if not (stood and rim.below):
            down = np.array([0.0, 0.0, -1.0]) if rim.below else rim.facing
            depth = float(np.quantile(sheet.vertices @ down, 1 - STRAYS)) + FLOOR * extent
            depth = max(depth, float((rim.ring @ down).max()) + FLOOR * extent)
            bases.append((rim, down, depth))
    for rim, down, depth in bases:
        for place in (_wall, _floor):
            made, facing = place(rim.ring, down, depth, cell)
            points.append(made)
            normals.append(facing)
    placed = np.concatenate(points).astype(np.float32)
    grey = np.full((len(placed), 3), 128, np.uint8)
    return PointCloud(placed, np.concatenate(normals).astype(np.float32), grey)


@dataclass(frozen=True)
class _Rim:
    """The border of an opening."""

    ring: Float64
    """(B, 3) in the faces' direction."""
    area: float
    facing: Float64
    """(3,) unit vector out of the opening."""

    @classmethod
    def of(cls, ring: Float64) -> _Rim:
        opening = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0) / 2
        area = float(np.linalg.norm(opening))
        return cls(ring, area, -opening / max(area, 1e-30))

    @property
    def below(self) -> bool:
        return bool(self.facing[2] <= -LEVEL)


def _ground(points: Float64) -> tuple[Float64, float]:
    """The plane under the rims (N, 3) of what stood on it: its direction downwards, and how far.

    Rims are ragged upwards, so what lies below the plane weighs more (an expectile regression,
    Newey and Powell 1987), as far as ``BELOW_FLUSH`` says.
    """
    middle = points.mean(axis=0)
    x, y, z = (points - middle).T
    spread = float(np.sqrt(LEVELLING * np.mean(x**2 + y**2)))
    terms = np.stack([x, y, np.ones(len(points))], axis=1)
    level = spread * np.sqrt(len(points)) * np.eye(2, 3)
    weight = np.ones(len(points))
    for _ in range(20):
        root = np.sqrt(weight)
        plane, *_ = np.linalg.lstsq(
            np.concatenate([terms * root[:, None], level]), np.append(z * root, [0, 0]), rcond=None
        )
        weight = np.where(z < terms @ plane, 1 - BELOW_FLUSH, BELOW_FLUSH)
    down = np.array([plane[0], plane[1], -1.0])
    down /= np.linalg.norm(down)
    return down, float(np.quantile(points @ down, 1 - BELOW_FLUSH))


def border_loops(mesh: Mesh) -> list[Int64]:
    """The closed ways around the holes of a manifold mesh, as vertices in the faces' direction."""
    following = {int(a): int(b) for a, b in border_edges(mesh.faces)}
    loops = []
    while following:
        start, at = following.popitem()
        loop = [start]
        while at != start:
            loop.append(at)
            at = following.pop(at)
        loops.append(np.array(loop))
    return loops


def _wall(ring: Float64, down: Float64, depth: float, cell: float) -> tuple[Float64, Float64]:
    """Points (N, 3) and outward normals (N, 3) below a ring (B, 3) to ``depth`` along ``down``."""
    along = np.roll(ring, -1, axis=0) - ring
    length = np.linalg.norm(along, axis=1)
    height = np.maximum(depth - ring @ down, 0)
    step = max(SPACING * cell, float(np.sqrt((length * height).sum() / MOST)))
    # Stations at equal distances along the ring, so that dense borders give no dense walls.
    way = np.concatenate([[0], np.cumsum(length)])
    at = np.arange(0, way[-1], step)
    edge = np.clip(np.searchsorted(way, at, side="right") - 1, 0, len(ring) - 1)
    share = (at - way[edge]) / np.maximum(length[edge], 1e-30)
    top = ring[edge] + share[:, None] * along[edge]
    outward = np.cross(along[edge], -down)
    size = np.linalg.norm(outward, axis=1)
    rows = np.maximum(((depth - top @ down) / step).astype(int), 0)
    rows[size == 0] = 0
    station = np.repeat(np.arange(len(top)), rows)
    below = np.arange(len(station)) - np.repeat(np.cumsum(rows) - rows, rows) + 1
    points = top[station] + (below * step)[:, None] * down
    return points, outward[station] / size[station][:, None]


def _floor(ring: Float64, down: Float64, depth: float, cell: float) -> tuple[Float64, Float64]:
    """Points (N, 3) on the base inside the ring's shadow, and their normals (N, 3)."""
    right = np.cross(down, [1.0, 0, 0] if abs(down[0]) < 0.9 else [0, 1.0, 0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(down, right)])
    flat = ring @ axes.T
    low, size = flat.min(axis=0), np.ptp(flat, axis=0)
    step = max(SPACING * cell, float(np.sqrt(size.prod() / MOST)))
    picture = np.zeros(np.ceil(size[::-1] / step).astype(int) + 1, np.uint8)
    cv2.fillPoly(picture, [np.rint((flat - low) / step).astype(np.int32)], (1,))
    row, column = np.nonzero(picture)
    spots = low + step * np.stack([column, row], axis=1)
    return spots @ axes + depth * down, np.tile(down, (len(row), 1))


def solid(mesh: Mesh) -> Mesh:
    """The outer shells of the mesh, without any opening, crowded edge or vertices in one place."""
    mesh = manifold(mesh)
    if _volumes(mesh).sum() < 0:
        mesh = Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces[:, ::-1]))
    for _ in range(REPAIRS):
        loops = border_loops(mesh)
        if not loops:
            break
        mesh = manifold(_fanned(mesh, loops))
    return _parted(compact(_outer_parts(mesh)))


def _fanned(mesh: Mesh, loops: list[Int64]) -> Mesh:
    """Every loop closed with triangles to its middle."""
    vertices, faces = [mesh.vertices], [mesh.faces]
    for number, loop in enumerate(loops, len(mesh.vertices)):
        vertices.append(mesh.vertices[loop].mean(axis=0, keepdims=True))
        middle = np.full(len(loop), number)
        faces.append(np.stack([np.roll(loop, -1), loop, middle], axis=1).astype(np.int32))
    return Mesh(np.concatenate(vertices), np.concatenate(faces))


def _outer_parts(mesh: Mesh) -> Mesh:
    """Without small parts, hollows inside others, and parts that are still open."""
    parts, label = face_components(mesh.faces)
    area = np.bincount(label, face_areas(mesh), parts)
    volume = np.bincount(label, _volumes(mesh), parts)
    keep = (volume > 0) & (area >= SMALL_PART * area.max(initial=0))
    ends = np.zeros(len(mesh.vertices), bool)
    ends[border_edges(mesh.faces)] = True
    keep[label[ends[mesh.faces].any(axis=1)]] = False
    return Mesh(mesh.vertices, mesh.faces[keep[label]])


def _volumes(mesh: Mesh) -> Float64:
    """(F,) what each face adds to the volume inside, seen from the mesh's middle."""
    middle = mesh.vertices.mean(axis=0, dtype=np.float64)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] - middle for i in range(3))
    volumes: Float64 = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    return volumes


def _parted(mesh: Mesh) -> Mesh:
    """No two vertices in one place: files without indices would join them again."""
    _, group, count = np.unique(mesh.vertices, axis=0, return_inverse=True, return_counts=True)
    same = count[group.ravel()] > 1
    if not same.any():
        return mesh
    total, number = np.zeros((len(mesh.vertices), 3)), np.zeros(len(mesh.vertices))
    for corner in range(3):
        for other in (1, 2):
            to, start = mesh.faces[:, (corner + other) % 3], mesh.faces[:, corner]
            np.add.at(total, start, mesh.vertices[to])
            np.add.at(number, start, 1)
    middle = total / np.maximum(number, 1)[:, None]
    moved = mesh.vertices + PARTED * (middle - mesh.vertices) * same[:, None]
    return Mesh(moved.astype(np.float32), mesh.faces)
