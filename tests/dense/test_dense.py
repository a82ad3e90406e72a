"""Photos of a plane to a cloud: undistortion, source choice, depth maps with resume, fusion."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from gypsum import dense
from gypsum.dense import depth_maps
from gypsum.dense.colmap_workspace import map_path, read_map, write_map
from gypsum.scene import Box, Camera, Photo, PointCloud, SparseModel, View

from . import scenes


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plane")
    views = scenes.plane_views(folder)
    model = scenes.sparse_model(views)
    model.write(folder / "sparse")
    neighbors = dense.choose_neighbors(model, views, 4)
    dense.estimate_depth_maps(views, neighbors, folder, long_side=320)
    return folder


def test_depth_and_normal_maps_match_the_plane(workspace: Path) -> None:
    views = dense.read_views(workspace)
    for view in views:
        seen = scenes.seen_by_others(view, views) >= 2
        depth = read_map(map_path(workspace, "depth", view.name))
        error = np.abs(depth / scenes.plane_depth(view) - 1)[seen]
        assert np.median(error) < 5e-4
        assert np.mean(error < 5e-3) > 0.97
        normal = read_map(map_path(workspace, "normal", view.name))[seen]
        assert np.mean(normal @ (view.R @ scenes.NORMAL) > np.cos(np.radians(10))) > 0.9


def test_a_stopped_run_continues_to_the_same_maps(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = dense.read_views(workspace)
    neighbors = dense.choose_neighbors(SparseModel.read(workspace / "sparse"), views, 4)

    class StopError(Exception):
        pass

    calls = 0

    def stop_after_seven(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise StopError

    with pytest.raises(StopError):
        dense.estimate_depth_maps(
            views, neighbors, tmp_path, long_side=320, progress=stop_after_seven
        )
    assert len(list((tmp_path / "passes").rglob("*.npz"))) == 6
    run, runs = depth_maps._Estimator.run, []

    def counted(self: depth_maps._Estimator, number: int, i: int) -> None:
        runs.append((number, i))
        run(self, number, i)

    monkeypatch.setattr(depth_maps._Estimator, "run", counted)
    dense.estimate_depth_maps(views, neighbors, tmp_path, long_side=320)
    assert len(runs) == 3 * len(views) - 6
    dense.estimate_depth_maps(views, neighbors, tmp_path, long_side=320)
    assert len(runs) == 3 * len(views) - 6
    for view in views:
        np.testing.assert_array_equal(
            read_map(map_path(tmp_path, "depth", view.name)),
            read_map(map_path(workspace, "depth", view.name)),
        )


def masked_views(folder: Path, workspace: Path, bad: int | None = None) -> list[View]:
    """The views with masks of the plane's part with x < 0; one mask may be of the other part."""
    folder.mkdir(parents=True, exist_ok=True)
    views = []
    for i, view in enumerate(dense.read_views(workspace)):
        points = view.center + scenes.rays(view) * scenes.plane_depth(view)[..., None]
        shown = (points[..., 0] < 0) != (i == bad)
        path = folder / f"{i}.png"
        Image.fromarray(np.where(shown, np.uint8(255), np.uint8(0))).save(path)
        views.append(replace(view, mask=path))
    return views


def test_nothing_is_measured_outside_the_masks(workspace: Path, tmp_path: Path) -> None:
    views = masked_views(tmp_path / "masks", workspace)
    neighbors = dense.choose_neighbors(SparseModel.read(workspace / "sparse"), views, 4)
    dense.estimate_depth_maps(views, neighbors, tmp_path, long_side=320)
    for view in views:
        mask = view.read_mask()
        assert mask is not None
        depth = read_map(map_path(tmp_path, "depth", view.name))
        assert np.all(depth[~mask] == 0)
        seen = mask & (scenes.seen_by_others(view, views) >= 2)
        error = np.abs(depth / scenes.plane_depth(view) - 1)[seen]
        assert np.median(error) < 5e-4
        # Up to the mask's border: what lies beside the object is no part of a window.
        assert np.mean(error < 5e-3) > 0.97


def test_fusion_keeps_to_the_masks_but_for_a_bad_one(workspace: Path, tmp_path: Path) -> None:
    sources = [[j for j in range(5) if j != i] for i in range(5)]
    limits = dense.FusionLimits(most_outside=0.25)
    good = dense.fuse(masked_views(tmp_path / "good", workspace), sources, workspace, limits=limits)
    assert good.points[:, 0].max() < 0.02
    one = masked_views(tmp_path / "one", workspace, bad=2)
    bad = dense.fuse(one, sources, workspace, limits=limits)
    assert bad.points[:, 0].max() < 0.02
    assert len(bad) > 0.8 * len(good)


def test_a_box_bounds_what_is_measured_and_kept(workspace: Path, tmp_path: Path) -> None:
    views = dense.read_views(workspace)
    neighbors = dense.choose_neighbors(SparseModel.read(workspace / "sparse"), views, 4)
    wanted = Box.between((-0.3, -0.2, -0.3), (0.3, 0.2, 0.3))
    asked: list[PointCloud] = []

    def find(cloud: PointCloud, _: object) -> Box:
        asked.append(cloud)
        return wanted

    box = dense.estimate_depth_maps(views, neighbors, tmp_path, long_side=320, box=find)
    assert box is wanted
    (rough,) = asked
    assert np.percentile(np.abs(rough.points @ scenes.NORMAL), 90) < 0.02
    for view in views:
        depth = read_map(map_path(tmp_path, "depth", view.name))
        np.testing.assert_array_equal(depth > 0, wanted.silhouette(view))
    again = dense.estimate_depth_maps(views, neighbors, tmp_path, long_side=320, box=find)
    assert again is not None
    assert len(asked) == 1
    np.testing.assert_array_equal(again.half, wanted.half)
    cloud = dense.fuse(views, [here.sources for here in neighbors], tmp_path, box=box)
    assert wanted.grown(1.02).contains(cloud.points).all()
    assert len(cloud) > 5_000


def test_fused_points_lie_on_the_plane_once(workspace: Path) -> None:
    views = dense.read_views(workspace)
    sources = [[j for j in range(len(views)) if j != i] for i in range(len(views))]
    cloud = dense.fuse(views, sources, workspace)
    distance = np.abs(cloud.points @ scenes.NORMAL)
    assert np.percentile(distance, 95) < 0.005
    assert np.median(cloud.normals @ scenes.NORMAL) > 0.99
    assert cloud.support is not None
    assert cloud.radii is not None
    # Where only two photos look, points are unsure: few, and hardly any beside a sure one.
    sure = cloud.support >= 3
    assert cloud.support.min() == 2
    assert np.mean(sure) > 0.9
    nearest, _ = cKDTree(cloud.points[sure]).query(cloud.points[~sure])
    assert np.mean(nearest > 1.5 * cloud.radii[~sure]) > 0.8
    assert np.all(nearest > 0.2 * cloud.radii[~sure])
    assert cloud.views is not None
    assert len(cloud.views) == len(cloud)
    assert cloud.views.counts[~sure].min() >= 2
    # Five photos of the same place must not give five times the points of one.
    pixels = views[0].width * views[0].height
    assert 0.5 * pixels < len(cloud) < 2.0 * pixels


def test_what_one_photo_alone_claims_is_not_fused(workspace: Path, tmp_path: Path) -> None:
    views = dense.read_views(workspace)
    for i, view in enumerate(views):
        depth = scenes.plane_depth(view).astype(np.float32)
        normal = np.broadcast_to((view.R @ scenes.NORMAL).astype(np.float32), (*depth.shape, 3))
        if i == 2:
            depth[80:160, 100:200] *= 0.8
        write_map(map_path(tmp_path, "depth", view.name), depth)
        write_map(map_path(tmp_path, "normal", view.name), normal)
    sources = [[j for j in range(len(views)) if j != i] for i in range(len(views))]
    cloud = dense.fuse(views, sources, tmp_path)
    assert np.abs(cloud.points @ scenes.NORMAL).max() < 1e-3


def test_sources_are_near_and_the_depth_range_holds_the_scene(workspace: Path) -> None:
    views = dense.read_views(workspace)
    neighborhoods = dense.choose_neighbors(SparseModel.read(workspace / "sparse"), views, 2)
    assert set(neighborhoods[0].sources) <= {1, 2}
    for view, here in zip(views, neighborhoods, strict=True):
        depth = scenes.plane_depth(view)
        assert here.near < np.percentile(depth, 2)
        assert here.far > np.percentile(depth, 98)


def test_undistorted_photos_follow_the_pinhole_model(tmp_path: Path) -> None:
    width, height, f = 320, 240, 300.0
    camera = Camera(1, "RADIAL", width, height, np.array([f, 158.0, 123.0, -0.12, 0.03]))

    def pattern(ray: np.ndarray) -> np.ndarray:
        return 128 + 50 * np.sin(18 * ray[..., 0]) + 50 * np.cos(14 * ray[..., 1])

    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    distorted = np.stack([x, y], -1).reshape(-1, 1, 2)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    ray = cv2.undistortPoints(distorted, camera.K, camera.distortion, criteria=criteria)
    photo = np.rint(pattern(ray.reshape(height, width, 2))).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.stack([photo] * 3, -1)).save(tmp_path / "photos" / "a.png")
    model = SparseModel(
        {1: camera},
        {1: Photo(1, "a.png", 1, np.eye(3), np.zeros(3), np.empty((0, 2)), np.empty(0, np.int64))},
        np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3), np.uint8), np.empty(0),
    )  # fmt: skip
    dense.undistort(model, tmp_path / "photos", tmp_path / "dense")
    (view,) = dense.read_views(tmp_path / "dense")
    u = (np.arange(view.width) + 0.5 - view.K[0, 2]) / view.K[0, 0]
    v = (np.arange(view.height) + 0.5 - view.K[1, 2]) / view.K[1, 1]
    expected = pattern(np.stack(np.meshgrid(u, v), -1))
    result = view.read()[..., 0].astype(float)
    assert result.shape == (view.height, view.width)
    assert np.abs(result - expected)[2:-2, 2:-2].max() < 4


def test_colmap_fuses_our_maps(workspace: Path, tmp_path: Path) -> None:
    # pycolmap may end the process and must come after Pillow: it runs in one of its own.
    script = """
import sys, numpy, pathlib, PIL.Image, pycolmap
workspace, result = sys.argv[1:]
pathlib.Path(result).mkdir()
options = pycolmap.StereoFusionOptions(min_num_pixels=3)
fused = pycolmap.stereo_fusion(result, workspace, input_type="geometric", options=options)
numpy.save(result + "/points.npy", numpy.array([p.xyz for p in fused.points3D.values()]))
"""
    run = [sys.executable, "-c", script, str(workspace), str(tmp_path / "fused")]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    points = np.load(tmp_path / "fused" / "points.npy")
    assert len(points) > 10_000
    assert np.percentile(np.abs(points @ scenes.NORMAL), 90) < 0.005
