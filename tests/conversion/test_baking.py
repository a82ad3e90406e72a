"""Textures baked anew: what the old model shows, the new one shows at the same place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gypsum.conversion import choose_directions, far_views, reduce_faces, seams_bind
from gypsum.conversion.reduction import recolored
from gypsum.conversion.unwrapping import DIRECTIONS
from gypsum.errors import InputError
from gypsum.formats.colors import colors_at, sample_texture, to_srgb
from gypsum.formats.sampling import draw_on_surface
from gypsum.native import _reduce
from gypsum.pipelines import rebake as rebaking
from gypsum.pipelines.rebake import frames_of, rebake
from gypsum.report import Eye, Renderer
from gypsum.scene import Material, Mesh, TexturedMesh
from gypsum.texture.topology import Edges

Painter = Callable[[np.ndarray], np.ndarray]


def sphere(n: int = 24) -> Mesh:
    """A unit sphere: a cube of n x n squares on each side, blown up."""
    rows = np.linspace(-1, 1, n + 1)
    u, v = np.meshgrid(rows, rows, indexing="ij")
    index = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    quads = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    points, faces = [], []
    for axis in range(3):
        for side in (-1.0, 1.0):
            p = np.empty((len(index.ravel()), 3))
            p[:, axis] = side
            p[:, (axis + 1) % 3], p[:, (axis + 2) % 3] = u.ravel() * side, v.ravel()
            faces.append(quads + sum(map(len, points)))
            points.append(p)
    vertices = np.vstack(points)
    first, place = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return Mesh(first.astype(np.float32), place.reshape(-1)[np.vstack(faces)].astype(np.int32))


def shade(points: np.ndarray) -> np.ndarray:
    """A smooth pattern in space, sRGB."""
    return np.rint(127.5 + 100 * np.sin(3 * points + [0, 1, 2])).astype(np.uint8)


def in_pieces(mesh: Mesh, side: int, materials: int = 1) -> TexturedMesh:
    """Every triangle a chart of its own, painted with ``shade``: no triangle can be spared."""
    of = np.arange(len(mesh.faces)) * materials // len(mesh.faces)
    cells = int(np.ceil(np.sqrt(np.bincount(of).max())))
    corner = np.array([[0.1, 0.1], [0.8, 0.1], [0.1, 0.8]])
    uvs = np.empty((len(mesh.faces), 3, 2))
    made = []
    for number in range(materials):
        faces = np.flatnonzero(of == number)
        place = np.arange(len(faces))
        cell = np.stack([place % cells, place // cells], 1)
        uvs[faces] = (cell[:, None] + corner) / cells
        y, x = (np.mgrid[:side, :side] + 0.5) * cells / side
        u, v = (x % 1 - 0.1) / 0.7, ((cells - y) % 1 - 0.1) / 0.7
        face = faces[np.minimum((cells - y).astype(int) * cells + x.astype(int), len(faces) - 1)]
        weights = np.stack([1 - u - v, u, v], -1)
        points = np.einsum("yxk,yxkd->yxd", weights, mesh.vertices[mesh.faces[face]])
        made.append(Material(f"m{number}", shade(points)))
    return TexturedMesh(
        mesh,
        uvs.reshape(-1, 2).astype(np.float32),
        np.arange(mesh.faces.size, dtype=np.int32).reshape(-1, 3),
        tuple(made),
        of.astype(np.int32),
    )


def shown(model: TexturedMesh, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Places on a model's surface and its colours there."""
    triangles = model.mesh.vertices[model.mesh.faces]
    faces, weights = draw_on_surface(triangles, count)
    return np.einsum("nk,nkd->nd", weights, triangles[faces]), colors_at(model, faces, weights)


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - two) ** 2).mean()))


@pytest.mark.parametrize("materials", [1, 3])
def test_the_picture_stays_on_far_fewer_triangles(materials: int):
    model = in_pieces(sphere(), 1024, materials)
    stuck = reduce_faces(model, 600)
    assert len(stuck.mesh.faces) > 600
    assert seams_bind(model, stuck, 600)
    baked = rebake(model, 600, 512)
    assert 594 <= len(baked.mesh.faces) <= 600
    assert all(
        m.base_color is not None and m.base_color.shape == (512, 512, 3) for m in baked.materials
    )
    assert len(baked.materials) <= materials
    points, colors = shown(baked)
    assert psnr(colors, shade(points / np.linalg.norm(points, axis=1, keepdims=True))) > 35
    for angle in (0.3, 2.4):
        place = 3 * np.array([np.cos(angle), np.sin(angle), 0.5])
        eye = Eye.looking(place, np.zeros(3), 200, 200, 0.8)
        one, two = (Renderer(m).render(eye).astype(float) for m in (model, baked))
        both = (one[..., 3] == 255) & (two[..., 3] == 255)
        assert both.sum() > 0.98 * (one[..., 3] == 255).sum()
        assert psnr(one[both][:, :3], two[both][:, :3]) > 35


def test_all_maps_come_along():
    """Values of the maps that are functions of the place stay at their places."""
    model = in_pieces(sphere(16), 512)
    color = model.materials[0].base_color
    material = Material("m", color, occlusion=color[..., 0].copy(), roughness=color[..., 1].copy())
    baked = rebake(replace(model, materials=(material,)), 500, 512)
    (after,) = baked.materials
    triangles = baked.mesh.vertices[baked.mesh.faces]
    faces, weights = draw_on_surface(triangles, 5000)
    uvs = np.einsum("nk,nkd->nd", weights, baked.uvs[baked.uv_faces[faces]])
    base, occlusion, roughness = (
        sample_texture(map_ if map_.ndim == 3 else map_[..., None], uvs).astype(int)
        for map_ in (after.base_color, after.occlusion, after.roughness)
    )
    assert np.abs(occlusion[:, 0] - base[:, 0]).max() <= 1
    assert np.abs(roughness[:, 0] - base[:, 1]).max() <= 1


@pytest.mark.parametrize("held", [True, False])
def test_normal_maps_show_the_old_shape(held: bool):
    """A flat old map, or none, means the smooth surface: on a sphere, away from the middle."""
    model = in_pieces(sphere(), 512)
    flat = np.full((512, 512, 3), (128, 128, 255), np.uint8)
    if held:
        model = replace(model, materials=(replace(model.materials[0], normal=flat),))
    baked = rebake(model, 300, 1024, normal_map=not held)
    frames = frames_of(baked.mesh, baked.uvs, baked.uv_faces)
    triangles = baked.mesh.vertices[baked.mesh.faces]
    faces, weights = draw_on_surface(triangles, 5000)
    corners, uv_corners = baked.mesh.faces[faces], baked.uv_faces[faces]
    uvs = np.einsum("nk,nkd->nd", weights, baked.uvs[uv_corners])
    local = sample_texture(baked.materials[0].normal, uvs) / 127.5 - 1
    t, b, n = frames.at(corners, uv_corners, weights)
    world = t * local[:, :1] + b * local[:, 1:2] + n * local[:, 2:]
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    points = np.einsum("nk,nkd->nd", weights, triangles[faces])
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(np.clip(np.einsum("nd,nd->n", world, outward), -1, 1)))
    assert np.median(angle) < 1.5
    assert np.quantile(angle, 0.95) < 4


def test_materials_without_textures_become_one():
    mesh = sphere(12)
    half = (mesh.vertices[mesh.faces].mean(axis=1)[:, 0] > 0).astype(np.int32)
    red, blue = Material("red", color=(1, 0, 0)), Material("blue", color=(0, 0, 0.5))
    model = TexturedMesh(
        mesh, np.zeros((1, 2), np.float32), np.zeros_like(mesh.faces), (red, blue), half
    )
    points, colors = shown(rebake(model, 100, 256))
    for side, material in ((points[:, 0] < -0.1, red), (points[:, 0] > 0.1, blue)):
        assert np.abs(colors[side].astype(int) - to_srgb(np.array(material.color))).max() <= 1


def test_a_plain_surface_gets_a_normal_map_alone():
    mesh = sphere(12)
    plain = TexturedMesh.of_one(
        mesh,
        np.zeros((1, 2), np.float32),
        np.zeros_like(mesh.faces),
        Material("m", color=(1, 0, 0)),
    )
    (material,) = rebake(plain, 100, 256, normal_map=True).materials
    assert material.base_color is None
    assert material.color == (1, 0, 0)
    assert material.normal.shape == (256, 256, 3)
    colored = replace(plain, mesh=replace(mesh, colors=shade(mesh.vertices)))
    points, colors = shown(rebake(colored, 200, 256))
    assert psnr(colors, shade(points / np.linalg.norm(points, axis=1, keepdims=True))) > 30


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [0.0, 0.1])
def test_soups_of_triangles(size: float):
    """Triangles that belong to nothing, with texture coordinates anywhere."""
    random = np.random.default_rng(0)
    corners = random.random((400, 1, 3)) + size * random.normal(size=(400, 3, 3))
    faces = np.arange(1200, dtype=np.int32).reshape(-1, 3)
    soup = TexturedMesh.of_one(
        Mesh(corners.reshape(-1, 3).astype(np.float32), faces),
        random.random((1200, 2), dtype=np.float32) * 3,
        faces,
        Material("m", random.integers(0, 256, (32, 32, 3), dtype=np.uint8)),
    )
    if size == 0:
        with pytest.raises(InputError, match="no surface"):
            rebake(soup, 100, 256, normal_map=True)
        return
    baked = rebake(soup, 100, 256, normal_map=True)
    assert len(baked.mesh.faces) == 100
    assert np.isfinite(baked.uvs).all()


def test_runs_are_equal():
    model = in_pieces(sphere(8), 256)
    one, two = (rebake(model, 100, 256) for _ in range(2))
    np.testing.assert_array_equal(one.uvs, two.uvs)
    np.testing.assert_array_equal(one.materials[0].base_color, two.materials[0].base_color)


def test_repeating_textures_are_kept():
    model = in_pieces(sphere(8), 256)
    stuck = reduce_faces(model, 200)
    assert seams_bind(model, stuck, 200)
    half = replace(
        stuck,
        mesh=Mesh(stuck.mesh.vertices, stuck.mesh.faces[:200]),
        uv_faces=stuck.uv_faces[:200],
        face_materials=stuck.face_materials[:200],
    )
    assert seams_bind(model, half, 200)
    tiled = replace(model, uvs=model.uvs * 3)
    assert not seams_bind(tiled, half, 200)


def test_no_face_lies_over_another():
    """A spiral staircase without steps, which from above lies over itself."""
    turns, steps = 3, 240
    angle = np.linspace(0, 2 * np.pi * turns, steps)
    inner = np.stack([np.cos(angle), np.sin(angle), 0.04 * angle], 1)
    outer = np.stack([2 * np.cos(angle), 2 * np.sin(angle), 0.04 * angle], 1)
    vertices = np.stack([inner, outer], 1).reshape(-1, 3).astype(np.float32)
    a = 2 * np.arange(steps - 1)
    faces = np.concatenate([np.stack([a, a + 1, a + 3], 1), np.stack([a, a + 3, a + 2], 1)]).astype(
        np.int32
    )
    canvas = rebaking.laid_out(Mesh(vertices, faces), 40.0, 512, 1, 2)
    assert len(canvas.charts) >= turns
    assert not rebaking._hidden(canvas.owners, canvas.charts, canvas.layout).any()
    painted = np.unique(canvas.owners[canvas.owners >= 0])
    assert len(painted) == len(faces)


def test_directions_see_their_faces_and_make_few_charts():
    mesh = sphere()
    edges = Edges.of(mesh.faces)
    labels = choose_directions(mesh, edges.faces, edges.lengths(mesh.vertices))
    cosines = np.einsum("fd,fd->f", mesh.face_normals(), DIRECTIONS[labels])
    assert cosines.min() > 0.29
    assert len(np.unique(labels)) <= 26


def test_far_views_draw_to_scale():
    mesh = sphere(4)
    for view, direction in zip(far_views(mesh, 50.0), DIRECTIONS, strict=True):
        pixels, depth = view.project(mesh.vertices)
        assert depth.min() > 0
        across = mesh.vertices - (mesh.vertices @ direction)[:, None] * direction
        np.testing.assert_allclose(
            np.linalg.norm(pixels - pixels.mean(axis=0), axis=1),
            50 * np.linalg.norm(across - across.mean(axis=0), axis=1),
            atol=0.05,
        )


def test_lines_meet_the_nearest_face_that_looks_their_way():
    """Against the closed form: two parallel squares that both look up."""
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    vertices = np.vstack([square, square + np.float32([0, 0, 1])])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    surface = _reduce.Surface(vertices, faces)
    points = np.random.default_rng(0).uniform([-0.9, -0.9, -0.5], [0.9, 0.9, 1.5], (500, 3))
    points = points.astype(np.float32)
    up = np.broadcast_to(np.float32([0, 0, 1]), points.shape).copy()
    found, weights = surface.along(points, up, 10.0, 2)
    np.testing.assert_array_equal(found >= 2, points[:, 2] > 0.5)
    place = np.einsum("nk,nkd->nd", weights, vertices[faces[found]])
    np.testing.assert_allclose(place[:, :2], points[:, :2], atol=1e-5)
    assert (surface.along(points, -up, 10.0, 2)[0] == -1).all()
    near, _ = surface.along(points, up, 0.1, 2)
    np.testing.assert_array_equal(
        near >= 0, np.minimum(np.abs(points[:, 2]), np.abs(points[:, 2] - 1)) <= 0.1
    )
    with pytest.raises(ValueError, match="points past"):
        _reduce.Surface(vertices, faces + 5)
    with pytest.raises(ValueError, match="without faces"):
        _reduce.Surface(vertices, faces[:0])


def test_colours_of_the_nearest_vertices():
    mesh = sphere(8)
    colored = replace(mesh, colors=shade(mesh.vertices))
    few = sphere(4)
    assert np.abs(recolored(few, colored).colors.astype(int) - shade(few.vertices)).max() <= 1


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch):
    model = in_pieces(sphere(8), 256)
    one = rebake(model, 100, 256)
    monkeypatch.setattr("gypsum.conversion.transfer.BAND", 1000)
    np.testing.assert_array_equal(
        one.materials[0].base_color, rebake(model, 100, 256).materials[0].base_color
    )
