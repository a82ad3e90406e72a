"""Fits to pictures of things whose shape is a formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gypsum.errors import ReconstructionError
from gypsum.implicit import Field, ImplicitSettings, Level, Observation, fit
from gypsum.scene import Box

SIZE = 64
BOX = Box.between([-1, -1, -1], [1, 1, 1])
QUICK = ImplicitSettings(
    resolution=40,
    levels=(Level(0.5, 0.5, 100, 3000, rate=0.12), Level(1.0, 1.0, 60, 6000)),
)

Depths = Callable[[np.ndarray, np.ndarray], np.ndarray]


def sphere(start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """How far along unit rays (N, 3) a ball of radius 0.7 is; infinite where it is missed."""
    b = along @ start
    inside = b * b - start @ start + 0.7**2
    far = -b - np.sqrt(np.maximum(inside, 0))
    return np.where(inside > 0, far, np.inf)


def dented(start: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The ball with a bowl cut from its top, which no outline shows."""
    far = sphere(start, along)
    center, radius = np.array([0, 0, 0.75]), 0.4
    offset = start - center
    b = along @ offset
    inside = b * b - offset @ offset + radius**2
    leave = -b + np.sqrt(np.maximum(inside, 0))
    enter = -b - np.sqrt(np.maximum(inside, 0))
    hit = np.isfinite(far)
    place = start + np.where(hit, far, 0)[:, None] * along
    within = hit & (np.linalg.norm(place - center, axis=1) < radius)
    # Out of the bowl's far side, if that is still in the ball.
    bottom = start + leave[:, None] * along
    solid = np.linalg.norm(bottom, axis=1) < 0.7
    return np.where(within & (inside > 0) & (enter < leave), np.where(solid, leave, np.inf), far)


def picture(shape: Depths, turn: float, height: float) -> Observation:
    """A photo of a spotted thing from around."""
    center = 4 * np.array(
        [np.cos(turn) * np.cos(height), np.sin(turn) * np.cos(height), np.sin(height)]
    )
    forward = -center / 4
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    K = np.array([[110.0, 0, SIZE / 2], [0, 110, SIZE / 2], [0, 0, 1]])
    fine = 3
    y, x = (np.indices((SIZE * fine, SIZE * fine)) + 0.5).reshape(2, -1) / fine
    along = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], 1) @ R
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    far = shape(center, along)
    hit = np.isfinite(far)
    place = center + np.where(hit, far, 0)[:, None] * along
    spots = 0.5 + 0.3 * np.sin(9 * place + np.array([0, 1, 2]))
    color = np.where(hit[:, None], spots, 0.1)

    def shrunk(values: np.ndarray) -> np.ndarray:
        return values.reshape(SIZE, fine, SIZE, fine, -1).mean((1, 3))

    image = np.rint(255 * shrunk(color)).astype(np.uint8)
    mask = shrunk(hit.astype(float))[..., 0].astype(np.float32)
    return Observation(image, mask, K, R, -R @ center)


def around(shape: Depths) -> list[Observation]:
    return [
        picture(shape, 2 * np.pi * (n + 0.5 * row) / 6, height)
        for row, height in enumerate((0.5, 1.0))
        for n in range(6)
    ]


def blob(radius: float) -> np.ndarray:
    """A hull of voxels that fill the box: a ball made of stairs."""
    axis = (np.arange(40) + 0.5) / 20 - 1
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 < radius**2)


@pytest.fixture(scope="module")
def ball() -> Field:
    return fit(around(sphere), BOX, blob(0.82), QUICK, threads=2)


def test_a_hull_becomes_the_ball_that_photos_show(ball: Field) -> None:
    mesh = ball.mesh()
    radius = np.linalg.norm(mesh.vertices[mesh.vertices[:, 2] > -0.3], axis=1)
    assert np.abs(radius - 0.7).mean() < 0.02
    assert np.percentile(np.abs(radius - 0.7), 95) < 0.05
    edges = np.sort(np.concatenate([mesh.faces[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    outward = np.einsum("ij,ij->i", mesh.vertex_normals(), mesh.vertices)
    assert (outward > 0).mean() > 0.99


def test_distances_stay_distances(ball: Field) -> None:
    points = np.random.default_rng(0).normal(size=(500, 3))
    points *= 0.75 / np.linalg.norm(points, axis=1, keepdims=True)
    assert np.abs(ball.distances(points)[points[:, 2] > -0.3] - 0.05).mean() < 0.03


def test_a_picture_of_it_looks_like_the_photo(ball: Field) -> None:
    one = around(sphere)[7]
    drawn = ball.render(one.K, one.R, one.t, SIZE, SIZE)
    inside = one.mask > 0.99
    assert np.abs(drawn.opacity - one.mask).mean() < 0.03
    assert np.abs(drawn.color.astype(float) - one.image)[inside].mean() < 12
    y, x = np.argwhere(inside).mean(0)
    toward = -one.R.T @ one.t / 4
    assert drawn.normal[int(y), int(x)] @ toward > 0.95
    assert drawn.depth[int(y), int(x)] == pytest.approx(3.3, abs=0.05)


def test_photos_shape_what_they_see(ball: Field) -> None:
    mesh = ball.mesh()
    evidence = ball.evidence(mesh.vertices)
    assert ((evidence >= 0) & (evidence <= 1)).all()
    # From above all is seen, from below nothing.
    top, bottom = mesh.vertices[:, 2] > 0.2, mesh.vertices[:, 2] < -0.66
    assert np.median(evidence[top]) > 0.5
    assert np.median(evidence[bottom]) < np.median(evidence[top]) / 2


def test_colors_find_a_hollow_that_outlines_hide() -> None:
    field = fit(around(dented), BOX, blob(0.72), QUICK, threads=2)
    index = np.array([[0.0, 0.0, 0.35], [0, 0, 0.55]])
    bottom, above = field.distances(index)
    assert abs(bottom) < 0.12
    assert above > 0.06


def test_the_same_photos_give_the_same_field() -> None:
    short = ImplicitSettings(resolution=24, levels=(Level(1.0, 0.5, 8, 2000),), rebuild=3)
    first, second = (fit(around(sphere), BOX, blob(0.82), short, threads=2) for _ in range(2))
    assert (first.distance == second.distance).all()
    assert (first.color == second.color).all()
    assert (first.information == second.information).all()


def test_depths_count_where_colors_tell_nothing() -> None:
    """A grey ball of which only depths say that it is one and not its hull."""
    plain = []
    for one in around(sphere):
        grey = np.full_like(one.image, 128)
        y, x = (np.indices((SIZE, SIZE)) + 0.5).reshape(2, -1)
        rays = np.stack([(x - 32) / 110, (y - 32) / 110, np.ones_like(x)], 1)
        length = np.linalg.norm(rays, axis=1)
        far = sphere(-one.R.T @ one.t, rays @ one.R / length[:, None]) / length
        depth = np.where(np.isfinite(far), far, 0).reshape(SIZE, SIZE).astype(np.float32)
        whole = np.ones_like(one.mask)
        plain.append(Observation(grey, np.where(depth > 0, whole, 0), one.K, one.R, one.t, depth))
    settings = ImplicitSettings(resolution=32, levels=(Level(1.0, 1.0, 80, 5000),))
    mesh = fit(plain, BOX, blob(0.75), settings, threads=2).mesh()
    radius = np.linalg.norm(mesh.vertices[mesh.vertices[:, 2] > 0], axis=1)
    assert np.abs(radius - 0.7).mean() < 0.03


def test_masks_without_a_common_place_are_told() -> None:
    with pytest.raises(ReconstructionError, match="masks"):
        fit(around(sphere), BOX, np.zeros((4, 4, 4), bool), QUICK)
