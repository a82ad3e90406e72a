"""Baking analytic scenes: the texture shows the pattern, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from gypsum.errors import InputError, ResourceError
from gypsum.scene import Material, Mesh, TexturedMesh, View
from gypsum.texture import TextureFacts, bake_texture

from .scenes import (
    atlas_of,
    grid,
    joined,
    look_at,
    psnr,
    random_spots,
    ring,
    shoot,
    sphere,
    surface_colors,
    waves,
)


def errors(textured: TexturedMesh, faces: np.ndarray | None = None) -> np.ndarray:
    """Colour error (N, 3) at random spots of all or some faces."""
    spots, weights = random_spots(textured.mesh, 20_000, np.random.default_rng(7))
    if faces is not None:
        spots = faces[spots % len(faces)]
    points, shown = surface_colors(textured, spots, weights)
    return shown - waves(points)


def decibels(error: np.ndarray) -> float:
    return psnr(error, np.zeros_like(error))


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mesh, list[View]]:
    """A ball seen from twelve sides and from above; nothing sees it from straight below."""
    folder = tmp_path_factory.mktemp("ball")
    mesh = sphere(0.5, 40)
    views = [*ring(folder, 12, 2.0, 0.8), look_at("top.png", folder, (0, 0.1, 2.2), (0, 0, 0))]
    for view in views:
        shoot(view, mesh, waves)
    return mesh, views


@pytest.fixture(scope="module")
def baked(ball: tuple[Mesh, list[View]]) -> tuple[TexturedMesh, TextureFacts]:
    return bake_texture(*ball, 512, threads=2)


def seen_faces(textured: TexturedMesh) -> np.ndarray:
    """Faces of the ball that the cameras see well."""
    centers = textured.mesh.vertices[textured.mesh.faces].mean(axis=1)
    return np.flatnonzero(centers[:, 2] > -0.1)


def test_pattern_is_reproduced(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    textured, _ = baked
    assert decibels(errors(textured, seen_faces(textured))) > 36


def test_facts_tell_what_was_done(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    textured, facts = baked
    assert facts.size == 512
    assert atlas_of(textured).shape == (512, 512, 3)
    assert 0.6 < facts.coverage < 1
    assert facts.unseen_faces > 0
    assert facts.photos_given == 13
    assert 4 <= facts.photos_used <= 13
    assert facts.texels_per_pixel > 0
    assert facts.exposure_range < 0.1
    assert set(facts.as_dict()["seconds"]) >= {"visibility", "labelling", "painting"}


def test_coordinates_are_valid(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    textured, _ = baked
    assert textured.uv_faces.shape == textured.mesh.faces.shape
    assert textured.uv_faces.max() < len(textured.uvs)
    assert textured.uvs.min() >= 0
    assert textured.uvs.max() <= 1


def test_charts_keep_their_sense_of_rotation(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    """A face that is counter-clockwise from outside is so in the texture: nothing is mirrored."""
    textured, _ = baked
    a, b, c = (textured.uvs[textured.uv_faces[:, k]].astype(np.float64) for k in range(3))
    ab, ac = b - a, c - a
    assert np.mean(ab[:, 0] * ac[:, 1] > ab[:, 1] * ac[:, 0]) > 0.995


def test_unseen_faces_continue_their_surroundings(
    baked: tuple[TexturedMesh, TextureFacts],
) -> None:
    textured, _ = baked
    centers = textured.mesh.vertices[textured.mesh.faces].mean(axis=1)
    below = np.flatnonzero(centers[:, 2] < -0.47)
    spots, weights = random_spots(textured.mesh, 2000, np.random.default_rng(1))
    _, shown = surface_colors(textured, below[spots % len(below)], weights)
    assert shown.min() > 0.1
    assert shown.max() < 0.95


def test_nothing_is_black(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    """Neither charts nor the room between them, at any mip level."""
    assert atlas_of(baked[0]).max(axis=2).min() > 25


def test_any_number_of_threads_gives_the_same(
    ball: tuple[Mesh, list[View]], baked: tuple[TexturedMesh, TextureFacts]
) -> None:
    single, _ = bake_texture(*ball, 512, threads=1)
    np.testing.assert_array_equal(single.uvs, baked[0].uvs)
    np.testing.assert_array_equal(atlas_of(single), atlas_of(baked[0]))


def test_exposure_leaves_no_seams(tmp_path: Path) -> None:
    """Photos one stop brighter or darker than their neighbours don't show."""
    mesh = sphere(0.5, 40)
    views = ring(tmp_path, 12, 2.0, 0.6)
    for number, view in enumerate(views):
        shoot(view, mesh, waves, gain=(0.5, 1.0, 1.4)[number % 3])
    textured, facts = bake_texture(mesh, views, 512, threads=2)
    assert facts.exposure_range == pytest.approx(np.log2(1.4 / 0.5), abs=0.1)
    assert facts.seam_step < 0.02
    error = errors(textured, seen_faces(textured))
    # The common exposure is free: what counts is that the pattern has no steps.
    fitted = error - error.mean(axis=0)
    assert decibels(fitted) > 28


def test_occluder_does_not_bleed(tmp_path: Path) -> None:
    """A red plate floating over the pattern paints no red onto it."""
    floor, plate = grid(2.0, 48), grid(0.5, 12, height=0.5)
    mesh = joined(floor, plate)

    def pattern(points: np.ndarray) -> np.ndarray:
        red = np.array([0.95, 0.05, 0.05])
        return np.where((points[:, 2] > 0.25)[:, None], red, waves(points))

    views = [*ring(tmp_path, 10, 2.2, 2.0), *ring(tmp_path / "high", 6, 0.9, 3.0)]
    (tmp_path / "high").mkdir()
    for view in views:
        shoot(view, mesh, pattern)
    textured, facts = bake_texture(mesh, views, 512, threads=2)
    on_floor = np.flatnonzero(np.arange(len(mesh.faces)) < len(floor.faces))
    error = errors(textured, on_floor)
    assert facts.coverage > 0.9
    # Red would be wrong by more than 0.3 in green and blue.
    assert np.mean(np.abs(error).max(axis=1) > 0.25) < 0.002
    assert decibels(error) > 30


def test_ghost_in_a_few_photos_does_not_appear(tmp_path: Path) -> None:
    mesh = grid(1.2, 40)
    views = [*ring(tmp_path, 20, 1.4, 1.8), *ring(tmp_path / "high", 10, 0.5, 2.4)]
    (tmp_path / "high").mkdir()
    for number, view in enumerate(views):
        # The best placed photos are spoilt: without rejection they would be chosen.
        shoot(view, mesh, waves, ghost=(120, 80, 200, 160) if number in (20, 23, 26) else None)
    textured, facts = bake_texture(mesh, views, 512, threads=2)
    assert facts.rejected > 0
    assert np.mean(np.abs(errors(textured)).max(axis=1) > 0.2) < 0.001


def test_large_photos_are_averaged_in_linear_light(tmp_path: Path) -> None:
    """A fine checkerboard in a small atlas is as bright as it looks from afar."""
    mesh = grid(1.0, 4)
    view = look_at("a.png", tmp_path, (0, 0, 1.0), (0, 0, 0), focal=900)
    big = View(view.name, view.path, 1280, 960, np.diag([4.0, 4, 1]) @ view.K, view.R, view.t)
    board = (np.indices((960, 1280)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(np.repeat(board[..., None], 3, axis=2)).save(view.path)
    wide = View(big.name, big.path, 1280, 960, np.diag([0.25, 0.25, 1]) @ big.K, big.R, big.t)
    wide.K[:2, 2] = 640, 480
    textured, facts = bake_texture(mesh, [wide], 256, threads=1)
    assert facts.texels_per_pixel < 0.6
    spots, weights = random_spots(mesh, 500, np.random.default_rng(0))
    _, shown = surface_colors(textured, spots, weights)
    assert shown.mean() == pytest.approx(0.735, abs=0.03)  # half the light, sRGB-encoded


def test_mesh_that_no_photo_shows_is_grey(tmp_path: Path) -> None:
    mesh = grid(1.0, 4)
    view = look_at("a.png", tmp_path, (0, 0, -2), (0, 0, -3))
    shoot(view, mesh, waves)
    textured, facts = bake_texture(mesh, [view], 256)
    assert facts.coverage == 0
    assert facts.unseen_faces == len(mesh.faces)
    assert np.abs(atlas_of(textured).astype(int) - 128).max() <= 2


def test_what_cannot_work_is_said(tmp_path: Path) -> None:
    mesh = grid(1.0, 2)
    view = look_at("gone.png", tmp_path, (0, 0, 2), (0, 0, 0))
    with pytest.raises(InputError, match="no posed photos"):
        bake_texture(mesh, [], 512)
    with pytest.raises(InputError, match="texture of 8x8"):
        bake_texture(mesh, [view], 8)
    with pytest.raises(InputError, match=r"gone\.png"):
        bake_texture(mesh, [view], 512)
    with pytest.raises(ResourceError, match="memory"):
        bake_texture(mesh, [view], 8192, memory=100_000_000)


def test_unseen_parts_take_colours_from_nearby(tmp_path: Path) -> None:
    """A plate that nothing connects to the seen one continues the nearest colours."""
    seen, hidden = grid(1.0, 20), grid(0.3, 6)
    apart = Mesh(hidden.vertices * np.array([1, -1, 1], np.float32) - (0, 0, 0.3), hidden.faces)
    mesh = joined(seen, Mesh(apart.vertices.astype(np.float32), apart.faces))

    def halves(points: np.ndarray) -> np.ndarray:
        return np.where(points[:, :1] < 0.35, (0.8, 0.3, 0.2), (0.1, 0.2, 0.9))

    views = ring(tmp_path, 8, 1.2, 1.6)
    for view in views:
        shoot(view, mesh, halves)
    textured, facts = bake_texture(mesh, views, 512, threads=2)
    assert 0 <= facts.unseen_faces - len(hidden.faces) <= 2  # of corners seen beside outlines only
    spots, weights = random_spots(mesh, 2000, np.random.default_rng(2))
    spots = len(seen.faces) + spots % len(hidden.faces)
    _, shown = surface_colors(textured, spots, weights)
    np.testing.assert_allclose(shown.mean(axis=0), (0.8, 0.3, 0.2), atol=0.03)


@pytest.mark.parametrize("smoothing", [False, True])
def test_no_border_shows_after_changes_of_exposure(tmp_path: Path, smoothing: bool) -> None:
    """Photos up to a stop brighter or darker, and tinted: no step of 2 % at any border."""
    mesh = sphere(0.5, 60)
    views = ring(tmp_path, 12, 2.0, 0.6)
    for number, view in enumerate(views):
        shoot(view, mesh, waves, gain=(0.5, 1.0, 2.0, 1.3)[number % 4])
        if number % 3 == 0:
            with Image.open(view.path) as picture:
                tinted = np.asarray(picture) * (1.0, 0.95, 0.85)
            Image.fromarray(tinted.round().astype(np.uint8)).save(view.path)
    textured, facts = bake_texture(mesh, views, 1024, smoothing=smoothing, threads=2)
    assert facts.exposure_range > 1.8
    assert border_steps_of(textured).max() < 0.02
    assert facts.worst_seam_step < 0.02
    assert facts.seam_step < 0.005


def border_steps_of(textured: TexturedMesh) -> np.ndarray:
    """Mean step along each border between two charts: the slow twin of what the facts say."""
    sides: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for face, corners in enumerate(textured.mesh.faces):
        for k in range(3):
            a, b = int(corners[k]), int(corners[(k + 1) % 3])
            sides.setdefault((min(a, b), max(a, b)), []).append((face, k))
    count = len(textured.uvs)
    ends = textured.uv_faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = sparse.coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count))
    chart = connected_components(graph, directed=False)[1][textured.uv_faces[:, 0]]
    pairs = [
        [(face, k, chart[face]) for face, k in faces]
        for faces in sides.values()
        if len(faces) == 2 and chart[faces[0][0]] != chart[faces[1][0]]
    ]
    along = np.linspace(0, 1, 12)
    shown, lengths = [], np.zeros(len(pairs))
    for side in range(2):
        face, k, _ = np.array([pair[side] for pair in pairs]).T
        weights = np.zeros((len(pairs), 12, 3))
        rows = np.arange(len(pairs))
        # The neighbour runs along the edge the other way.
        weights[rows, :, k] = 1 - along if side == 0 else along
        weights[rows, :, (k + 1) % 3] = along if side == 0 else 1 - along
        spots = surface_colors(textured, np.repeat(face, 12), weights.reshape(-1, 3))[1]
        shown.append(spots.reshape(-1, 12, 3))
        uv = textured.uvs[textured.uv_faces[face]]
        edge = np.linalg.norm(uv[rows, k] - uv[rows, (k + 1) % 3], axis=1)
        lengths += 0.5 * len(atlas_of(textured)) * edge
    steps = np.abs(shown[0] - shown[1]).mean(axis=(1, 2))
    names = np.sort([[pair[0][2], pair[1][2]] for pair in pairs], axis=1)
    _, border = np.unique(names, axis=0, return_inverse=True)
    total = np.bincount(border, lengths)
    mean: np.ndarray = np.bincount(border, lengths * steps) / total
    return mean[total >= 8]


def test_mip_maps_do_not_bleed(baked: tuple[TexturedMesh, TextureFacts]) -> None:
    """Shrunk four times as renderers do, the texture still shows the pattern up to its borders."""
    textured, _ = baked
    level = atlas_of(textured).astype(np.float64)
    spots, weights = random_spots(textured.mesh, 20_000, np.random.default_rng(7))
    seen = seen_faces(textured)
    spots = seen[spots % len(seen)]
    errors_at = []
    for _ in range(3):
        level = level.reshape(len(level) // 2, 2, -1, 2, 3).mean(axis=(1, 3))
        small = replace(
            textured, materials=(Material("mip", base_color=level.round().astype(np.uint8)),)
        )
        points, shown = surface_colors(small, spots, weights)
        errors_at.append(np.abs(shown - waves(points)).max(axis=1))
    assert np.quantile(errors_at[0], 0.999) < 0.1
    assert np.quantile(errors_at[1], 0.999) < 0.15
    assert np.quantile(errors_at[2], 0.99) < 0.2


def test_smoothing_mixes_photos_and_keeps_detail(tmp_path: Path) -> None:
    """Noise of single photos averages out; the pattern stays."""
    mesh = sphere(0.5, 60)
    views = ring(tmp_path, 16, 2.0, 0.6)
    rng = np.random.default_rng(0)
    for view in views:
        shoot(view, mesh, waves)
        with Image.open(view.path) as picture:
            noisy = np.asarray(picture) + rng.normal(0, 12, (view.height, view.width, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(view.path)
    single, _ = bake_texture(mesh, views, 512, threads=2)
    mixed, facts = bake_texture(mesh, views, 512, smoothing=True, threads=2)
    faces = seen_faces(single)
    assert facts.smoothing
    assert decibels(errors(mixed, faces)) > decibels(errors(single, faces)) + 1.5


def test_several_textures_keep_the_photos_resolution(ball: tuple[Mesh, list[View]]) -> None:
    one, facts = bake_texture(*ball, 256, threads=2)
    several, more = bake_texture(*ball, 256, most_textures=4, threads=2)
    assert facts.textures == 1
    assert len(one.materials) == 1
    assert more.textures == len(several.materials) == several.face_materials.max() + 1
    assert more.texels_per_pixel > max(1.0, 1.2 * facts.texels_per_pixel)
    faces = seen_faces(several)
    spots, weights = random_spots(several.mesh, 5000, np.random.default_rng(7))
    spots = faces[spots % len(faces)]
    for number, material in enumerate(several.materials):
        here = several.face_materials[spots] == number
        page = replace(several, materials=(material,))
        points, shown = surface_colors(page, spots[here], weights[here])
        assert psnr(shown, waves(points)) > 33


@pytest.mark.parametrize("size", [512, 2048])
def test_the_texture_is_well_used(ball: tuple[Mesh, list[View]], size: int) -> None:
    """Also where it is much larger than what the photos show."""
    _, facts = bake_texture(*ball, size, threads=2)
    assert facts.size == size
    assert facts.atlas_use > 0.67


def test_spare_textures_are_no_larger_than_the_photos_need(ball: tuple[Mesh, list[View]]) -> None:
    textured, facts = bake_texture(*ball, 4096, spare=True, threads=2)
    assert facts.size == 1024  # the smallest: the photos are small
    assert atlas_of(textured).shape == (1024, 1024, 3)
    assert facts.texels_per_pixel > 1.5
    assert facts.atlas_use > 0.68
    assert decibels(errors(textured, seen_faces(textured))) > 36


@pytest.mark.parametrize("smoothing", [False, True])
def test_nothing_is_painted_from_outside_of_a_mask(
    ball: tuple[Mesh, list[View]], tmp_path: Path, smoothing: bool
) -> None:
    """Photos that are green but for their mask leave no green on the ball."""
    mesh, views = ball
    masked = []
    for view in views:
        # The mask is smaller than the ball, as if the mesh were too fat.
        right, down = np.meshgrid(np.arange(view.width), np.arange(view.height))
        middle = view.project(np.zeros((1, 3)))[0][0]
        reach = 0.8 * 0.5 * view.K[0, 0] / np.linalg.norm(view.center)
        mask = np.hypot(right + 0.5 - middle[0], down + 0.5 - middle[1]) < reach
        picture = np.where(mask[..., None], (200, 60, 60), (0, 255, 0)).astype(np.uint8)
        name = Path(view.name).stem + ".png"
        Image.fromarray(picture).save(tmp_path / name)
        Image.fromarray(np.uint8(255 * mask)).save(tmp_path / f"mask-{name}")
        masked.append(replace(view, path=tmp_path / name, mask=tmp_path / f"mask-{name}"))
    textured, facts = bake_texture(mesh, masked, 512, smoothing=smoothing, threads=2)
    assert 0.3 < facts.coverage < 1
    off = np.abs(atlas_of(textured).astype(int) - (200, 60, 60)).max(axis=2)
    assert np.mean(off > 3) < 0.005
    assert off.max() < 40  # overshoots of the interpolation; outside it would be 195


def test_background_beside_a_fat_mesh_is_not_painted(tmp_path: Path) -> None:
    """A ball that is smaller in the photos than on the mesh, before a white wall."""
    mesh = sphere(0.5, 60)
    thin = sphere(0.4955, 60)
    views = ring(tmp_path, 12, 2.0, 0.0)
    for view in views:
        shoot(view, thin, lambda points: np.full((len(points), 3), 0.2))
        picture = np.array(Image.open(view.path))
        inside = view.project(thin.vertices)[0]
        middle, reach = inside.mean(axis=0), np.ptp(inside[:, 0]) / 2
        right, down = np.meshgrid(np.arange(view.width), np.arange(view.height))
        wall = np.hypot(right + 0.5 - middle[0], down + 0.5 - middle[1]) > reach
        picture[wall] = 255
        Image.fromarray(picture).save(view.path)
    textured, _ = bake_texture(mesh, views, 512, threads=2)
    assert np.mean(atlas_of(textured).max(axis=2) > 100) < 0.02  # 0.05 if nothing were left out


def test_highlights_are_left_out_of_matte_colours(tmp_path: Path) -> None:
    """A gleam that moves with the camera is not painted; the pattern is."""
    mesh = sphere(0.5, 44)
    views = ring(tmp_path, 12, 2.0, 0.6)
    for view in views:
        # The mirror of a lamp beside the camera.
        lamp = view.center + 0.8 * np.cross(view.direction, [0.0, 0, 1])
        toward = lamp / np.linalg.norm(lamp) + view.center / np.linalg.norm(view.center)
        gleam = toward / np.linalg.norm(toward)

        def shining(points: np.ndarray, gleam: np.ndarray = gleam) -> np.ndarray:
            normals = points / np.linalg.norm(points, axis=-1, keepdims=True)
            light = np.clip((normals @ gleam - 0.9) / 0.06, 0, 1)[..., None]
            return waves(points) + (1 - waves(points)) * 0.8 * light

        shoot(view, mesh, shining)
    plain, _ = bake_texture(mesh, views, 512, threads=2)
    matte, facts = bake_texture(mesh, views, 512, matte=True, threads=2)
    faces = seen_faces(plain)
    assert facts.smoothing
    assert facts.rejected > 1000
    # Choosing one photo for each place avoids the brightest of a gleam, but not its rim.
    off = [np.mean(np.abs(errors(model, faces)).max(axis=1) > 0.03) for model in (plain, matte)]
    assert off[1] < off[0] / 4
    assert decibels(errors(matte, faces)) > decibels(errors(plain, faces)) + 2.5
