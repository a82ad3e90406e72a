"""Surfaces of clouds whose shape is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_closing

from gypsum.errors import ReconstructionError
from gypsum.scene import View
from gypsum.surface import SurfaceOptions, reconstruct, reconstruct_surface

from .shapes import (
    areas,
    box_points,
    cloud_of,
    edge_uses,
    euler,
    joined,
    looking_at,
    orbit,
    plane_points,
    sphere_points,
    volume,
)

Bools = NDArray[np.bool_]

COARSE = SurfaceOptions(cells_per_pixel=0.7)


def test_sphere_is_closed_round_and_faces_outward() -> None:
    rng = np.random.default_rng(1)
    points, normals = sphere_points(30_000)
    points = points + rng.normal(0, 0.002, points.shape)
    mesh = reconstruct_surface(cloud_of(points, normals), [], COARSE, threads=1)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(radius - 0.5).max() < 0.01
    assert np.sqrt(np.mean((radius - 0.5) ** 2)) < 0.0015
    assert np.all(edge_uses(mesh) == 2)
    assert euler(mesh) == 2
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.01)
    assert mesh.colors is not None
    assert np.all(mesh.colors == 128)


def test_box_keeps_its_volume_and_its_flat_sides() -> None:
    cloud = cloud_of(*box_points(0.5, 0.01))
    mesh = reconstruct_surface(cloud, [], COARSE, threads=1)
    assert volume(mesh) == pytest.approx(1.0, rel=0.02)
    assert euler(mesh) == 2
    off = np.abs(np.abs(mesh.vertices).max(axis=1) - 0.5)
    assert np.quantile(off, 0.9) < 0.004


def test_open_plane_gets_no_bubble() -> None:
    points, normals = plane_points(0.5, 0.01, rng=np.random.default_rng(2))
    mesh = reconstruct_surface(cloud_of(points, normals), [], COARSE, threads=1)
    assert np.abs(mesh.vertices[:, 2]).max() < 0.005
    assert np.abs(mesh.vertices[:, :2]).max() < 0.56
    assert areas(mesh).sum() == pytest.approx(1.0, rel=0.15)
    assert np.quantile(mesh.face_normals()[:, 2], 0.02) > 0.95


@pytest.mark.parametrize(("fill_holes", "closed"), [(0.06, True), (0.01, False)])
def test_holes_are_closed_up_to_the_asked_size(fill_holes: float, closed: bool) -> None:
    points, normals = plane_points(0.5, 0.01)
    away = np.linalg.norm(points[:, :2], axis=1) > 0.06
    options = SurfaceOptions(cells_per_pixel=0.7, fill_holes=fill_holes)
    mesh = reconstruct_surface(cloud_of(points[away], normals[away]), [], options, threads=1)
    assert euler(mesh) == (1 if closed else 0)
    assert np.abs(mesh.vertices[:, 2]).max() < 0.01


def test_strays_leave_no_trace() -> None:
    rng = np.random.default_rng(3)
    sphere = cloud_of(*sphere_points(30_000))
    strays = rng.uniform(-0.7, 0.7, (300, 3))
    noise = cloud_of(strays, rng.normal(0, 1, (300, 3)), support=2)
    mesh = reconstruct_surface(joined(sphere, noise), [], COARSE, threads=1)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.5).max() < 0.05
    assert euler(mesh) == 2


def test_a_wall_far_behind_is_left_out() -> None:
    sphere = cloud_of(*sphere_points(20_000, 0.3))
    wall, facing = plane_points(3.0, 0.06)
    turned = np.stack([np.full(len(wall), 8.0), wall[:, 0], wall[:, 1]], axis=1)
    cloud = joined(sphere, cloud_of(turned, -facing[:, [2, 0, 1]], radius=0.06))
    mesh = reconstruct_surface(cloud, orbit(12, 2.0, 0.5), COARSE, threads=1)
    assert np.linalg.norm(mesh.vertices, axis=1).max() < 0.35


def test_what_photos_look_through_is_no_patch() -> None:
    """A slot between two shelves: Poisson may web it, photos through it show the floor."""
    points, normals = plane_points(0.5, 0.01)
    slot = np.abs(points[:, 0]) < 0.1
    floor, up = plane_points(0.5, 0.01, -0.6)
    cloud = joined(cloud_of(points[~slot], normals[~slot]), cloud_of(floor, up))
    views = [looking_at(np.array([x, 0.1, 2.0]), np.array([x, 0, -0.6])) for x in (-0.05, 0, 0.05)]
    options = SurfaceOptions(cells_per_pixel=0.7, fill_holes=0.2)
    mesh = reconstruct_surface(cloud, views, options, threads=1)
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    webbed = (np.abs(centers[:, 0]) < 0.05) & (centers[:, 2] > -0.1)
    assert not webbed[np.abs(centers[:, 1]) < 0.3].any()


def masked(views: list[View], shown: Callable[[View], Bools], folder: Path) -> list[View]:
    """The views with masks of what is ``shown``, (height, width) true on the object."""
    result = []
    for i, view in enumerate(views):
        path = folder / f"{i}.png"
        Image.fromarray(np.where(shown(view), np.uint8(255), np.uint8(0))).save(path)
        result.append(replace(view, mask=path))
    return result


def shows_ball(view: View, radius: float, lowest: float) -> Bools:
    """(height, width) the pixels whose ray meets a ball about the origin above ``lowest``."""
    y, x = np.mgrid[: view.height, : view.width]
    ray = np.stack([x + 0.5, y + 0.5, np.ones_like(x)], axis=-1) @ np.linalg.inv(view.K).T @ view.R
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    along = ray @ view.center
    root = np.sqrt(np.maximum(along**2 - view.center @ view.center + radius**2, 0))
    near, far = (view.center[2] + (-along + sign * root) * ray[..., 2] for sign in (-1, 1))
    return np.asarray((root > 0) & (np.maximum(near, far) > lowest))


def test_an_object_cut_out_by_masks_is_closed_where_it_stood(tmp_path: Path) -> None:
    points, normals = sphere_points(30_000)
    seen = points[:, 2] > -0.3
    views = masked(orbit(8, 3.0, 1.5), lambda view: shows_ball(view, 0.5, -0.3), tmp_path)
    mesh = reconstruct_surface(cloud_of(points[seen], normals[seen]), views, COARSE, threads=1)
    assert np.all(edge_uses(mesh) == 2)
    assert mesh.vertices[:, 2].min() == pytest.approx(-0.3, abs=0.03)
    ball = 4 / 3 * np.pi * 0.5**3 - np.pi * 0.2**2 * (0.5 - 0.2 / 3)
    assert volume(mesh) == pytest.approx(ball, rel=0.03)
    open_below = reconstruct_surface(
        cloud_of(points[seen], normals[seen]), orbit(8, 3.0, 1.5), COARSE, threads=1
    )
    assert np.any(edge_uses(open_below) == 1)


def test_what_lies_beside_the_object_in_masks_is_no_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole in a plate that Poisson closes; nothing is behind it, but it is not in the masks."""
    monkeypatch.setattr(reconstruct, "OBJECT_HOLES", 0.2)
    points, _ = plane_points(0.5, 0.01)
    plate = points[np.linalg.norm(points, axis=1) > 0.1]

    def shown(view: View) -> Bools:
        pixels, _ = view.project(plate)
        inside = np.all((pixels >= 0) & (pixels < (view.width, view.height)), axis=1)
        column, row = pixels[inside].astype(int).T
        picture = np.zeros((view.height, view.width), bool)
        picture[row, column] = True
        return np.asarray(binary_closing(picture, iterations=3))

    spots = [(x, 0.1, 2.0) for x in (-0.3, 0.0, 0.3)]
    views = [looking_at(np.array(spot), np.zeros(3)) for spot in spots]
    options = SurfaceOptions(cells_per_pixel=0.7, fill_holes=0.2)
    cloud = cloud_of(plate, np.tile([0.0, 0, 1], (len(plate), 1)))
    for given, webs in ((views, True), (masked(views, shown, tmp_path), False)):
        mesh = reconstruct_surface(cloud, given, options, threads=1)
        centers = mesh.vertices[mesh.faces].mean(axis=1)
        webbed = (np.linalg.norm(centers, axis=1) < 0.05).any()
        assert webbed == webs


def test_what_hardly_any_photo_tells_is_not_the_object_in_masks(tmp_path: Path) -> None:
    """A patch of a ball that floats above it, as where photos agree by chance in the dark."""
    points, normals = sphere_points(30_000)
    top = points[:, 2] > 0.45
    patch = cloud_of(points[top] + (0, 0, 0.05), normals[top], support=2)
    ball = cloud_of(points[~top], normals[~top], support=24)
    views = orbit(8, 3.0, 1.5)
    for given, kept in (
        (views, True),
        (masked(views, lambda view: shows_ball(view, 0.6, -1.0), tmp_path), False),
    ):
        mesh = reconstruct_surface(joined(ball, patch), given, COARSE, threads=1)
        above = mesh.vertices[:, 2] > 0.52
        assert above.any() == kept
        assert mesh.vertices[:, 2].min() == pytest.approx(-0.5, abs=0.01)


def test_too_few_points_are_explained() -> None:
    with pytest.raises(ReconstructionError, match="more photos"):
        reconstruct_surface(cloud_of(*sphere_points(20)), [])
    with pytest.raises(ReconstructionError, match="empty"):
        reconstruct_surface(cloud_of(np.zeros((0, 3)), np.zeros((0, 3))), [])


def test_same_input_gives_the_same_mesh() -> None:
    cloud = cloud_of(*sphere_points(5_000), radius=0.03)
    first, second = (reconstruct_surface(cloud, [], COARSE, threads=1) for _ in range(2))
    np.testing.assert_array_equal(first.vertices, second.vertices)
    np.testing.assert_array_equal(first.faces, second.faces)
