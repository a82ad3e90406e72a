"""The rasteriser against rays cut with every triangle."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.native._render import rasterize

WIDTH, HEIGHT = 40, 30
K = np.array([[35.0, 0, 21], [0, 33, 14], [0, 0, 1]])
ORIGIN = np.zeros(3)


def cut(vertices: np.ndarray, faces: np.ndarray, radius: float, center: np.ndarray):
    """Depths (H, W, F) where the ray through each pixel's centre meets each triangle, else inf."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], axis=-1)
    depths = np.full((HEIGHT, WIDTH, len(faces)), np.inf)
    for number, face in enumerate(faces):
        a, b, c = vertices[face].astype(np.float64)
        # depth * ray = a + u (b - a) + v (c - a)
        matrix = np.stack(np.broadcast_arrays(rays, a - b, a - c), axis=-1)
        depth, u, v = np.moveaxis(
            np.linalg.solve(matrix, np.broadcast_to(a, rays.shape)[..., None])[..., 0], -1, 0
        )
        inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
        inside &= np.linalg.norm(rays * depth[..., None] - center, axis=-1) <= radius
        depths[inside, number] = depth[inside]
    return depths


def random_mesh(seed: int, behind: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    low = -2.0 if behind else 0.5
    vertices = random.uniform([-2, -2, low], [2, 2, 5], (24, 3)).astype(np.float32)
    return vertices, random.integers(0, 24, (14, 3)).astype(np.int32)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("radius", [np.inf, 2.5])
@pytest.mark.parametrize("seed", range(4))
def test_nearest_triangle_at_every_pixel(seed: int, radius: float, behind: bool):
    vertices, faces = random_mesh(seed, behind)
    faces = faces[[len(set(face)) == 3 for face in faces.tolist()]]
    center = np.array([0.2, 0.1, 2.5])
    face, weights, depth = rasterize(vertices, faces, K, WIDTH, HEIGHT, center, radius, 2)
    expected = cut(vertices, faces, radius, center)
    nearest = expected.min(axis=2)
    # Pixels whose centre lies on an edge to the last bit may fall to either side.
    agree = (face >= 0) == np.isfinite(nearest)
    assert agree.mean() > 0.998
    hit = agree & (face >= 0)
    np.testing.assert_allclose(depth[hit], nearest[hit], rtol=1e-4)
    assert np.all(depth[face < 0] == 0)
    first = 1 - weights[hit].sum(axis=1)
    corners = vertices[faces[face[hit]]]
    blended = first[:, None] * corners[:, 0] + np.einsum("nk,nkd->nd", weights[hit], corners[:, 1:])
    np.testing.assert_allclose(blended[:, 2], depth[hit], rtol=1e-3)


def test_threads_do_not_change_the_result():
    vertices, faces = random_mesh(9, behind=True)
    one, many = (rasterize(vertices, faces, K, WIDTH, HEIGHT, ORIGIN, np.inf, n) for n in (1, 7))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_neighbouring_triangles_leave_no_gap():
    x, y = np.meshgrid(np.linspace(-3, 3, 14), np.linspace(-3, 3, 14))
    vertices = np.stack([x, y, 2 + 0.3 * x - 0.2 * y], axis=-1).reshape(-1, 3).astype(np.float32)
    index = np.arange(14 * 14).reshape(14, 14)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])
    faces = faces.reshape(-1, 3).astype(np.int32)
    face, _, _ = rasterize(vertices, faces, K, WIDTH, HEIGHT, ORIGIN, np.inf)
    assert (face >= 0).all()


def test_nothing_to_draw():
    none = np.empty((0, 3), np.int32)
    face, _, depth = rasterize(np.zeros((3, 3), np.float32), none, K, 8, 6, ORIGIN, np.inf)
    assert (face == -1).all()
    assert (depth == 0).all()


def test_bad_faces_are_refused():
    vertices = np.ones((3, 3), np.float32)
    with pytest.raises(ValueError, match="past the vertices"):
        rasterize(vertices, np.array([[0, 1, 3]], np.int32), K, 8, 6, ORIGIN, np.inf)
