"""Neighbourhoods on a triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gypsum.scene import Mesh


@dataclass(frozen=True)
class Edges:
    """Edges between two neighbouring faces; at a non-manifold edge, consecutive pairs of faces."""

    vertices: NDArray[np.int32]
    """(E, 2) end points."""
    faces: NDArray[np.int32]
    """(E, 2) the faces on both sides."""

    @classmethod
    def of(cls, faces: NDArray[np.int32]) -> Edges:
        """Find all pairs of faces that share two vertices."""
        ends = np.sort(
            np.stack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]], axis=1).reshape(-1, 2),
            axis=1,
        )
        owner = np.repeat(np.arange(len(faces), dtype=np.int32), 3)
        key = ends[:, 0].astype(np.int64) << 32 | ends[:, 1].astype(np.int64)
        order = np.argsort(key, kind="stable")
        same = np.flatnonzero(key[order][1:] == key[order][:-1])
        left, right = order[same], order[same + 1]
        # A face that names one edge twice is no neighbour of itself.
        keep = owner[left] != owner[right]
        left, right = left[keep], right[keep]
        return cls(ends[left], np.stack([owner[left], owner[right]], axis=1))

    def lengths(self, vertices: NDArray[np.float32]) -> NDArray[np.float64]:
        """(E,) lengths, world units."""
        a, b = (vertices[self.vertices[:, i]].astype(np.float64) for i in range(2))
        lengths: NDArray[np.float64] = np.linalg.norm(b - a, axis=1)
        return lengths


def face_areas(mesh: Mesh) -> NDArray[np.float64]:
    """(F,) areas, world units squared."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    areas: NDArray[np.float64] = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return areas


def smooth_face_normals(mesh: Mesh) -> NDArray[np.float32]:
    """(F, 3) unit normals of the faces with the noise of single triangles averaged out."""
    around = mesh.vertex_normals()[mesh.faces].sum(axis=1)
    length = np.linalg.norm(around, axis=1, keepdims=True)
    smooth: NDArray[np.float32] = around / np.where(length > 0, length, 1)
    return smooth


def vertex_average(mesh: Mesh) -> sparse.csr_array:
    """(V, V) matrix that takes the mean over each vertex and its neighbours."""
    count = len(mesh.vertices)
    ends = mesh.faces[:, [0, 1, 2, 1, 2, 0]].reshape(-1, 2, 3)
    row, column = ends[:, 0].ravel(), ends[:, 1].ravel()
    own = np.arange(count, dtype=row.dtype)
    matrix = sparse.coo_array(
        (
            np.ones(2 * len(row) + count, np.float32),
            (np.concatenate([row, column, own]), np.concatenate([column, row, own])),
        ),
        shape=(count, count),
    ).tocsr()
    matrix.data[:] = 1
    sums = matrix.sum(axis=1)
    matrix.data /= np.repeat(sums, np.diff(matrix.indptr)).astype(np.float32)
    return matrix


def grouped(groups: NDArray[np.integer], count: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Members sorted by group (N,), and where each group begins (count + 1,)."""
    order = np.argsort(groups, kind="stable").astype(np.int32)
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(groups, minlength=count), out=first[1:])
    return order, first
