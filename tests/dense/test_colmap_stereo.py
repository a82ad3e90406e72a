"""The exchange with COLMAP's PatchMatch: a stand-in writes the maps that COLMAP would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gypsum import dense
from gypsum.dense import colmap_stereo
from gypsum.dense.colmap_workspace import map_path, read_map, write_map
from gypsum.errors import ResourceError
from gypsum.scene import View

from . import scenes


class StandIn:
    """Plays ``pycolmap``: reads the workspace as COLMAP does and leaves exact maps."""

    has_cuda = True

    def __init__(self, views: list[View]) -> None:
        self.views = {view.name: view for view in views}
        self.options: SimpleNamespace | None = None

    PatchMatchOptions = SimpleNamespace

    def patch_match_stereo(self, folder: str, kind: str, options: SimpleNamespace) -> None:
        assert kind == "COLMAP"
        self.options = options
        lines = (Path(folder) / "stereo" / "patch-match.cfg").read_text().splitlines()
        for name, sources in zip(lines[::2], lines[1::2], strict=True):
            assert set(sources.split(", ")) <= self.views.keys() - {name}
            view = self.views[name].limited(options.max_image_size)
            depth = scenes.plane_depth(view).astype(np.float32)
            normal = np.broadcast_to((view.R @ scenes.NORMAL).astype(np.float32), (*depth.shape, 3))
            for round_ in ("photometric", "geometric"):
                # COLMAP makes no folders.
                assert map_path(Path(folder), "depth", name, round_).parent.is_dir()
                write_map(map_path(Path(folder), "depth", name, round_), depth)
                write_map(map_path(Path(folder), "normal", name, round_), normal)


def test_colmaps_maps_are_fused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colmap_stereo, "_PAUSE", 0.01)
    views = scenes.plane_views(tmp_path)
    neighbors = dense.choose_neighbors(scenes.sparse_model(views), views, 4)
    neighbors[4] = dense.Neighborhood((), 0.0, 0.0)
    neighbors = [
        dense.Neighborhood(tuple(j for j in here.sources if j != 4), here.near, here.far)
        for here in neighbors
    ]
    colmap = StandIn(views)
    monkeypatch.setitem(sys.modules, "pycolmap", colmap)
    told: list[float] = []
    dense.estimate_depth_maps_cuda(
        views, neighbors, tmp_path, long_side=200, progress=lambda done, _="": told.append(done)
    )
    assert colmap.options is not None
    assert colmap.options.geom_consistency
    assert told[-1] == 1.0
    assert np.all(read_map(map_path(tmp_path, "depth", views[4].name)) == 0)
    assert not list(tmp_path.rglob("*.photometric.bin"))
    cloud = dense.fuse(views, [here.sources for here in neighbors], tmp_path)
    assert np.abs(cloud.points @ scenes.NORMAL).max() < 1e-3
    assert len(cloud) > 0.5 * 200 * 150
    assert cloud.views is not None
    assert 4 not in cloud.views.photos


def test_maps_and_options_are_those_of_the_real_pycolmap(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ours = {"depth": rng.random((3, 5), np.float32), "normal": rng.random((3, 5, 3), np.float32)}
    for what, values in ours.items():
        write_map(tmp_path / f"{what}.bin", values)
    # pycolmap may end the process and must come after Pillow: it runs in one of its own.
    script = """
import sys, numpy, PIL.Image, pycolmap
from gypsum.dense import colmap_stereo
options = pycolmap.PatchMatchOptions(max_image_size=640, **colmap_stereo._OPTIONS)
assert options.filter and options.geom_consistency and options.max_image_size == 640
for what, kind in (("depth", pycolmap.DepthMap), ("normal", pycolmap.NormalMap)):
    array = kind()
    array.read(f"{sys.argv[1]}/{what}.bin")
    array.write(f"{sys.argv[1]}/{what}.colmap.bin")
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
    for what, values in ours.items():
        np.testing.assert_array_equal(read_map(tmp_path / f"{what}.colmap.bin"), values)


def test_a_build_without_cuda_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", SimpleNamespace(has_cuda=False))
    with pytest.raises(ResourceError, match="pycolmap-cuda12"):
        dense.estimate_depth_maps_cuda([], [], tmp_path, long_side=100)


def test_colmaps_errors_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(colmap_stereo, "_PAUSE", 0.01)
    colmap = SimpleNamespace(
        has_cuda=True, PatchMatchOptions=SimpleNamespace, patch_match_stereo=fail
    )
    monkeypatch.setitem(sys.modules, "pycolmap", colmap)
    views = scenes.plane_views(tmp_path, count=2, width=40, height=30)
    near = [dense.Neighborhood((1 - i,), 1.0, 3.0) for i in range(2)]
    with pytest.raises(RuntimeError, match="no kernel image"):
        dense.estimate_depth_maps_cuda(views, near, tmp_path, long_side=40)
