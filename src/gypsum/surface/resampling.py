"""Triangles as large as the photos' pixels want them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.scene import Mesh, View
from gypsum.surface.simplification import simplify
from gypsum.surface.topology import face_areas

Float64 = NDArray[np.float64]

#: A mesh with fewer faces than this many times the wanted number is not simplified first.
WORTHWHILE = 1.3
#: An edge is split when it is longer than this many times that of a triangle of the wanted area.
LONG_EDGE = 1.6
#: Rounds of splitting: each halves the edges that are too long.
SPLIT_ROUNDS = 6


def pixel_sizes(points: NDArray[np.floating], views: Sequence[View]) -> Float64:
    """(N,) size of a pixel at each point in the closest photo that has it in the frame.

    Points that no photo has in its frame get the largest size of the others, or 1.
    """
    size = np.full(len(points), np.inf)
    for view in views:
        pixels, depth = view.project(points)
        inside = (depth > 0) & np.all((pixels >= 0) & (pixels < (view.width, view.height)), axis=1)
        size[inside] = np.minimum(size[inside], depth[inside] / view.K[0, 0])
    known = np.isfinite(size)
    return np.where(known, size, size[known].max() if known.any() else 1.0)


def resample(mesh: Mesh, pixel: Float64, pixels_per_face: float) -> Mesh:
    """The mesh with triangles of at most about ``pixels_per_face`` pixels, and few smaller ones.

    ``pixel`` (V,) is the size of a pixel at each vertex. Colours are dropped.
    """
    wanted = pixels_per_face * pixel[mesh.faces].mean(axis=1) ** 2
    faces = max(4, round(float((face_areas(mesh) / wanted).sum())))
    if len(mesh.faces) > WORTHWHILE * faces:
        coarse = simplify(mesh, faces)
        _, near = cKDTree(mesh.vertices).query(coarse.vertices)
        mesh, pixel = coarse, pixel[near]
    side = LONG_EDGE * np.sqrt(pixels_per_face * 4 / 3**0.5)
    for _ in range(SPLIT_ROUNDS):
        finer, pixel = split_long_edges(mesh, pixel, side)
        if len(finer.faces) == len(mesh.faces):
            break
        mesh = finer
    return Mesh(mesh.vertices, mesh.faces)


def split_long_edges(mesh: Mesh, scale: Float64, longest: float) -> tuple[Mesh, Float64]:
    """Every edge longer than ``longest`` times the scale at its middle is halved.

    Returns the mesh and the scale (V,) at its vertices. Faces get two, three or four parts;
    neighbours share their new vertices, so nothing opens.
    """
    faces = mesh.faces
    sides = np.stack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]], axis=1)
    edges, which = np.unique(np.sort(sides.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1, 3)
    a, b = mesh.vertices[edges[:, 0]].astype(np.float64), mesh.vertices[edges[:, 1]]
    middle_scale = (scale[edges[:, 0]] + scale[edges[:, 1]]) / 2
    long = np.linalg.norm(a - b, axis=1) > longest * middle_scale
    number = np.full(len(edges), -1, np.int32)
    number[long] = len(mesh.vertices) + np.arange(long.sum(), dtype=np.int32)
    vertices = np.concatenate([mesh.vertices, ((a + b) / 2)[long].astype(np.float32)])
    middles = number[which]
    parts = [faces[np.all(middles < 0, axis=1)]]
    for turn in range(3):
        corners, mids = np.roll(faces, -turn, axis=1), np.roll(middles, -turn, axis=1)
        p, q, r = corners.T
        pq, qr, rp = mids.T
        one = (pq >= 0) & (qr < 0) & (rp < 0)
        two = (pq >= 0) & (qr >= 0) & (rp < 0)
        parts += [_rows(one, p, pq, r), _rows(one, pq, q, r)]
        # The quadrilateral p, pq, qr, r is cut from pq to r.
        parts += [_rows(two, pq, q, qr), _rows(two, pq, qr, r), _rows(two, p, pq, r)]
    p, q, r = faces.T
    pq, qr, rp = middles.T
    three = np.all(middles >= 0, axis=1)
    parts += [_rows(three, p, pq, rp), _rows(three, pq, q, qr)]
    parts += [_rows(three, rp, qr, r), _rows(three, pq, qr, rp)]
    made = np.concatenate(parts)
    return Mesh(vertices, made), np.concatenate([scale, middle_scale[long]])


def _rows(which: NDArray[np.bool_], *corners: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.stack([corner[which] for corner in corners], axis=1)
