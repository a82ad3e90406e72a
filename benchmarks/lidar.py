"""Poses, surface and speed of depth scans, on the sample whose truth is known.

    gypsum sample room --mode lidar --photos 60 --width 480 --height 360
    python benchmarks/lidar.py room

The surface is scored of the given poses, of the refined ones, and of these with the depths that
pictures add. Beside the fusion of the sensor's depths stands a reference: Open3D's voxel block grid
with the same voxels and truncation where Open3D can be imported (``--open3d PYTHON`` names an
interpreter that has it), else nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gypsum.cameras.depth_poses import place_depth_frames
from gypsum.dense import measure_pictures
from gypsum.formats.ply import read_mesh
from gypsum.scene import Mesh, RgbdFrame, read_frames
from gypsum.surface.depth_fusion import fuse_frames, spread

Float64 = NDArray[np.float64]

SAMPLES, AGAINST = 100_000, 1_500_000
PICTURES = 30

#: Run by another interpreter: the list of frames in, a mesh out.
OPEN3D = """
import json, sys, time
import numpy as np, open3d as o3d
import open3d.core as core
job = json.load(open(sys.argv[1]))
grid = o3d.t.geometry.VoxelBlockGrid(
    attr_names=("tsdf", "weight"), attr_dtypes=(core.float32, core.float32),
    attr_channels=((1), (1)), voxel_size=job["voxel"], block_resolution=8, block_count=60000,
    device=core.Device("CPU:0"))
multiple, cpu = job["truncation"] / job["voxel"], time.process_time()
for frame in job["frames"]:
    depth = o3d.t.io.read_image(frame["depth"])
    K = np.array(frame["K"])
    K[:2, 2] -= 0.5
    lens, pose = core.Tensor(K), core.Tensor(np.array(frame["pose"]))
    blocks = grid.compute_unique_block_coordinates(
        depth, lens, pose, 1000.0, 10.0, trunc_voxel_multiplier=multiple)
    grid.integrate(blocks, depth, lens, pose, 1000.0, 10.0, trunc_voxel_multiplier=multiple)
cpu = time.process_time() - cpu
mesh = grid.extract_triangle_mesh().to_legacy()
np.savez(sys.argv[2], vertices=np.asarray(mesh.vertices), faces=np.asarray(mesh.triangles))
print(json.dumps({"version": o3d.__version__, "cpu": cpu}))
"""


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample", type=Path)
    parser.add_argument("--open3d", default="python3", help="an interpreter that has Open3D")
    asked = parser.parse_args()
    given, truth = read_frames(asked.sample), read_mesh(asked.sample / "truth" / "mesh.ply")
    cpu = time.process_time()
    placed = place_depth_frames(given)
    print(f"poses: {time.process_time() - cpu:.1f} s of processor time for {len(given)} frames")
    for name, frames in (("given", given), ("refined", placed.frames)):
        error = errors(asked.sample, frames)
        print(
            f"{name} poses: mean error {100 * error.mean():.2f} cm, worst {100 * error.max():.2f}"
        )
    for name, frames in (("given", given), ("refined", placed.frames)):
        cpu, wall = time.process_time(), time.monotonic()
        fused = fuse_frames(frames)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        print(
            f"{name} poses, joined: {score(fused.mesh, truth)}; voxels of "
            f"{1000 * fused.voxel:.1f} mm, {1000 * cpu / fused.maps:.1f} ms of processor time a "
            f"map, surface included; {fused.maps / wall:.1f} maps/s"
        )
        reference(asked.open3d, name, frames, fused.voxel, fused.truncation, truth)
    with_pictures(placed.frames, truth)


def with_pictures(frames: list[RgbdFrame], truth: Mesh) -> None:
    """The same of refined poses with what the pictures measure, as a scan at quality normal."""
    cpu = time.process_time()
    pictures = spread([frame for frame in frames if frame.color is not None], PICTURES)
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_pictures(frames, pictures, Path(folder), side=640, sources=4)
        cpu = time.process_time() - cpu
        fused = fuse_frames(frames, pictured=measured.frames)
    print(
        f"refined poses with {len(measured.frames)} pictures: {score(fused.mesh, truth)}; stereo "
        f"{cpu:.1f} s of processor time, {100 * measured.share:.0f} % of the pictures measured"
    )


def errors(sample: Path, frames: list[RgbdFrame]) -> Float64:
    """(N,) distances of the cameras from their true places, metres."""
    true = json.loads((sample / "truth" / "cameras.json").read_text())["photos"]
    places = [-np.transpose(one["R"]) @ one["t"] for one in (true[f"{f.name}.jpg"] for f in frames)]
    return np.asarray(
        np.linalg.norm(np.stack(places) - np.stack([f.center for f in frames]), axis=1)
    )


def score(mesh: Mesh, truth: Mesh) -> str:
    """F-scores at 1 and 2 cm: samples of each surface against a dense cloud of the other."""
    towards = cKDTree(points(truth, AGAINST, 3)).query(points(mesh, SAMPLES, 0), workers=-1)[0]
    back = cKDTree(points(mesh, AGAINST, 2)).query(points(truth, SAMPLES, 1), workers=-1)[0]
    parts = []
    for limit in (0.01, 0.02):
        precision, recall = float((towards < limit).mean()), float((back < limit).mean())
        f = 2 * precision * recall / max(precision + recall, 1e-9)
        parts.append(f"F at {100 * limit:.0f} cm {f:.3f} (P {precision:.3f}, R {recall:.3f})")
    return ", ".join(parts)


def points(mesh: Mesh, count: int, seed: int) -> Float64:
    """(count, 3) random points of the surface."""
    rng = np.random.default_rng(seed)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.linalg.norm(np.cross(a, b), axis=1)
    face = rng.choice(len(area), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return np.asarray(corners[face, 0] + u * a[face] + v * b[face])


def reference(
    python: str, name: str, frames: list[RgbdFrame], voxel: float, truncation: float, truth: Mesh
) -> None:
    """The same by Open3D, in another process."""
    job = {"voxel": voxel, "truncation": truncation, "frames": [_for_open3d(f) for f in frames]}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "job.json").write_text(json.dumps(job))
        made = Path(folder) / "mesh.npz"
        command = [python, "-c", OPEN3D, f"{folder}/job.json", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"Open3D did not run: {reason}")
            return
        facts = json.loads(done.stdout.splitlines()[-1])
        with np.load(made) as data:
            mesh = Mesh(data["vertices"].astype(np.float32), data["faces"].astype(np.int32))
    print(
        f"{name} poses, Open3D {facts['version']}: {score(mesh, truth)}; "
        f"{1000 * facts['cpu'] / len(frames):.1f} ms of processor time a map"
    )


def _for_open3d(frame: RgbdFrame) -> dict[str, object]:
    assert frame.depth is not None
    assert frame.R is not None
    assert frame.t is not None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = frame.R, frame.t
    height, width = frame.read_depth().shape
    K = frame.intrinsics(width, height)
    return {"depth": str(frame.depth.resolve()), "K": K.tolist(), "pose": pose.tolist()}


if __name__ == "__main__":
    main()
