"""Depth maps from elsewhere: what their numbers mean, and what they add."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.dense import complete_depth_maps, meanings, metric_scale
from gypsum.dense.colmap_workspace import map_path, read_map, write_map
from gypsum.dense.given_depth import BENT, INVERSE, KINDS, SCALED, SHIFTED, Meaning, meaning_of
from gypsum.scene import View
from gypsum.scene.depth import normals_of

from .scenes import NORMAL, plane_depth, plane_views, sparse_model

Float32 = NDArray[np.float32]


@pytest.mark.parametrize("kind", KINDS)
def test_meanings_are_found_among_wrong_points(kind: str) -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(1.0, 4.0, 200)
    a, b = {SCALED: (0.3, 0.0), SHIFTED: (0.5, 0.7), BENT: (1.3, 0.1), INVERSE: (0.02, 0.05)}[kind]
    numbers = {
        SCALED: z / a, SHIFTED: (z - b) / a, BENT: a / (1 / z - b), INVERSE: (1 / z - b) / a
    }[kind]  # fmt: skip
    numbers = numbers * (1 + 0.005 * rng.normal(size=200))
    numbers[:40] *= rng.uniform(1.3, 3.0, 40)
    keep = numbers > 0
    found = meaning_of(numbers[keep], z[keep], kind)
    assert found is not None
    assert found.misfit < 0.02
    clean = numbers[40:].astype(np.float32)
    assert np.median(np.abs(found.depths(clean) / z[40:] - 1)) < 0.01
    assert found.depths(np.zeros(3, np.float32)).max() == 0


def test_too_few_points_mean_nothing() -> None:
    assert meaning_of(np.ones(5), np.ones(5), SCALED) is None


def test_maps_of_one_size_are_metric() -> None:
    def found(scales: list[float], kind: str = SCALED) -> dict[str, Meaning | None]:
        return {str(n): Meaning(kind, a, 0.0, 0.01, 50) for n, a in enumerate(scales)}

    scale = metric_scale(found([0.5, 0.505, 0.495, 0.5, 0.9]), SCALED)
    assert scale is not None
    assert scale[0] == pytest.approx(2.0, rel=0.02)
    assert metric_scale(found([0.5, 0.6, 0.4, 0.7]), SCALED) is None
    assert metric_scale(found([0.5, 0.5, 0.5], INVERSE), INVERSE) is None
    assert metric_scale(found([0.5, 0.5]), SCALED) is None


def given_maps(
    folder: Path, views: list[View], network: bool, size: tuple[int, int] = (96, 128)
) -> None:
    """Depth maps as a sensor gives them, in a unit of 0.4, or inverse ones as a network does."""
    folder.mkdir()
    rng = np.random.default_rng(2)
    for number, view in enumerate(views):
        true = plane_depth(view.resized(size[1], size[0]))
        noisy = true * (1 + 0.01 * rng.normal(size=true.shape))
        numbers = (1 / noisy - 0.05 * number) * 1000 if network else noisy / 0.4
        np.save(folder / f"{view.name}.npy", numbers.astype(np.float32))


def measured(folder: Path, view: View) -> Float32:
    """Maps as the photos give them: sure in the outer part, wrong or unknown in the middle."""
    depth = plane_depth(view).astype(np.float32)
    confidence = np.full(depth.shape, 0.9, np.float32)
    height, width = depth.shape
    middle = (slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4))
    confidence[middle] = 0.3
    depth[middle] *= 1.3
    depth[height // 3 : height // 2, middle[1]] = 0
    write_map(map_path(folder, "depth", view.name), depth)
    write_map(map_path(folder, "normal", view.name), normals_of(depth, view.K))
    write_map(map_path(folder, "confidence", view.name), confidence)
    return depth


@pytest.mark.parametrize("network", [False, True])
def test_what_photos_do_not_tell_is_filled(tmp_path: Path, network: bool) -> None:
    views = plane_views(tmp_path)
    model = sparse_model(views)
    given_maps(tmp_path / "given", views, network)
    for view in views:
        measured(tmp_path / "depth", view)
    found, kind = meanings(model, tmp_path / "given")
    assert kind == (INVERSE if network else SCALED)
    scale = metric_scale(found, kind)
    assert (scale is None) == network
    if scale is not None:
        assert scale[0] == pytest.approx(1 / 0.4, rel=0.01)
    done = complete_depth_maps(
        model, tmp_path / "given", views, tmp_path / "depth", tmp_path / "completed"
    )
    assert set(done.used) == {view.name for view in views}
    for view in views:
        true = plane_depth(view)
        depth = read_map(map_path(tmp_path / "completed", "depth", view.name))
        assert (depth > 0).all()
        error = np.abs(depth / true - 1)
        height, width = true.shape
        middle = error[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
        assert np.median(middle) < 0.006
        assert np.percentile(error, 98) < 0.03
        normals = read_map(map_path(tmp_path / "completed", "normal", view.name))
        assert np.median(normals @ (view.R @ NORMAL)) > 0.98


def test_maps_that_disagree_are_distrusted(tmp_path: Path) -> None:
    views = plane_views(tmp_path)
    model = sparse_model(views)
    given_maps(tmp_path / "given", views, network=False)
    before = {view.name: measured(tmp_path / "depth", view) for view in views}
    # One map is of something else; another has a thing in it that is not there.
    wrong, partly = views[0].name, views[1].name
    random = np.random.default_rng(5).uniform(1, 9, (96, 128)).astype(np.float32)
    np.save(tmp_path / "given" / f"{wrong}.npy", random)
    numbers = np.load(tmp_path / "given" / f"{partly}.npy")
    numbers[:30, :40] *= 0.8
    np.save(tmp_path / "given" / f"{partly}.npy", numbers)
    confidence = map_path(tmp_path / "depth", "confidence", partly)
    values = read_map(confidence)
    values[:8, :8] = 0.1  # Not sure just there.
    write_map(confidence, values)
    done = complete_depth_maps(
        model, tmp_path / "given", views, tmp_path / "depth", tmp_path / "completed"
    )
    assert set(done.left_out) == {wrong}
    kept = read_map(map_path(tmp_path / "completed", "depth", wrong))
    assert np.array_equal(kept, before[wrong])
    corner = read_map(map_path(tmp_path / "completed", "depth", partly))[:8, :8]
    assert np.array_equal(corner, before[partly][:8, :8])
