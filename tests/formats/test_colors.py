"""Colours read from an atlas."""

from __future__ import annotations

import numpy as np

from gypsum.formats.colors import colors_at, sample_texture, vertex_colors
from gypsum.scene import Material, Mesh, TexturedMesh


def test_texel_centres_are_exact_and_v_points_up():
    atlas = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:4, :8]
    uvs = np.stack([(columns + 0.5) / 8, 1 - (rows + 0.5) / 4], axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(sample_texture(atlas, uvs), atlas.reshape(-1, 3))


def test_a_linear_ramp_stays_linear():
    atlas = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (8, 64, 3))
    u = np.linspace(0.1, 0.9, 101)
    found = sample_texture(atlas, np.stack([u, np.full_like(u, 0.3)], axis=1))
    np.testing.assert_allclose(found[:, 0], (u * 64 - 0.5) * 4, atol=0.51)


def test_the_border_is_clamped_and_beyond_it_the_texture_repeats():
    atlas = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    corners = sample_texture(atlas, np.array([[0, 0], [1, 1], [0, 1], [1, 0]], np.float32))
    np.testing.assert_array_equal(corners, atlas[[-1, 0, 0, -1], [0, -1, 0, -1]])
    inside = np.random.default_rng(1).random((50, 2)) * 0.98 + 0.01
    np.testing.assert_allclose(
        sample_texture(atlas, inside + np.array([3, -2])).astype(int),
        sample_texture(atlas, inside),
        atol=1,
    )


def test_vertices_on_a_seam_take_the_mean():
    atlas = np.zeros((2, 2, 3), np.uint8)
    atlas[0] = 200
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2], [0, 1, 2]], np.int32))
    uvs = np.array([[0.25, 0.25], [0.25, 0.75]], np.float32)
    model = TexturedMesh.of_one(
        mesh, uvs, np.array([[0, 0, 0], [1, 1, 0]], np.int32), Material("two", atlas)
    )
    np.testing.assert_array_equal(vertex_colors(model)[:, 0], [100, 100, 0])


def test_each_face_has_the_colour_of_its_material():
    red = Material("red", np.full((4, 4, 3), (255, 0, 0), np.uint8))
    # Linear 0.2159 is 128 in sRGB.
    gray = Material("gray", color=(0.2159, 0.2159, 0.2159))
    faces = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    model = TexturedMesh(
        Mesh(np.eye(3, dtype=np.float32), faces),
        np.zeros((3, 2), np.float32),
        faces,
        (red, gray),
        np.array([1, 0], np.int32),
    )
    colors = colors_at(model, np.array([0, 1, 0]), np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(colors, [[128] * 3, [255, 0, 0], [128] * 3])
