"""Fewer triangles: the shape stays, textures don't slide, seams don't open."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.conversion import reduce_faces
from gypsum.formats.models import compact
from gypsum.native import _reduce
from gypsum.scene import Material, Mesh, TexturedMesh

TEXTURE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def tube(rings: int = 24, sides: int = 48, materials: int = 1) -> TexturedMesh:
    """An open tube of radius 1 and height 2, unrolled: one seam along it, and two borders."""
    row, column = np.mgrid[: rings + 1, :sides]
    angle = 2 * np.pi * column / sides
    shape = np.stack([np.cos(angle), np.sin(angle), 2 * row / rings], axis=-1).reshape(-1, 3)
    vertex = np.arange((rings + 1) * sides).reshape(rings + 1, sides)
    vertex = np.hstack([vertex, vertex[:, :1]])
    row, column = np.mgrid[: rings + 1, : sides + 1]
    uvs = np.stack([column / sides, row / rings], axis=-1).reshape(-1, 2)
    uv = np.arange(len(uvs)).reshape(rings + 1, sides + 1)

    def halves(index: np.ndarray) -> np.ndarray:
        a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
        return np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)

    faces = halves(vertex).astype(np.int32)
    owners = np.arange(len(faces)) * materials // len(faces)
    return TexturedMesh(
        Mesh(shape.astype(np.float32), faces),
        uvs.astype(np.float32),
        halves(uv).astype(np.int32),
        tuple(Material(f"m{i}", TEXTURE) for i in range(materials)),
        owners.astype(np.int32),
    )


def cross(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Twice the signed areas of triangles in a plane."""
    return one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]


def unrolled(model: TexturedMesh, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates at points of all faces: those that they have, and those they should."""
    points = np.einsum("k,fkd->fd", weights, model.mesh.vertices[model.mesh.faces])
    found = np.einsum("k,fkd->fd", weights, model.uvs[model.uv_faces])
    u = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi)
    return found, np.stack([u, points[:, 2] / 2], axis=1)


@pytest.mark.parametrize("materials", [1, 3])
@pytest.mark.parametrize("faces", [1000, 200])
def test_the_texture_stays_where_it_was(faces: int, materials: int):
    model = tube(materials=materials)
    reduced = reduce_faces(model, faces)
    assert len(reduced.mesh.faces) <= faces
    assert len(reduced.mesh.faces) >= faces - 1
    for weights in np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.1, 0.2, 0.7]]):
        found, wanted = unrolled(reduced, weights)
        slide = (found - wanted + 0.5) % 1 - 0.5
        assert np.abs(slide).max() < 0.02


@pytest.mark.parametrize("materials", [1, 3])
def test_nothing_opens_or_folds(materials: int):
    reduced = compact(reduce_faces(tube(materials=materials), 150))
    edges = np.sort(
        np.stack([reduced.mesh.faces, np.roll(reduced.mesh.faces, -1, axis=1)], 2), axis=2
    ).reshape(-1, 2)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert counts.max() == 2
    border = np.unique(edges, axis=0)[counts == 1]
    height = reduced.mesh.vertices[border][..., 2]
    assert np.isin(height, (0, 2)).all()  # the tube's own ends
    outward = np.einsum(
        "fd,fd->f",
        reduced.mesh.face_normals()[:, :2],
        reduced.mesh.vertices[reduced.mesh.faces].mean(axis=1)[:, :2],
    )
    assert outward.min() > 0.5
    p, q, r = (reduced.uvs[reduced.uv_faces[:, i]] for i in range(3))
    assert cross(q - p, r - p).min() > 0


def test_materials_keep_their_border():
    model = tube(materials=2)
    reduced = reduce_faces(model, 300)
    for half in range(2):
        heights = reduced.mesh.vertices[reduced.mesh.faces[reduced.face_materials == half]][..., 2]
        assert heights.min() == half
        assert heights.max() == half + 1


def test_hard_edges_do_not_crack():
    """Vertices that were split for shading are still one place."""
    model = tube()
    split = TexturedMesh(
        Mesh(model.mesh.vertices[model.mesh.faces].reshape(-1, 3),
             np.arange(model.mesh.faces.size, dtype=np.int32).reshape(-1, 3)),
        model.uvs,
        model.uv_faces,
        model.materials,
        model.face_materials,
    )  # fmt: skip
    assert len(reduce_faces(split, 500).mesh.faces) > 2000  # seams all over: they can only stay
    reduced = reduce_faces(model, 500)
    assert len(reduced.mesh.faces) <= 500


def test_torn_textures_are_not_made():
    random = np.random.default_rng(0)
    model = tube()
    islands = TexturedMesh(
        model.mesh,
        random.random((model.uv_faces.size, 2), dtype=np.float32),
        np.arange(model.uv_faces.size, dtype=np.int32).reshape(-1, 3),
        model.materials,
        model.face_materials,
    )
    # Every triangle is a chart of its own: none can go.
    assert len(reduce_faces(islands, 100).mesh.faces) == len(model.mesh.faces)


def test_few_enough_already():
    model = tube(3, 6)
    assert reduce_faces(model, 36) is model


def test_vertices_stay_where_they_are_and_runs_are_equal():
    model = tube()
    one, two = (reduce_faces(model, 321) for _ in range(2))
    np.testing.assert_array_equal(one.mesh.faces, two.mesh.faces)
    assert one.mesh.vertices is model.mesh.vertices


def test_a_flat_sheet_needs_two_triangles():
    """Quadric errors are zero all over a plane, so all of it may go but its four corners."""
    n = 9
    y, x = np.mgrid[:n, :n] / (n - 1)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    wedges = np.stack([x, y, 0 * x, x, y], axis=-1).reshape(-1, 5)
    faces = faces.astype(np.int32)
    kept, corners = _reduce.collapse(wedges, faces, faces, n * n, 2, 0.01)
    assert len(kept) == 2
    p, q, r = (wedges[corners[:, i], :2] for i in range(3))
    area = cross(q - p, r - p)
    assert area.sum() / 2 == pytest.approx(1)


def test_wrong_indices_are_refused():
    wedges = np.zeros((3, 5))
    faces = np.array([[0, 1, 3]], np.int32)
    with pytest.raises(ValueError, match="points past"):
        _reduce.collapse(wedges, faces, faces, 4, 1, 1.0)
