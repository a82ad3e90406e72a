"""Baking analytic scenes: the texture shows the pattern, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gypsum.errors import InputError, ResourceError
from gypsum.scene import Mesh, TexturedMesh, View
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
    assert 0 < facts.texels_per_pixel <= 2
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
