"""CPU time and peak memory of fusion and surface as photos of 1600x1200 are added.

``python benchmarks/captures/fusion.py MESH [--photos N ...] [--memory SIZE] [--surface]``: MESH is
a true surface that stands on z = 0, for example ``truth/mesh.ply`` of ``gypsum sample``. Depth maps
are drawn from it and the ground around it, seen from three rings of cameras, with noise of a
thousandth of the depth. Each number of photos runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from gypsum import dense
from gypsum.dense.colmap_workspace import map_path, write_map
from gypsum.formats.ply import read_mesh
from gypsum.native import _render
from gypsum.options import format_bytes, parse_bytes
from gypsum.scene import Mesh, View
from gypsum.surface import reconstruct_surface

WIDTH, HEIGHT, FOCAL = 1600, 1200, 1750.0
NEIGHBOURS = 8
NOISE = 1e-3

Result = TypeVar("Result")


def cameras(mesh: Mesh, count: int, photo: Path) -> list[View]:
    """Three rings of views around the mesh, which fills two thirds of their height."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    middle, size = (low + high) / 2, float(np.linalg.norm(high - low))
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1.0]])
    views = []
    for i in range(count):
        around, up = 2 * np.pi * i * 3 / count, np.radians((15, 35, 55)[i * 3 // count])
        away = np.array([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)])
        center = middle + 1.5 * size * FOCAL / HEIGHT * away
        right = np.cross(-away, (0, 0, 1.0))
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(-away, right), -away])
        views.append(View(f"{i:03}.jpg", photo, WIDTH, HEIGHT, K, R, -R @ center))
    return views


def with_ground(mesh: Mesh) -> Mesh:
    """The mesh on a square of four times its size."""
    half = 2 * float(np.ptp(mesh.vertices, axis=0).max())
    x, y = mesh.vertices[:, :2].mean(axis=0)
    corners = np.array(
        [(x + a * half, y + b * half, 0) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )
    faces = np.array([[0, 1, 2], [0, 2, 3]]) + len(mesh.vertices)
    return Mesh(
        np.concatenate([mesh.vertices, corners]).astype(np.float32),
        np.concatenate([mesh.faces, faces]).astype(np.int32),
    )


def draw(mesh: Mesh, view: View, folder: Path, seed: int) -> None:
    """The depth, normal and confidence map of a view."""
    placed = (mesh.vertices @ view.R.T + view.t).astype(np.float32)
    face, _, depth = _render.rasterize(
        placed, mesh.faces, view.K, view.width, view.height, np.zeros(3), np.inf
    )
    hit = face >= 0
    rng = np.random.default_rng(seed)
    noisy = depth * (1 + NOISE * rng.standard_normal(depth.shape, np.float32))
    normals = (mesh.face_normals() @ view.R.T).astype(np.float32)[np.maximum(face, 0)]
    write_map(map_path(folder, "normal", view.name), normals * hit[..., None])
    write_map(map_path(folder, "confidence", view.name), np.where(hit, np.float32(0.8), 0))
    write_map(map_path(folder, "depth", view.name), np.where(hit, noisy, 0).astype(np.float32))


def nearest(views: list[View]) -> list[list[int]]:
    """Each view's neighbours by the angle between them."""
    away = np.stack([-view.direction for view in views])
    order = np.argsort(-(away @ away.T), axis=1, kind="stable")
    return [[int(j) for j in row if j != i][:NEIGHBOURS] for i, row in enumerate(order)]


def measure(path: str, photos: int, memory: int | None, surface: bool) -> dict[str, float]:
    """Fusion, and the surface where asked for, of maps that lie on disk."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        grain = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(grain).save(out / "photo.jpg")
        mesh = read_mesh(Path(path))
        views = cameras(mesh, photos, out / "photo.jpg")
        alone(_draw_all, path, views, name)  # drawing takes memory as well
        start = seconds()
        cloud = dense.fuse(views, nearest(views), out, memory=memory)
        result = {
            "photos": photos,
            "points": len(cloud),
            "fusion_seconds": seconds() - start,
            "fusion_peak_bytes": peak(),
        }
        if surface:
            start = seconds()
            made = reconstruct_surface(cloud, views)
            result |= {
                "faces": len(made.faces),
                "surface_seconds": seconds() - start,
                "surface_peak_bytes": peak(),
            }
    return result


def _draw_all(path: str, views: list[View], folder: str) -> None:
    scene = with_ground(read_mesh(Path(path)))
    for seed, view in enumerate(views):
        draw(scene, view, Path(folder), seed)


def alone(work: Callable[..., Result], *arguments: object) -> Result:
    """The work in a process of its own: memory that was taken once stays in the peak."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def seconds() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak() -> int:
    """Most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--photos", type=int, nargs="+", default=[10, 20, 40, 80])
    parser.add_argument("--memory", type=parse_bytes, help="for example 2GiB")
    parser.add_argument("--surface", action="store_true", help="the surface as well")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    results = []
    for photos in options.photos:
        job = (str(options.mesh), photos, options.memory, options.surface)
        results.append(alone(measure, *job))
        r = results[-1]
        line = (
            f"{photos:4} photos: fusion {r['fusion_seconds']:6.1f} s, "
            f"{format_bytes(int(r['fusion_peak_bytes']))}, {r['points']:,} points"
        )
        if options.surface:
            line += (
                f"; surface {r['surface_seconds']:6.1f} s, "
                f"{format_bytes(int(r['surface_peak_bytes']))}, {r['faces']:,} faces"
            )
        print(line, flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
