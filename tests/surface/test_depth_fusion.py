"""Depth maps of a sensor: weights, noise, voxels, and their surface."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.scene import Box, RgbdFrame
from gypsum.scene.depth import denoised
from gypsum.surface.depth_fusion import (
    _between_things,
    _cosines,
    choose_voxel,
    depth_noise,
    fuse_frames,
    pixel_weights,
)

from .shapes import looking_at
from .test_volume import plane_depth

Float32 = NDArray[np.float32]

UP = np.array([0.0, 0, 1])


def frame_of(folder: Path, name: str, noise: float = 0.0, spot: float = 0.0) -> RgbdFrame:
    """A depth map of the plane z = 0, and a post of 0.5 m with a square top in its middle."""
    view = looking_at(np.array([spot, 0.1, 2.0]), np.array([0.0, 0.0, 0.0]), 300.0)
    depth: NDArray[np.floating] = plane_depth(view, UP, 0.0)
    post = plane_depth(view, UP, 0.5)
    y, x = np.mgrid[: view.height, : view.width] + 0.5
    rays = np.stack([(x - 200) / 300, (y - 150) / 300, np.ones_like(x)], -1) @ view.R
    top = view.center + rays * post[..., None]
    depth = np.where(np.abs(top[..., :2]).max(axis=-1) < 0.2, post, depth)
    rng = np.random.default_rng(len(name) + int(1000 * spot) + 7)
    depth = depth * (1 + noise * rng.normal(size=depth.shape))
    path = folder / f"{name}.png"
    Image.fromarray(np.rint(depth * 4000).astype(np.uint16)).save(path)
    return RgbdFrame(
        name, view.width, view.height, view.K, view.R, view.t, depth=path, depth_unit=1 / 4000
    )


def test_depths_between_two_things_are_found_and_thin_things_stay() -> None:
    depth = np.full((20, 40), 2.0, np.float32)
    depth[:, :10] = 1.0
    depth[:, 10] = 1.4  # Neither the one nor the other.
    depth[:, 25:27] = 1.2  # A thin thing before the wall.
    between = _between_things(depth)
    assert between[:, 10].all()
    assert not between[:, 24:28].any()
    assert not between[:, :9].any()


def test_noise_is_measured_and_averaged_out(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, f"f{n}", 0.01) for n in range(3)]
    noise, middle = depth_noise(frames)
    assert noise / middle == pytest.approx(0.01, rel=0.15)
    clean = frame_of(tmp_path, "clean").read_depth()
    noisy = frames[0].read_depth()
    inner = (slice(10, 60), slice(10, 390))
    assert np.std(denoised(noisy, 0.01)[inner] - clean[inner]) < 0.35 * np.std(
        noisy[inner] - clean[inner]
    )


def test_weights_fall_with_angle_and_distance(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, "f")
    depth = frame.read_depth()
    weights = pixel_weights(frame, depth)
    assert weights.min() >= 0
    assert weights[150, 200] > weights[20, 20] > 0
    assert pixel_weights(frame, np.zeros_like(depth)).max() == 0


@pytest.mark.parametrize("tilt", [0.0, 0.4, 1.1])
def test_cosines_are_those_of_a_plane(tilt: float) -> None:
    view = looking_at(np.array([0.3, -0.2, 2.0]), np.zeros(3), 300.0)
    normal = np.array([np.sin(tilt), 0.0, np.cos(tilt)])
    depth = plane_depth(view, normal, 0.0)
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    rays = np.stack([(x - view.K[0, 2]) / 300, (y - view.K[1, 2]) / 300, np.ones_like(x)], -1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    expected = np.abs(rays @ (view.R @ normal))
    inner = (depth > 0) & (expected > 0.2)
    inner[:5] = inner[-5:] = inner[:, :5] = inner[:, -5:] = False
    assert inner.mean() > 0.5
    assert np.abs(_cosines(depth, view.K) - expected)[inner].max() < 0.01


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_surface_lies_where_it_is(tmp_path: Path, noise: float) -> None:
    frames = [frame_of(tmp_path, f"f{n}", noise, 0.05 * n) for n in range(8)]
    fused = fuse_frames(frames, threads=2)
    assert fused.maps == 8
    if noise == 0:
        assert fused.voxel == pytest.approx(choose_voxel(frames))
    points = fused.mesh.vertices
    flat = np.abs(points[:, :2]).max(axis=1) > 0.35
    assert np.median(np.abs(points[flat, 2])) < 0.004
    top = np.abs(points[:, :2]).max(axis=1) < 0.15
    assert np.median(np.abs(points[top, 2] - 0.5)) < 0.004
    assert np.percentile(np.abs(points[flat, 2]), 98) < 0.02


def test_a_box_cuts_and_voxels_are_as_asked(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, f"f{n}", spot=0.05 * n) for n in range(3)]
    box = Box.between([-0.3, -0.3, 0.2], [0.3, 0.3, 1.0])
    fused = fuse_frames(frames, voxel=0.02, box=box, threads=2)
    assert fused.voxel == 0.02
    assert fused.mesh.vertices[:, 2].min() >= 0.2


def test_depths_of_pictures_outweigh_the_sensors(tmp_path: Path) -> None:
    frames = [frame_of(tmp_path, f"f{n}", spot=0.05 * n) for n in range(4)]
    deeper = []
    for frame in frames:
        path = tmp_path / f"deeper-{frame.name}.png"
        steps = frame.read_depth() / frame.depth_unit
        Image.fromarray(np.rint(steps * 1.005).astype(np.uint16)).save(path)
        deeper.append(replace(frame, depth=path))
    fused = fuse_frames(frames, pictured=deeper, threads=2)
    assert fused.maps == 8
    points = fused.mesh.vertices
    flat = np.abs(points[:, :2]).max(axis=1) > 0.35
    # A centimetre deeper, with four fifths of the weight.
    assert np.median(points[flat, 2]) == pytest.approx(-0.008, abs=0.001)
