"""Splats to a surface: spheres and planes of flat Gaussians."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.native import _splats
from gypsum.pipelines.splat_surface import surface_of_splats
from gypsum.scene import Splats, View
from gypsum.splats.fit import spread
from gypsum.splats.paths import Subject, orbit
from gypsum.splats.seen import SeenDepths, from_world, to_world

from .test_depths import flat_splats, view_from

Float64 = NDArray[np.float64]


def ball(count: int = 8000) -> Splats:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return flat_splats(normals, normals, 0.035)


def test_mesh_of_a_sphere_has_its_radius(tmp_path: Path) -> None:
    views = orbit(Subject(np.zeros(3), 1.0), 160, 160)
    found = surface_of_splats(ball(), views, tmp_path / "d", extent=spread(views), threads=2)
    mesh = found.mesh
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(np.median(radii) - 1) < 0.005
    assert np.percentile(np.abs(radii - 1), 95) < 0.02
    # Closed but for the bottom, which no view sees squarely, and facing outwards.
    assert mesh.vertices[:, 2].max() > 0.99
    outward = np.einsum("ij,ij->i", mesh.vertex_normals(), mesh.vertices / radii[:, None])
    assert (outward > 0.9).mean() > 0.95
    assert not (tmp_path / "d").exists()


def test_threads_do_not_change_it(tmp_path: Path) -> None:
    views = orbit(Subject(np.zeros(3), 1.0), 64, 64)
    one, two = (
        surface_of_splats(ball(3000), views, tmp_path / "d", extent=1.0, threads=threads).mesh
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.vertices, two.vertices)
    np.testing.assert_array_equal(one.faces, two.faces)


def test_floaters_that_one_view_sees_are_left_out(tmp_path: Path) -> None:
    views = [view_from(2.6 * np.array([np.cos(a), np.sin(a), 0.3])) for a in np.arange(16) * 0.4]
    clean = ball()
    # A disc close before the first camera.
    place = 0.75 * views[0].center
    facing = views[0].center / np.linalg.norm(views[0].center)
    disc = flat_splats(place[None], facing[None], 0.05)
    both = Splats.from_rows(np.concatenate([clean.rows(), disc.rows()]), 0)
    depths = SeenDepths(both, views, tmp_path, 1.0, threads=2)
    _, trusted, _ = next(depths.trusted())
    _, raw, _ = next(SeenDepths(clean, views, tmp_path, 1.0, threads=2).trusted())
    assert (raw > 0).mean() > 0.2
    # Where it hides the ball nothing is trusted; beside it everything is as without.
    assert trusted[trusted > 0].min() > 1.0
    assert (trusted > 0).sum() < 0.95 * (raw > 0).sum()


def test_nothing_to_agree_on_is_said(tmp_path: Path) -> None:
    views = orbit(Subject(np.zeros(3), 1.0), 32, 32)
    far = flat_splats(np.full((1, 3), 50.0), np.array([[0, 0, 1.0]]), 0.01)
    with pytest.raises(ReconstructionError, match="no surface"):
        surface_of_splats(far, views, tmp_path / "d", extent=1.0)


def test_compared_depths_count_agreement_and_what_is_before() -> None:
    views = [view_from(np.array(place, float), 120) for place in ((3, 0, 2), (2, 2, 2))]
    here, there = (_depths_of_ground(view).astype(np.float32) for view in views)

    def counts(depth: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        agree, before = np.zeros((2, 120, 120), np.uint8)
        _splats.compare_depths(
            here, to_world(views[0]), [depth], [from_world(views[1])], 0.02, 0.1, 2, agree, before
        )
        return agree, before

    agree, before = counts(there)
    assert agree.sum() > 2000
    assert before.sum() < 0.01 * agree.sum()
    agreed = agree.sum()
    agree, before = counts(there * np.float32(0.94))
    assert agree.sum() < 0.01 * agreed
    assert before.sum() > 0.98 * agreed
    # So far before it is something else, and behind it nothing tells.
    for share in (0.8, 1.2):
        agree, before = counts(there * np.float32(share))
        assert agree.sum() + before.sum() < 0.01 * agreed
    assert not any(map(np.any, counts(0 * there)))


def _depths_of_ground(view: View) -> Float64:
    px = np.arange(view.width) + 0.5
    grid = np.stack([*np.meshgrid(px, px), np.ones((view.height, view.width))], -1)
    slope = (grid @ np.linalg.inv(view.K).T @ view.R)[..., 2]
    depth = -view.center[2] / np.where(slope < -0.05, slope, np.inf)
    return np.where(depth > 0, depth, 0.0)
