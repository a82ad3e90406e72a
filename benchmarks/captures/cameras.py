"""CPU and wall seconds from photos to cameras, against pycolmap's defaults in the same run.

``python benchmarks/captures/cameras.py CAPTURE... [--json FILE]``: each CAPTURE is a
folder of photos, or one with ``photos/`` and perhaps ``truth/cameras.json`` in it (world-to-camera
``R`` and ``t`` of each photo). The reference is pycolmap's ``extract_features``,
``match_exhaustive`` and ``incremental_mapping`` as they come.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Poses = dict[str, tuple[Float64, Float64]]


def photos_of(capture: Path) -> Path:
    """The folder with the photos."""
    inside = capture / "photos"
    return inside if inside.is_dir() else capture


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a call gave, and its wall and CPU seconds."""

    def cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    wall, start = time.perf_counter(), cpu()
    result = call()
    return result, {"wall": time.perf_counter() - wall, "cpu": cpu() - start}


def with_gypsum(capture: Path, work: Path) -> dict[str, Any]:
    """Times of the three stages, and poses."""
    from gypsum.cameras import detect_features, estimate_cameras, match_features
    from gypsum.capture import read_capture
    from gypsum.scene import Capture

    read_capture([photos_of(capture)], work / "photos", lambda *_: None, 0)
    given, photos = Capture.read(work / "photos"), work / "photos" / "photos"
    _, features = timed(lambda: detect_features(given, photos, work / "features"))
    _, matches = timed(lambda: match_features(given, work / "features", work / "matches"))
    found, mapping = timed(lambda: estimate_cameras(given, photos, work / "matches", work / "out"))
    poses = {photo.name: (photo.R, photo.center) for photo in found.model.photos.values()}
    return {"features": features, "matches": matches, "mapping": mapping, "poses": poses}


def with_pycolmap(capture: Path, work: Path) -> dict[str, Any]:
    """The same from pycolmap's defaults."""
    import pycolmap

    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)
    database, photos = work / "database.db", photos_of(capture)
    (work / "sparse").mkdir()
    _, features = timed(lambda: pycolmap.extract_features(database, photos))
    _, matches = timed(lambda: pycolmap.match_exhaustive(database))
    models, mapping = timed(lambda: pycolmap.incremental_mapping(database, photos, work / "sparse"))
    poses = {}
    if models:
        largest = max(models.values(), key=lambda model: model.num_reg_images())
        for number in largest.reg_image_ids():
            image = largest.image(number)
            R = image.cam_from_world().rotation.matrix()
            poses[image.name] = (R, image.projection_center())
    return {"features": features, "matches": matches, "mapping": mapping, "poses": poses}


def errors(found: Poses, capture: Path) -> dict[str, float] | None:
    """Median and largest error of centres (percent of the radius) and rotations (degrees), AUC."""
    path = capture / "truth" / "cameras.json"
    if not path.exists():
        return None
    truth = json.loads(path.read_text())["photos"]
    names = sorted(set(found) & set(truth))
    R = np.array([truth[name]["R"] for name in names], float)
    t = np.array([truth[name]["t"] for name in names], float)
    there = -np.einsum("nji,nj->ni", R, t)
    here = np.array([found[name][1] for name in names])
    turns = np.array([found[name][0] for name in names])
    scale, Q, shift = similarity(here, there)
    distance = np.linalg.norm(scale * here @ Q.T + shift - there, axis=1)
    radius = np.sqrt(((there - there.mean(axis=0)) ** 2).sum(axis=1).mean())
    trace = np.einsum("nij,kj,nik->n", turns, Q, R)
    angle = np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    return {
        "centre_median_percent": float(100 * np.median(distance) / radius),
        "centre_max_percent": float(100 * distance.max() / radius),
        "rotation_median_deg": float(np.median(angle)),
        "rotation_max_deg": float(angle.max()),
        "auc_1_deg": area_under_recall(turns, here, R, there, len(truth)),
    }


def area_under_recall(
    turns: Float64, here: Float64, R: Float64, there: Float64, given: int, limit: float = 1.0
) -> float:
    """AUC of the errors of all pairs of ``given`` photos, up to ``limit`` degrees.

    A pair's error is the larger of those of its relative rotation and of its direction (Jin et al.
    2021); that of a pair with a photo left out is beyond every limit.
    """
    i, j = np.triu_indices(len(here), 1)
    relative = np.einsum("eij,ekj->eik", turns[j], turns[i])
    exact = np.einsum("eij,ekj->eik", R[j], R[i])
    cosine = (np.einsum("eij,eij->e", relative, exact) - 1) / 2
    seen = np.einsum("eij,ej->ei", turns[j], here[i] - here[j])
    true = np.einsum("eij,ej->ei", R[j], there[i] - there[j])
    lengths = np.linalg.norm(seen, axis=1) * np.linalg.norm(true, axis=1)
    direction = (seen * true).sum(axis=1) / np.maximum(lengths, 1e-12)
    errors = np.degrees(np.arccos(np.clip(np.minimum(cosine, direction), -1, 1)))
    return float(np.clip(1 - errors / limit, 0, 1).sum() / (given * (given - 1) / 2))


def similarity(a: Float64, b: Float64) -> tuple[float, Float64, Float64]:
    """Scale, rotation and shift from a (N, 3) to b, by reweighted least squares: outliers stay."""
    weights = np.ones(len(a))
    for _ in range(50):
        w = weights / weights.sum()
        mean_a, mean_b = w @ a, w @ b
        U, values, Vt = np.linalg.svd((w[:, None] * (b - mean_b)).T @ (a - mean_a))
        signs = np.array([1, 1, np.sign(np.linalg.det(U @ Vt))])
        Q = (U * signs) @ Vt
        scale = float((values * signs).sum() / (w @ ((a - mean_a) ** 2).sum(axis=1)))
        shift = mean_b - scale * Q @ mean_a
        residual = np.linalg.norm(scale * a @ Q.T + shift - b, axis=1)
        weights = 1 / np.maximum(residual, 1e-6 * max(float(residual.max()), 1e-12))
    return scale, Q, shift


def in_a_process(call: Callable[[Path, Path], dict[str, Any]], capture: Path) -> dict[str, Any]:
    """A call in a process of its own, so that neither warms up the other."""
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as work,
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
    ):
        return pool.submit(call, capture, Path(work)).result()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = {}
    for capture in options.captures:
        row: dict[str, Any] = {}
        for name, call in (("gypsum", with_gypsum), ("pycolmap", with_pycolmap)):
            result = in_a_process(call, capture)
            poses = result.pop("poses")
            row[name] = result | {"registered": len(poses), "errors": errors(poses, capture)}
            steps = ("features", "matches", "mapping")
            for clock in ("cpu", "wall"):
                row[name][clock] = sum(row[name][step][clock] for step in steps)
            cpu = "  ".join(f"{step} {row[name][step]['cpu']:.1f}" for step in steps)
            print(f"{capture.name}  {name:9}{cpu}  CPU {row[name]['cpu']:.1f} s"
                  f"  wall {row[name]['wall']:.1f} s  registered {len(poses)}"
                  f"  {row[name]['errors'] or ''}", flush=True)  # fmt: skip
        ratio = row["pycolmap"]["cpu"] / row["gypsum"]["cpu"]
        print(f"{capture.name}  pycolmap takes {ratio:.1f} times the CPU time", flush=True)
        table[capture.name] = row
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
