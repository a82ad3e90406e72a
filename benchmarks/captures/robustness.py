"""What a fifth of bad photos does to the surface.

``python benchmarks/captures/robustness.py WORKSPACE OUT [--side PIXELS] [--faults NAME ...]``:
WORKSPACE is a finished scan, whose cameras are kept. Depth maps, fusion and surface run on its
photos as they are, then with a fifth of them blurred (Gaussian, sigma 3 to 5 pixels), then with a
fifth of them taken with 0.35 or 2.5 times the light, clipped. The meshes stay in OUT; each is
compared with the first.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from gypsum import dense
from gypsum.formats.ply import write_mesh
from gypsum.scene import Mesh, SparseModel, View
from gypsum.surface import reconstruct_surface, subject_box

UInt8 = NDArray[np.uint8]

SHARE = 0.2
SOURCES = 8
SAMPLES = 200_000


def blurred(picture: UInt8, turn: int) -> UInt8:
    """Out of focus or shaken."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 3.0 + turn % 3), np.uint8)


def exposed(picture: UInt8, turn: int) -> UInt8:
    """Too dark or too light by one and a half stops, in linear light."""
    light = (picture / 255.0) ** 2.2 * (0.35 if turn % 2 == 0 else 2.5)
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / 2.2)).astype(np.uint8)


FAULTS: dict[str, Callable[[UInt8, int], UInt8]] = {"blur": blurred, "exposure": exposed}


def damage(views: Sequence[View], fault: str, folder: Path) -> list[View]:
    """The views, with a fifth of their photos spoilt at full size."""
    chosen = np.random.default_rng(1).permutation(len(views))[: round(SHARE * len(views))]
    result = list(views)
    for turn, i in enumerate(np.sort(chosen)):
        view = views[i]
        path = (folder / view.name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(FAULTS[fault](view.read(), turn)).save(path)
        result[i] = replace(view, path=path)
    return result


def surface(model: SparseModel, views: Sequence[View], side: int, folder: Path) -> Mesh:
    """Depth maps, fusion and surface of a dense workspace's photos."""
    neighborhoods = dense.choose_neighbors(model, views, SOURCES)
    box = dense.estimate_depth_maps(views, neighborhoods, folder, long_side=side, box=subject_box)
    cloud = dense.fuse(views, [here.sources for here in neighborhoods], folder, box=box)
    return reconstruct_surface(cloud, views, box=box)


def f_score(mesh: Mesh, reference: Mesh, share: float) -> float:
    """Harmonic mean of both shares of area within ``share`` of the reference's diagonal."""
    reach = share * float(np.linalg.norm(np.ptp(reference.vertices, axis=0)))
    a, b = sample(mesh), sample(reference)
    precision = np.mean(cKDTree(b).query(a, distance_upper_bound=reach)[0] < reach)
    recall = np.mean(cKDTree(a).query(b, distance_upper_bound=reach)[0] < reach)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def sample(mesh: Mesh) -> NDArray[np.float64]:
    """(SAMPLES, 3) points, uniform by area."""
    rng = np.random.default_rng(0)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    face = corners[rng.choice(len(corners), SAMPLES, p=area / area.sum())]
    u, v = np.sqrt(rng.random(SAMPLES))[:, None], rng.random(SAMPLES)[:, None]
    return (1 - u) * face[:, 0] + u * (1 - v) * face[:, 1] + u * v * face[:, 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=640, help="long side of the depth maps")
    parser.add_argument("--faults", nargs="+", choices=[*FAULTS], default=[*FAULTS])
    options = parser.parse_args()
    undistorted = options.workspace / "stages" / "undistort"
    model, views = SparseModel.read(undistorted / "sparse"), dense.read_views(undistorted)
    results: dict[str, dict[str, float]] = {}
    reference: Mesh | None = None
    for fault in ["none", *options.faults]:
        folder = options.out / fault
        spoilt = views if fault == "none" else damage(views, fault, folder / "photos")
        mesh = surface(model, spoilt, options.side, folder)
        write_mesh(folder / "mesh.ply", mesh)
        reference = reference or mesh
        results[fault] = {f"F @ {s:.1%}": f_score(mesh, reference, s) for s in (0.002, 0.005)}
        scores = ", ".join(f"{name} {value:.4f}" for name, value in results[fault].items())
        print(f"{fault:10} {len(mesh.faces):9,} faces; against the undamaged: {scores}", flush=True)
    (options.out / "robustness.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
