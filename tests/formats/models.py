"""Small models with everything that a format may hold."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gypsum.formats.models import compact
from gypsum.scene import Material, Mesh, TexturedMesh

NAMES = ("scan", "two words", "größe", "a/b\\c", "1", "", "usemtl x", 'quo"te', "名前", "scan")


def picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def material(number: int, kind: str, name: str) -> Material:
    """One with nothing but a colour, with a texture, or with all maps."""
    if kind == "plain":
        return Material(name, color=(0.25, 0.5, 1.0 - 0.125 * number))
    base = picture(number, 16, 16, 3)
    if kind == "textured":
        return Material(name, base)
    size = (8, 8) if number % 2 else (4, 16)
    return Material(
        name, base, (1.0, 1.0, 1.0), picture(number + 10, 8, 8, 3), picture(number + 20, *size),
        picture(number + 30, 8, 8),
    )  # fmt: skip


@st.composite
def models(draw: st.DrawFn) -> TexturedMesh:
    """Random triangles over shared vertices and texture coordinates, some of no use."""
    coordinates = st.floats(-5, 5, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)
    vertices = draw(
        hnp.arrays(np.float32, (draw(st.integers(3, 12)), 3), elements=coordinates, unique=True)
    )
    uvs = draw(
        hnp.arrays(np.float32, (draw(st.integers(3, 12)), 2), elements=st.floats(0, 1, width=16))
    )
    count = draw(st.integers(1, 15))
    corner = st.permutations(range(len(vertices))).map(lambda order: order[:3])
    faces = np.array(draw(st.lists(corner, min_size=count, max_size=count)), np.int32)
    uv_faces = draw(hnp.arrays(np.int32, (count, 3), elements=st.integers(0, len(uvs) - 1)))
    kinds = draw(st.lists(st.sampled_from(("plain", "textured", "all")), min_size=1, max_size=4))
    materials = tuple(
        material(number, kind, draw(st.sampled_from(NAMES))) for number, kind in enumerate(kinds)
    )
    owners = draw(hnp.arrays(np.int32, count, elements=st.integers(0, len(kinds) - 1)))
    return TexturedMesh(Mesh(vertices, faces), uvs, uv_faces, materials, owners)


def corners(model: TexturedMesh) -> tuple[TexturedMesh, np.ndarray, np.ndarray]:
    """The model in order of its materials; positions and texture coordinates of its corners."""
    model = compact(model)
    order = np.argsort(model.face_materials, kind="stable")
    positions = model.mesh.vertices[model.mesh.faces[order]]
    uvs = model.uvs[model.uv_faces[order]].copy()
    textured = np.array([m.is_textured for m in model.materials])[model.face_materials[order]]
    uvs[~textured] = 0
    return model, positions, uvs
