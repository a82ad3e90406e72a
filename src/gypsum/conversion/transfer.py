"""Textures brought from one surface onto another of the same thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.formats.colors import colors_at, sample_texture
from gypsum.formats.sampling import blend
from gypsum.native import _reduce
from gypsum.scene import Material, Mesh, TexturedMesh

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

REACH = 0.03
"""How far along its normal a place may be from the old surface, share of the old one's diagonal;
where nothing is that near, the nearest vertex stands in."""
BAND = 1 << 20
"""Texels that are brought over at a time, so that memory stays bounded."""


@dataclass(frozen=True)
class Frames:
    """The tangent space of a surface, as viewers make it."""

    normals: Float32
    """(V, 3) unit, at the vertices."""
    tangents: Float32
    """(T, 3) at the texture coordinates."""
    signs: Float32
    """(T,) the bitangent is sign * cross(normal, tangent)."""

    def at(self, vertices: Int32, uvs: Int32, weights: Float32) -> tuple[Float32, Float32, Float32]:
        """Tangents, bitangents and normals (N, 3) between corners (N, 3), as shaders do it."""
        normal = blend(weights, self.normals[vertices])
        tangent = blend(weights, self.tangents[uvs])
        return tangent, np.cross(normal, tangent) * self.signs[uvs[:, :1]], normal


@dataclass(frozen=True)
class Sheet:
    """The new texture: a mesh laid flat."""

    mesh: Mesh
    uvs: Float32
    """(T, 2) in texels, x right, y down from the top-left corner."""
    uv_faces: Int32
    owners: Int32
    """(H, W) the face that paints each texel; -2 - face in the padding, -1 where none does."""
    frames: Frames


@dataclass(frozen=True)
class Patch:
    """Some texels of the new texture and what they show."""

    texels: NDArray[np.int64]
    """(N,) places in the flattened texture."""
    color: UInt8
    """(N, 3) sRGB."""
    normal: UInt8 | None
    """(N, 3) tangent space of the new surface; None where nobody asked for them."""
    occlusion: UInt8 | None
    """(N,)"""
    roughness: UInt8 | None
    """(N,)"""


def bring_over(
    old: TexturedMesh, old_frames: Frames, sheet: Sheet, normal_map: bool, threads: int
) -> Iterator[Patch]:
    """What the old surface shows at every texel of the new one, in bands of texels.

    A texel shows the place of the old surface that lies nearest along the new one's smooth normal.
    There are normals where an old material has them, or for all with ``normal_map``.
    """
    seek = _Seeker(old.mesh, threads)
    painted = np.flatnonzero(sheet.owners.ravel() != -1)
    held = {
        name: any(getattr(material, name) is not None for material in old.materials)
        for name in ("normal", "occlusion", "roughness")
    }
    for start in range(0, len(painted), BAND):
        texels = painted[start : start + BAND]
        face, weights = places_of(sheet, texels)
        corners, uv_corners = sheet.mesh.faces[face], sheet.uv_faces[face]
        points = blend(weights, sheet.mesh.vertices[corners])
        old_face, old_weights = seek(points, blend(weights, sheet.frames.normals[corners]))
        look = _Look(old, old_face, old_weights)
        normal = None
        if held["normal"] or normal_map:
            frame = sheet.frames.at(corners, uv_corners, weights)
            normal = _encoded(_in_frame(look.normals(old_frames), frame))
        yield Patch(
            texels,
            colors_at(old, old_face, old_weights),
            normal,
            look.values(lambda material: material.occlusion) if held["occlusion"] else None,
            look.values(lambda material: material.roughness) if held["roughness"] else None,
        )


def places_of(sheet: Sheet, texels: NDArray[np.int64]) -> tuple[NDArray[np.int64], Float32]:
    """The face and barycentric weights (N, 3) of texels; outside of it in the padding."""
    owner = sheet.owners.ravel()[texels]
    face = np.where(owner >= 0, owner, -2 - owner).astype(np.int64)
    row, column = np.divmod(texels, sheet.owners.shape[1])
    a, b, c = (sheet.uvs[sheet.uv_faces[face, k]].astype(np.float64) for k in range(3))
    p, q = b - a, c - a
    x, y = column + 0.5 - a[:, 0], row + 0.5 - a[:, 1]
    area = p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
    safe = np.where(area != 0, area, 1)
    v = np.where(area != 0, (x * q[:, 1] - y * q[:, 0]) / safe, 0)
    w = np.where(area != 0, (p[:, 0] * y - p[:, 1] * x) / safe, 0)
    return face, np.stack([1 - v - w, v, w], axis=1).astype(np.float32)


class _Seeker:
    """Finds the place of the old surface that a place of the new one stands for."""

    def __init__(self, mesh: Mesh, threads: int) -> None:
        self._surface = _reduce.Surface(mesh.vertices, mesh.faces)
        self._mesh, self._threads = mesh, threads
        self._reach = REACH * float(np.linalg.norm(np.ptp(mesh.vertices[mesh.faces.ravel()], 0)))
        self._tree: cKDTree | None = None

    def __call__(self, points: Float32, normals: Float32) -> tuple[NDArray[np.int64], Float32]:
        """Faces (N,) and barycentric weights (N, 3)."""
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        directions = normals / np.maximum(length, np.float32(1e-30))
        faces, weights = self._surface.along(points, directions, self._reach, self._threads)
        missed = np.flatnonzero(faces < 0)
        if len(missed):
            corner = self._nearest_corner(points[missed])
            faces[missed] = corner // 3
            weights[missed] = np.eye(3, dtype=np.float32)[corner % 3]
        return faces.astype(np.int64), weights

    def _nearest_corner(self, points: Float32) -> NDArray[np.int64]:
        corners = self._mesh.faces.ravel()
        if self._tree is None:
            self._tree = cKDTree(self._mesh.vertices[corners])
        return np.asarray(self._tree.query(points, workers=self._threads)[1], np.int64)


class _Look:
    """What an old surface shows at some of its places."""

    def __init__(self, model: TexturedMesh, faces: NDArray[np.int64], weights: Float32) -> None:
        self._model, self._faces, self._weights = model, faces, weights
        self._uvs = blend(weights, model.uvs[model.uv_faces[faces]])
        self._of = model.face_materials[faces]

    def values(self, map_of: Callable[[Material], UInt8 | None]) -> UInt8:
        """(N,) of a map with one channel; 255 where a material has none."""
        values = np.full(len(self._faces), 255, np.uint8)
        for mine, material in self._parts():
            map_ = map_of(material)
            if map_ is not None:
                values[mine] = sample_texture(map_[..., None], self._uvs[mine])[:, 0]
        return values

    def normals(self, frames: Frames) -> Float32:
        """(N, 3) in the world, as normal maps bend them."""
        model = self._model
        corners, uv_corners = model.mesh.faces[self._faces], model.uv_faces[self._faces]
        tangent, bitangent, normal = frames.at(corners, uv_corners, self._weights)
        for mine, material in self._parts():
            if material.normal is None:
                continue
            local = sample_texture(material.normal, self._uvs[mine]).astype(np.float32)
            local = local / 127.5 - 1
            normal[mine] = (
                tangent[mine] * local[:, :1]
                + bitangent[mine] * local[:, 1:2]
                + normal[mine] * local[:, 2:]
            )
        return normal

    def _parts(self) -> Iterator[tuple[NDArray[np.int64], Material]]:
        for number, material in enumerate(self._model.materials):
            mine = np.flatnonzero(self._of == number)
            if len(mine):
                yield mine, material


def _in_frame(normals: Float32, frame: tuple[Float32, Float32, Float32]) -> Float32:
    """Directions (N, 3) of the world in tangent space, in general of axes not at right angles."""
    tangent, bitangent, normal = frame
    across = np.cross(bitangent, normal)
    det = np.einsum("nd,nd->n", tangent, across)
    axes = (across, np.cross(normal, tangent), np.cross(tangent, bitangent))
    local = np.stack([np.einsum("nd,nd->n", normals, axis) for axis in axes], axis=1)
    local *= np.sign(det)[:, None]
    local[:, 2] = np.maximum(local[:, 2], 1e-3 * np.linalg.norm(local, axis=1))
    length = np.linalg.norm(local, axis=1, keepdims=True)
    flat = np.array([0, 0, 1], np.float32)
    return np.asarray(np.where(length > 1e-20, local / np.maximum(length, 1e-30), flat), np.float32)


def _encoded(directions: Float32) -> UInt8:
    return np.asarray(np.rint(np.clip(127.5 + 127.5 * directions, 0, 255)), np.uint8)
