"""Pictures of meshes with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gypsum.report import Eye, Renderer, Shading, on_backdrop, render
from gypsum.report.render import Ball
from gypsum.scene import Material, Mesh, TexturedMesh

from .scenes import BALL, RADIUS, Scene, ball_on_table, eyes_around

STRAIGHT = Eye(64, 64, np.array([[64.0, 0, 32], [0, 64, 32], [0, 0, 1]]), np.eye(3), np.zeros(3))


def wall(atlas: np.ndarray) -> TexturedMesh:
    """A square that fills ``STRAIGHT``'s picture exactly, the right way up."""
    corners = np.array([[-1, 1, 2], [1, 1, 2], [1, -1, 2], [-1, -1, 2]], np.float32)
    uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
    return TexturedMesh.of_one(Mesh(corners, faces), uvs, faces, Material("wall", atlas))


def test_a_texture_seen_straight_on_is_itself():
    atlas = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = render(wall(atlas), STRAIGHT, supersample=1)
    np.testing.assert_array_equal(picture[..., 3], 255)
    np.testing.assert_allclose(picture[..., :3].astype(int), atlas, atol=1)


def test_distant_textures_are_smoothed_not_aliased():
    rows, columns = np.mgrid[:512, :512]
    checks = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
    picture = render(wall(np.repeat(checks[..., None], 3, axis=2)), STRAIGHT, supersample=1)
    assert np.abs(picture[2:-2, 2:-2, :3].astype(int) - 128).max() < 8


def test_alpha_is_the_share_that_is_covered():
    eye = eyes_around(np.array([0.3]), 200, 200)[0]
    ball = ball_on_table(48)
    ball = Mesh(ball.mesh.vertices, ball.mesh.faces[:-2])
    picture = Renderer(ball).render(eye, supersample=2)
    distance, focal = 2.0, eye.K[0, 0]
    outline = focal * RADIUS / np.sqrt(distance**2 - RADIUS**2)
    covered = picture[..., 3].sum() / 255
    assert covered == pytest.approx(np.pi * outline**2, rel=0.01)


def test_normals_of_a_ball():
    eye = eyes_around(np.array([1.0]), 101, 101)[0]
    picture = render(ball_on_table(48), eye, Shading.NORMALS, supersample=1)
    # At the middle the surface faces the eye: x = y = 0, z towards it.
    np.testing.assert_allclose(picture[50, 50].astype(int), [128, 128, 255, 255], atol=4)
    right, up = picture[50, 70].astype(int), picture[30, 50].astype(int)
    assert right[0] > 150
    assert up[1] > 150


def test_clay_is_lit_from_the_upper_left_and_throws_shadows():
    eye = eyes_around(np.array([0.0]), 120, 120)[0]
    picture = render(ball_on_table(), eye, Shading.CLAY, supersample=1)[..., :3].mean(axis=2)
    assert picture[45, 45] > picture[72, 75] + 20
    table = Mesh(ball_on_table().mesh.vertices[-4:], np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    lonely = render(table, eye, Shading.CLAY, supersample=1)[..., :3].mean(axis=2)
    foot, _ = eye.project(BALL[None] + [[-0.1, 0.35, -0.5]])
    column, row = foot[0].astype(int)
    assert picture[row, column] < lonely[row, column] - 20


def test_clay_shows_the_back_in_another_colour():
    eye = eyes_around(np.array([0.0]))[0]
    vertices, faces = ball_on_table().mesh.vertices[-4:], np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    front, back = (
        render(Mesh(vertices, turned), eye, Shading.CLAY, supersample=1)[60, 80].astype(int)
        for turned in (faces, faces[:, ::-1].copy())
    )
    assert abs(front[0] - front[1]) < 25
    assert back[0] > 1.5 * back[1]


def test_vertex_colours_without_a_texture():
    mesh = wall(np.zeros((4, 4, 3), np.uint8)).mesh
    colors = np.array([[10, 200, 30]] * 4, np.uint8)
    picture = render(Mesh(mesh.vertices, mesh.faces, colors), STRAIGHT)
    np.testing.assert_array_equal(picture[20, 40], [10, 200, 30, 255])


def test_only_what_is_in_the_ball_is_drawn(scene: Scene):
    eye = eyes_around(np.array([0.0]))[0]
    renderer = Renderer(scene.model)
    whole, part = renderer.render(eye), renderer.render(eye, ball=Ball(BALL, RADIUS * 1.01))
    assert whole[..., 3].mean() > 1.5 * part[..., 3].mean()
    corners = part[[0, 0, -1, -1], [0, -1, 0, -1], 3]
    assert not corners.any()


def test_lifting_undoes_projecting():
    eye = eyes_around(np.array([2.0]))[0]
    points = np.random.default_rng(0).normal(size=(50, 3))
    pixels, depth = eye.project(points)
    np.testing.assert_allclose(eye.lift(pixels, depth), points, atol=1e-9)


def test_eyes_look_where_they_are_told_with_z_up():
    place, target = np.array([1.0, 2, 3]), np.array([-1.0, 0.5, 0])
    eye = Eye.looking(place, target, 80, 60, 0.5)
    pixels, depth = eye.project(np.array([target, target + np.array([0, 0, 0.1])]))
    np.testing.assert_allclose(pixels[0], [40, 30], atol=1e-9)
    assert depth[0] == pytest.approx(np.linalg.norm(target - place))
    assert pixels[1, 1] < 30
    assert pixels[1, 0] == pytest.approx(40, abs=1e-6)
    straight_down = Eye.looking(np.array([0, 0, 5.0]), np.zeros(3), 80, 60, 0.5)
    assert np.linalg.det(straight_down.R) == pytest.approx(1)


def test_filling_a_picture():
    eye = eyes_around(np.array([0.7]))[0]
    points = BALL + np.random.default_rng(0).uniform(-1, 1, (4000, 3)) * (0.1, 0.1, 0.5)
    pixels, _ = eye.filled_by(points, 0.8).project(points)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    assert (high - low)[1] == pytest.approx(0.8 * 120, rel=0.08)
    np.testing.assert_allclose((low + high) / 2, [80, 60], atol=3)


def test_the_backdrop_shows_where_nothing_is():
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[10:20, 10:20] = (255, 0, 0, 255)
    shown = on_backdrop(picture)
    np.testing.assert_array_equal(shown[15, 15], [255, 0, 0])
    assert shown[30, 30].min() > 190


def test_faces_show_their_own_materials():
    random = np.random.default_rng(0)
    one, two = (random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2))
    both = replace(
        wall(one),
        materials=(Material("one", one), Material("two", two)),
        face_materials=np.array([0, 1], np.int32),
    )
    picture = render(both, STRAIGHT, supersample=1)[..., :3]
    rows, columns = np.mgrid[:64, :64]
    # The second triangle is the upper left half.
    expected = np.where((rows + columns < 63)[..., None], two, one)
    beside = rows + columns != 63
    np.testing.assert_allclose(picture[beside].astype(int), expected[beside], atol=1)
