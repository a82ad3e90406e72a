"""Cleaning triangle meshes: parts, borders, and edges that no texture or printer can use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gypsum.scene import Mesh

Bools = NDArray[np.bool_]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

#: A part is kept when its area is at least this share of the largest part's.
SMALL_PART = 0.01
#: Rounds of cutting off triangles that hang on by one edge.
EAR_ROUNDS = 2


def compact(mesh: Mesh) -> Mesh:
    """Without vertices that no face uses; the order of the others stays."""
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    number = np.cumsum(used, dtype=np.int32) - 1
    colors = None if mesh.colors is None else mesh.colors[used]
    return Mesh(mesh.vertices[used], number[mesh.faces], colors)


def without_degenerate_faces(mesh: Mesh) -> Mesh:
    """Without faces that have no area, and without all but the first of equal ones."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    solid = np.flatnonzero(np.any(cross != 0, axis=1))
    _, first = np.unique(np.sort(mesh.faces[solid], axis=1), axis=0, return_index=True)
    return Mesh(mesh.vertices, mesh.faces[solid[np.sort(first)]], mesh.colors)


def face_components(faces: Int32) -> tuple[int, Int32]:
    """How many parts the faces form, joined by shared edges, and the part of each face (F,)."""
    if not len(faces):
        return 0, np.zeros(0, np.int32)
    a, b = _neighbours(faces)
    graph = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(len(faces), len(faces)))
    count, label = connected_components(graph, directed=False)
    return int(count), label.astype(np.int32)


def face_areas(mesh: Mesh) -> Float64:
    """(F,) areas in square world units."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    areas: Float64 = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return areas


def without_small_parts(mesh: Mesh, share: float = SMALL_PART) -> Mesh:
    """Without parts whose area is less than ``share`` of the largest one's."""
    parts, label = face_components(mesh.faces)
    if parts < 2:
        return mesh
    area = np.bincount(label, face_areas(mesh), parts)
    keep = (area >= share * area.max())[label]
    return Mesh(mesh.vertices, mesh.faces[keep], mesh.colors)


def without_ears(mesh: Mesh, rounds: int = EAR_ROUNDS) -> Mesh:
    """Borders without the teeth that trimming leaves: faces with at most one neighbour."""
    faces = mesh.faces
    for _ in range(rounds):
        a, b = _neighbours(faces)
        neighbours = np.bincount(np.concatenate([a, b]), minlength=len(faces))
        if np.all(neighbours > 1):
            break
        faces = faces[neighbours > 1]
    return Mesh(mesh.vertices, faces, mesh.colors)


def manifold(mesh: Mesh) -> Mesh:
    """The same faces so that no edge has more than two and no vertex joins separate fans.

    Of the faces at an edge that has more than two, two of opposite direction stay; a vertex where
    several fans of faces touch is repeated, once for each fan.
    """
    faces = _without_crowded_edges(mesh.faces)
    corners = np.arange(3 * len(faces)).reshape(-1, 3)
    a, b, side_a, side_b = _neighbour_sides(faces)
    # Both ends of a shared edge join the corners of its two faces. The side i of a face runs from
    # its corner i to i + 1, and opposite in the neighbour, whose start is our end.
    start_a, end_a = corners[a, side_a], corners[a, (side_a + 1) % 3]
    start_b, end_b = corners[b, side_b], corners[b, (side_b + 1) % 3]
    same = faces.reshape(-1)[start_a] == faces.reshape(-1)[start_b]
    first = np.where(same, start_b, end_b)
    second = np.where(same, end_b, start_b)
    rows, columns = np.concatenate([start_a, end_a]), np.concatenate([first, second])
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(corners.size,) * 2)
    fans, label = connected_components(graph, directed=False)
    origin = np.zeros(fans, np.int64)
    origin[label] = faces.reshape(-1)
    colors = None if mesh.colors is None else mesh.colors[origin]
    return Mesh(mesh.vertices[origin], label.reshape(-1, 3).astype(np.int32), colors)


def border_edges(faces: Int32) -> Int64:
    """(B, 2) directed edges that only one face has."""
    _, key, directed = _sides(faces)
    _, inverse, uses = np.unique(key, return_inverse=True, return_counts=True)
    alone: Int64 = directed[uses[inverse] == 1]
    return alone


def _sides(faces: Int32) -> tuple[Int64, Int64, Int64]:
    """Of the 3F sides: their face, a key that is equal for equal edges, and (3F, 2) both ends."""
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    low, high = directed.min(axis=1), directed.max(axis=1)
    key = low * (int(high.max(initial=0)) + 1) + high
    return np.repeat(np.arange(len(faces)), 3), key, directed


def _neighbour_sides(faces: Int32) -> tuple[Int64, Int64, Int64, Int64]:
    """Pairs of faces that share an edge, and which of its sides each shares."""
    face, key, _ = _sides(faces)
    order = np.argsort(key, kind="stable")
    pair = np.flatnonzero(key[order[1:]] == key[order[:-1]])
    a, b = order[pair], order[pair + 1]
    return face[a], face[b], a % 3, b % 3


def _neighbours(faces: Int32) -> tuple[Int64, Int64]:
    a, b, _, _ = _neighbour_sides(faces)
    return a, b


def _without_crowded_edges(faces: Int32) -> Int32:
    """Without the faces that run along an edge in a direction that another face has already."""
    while len(faces):
        face, _, directed = _sides(faces)
        # An edge is sound when each direction occurs once; what repeats a direction is in excess.
        key = directed[:, 0] * (int(directed.max()) + 1) + directed[:, 1]
        _, first = np.unique(key, return_index=True)
        excess = np.ones(len(key), bool)
        excess[first] = False
        if not excess.any():
            break
        bad = np.zeros(len(faces), bool)
        bad[face[excess]] = True
        faces = faces[~bad]
    return faces
