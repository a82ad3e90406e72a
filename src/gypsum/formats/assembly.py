"""Putting a model together from what a file holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.corners import z_up
from gypsum.formats.source import Source
from gypsum.scene import Material, Mesh, TexturedMesh

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

_SMOOTH = np.cos(np.radians(20))
"""Normals at one place that differ less are of one smooth surface."""

_NORMAL_STEPS = 64
"""Normals are told apart in steps of 1/64; formats store them coarsely."""

PLAIN = Material("surface")
"""Of faces that have no material."""


@dataclass(frozen=True)
class Piece:
    """Some triangles of one material, in the world frame."""

    positions: Float32
    """(N, 3)"""
    faces: Int32
    """(F, 3) indices of positions."""
    material: Material = PLAIN
    uvs: Float32 | None = None
    """(T, 2), v up."""
    uv_faces: Int32 | None = None
    """(F, 3) indices of ``uvs``; None: those of ``faces``."""
    normals: Float32 | None = None
    """(M, 3)"""
    normal_faces: Int32 | None = None
    """(F, 3) indices of ``normals``; None: those of ``faces``."""
    colors: NDArray[np.uint8] | None = None
    """(N, 3) sRGB of positions."""


def assemble(source: Source, pieces: Sequence[Piece]) -> Mesh | TexturedMesh:
    """One mesh of all pieces, its vertices joined where they are at the same place.

    Files split vertices at texture seams, and STL everywhere. Vertices stay apart where normals
    differ, so that hard edges stay hard.
    """
    pieces = [piece for piece in pieces if len(piece.faces)]
    if not pieces:
        raise source.fail("holds no surface")
    for piece in pieces:
        _check(source, piece)
    mesh = _joined(pieces)
    materials = list({id(piece.material): piece.material for piece in pieces}.values())
    if _are_plain(materials):
        return mesh
    numbers = {id(material): number for number, material in enumerate(materials)}
    uvs, uv_faces = _joined_uvs(pieces)
    owners = [np.full(len(piece.faces), numbers[id(piece.material)], np.int32) for piece in pieces]
    return TexturedMesh(mesh, uvs, uv_faces, tuple(materials), np.concatenate(owners))


def _are_plain(materials: list[Material]) -> bool:
    """Whether a plain mesh says as much: a single material without properties."""
    (first, *others) = materials
    return not others and not first.is_textured and first.color == PLAIN.color


def _check(source: Source, piece: Piece) -> None:
    """Indices have to point at something, and numbers have to be numbers."""
    of_uvs = piece.faces if piece.uv_faces is None else piece.uv_faces
    of_normals = piece.faces if piece.normal_faces is None else piece.normal_faces
    for values, indices in (
        (piece.positions, piece.faces),
        (piece.uvs, of_uvs),
        (piece.normals, of_normals),
        (piece.colors, piece.faces),
    ):
        if values is not None and (indices.min() < 0 or indices.max() >= len(values)):
            raise source.fail("has a face that points at nothing; it is damaged")
    if not np.isfinite(piece.positions).all():
        raise source.fail("has positions that are no numbers; it is damaged")
    if piece.uvs is not None and not np.isfinite(piece.uvs).all():
        raise source.fail("has texture coordinates that are no numbers; it is damaged")


def _joined(pieces: Sequence[Piece]) -> Mesh:
    positions = np.vstack([piece.positions for piece in pieces]).astype(np.float32)
    starts = _starts([len(piece.positions) for piece in pieces])
    faces = np.vstack([p.faces + start for p, start in zip(pieces, starts, strict=True)])
    first, place = unique_rows(positions)
    corners = place[faces.ravel()]
    bends = _bends(pieces, corners, len(first))
    if bends is not None:
        _, vertices = unique_rows(np.column_stack([corners, bends]))
    else:
        _, vertices = np.unique(corners, return_inverse=True)
    owner = np.empty(vertices.max() + 1, np.int64)
    owner[vertices[::-1]] = faces.ravel()[::-1]
    colors = None
    if any(piece.colors is not None for piece in pieces):
        white = [np.full((len(p.positions), 3), 255, np.uint8) for p in pieces]
        held = [p.colors if p.colors is not None else w for p, w in zip(pieces, white, strict=True)]
        colors = np.vstack(held)[owner]
    return Mesh(positions[owner], vertices.reshape(-1, 3).astype(np.int32), colors)


def _bends(pieces: Sequence[Piece], corners: NDArray[np.int64], places: int) -> Any:
    """A number for every corner, by which corners at one place differ; None: they don't."""
    if any(piece.normals is None for piece in pieces):
        return None
    normals = np.vstack([_corner_normals(piece) for piece in pieces])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 0, normals / np.maximum(length, 1e-30), 0)
    normals = np.nan_to_num(normals)
    mean = np.stack([np.bincount(corners, normals[:, i], places) for i in range(3)], axis=1)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
    agree = np.einsum("nd,nd->n", normals, mean[corners]) > _SMOOTH
    sharp = np.ones(places)
    np.minimum.at(sharp, corners, agree)
    hard = sharp[corners] == 0
    if not hard.any():
        return None
    bends = np.zeros(len(corners), np.int64)
    steps = np.rint(normals[hard] * _NORMAL_STEPS).astype(np.int64) + _NORMAL_STEPS
    bends[hard] = 1 + (steps[:, 0] * 256 + steps[:, 1]) * 256 + steps[:, 2]
    return bends


def _corner_normals(piece: Piece) -> Float32:
    assert piece.normals is not None
    index = piece.faces if piece.normal_faces is None else piece.normal_faces
    return piece.normals[index.ravel()].astype(np.float32)


def _joined_uvs(pieces: Sequence[Piece]) -> tuple[Float32, Int32]:
    """Texture coordinates of all pieces, equal ones once."""
    nowhere = np.zeros((1, 2), np.float32)
    held = [nowhere if piece.uvs is None else piece.uvs for piece in pieces]
    starts = _starts([len(uvs) for uvs in held])
    index = []
    for piece, start in zip(pieces, starts, strict=True):
        faces = piece.faces if piece.uv_faces is None else piece.uv_faces
        index.append((np.zeros_like(piece.faces) if piece.uvs is None else faces) + start)
    uvs = np.vstack(held).astype(np.float32)
    first, place = unique_rows(uvs)
    return uvs[first], place[np.vstack(index)].astype(np.int32)


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts])[:-1]


def unique_rows(rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first of each set of equal rows (in the order of first rows), and whose each row is."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    new = np.ones(len(rows), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    number = np.cumsum(new) - 1
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = number
    first = order[new]  # lexsort is stable: the first of equal rows
    rank = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[rank] = np.arange(len(first))
    return first[rank], place[inverse]


def triangulated(
    corners: Sequence[NDArray[np.integer]], counts: NDArray[np.integer]
) -> tuple[list[Int32], NDArray[np.int64]]:
    """Polygons as fans of triangles.

    ``corners`` are parallel lists of the polygons' corners, one polygon after the other, ``counts``
    (P,) how many each has. Returns triangles (F, 3) of each list, and the polygon of each (F,).
    """
    counts = np.asarray(counts, np.int64)
    fans = np.maximum(counts - 2, 0)
    polygon = np.repeat(np.arange(len(counts)), fans)
    start = (np.cumsum(counts) - counts)[polygon]
    step = np.arange(len(polygon)) - (np.cumsum(fans) - fans)[polygon]
    places = np.stack([start, start + step + 1, start + step + 2], axis=1)
    return [np.asarray(values)[places].astype(np.int32) for values in corners], polygon


def turned(piece: Piece, up_axis: str) -> Piece:
    """A piece of a file in which this axis is up (``y``, ``z`` or ``y-down``), in the world."""
    if up_axis == "z":
        return piece
    turn = z_up if up_axis == "y" else _over
    normals = None if piece.normals is None else turn(piece.normals)
    return replace(piece, positions=turn(piece.positions), normals=normals)


def _over(vectors: Float32) -> Float32:
    """From a frame whose Y points down."""
    return np.ascontiguousarray(z_up(vectors) * np.array([1, -1, -1], np.float32))
