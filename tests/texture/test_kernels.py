"""The kernels beside slow and obvious twins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import spsolve

from gypsum.native import _texture

LABELS = 4


@st.composite
def potts_problems(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    """A few faces with random candidates, costs and neighbours."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 6))
    lists = [
        np.sort(rng.choice(LABELS, rng.integers(1, LABELS + 1), replace=False))
        for _ in range(count)
    ]
    first = np.concatenate([[0], np.cumsum([len(labels) for labels in lists])]).astype(np.int64)
    labels = np.concatenate(lists).astype(np.int32)
    costs = rng.uniform(0, 2, len(labels)).astype(np.float32)
    pairs = np.array(list(itertools.combinations(range(count), 2)), np.int32)
    edges = np.ascontiguousarray(pairs[rng.uniform(size=len(pairs)) < 0.5])
    weights = rng.uniform(0, 1, len(edges)).astype(np.float32)
    return first, labels, costs, edges, weights


def cost_of(problem: tuple[np.ndarray, ...], chosen: np.ndarray) -> float:
    """Energy of a labelling, by its definition."""
    first, labels, costs, edges, weights = problem
    total = 0.0
    for face, label in enumerate(chosen):
        slots = np.arange(first[face], first[face + 1])
        total += float(costs[slots[labels[slots] == label]][0])
    return total + float(weights[chosen[edges[:, 0]] != chosen[edges[:, 1]]].sum())


def optimum(problem: tuple[np.ndarray, ...]) -> float:
    first, labels = problem[:2]
    choices = [labels[a:b] for a, b in itertools.pairwise(first)]
    return min(cost_of(problem, np.array(pick)) for pick in itertools.product(*choices))


@given(potts_problems())
@settings(max_examples=60, deadline=None)
def test_labelling_against_all_labellings(problem: tuple[np.ndarray, ...]) -> None:
    order = np.arange(len(problem[0]) - 1, dtype=np.int32)
    chosen, energy, bound = _texture.label_faces(*problem, order, 40)
    best = optimum(problem)
    assert energy == pytest.approx(cost_of(problem, chosen), abs=1e-4)
    assert bound <= best + 1e-4
    assert best - 1e-4 <= energy <= 1.05 * best + 1e-4


@given(potts_problems(), st.floats(0, 2))
@settings(max_examples=60, deadline=None)
def test_merging_patches_never_raises_the_energy(
    problem: tuple[np.ndarray, ...], patch_cost: float
) -> None:
    first, labels, _, edges, _ = problem
    chosen = labels[first[:-1]].copy()

    def total(picked: np.ndarray) -> float:
        same = edges[picked[edges[:, 0]] == picked[edges[:, 1]]]
        graph = sparse.coo_matrix(
            (np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(len(picked),) * 2
        )
        patches = sparse.csgraph.connected_components(graph, directed=False)[0]
        return cost_of(problem, picked) + patch_cost * float(patches)

    before = total(chosen)
    _texture.merge_patches(*problem, patch_cost, chosen)
    assert total(chosen) <= before + 1e-4


def test_faces_without_photos_stay_unlabelled() -> None:
    first = np.array([0, 1, 1, 2], np.int64)
    edges = np.array([[0, 1], [1, 2]], np.int32)
    chosen, energy, _ = _texture.label_faces(
        first,
        np.array([3, 5], np.int32),
        np.zeros(2, np.float32),
        edges,
        np.ones(2, np.float32),
        np.arange(3, dtype=np.int32),
        5,
    )
    np.testing.assert_array_equal(chosen, [3, -1, 5])
    assert energy == 0


def test_solver_against_scipy() -> None:
    """A screened Poisson equation on a grid."""
    rng = np.random.default_rng(3)
    line = sparse.diags_array([-np.ones(19), 2 * np.ones(20), -np.ones(19)], offsets=[-1, 0, 1])
    eye = sparse.eye_array(20)
    matrix = (
        sparse.kron(line, eye) + sparse.kron(eye, line) + 0.01 * sparse.eye_array(400)
    ).tocsr()
    right = rng.normal(size=(400, 3))
    x = np.zeros((400, 3))
    residual = _texture.solve_spd(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float64),
        right,
        1000,
        1e-10,
        x,
        2,
    )
    assert residual <= 1e-10
    np.testing.assert_allclose(x, spsolve(matrix.tocsc(), right), atol=1e-7)


def test_levelling_is_the_harmonic_solution() -> None:
    """Both sides of a seam meet; the change inside is what scipy finds for the same equation."""
    size, reach, step = 64, 10, 0.2
    owners = np.full((size, size), -1, np.int32)
    owners[8:40, 8:24] = 0
    owners[8:40, 40:56] = 1
    atlas = np.zeros((size, size, 3), np.int16)
    atlas[8:40, 8:24] = round(0.4 * _texture.ONE)
    atlas[8:40, 40:56] = round((0.4 + step) * _texture.ONE)
    before = atlas.copy()
    # The right edge of the left chart meets the left edge of the right one.
    seams = np.array([[[[23.5, 8.5], [23.5, 39.5]], [[40.5, 8.5], [40.5, 39.5]]]], np.float32)
    _texture.level_seams(seams, owners, np.array([0, 1], np.int32), reach, 400, atlas, 1)
    change = (atlas.astype(np.float64) - before) / _texture.ONE
    np.testing.assert_allclose(change[8:40, 23], step / 2, atol=1e-3)
    np.testing.assert_allclose(change[8:40, 40], -step / 2, atol=1e-3)
    assert np.all(change[owners == -1] == 0)
    # One row of texels: 1 at the seam, 0 after `reach` steps, linear in between.
    expected = step / 2 * (1 - np.arange(reach + 1) / reach)
    np.testing.assert_allclose(change[24, 23 : 23 - reach - 1 : -1, 0], expected, atol=2e-3)


def test_seam_steps_are_weighted_towards_their_ends() -> None:
    """A difference that grows along the seam is larger at its far end."""
    size = 32
    atlas = np.zeros((size, size, 3), np.int16)
    ramp = (np.arange(size) / size * 0.5 * _texture.ONE).astype(np.int16)
    atlas[:, 20] = ramp[:, None]
    seams = np.array([[[[4.5, 4.5], [4.5, 24.5]], [[20.5, 4.5], [20.5, 24.5]]]], np.float32)
    near, far = _texture.measure_seams(atlas, seams, 1)[0, :, 0]
    low, high = 0.5 * 4 / size, 0.5 * 24 / size
    assert near == pytest.approx(low + (high - low) / 3, abs=0.01)
    assert far == pytest.approx(low + (high - low) * 2 / 3, abs=0.01)


def test_depth_of_a_plane() -> None:
    """Depth is perspective-correct: exact along a slanted triangle."""
    focal, width, height = 100.0, 80, 60
    points = np.array([[-2, -1.5, 2], [2.5, -1, 6], [0, 3, 4]], np.float64)
    pixels = focal * points[:, :2] / points[:, 2:] + (40, 30)
    depth = _texture.draw_depth(
        pixels.astype(np.float32),
        points[:, 2].astype(np.float32),
        np.array([[0, 1, 2]], np.int32),
        width,
        height,
        2,
    )
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - 40) / focal, (v - 30) / focal, np.ones_like(u)], -1)
    expected = normal @ points[0] / (rays @ normal)
    hit = np.isfinite(depth)
    assert hit.sum() > 500
    np.testing.assert_allclose(depth[hit], expected[hit], rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([1, 2, 4]), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_packed_charts_keep_their_distance(seed: int, count: int, cell: int, pages: int) -> None:
    """Triangles of random size stay inside their page, and their padding never meets."""
    rng = np.random.default_rng(seed)
    size, padding = 256 if pages == 1 else 96, 2
    corners = rng.uniform(0, rng.uniform(2, 60, (count, 1, 1)), (count, 3, 2))
    corners -= np.floor(corners.min(axis=1, keepdims=True))
    corners = corners.astype(np.float32)
    first = np.arange(count + 1, dtype=np.int64)
    places = _texture.pack_charts(corners, first, size, pages, cell, padding)
    if places is None:
        assert (corners.max(axis=1).prod(axis=1)).sum() > 0.2 * pages * size**2
        return
    x, y, turns = places.T[:, :, None]
    u, v = corners[..., 0], corners[..., 1]
    across = np.choose(turns, [u, -v, -u, v])
    down = np.choose(turns, [v, u, -v, -u])
    uvs = np.stack([x + across, y + down], axis=-1)
    assert uvs[..., 0].min() >= padding
    assert uvs[..., 0].max() <= size - padding
    page = uvs[..., 1].min(axis=1) // size
    assert page.max() < pages
    assert np.all(uvs[..., 1].min(axis=1) - page * size >= padding)
    assert np.all(uvs[..., 1].max(axis=1) - page * size <= size - padding)
    taken = np.zeros((2 * size * pages, 2 * size), np.int64)
    for triangle in uvs.astype(np.float64):
        left, top = 2 * (np.floor(triangle.min(axis=0)).astype(int) - padding)
        right, bottom = 2 * (np.ceil(triangle.max(axis=0)).astype(int) + padding)
        x, y = np.meshgrid(np.arange(left, right) / 2 + 0.25, np.arange(top, bottom) / 2 + 0.25)
        taken[top:bottom, left:right] += distance(triangle, x, y) < padding - 0.01
    assert taken.max() <= 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_packing_as_its_slow_twin(seed: int, count: int, pages: int) -> None:
    """Rectangles: each, largest first, lies as high and then as far left as it can."""
    cell, padding, side = 4, 2, 16
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, rng.integers(3, 8), (count, 2))
    corners = np.empty((2 * count, 3, 2), np.float32)
    # With its padding a rectangle covers whole cells.
    for n, (w, h) in enumerate(cell * sizes - 2 * padding):
        corners[2 * n] = [(0, 0), (w, 0), (w, h)]
        corners[2 * n + 1] = [(0, 0), (w, h), (0, h)]
    first = np.arange(count + 1, dtype=np.int64) * 2
    places = _texture.pack_charts(corners, first, cell * side, pages, cell, padding)
    taken = np.zeros((side * pages, side), bool)
    expected = np.zeros((count, 3), np.int64)
    for n in np.argsort(-sizes.sum(axis=1), kind="stable"):
        width, height = sizes[n]
        spots = [slow_spot(taken, *size) for size in ((width, height), (height, width))]
        ends = [
            spot[0] + tall if spot else 10**6
            for spot, tall in zip(spots, (height, width), strict=True)
        ]
        turned = int(ends[1] < ends[0])
        spot = spots[turned]
        if spot is None:
            assert places is None
            return
        y, x = spot
        w, h = (height, width) if turned else (width, height)
        taken[y : y + h, x : x + w] = True
        expected[n] = (
            cell * x + (cell * w - padding if turned else padding),
            cell * y + padding,
            turned,
        )
    assert places is not None
    np.testing.assert_array_equal(places, expected)


def slow_spot(taken: np.ndarray, width: int, height: int) -> tuple[int, int] | None:
    """The first row, then column, with room; no rectangle crosses a page's end."""
    side = taken.shape[1]
    for y in range(len(taken) - height + 1):
        if y // side != (y + height - 1) // side:
            continue
        for x in range(side - width + 1):
            if not taken[y : y + height, x : x + width].any():
                return y, x
    return None


def distance(triangle: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance of points to a triangle: 0 inside."""
    nearest = np.full(x.shape, np.inf)
    sides = []
    for k in range(3):
        a, b = triangle[k], triangle[(k + 1) % 3]
        d = b - a
        along = ((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(float(d @ d), 1e-12)
        t = np.clip(along, 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1]))
        sides.append(d[0] * (y - a[1]) - d[1] * (x - a[0]))
    inside = np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)
    return np.where(inside, 0, nearest)


def test_gaps_are_filled_from_around() -> None:
    """Painted texels are kept; the others lie between the colours that surround them."""
    size = 64
    rng = np.random.default_rng(0)
    owners = np.full((size, size), -1, np.int32)
    owners[10:30, 5:25] = 0
    owners[40:60, 30:50] = 1
    atlas = np.zeros((size, size, 3), np.int16)
    atlas[owners >= 0] = rng.integers(3000, 6000, ((owners >= 0).sum(), 3))
    done = _texture.finish_page(atlas, owners, 2)
    expected = np.round(atlas[owners >= 0] / _texture.ONE * 255)
    np.testing.assert_allclose(done[owners >= 0], expected, atol=1)
    assert done.min() >= expected.min() - 1
    assert done.max() <= expected.max() + 1


def votes(colors: np.ndarray) -> np.ndarray:
    """Which candidates of a row of faces are rejected; colours (F, V, 3), all photos see all."""
    faces, views = colors.shape[:2]
    rejected, _ = _texture.find_outliers(
        np.arange(faces + 1, dtype=np.int64) * views,
        np.tile(np.arange(views, dtype=np.int32), faces),
        np.ascontiguousarray(colors.reshape(-1, 3), np.float32),
        np.array([[i, i + 1] for i in range(faces - 1)], np.int32),
        2,
    )
    return rejected.reshape(faces, views)


def test_outliers_lose_and_neighbours_follow() -> None:
    """Six photos agree on a row of faces, a seventh shows something else on most of them."""
    colors = np.full((5, 7, 3), 0.5, np.float32)
    colors[:, 6] = 0.9
    colors[2, 6] = 0.55  # by chance alike, but surrounded by what is rejected
    rejected = votes(colors)
    assert rejected[:, 6].all()
    assert not rejected[:, :6].any()


def test_two_photos_do_not_outvote_each_other() -> None:
    colors = np.full((5, 2, 3), 0.2)
    colors[:, 1] = 0.8
    assert not votes(colors).any()
