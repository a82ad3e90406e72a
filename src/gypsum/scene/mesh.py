"""Triangle meshes, plain and textured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mesh:
    """Indexed triangles in the world frame, counter-clockwise seen from outside."""

    vertices: NDArray[np.float32]
    """(V, 3) positions."""
    faces: NDArray[np.int32]
    """(F, 3) vertex indices."""
    colors: NDArray[np.uint8] | None = None
    """(V, 3) sRGB, where known."""

    def face_normals(self) -> NDArray[np.float32]:
        """(F, 3) unit normals; zero for triangles without area."""
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        normals = np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return (normals / np.where(length > 0, length, 1)).astype(np.float32)

    def vertex_normals(self) -> NDArray[np.float32]:
        """(V, 3) unit normals, the mean of the faces around each vertex weighted by area."""
        a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
        weighted = np.cross(b - a, c - a)
        normals = np.zeros((len(self.vertices), 3))
        for corner in range(3):
            for axis in range(3):
                normals[:, axis] += np.bincount(
                    self.faces[:, corner], weighted[:, axis], len(self.vertices)
                )
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return (normals / np.where(length > 0, length, 1)).astype(np.float32)


@dataclass(frozen=True)
class Material:
    """What a part of a surface looks like: a rough dielectric, as its textures say.

    All textures of a material share its texture coordinates; their row 0 is the top. They may
    differ in size.
    """

    name: str
    base_color: NDArray[np.uint8] | None = None
    """(H, W, 3) sRGB; None: ``color`` everywhere."""
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Linear RGB; counts only without ``base_color``."""
    normal: NDArray[np.uint8] | None = None
    """(H, W, 3) tangent space, green up (OpenGL); tangents as MikkTSpace makes them of the UVs."""
    occlusion: NDArray[np.uint8] | None = None
    """(H, W) linear; 255 is open to the light of the surroundings."""
    roughness: NDArray[np.uint8] | None = None
    """(H, W) linear; None: 1."""

    @property
    def is_textured(self) -> bool:
        """Whether anything of it needs texture coordinates."""
        maps = (self.base_color, self.normal, self.occlusion, self.roughness)
        return any(texture is not None for texture in maps)


@dataclass(frozen=True)
class TexturedMesh:
    """A mesh with texture coordinates, whose faces have materials."""

    mesh: Mesh
    uvs: NDArray[np.float32]
    """(T, 2) texture coordinates; origin at the texture's bottom left, v up (OBJ)."""
    uv_faces: NDArray[np.int32]
    """(F, 3) index into ``uvs`` for each corner of each face."""
    materials: tuple[Material, ...]
    """At least one."""
    face_materials: NDArray[np.int32]
    """(F,) index into ``materials``."""

    @classmethod
    def of_one(
        cls,
        mesh: Mesh,
        uvs: NDArray[np.float32],
        uv_faces: NDArray[np.int32],
        material: Material,
    ) -> TexturedMesh:
        """A mesh all of one material."""
        return cls(mesh, uvs, uv_faces, (material,), np.zeros(len(uv_faces), np.int32))
