"""A surface moved to where the photos agree, on scenes whose shape is a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.native import _refine, _render
from gypsum.scene import Mesh, View
from gypsum.surface import RefineOptions, refine
from gypsum.surface.refinement import _affordable_photos
from gypsum.surface.topology import border_edges

from .shapes import edge_uses, euler, grid_mesh, looking_at

Float64 = NDArray[np.float64]
Height = Callable[[Float64, Float64], Float64]

WIDTH, HEIGHT = 200, 150
RADIUS, NOISE, TOLERANCE, MIN_COSINE = 3, 2.5, 0.6, 0.26


def bumps(x: Float64, y: Float64) -> Float64:
    return np.asarray(0.04 * np.sin(5 * x + 1) * np.cos(4 * y), np.float64)


def flat(x: Float64, y: Float64) -> Float64:
    return 0 * (x + y)


def paint(x: Float64, y: Float64) -> Float64:
    """Grey levels on the surface, with details of a few pixels."""
    rng = np.random.default_rng(4)
    total = np.zeros_like(x)
    for scale in (12.0, 25.0, 50.0):
        for _ in range(4):
            kx, ky = scale * rng.normal(size=2)
            total += np.sin(kx * x + ky * y + rng.uniform(0, 6))
    return np.clip(128 + 25 * total, 0, 255)


def cameras(folder: Path, spots: Sequence[tuple[float, float]]) -> list[View]:
    """Views from a height of 2 that see most of the unit square and nothing beside it."""
    views = []
    for number, (x, y) in enumerate(spots):
        view = looking_at(np.array([x, y, 2.0]), np.array([0.5, 0.5, 0.0]), 460.0)
        K = view.K.copy()
        K[:2, 2] = WIDTH / 2, HEIGHT / 2
        name = f"{number}.png"
        views.append(replace(view, name=name, path=folder / name, width=WIDTH, height=HEIGHT, K=K))
    return views


def photograph(view: View, height: Height) -> NDArray[np.uint8]:
    """What the camera sees of the painted relief, by walking along each pixel's ray."""
    column, row = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack(
        [
            (column - view.K[0, 2]) / view.K[0, 0],
            (row - view.K[1, 2]) / view.K[1, 1],
            column * 0 + 1,
        ],
        axis=-1,
    )
    rays = rays @ view.R
    along = -view.center[2] / rays[..., 2]
    for _ in range(30):
        point = view.center + along[..., None] * rays
        along = (height(point[..., 0], point[..., 1]) - view.center[2]) / rays[..., 2]
    point = view.center + along[..., None] * rays
    return np.rint(paint(point[..., 0], point[..., 1])).astype(np.uint8)


def relief(cells: int, height: Height) -> Mesh:
    points = grid_mesh(cells).vertices.astype(np.float64)
    points[:, 2] = height(points[:, 0], points[:, 1])
    return Mesh(points.astype(np.float32), grid_mesh(cells).faces)


def draw(
    mesh: Mesh, view: View
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    points = (mesh.vertices.astype(np.float64) @ view.R.T + view.t).astype(np.float32)
    return _render.rasterize(
        points, mesh.faces, view.K, view.width, view.height, np.zeros(3), np.inf, 1
    )


def compare(
    mesh: Mesh,
    views: Sequence[View],
    lumas: Sequence[NDArray[np.uint8]],
    normals: NDArray[np.float32],
    threads: int = 1,
    portable: bool = False,
) -> tuple[float, int, Float64, Float64]:
    """Energy, windows, pull and stiffness of the first photo against the others."""
    drawn = [draw(mesh, view) for view in views]
    pull, stiffness = np.zeros((2, len(mesh.vertices)))
    energy, windows = _refine.compare(
        mesh.faces,
        mesh.face_normals(),
        normals,
        drawn[0][0],
        drawn[0][1],
        lumas,
        [depth for _, _, depth in drawn],
        [view.K for view in views],
        [np.column_stack([view.R, view.t]) for view in views],
        RADIUS,
        NOISE,
        TOLERANCE,
        MIN_COSINE,
        threads,
        portable,
        pull,
        stiffness,
    )
    return energy, windows, pull, stiffness


def twin(
    mesh: Mesh, view: View, other: View, lumas: Sequence[NDArray[np.uint8]]
) -> tuple[float, int]:
    """Energy and number of windows, slowly. For scenes without outlines."""
    face, _, depth = draw(mesh, view)
    mine, theirs = np.full((2, HEIGHT, WIDTH), np.nan)
    for y in range(2, HEIGHT - 2):
        for x in range(2, WIDTH - 2):
            if (face[y - 2 : y + 3 : 2, x - 2 : x + 3 : 2] < 0).any():
                continue
            ray = np.linalg.solve(view.K, [x + 0.5, y + 0.5, 1]) * depth[y, x]
            pixel, _ = other.project((view.R.T @ (ray - view.t))[None])
            u, v = pixel[0] - 0.5
            i, j = int(u), int(v)
            near = int(u + 0.5), int(v + 0.5)
            if not (2 <= near[0] < WIDTH - 2 and 2 <= near[1] < HEIGHT - 2):
                continue
            a, b = u - i, v - j
            weights = np.array([[(1 - a) * (1 - b), a * (1 - b)], [(1 - a) * b, a * b]])
            theirs[y, x] = (lumas[1][j : j + 2, i : i + 2] * weights).sum()
            mine[y, x] = lumas[0][y, x]
    total, windows = 0.0, 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if np.isnan(mine[y, x]):
                continue
            low = max(y - RADIUS, 0), max(x - RADIUS, 0)
            window = np.s_[low[0] : y + RADIUS + 1, low[1] : x + RADIUS + 1]
            p, q = mine[window].ravel(), theirs[window].ravel()
            p, q = p[~np.isnan(p)], q[~np.isnan(q)]
            if len(p) < 0.6 * (2 * RADIUS + 1) ** 2:
                continue
            spread = np.sqrt((p.var() + NOISE**2) * (q.var() + NOISE**2))
            error = max(1 - float(np.mean((p - p.mean()) * (q - q.mean())) / spread), 0)
            total += error * TOLERANCE / (error + TOLERANCE)
            windows += 1
    return total, windows


@pytest.fixture
def pair(tmp_path: Path) -> tuple[list[View], list[NDArray[np.uint8]]]:
    views = cameras(tmp_path, [(0.3, 0.4), (0.75, 0.6), (0.5, 0.1)])
    return views, [photograph(view, bumps) for view in views]


def test_energy_is_that_of_the_plain_formula(
    pair: tuple[list[View], list[NDArray[np.uint8]]],
) -> None:
    views, lumas = pair
    mesh = relief(40, flat)
    energy, windows, _, _ = compare(mesh, views[:2], lumas[:2], mesh.vertex_normals())
    expected, count = twin(mesh, views[0], views[1], lumas)
    assert windows == count > 10_000
    assert energy == pytest.approx(expected, rel=1e-4)


def test_pull_is_the_derivative_of_the_energy(
    pair: tuple[list[View], list[NDArray[np.uint8]]],
) -> None:
    views, lumas = pair
    mesh = relief(40, lambda x, y: 0.6 * bumps(x, y))
    normals = mesh.vertex_normals()
    _, _, pull, _ = compare(mesh, views, lumas, normals)
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    inside = np.exp(-(((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.02))
    rng = np.random.default_rng(0)
    for direction in (inside, inside * np.sin(9 * x), inside * rng.normal(size=len(x))):
        step = 2e-4
        ends = []
        for sign in (1, -1):
            moved = mesh.vertices + (sign * step * direction)[:, None] * normals
            ends.append(
                compare(Mesh(moved.astype(np.float32), mesh.faces), views, lumas, normals)[0]
            )
        measured = (ends[0] - ends[1]) / (2 * step)
        assert float(pull @ direction) == pytest.approx(measured, rel=0.03)


def test_threads_and_instruction_sets_change_nothing(
    pair: tuple[list[View], list[NDArray[np.uint8]]],
) -> None:
    views, lumas = pair
    mesh = relief(30, flat)
    first = compare(mesh, views, lumas, mesh.vertex_normals())
    for threads, portable in ((3, False), (1, True)):
        again = compare(mesh, views, lumas, mesh.vertex_normals(), threads, portable)
        assert again[:2] == first[:2]
        np.testing.assert_array_equal(again[2], first[2])
        np.testing.assert_array_equal(again[3], first[3])


def test_what_another_surface_hides_is_not_compared(
    pair: tuple[list[View], list[NDArray[np.uint8]]],
) -> None:
    views, lumas = pair
    floor = relief(30, flat)
    free = compare(floor, views[:2], lumas[:2], floor.vertex_normals())
    lid = Mesh(floor.vertices * np.float32(0.4) + np.float32([0.2, 0.2, 0.4]), floor.faces)
    both = Mesh(
        np.concatenate([floor.vertices, lid.vertices]),
        np.concatenate([floor.faces, lid.faces + len(floor.vertices)]),
    )
    hidden = compare(both, views[:2], lumas[:2], both.vertex_normals())
    assert hidden[1] < 0.9 * free[1]
    under = both.vertices[:, 2] < 0.1
    near = np.linalg.norm(both.vertices[:, :2] - 0.4, axis=1) < 0.08
    assert np.all(hidden[3][: len(under)][under & near] == 0)


def errors(mesh: Mesh, height: Height) -> Float64:
    x, y, z = mesh.vertices.astype(np.float64).T
    inside = (np.abs(x - 0.5) < 0.12) & (np.abs(y - 0.5) < 0.08)
    return np.asarray((z - height(x, y))[inside], np.float64)


def save(views: Sequence[View], lumas: Sequence[NDArray[np.uint8]]) -> None:
    for view, luma in zip(views, lumas, strict=True):
        Image.fromarray(luma).save(view.path)


def test_a_wrong_relief_moves_to_the_truth(tmp_path: Path) -> None:
    """Even with another exposure in every photo, and noise in the mesh and the photos."""
    spots = [(0.2, 0.4), (0.8, 0.6), (0.5, 0.0), (0.4, 1.0)]
    views = cameras(tmp_path, spots)
    rng = np.random.default_rng(1)
    lumas = []
    for number, view in enumerate(views):
        exposed = photograph(view, bumps) * (0.6 + 0.15 * number) + rng.normal(
            0, 1, (HEIGHT, WIDTH)
        )
        lumas.append(np.clip(exposed, 0, 255).astype(np.uint8))
    save(views, lumas)
    wrong = relief(100, lambda x, y: 0.7 * bumps(x, y))
    wrong.vertices[:, 2] += rng.normal(0, 0.002, len(wrong.vertices))
    neighbors = [[j for j in range(4) if j != i] for i in range(4)]
    better = refine(wrong, views, neighbors, threads=1)
    before, after = (np.sqrt(np.mean(errors(mesh, bumps) ** 2)) for mesh in (wrong, better))
    assert after < 0.4 * before
    # A quarter of a pixel.
    assert after < 0.25 * 2 / 460
    assert euler(better) == 1
    # Where photos look: beside that nothing was asked to be smooth.
    centers = better.vertices[better.faces].mean(axis=1)
    seen = np.all(np.abs(centers[:, :2] - 0.5) < 0.1, axis=1)
    assert np.all(better.face_normals()[seen, 2] > 0.9)


def test_without_texture_only_the_noise_goes(tmp_path: Path) -> None:
    views = cameras(tmp_path, [(0.3, 0.4), (0.75, 0.6)])
    save(views, [np.full((HEIGHT, WIDTH), 90, np.uint8)] * 2)
    mesh = relief(100, bumps)
    mesh.vertices[:, 2] += np.random.default_rng(2).normal(0, 0.001, len(mesh.vertices))
    smooth = refine(mesh, views, [[1], [0]], threads=1)
    assert np.std(errors(smooth, bumps)) < 0.5 * np.std(errors(mesh, bumps))
    assert np.abs(errors(smooth, bumps)).max() < 0.003


def test_borders_stay_and_nothing_opens(tmp_path: Path) -> None:
    views = cameras(tmp_path, [(0.3, 0.4), (0.75, 0.6)])
    save(views, [photograph(view, bumps) for view in views])
    mesh = relief(25, bumps)
    finer = refine(mesh, views, [[1], [0]], RefineOptions(levels=((1.0, 2),)), threads=1)
    assert len(finer.faces) > 2 * len(mesh.faces)
    assert edge_uses(finer).max() == 2
    ends = finer.vertices[border_edges(finer.faces)]
    off = np.min(np.minimum(ends[..., :2], 1 - ends[..., :2]), axis=-1)
    assert np.abs(off).max() < 0.01


def test_triangles_that_no_photo_tells_about_stay_large(tmp_path: Path) -> None:
    views = cameras(tmp_path, [(0.3, 0.4), (0.75, 0.6)])
    save(views, [photograph(view, bumps) for view in views])
    seen = relief(30, bumps)
    hidden = Mesh(seen.vertices - np.float32([0, 0, 0.3]), seen.faces[:, ::-1])
    both = Mesh(
        np.concatenate([seen.vertices, hidden.vertices]),
        np.concatenate([seen.faces, hidden.faces + len(seen.vertices)]),
    )
    finer = refine(both, views, [[1], [0]], RefineOptions(levels=((0.5, 1), (1.0, 1))), threads=1)
    assert edge_uses(finer).max() == 2
    centers = finer.vertices[finer.faces].mean(axis=1)
    middle = np.all(np.abs(centers[:, :2] - 0.5) < 0.1, axis=1)
    below = centers[:, 2] < -0.15
    assert (middle & ~below).sum() > 8 * (middle & below).sum() > 0


def test_fewer_photos_are_compared_where_many_pixels_show_the_surface(tmp_path: Path) -> None:
    views = cameras(tmp_path, [(0.2, 0.5), (0.8, 0.5)])
    mesh = relief(10, flat)
    shown = sum(np.count_nonzero(draw(mesh, view)[0] >= 0) for view in views)
    for comparisons, photos in ((np.inf, 5), (5.5 * shown, 5), (3.3 * shown, 3), (0.5, 2)):
        options = RefineOptions(photos=5, comparisons=comparisons)
        assert _affordable_photos(mesh, views, options, 1) == photos


def test_a_small_memory_gives_the_same(tmp_path: Path) -> None:
    views = cameras(tmp_path, [(0.3, 0.4), (0.75, 0.6), (0.5, 0.1)])
    save(views, [photograph(view, bumps) for view in views])
    mesh = relief(40, flat)
    options = RefineOptions(levels=((1.0, 2),))
    neighbors = [[1, 2], [0, 2], [0, 1]]
    rich, poor = (
        refine(mesh, views, neighbors, options, threads=1, memory=memory)
        for memory in (2**30, 2**16)
    )
    np.testing.assert_array_equal(rich.vertices, poor.vertices)
