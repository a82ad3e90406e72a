"""CPU time and peak memory from features to cameras as the number of photos grows.

``python benchmarks/captures/camera_growth.py [--photos N ...] [--json FILE]``: photos of rough
ground from above, six abreast and as long a strip as it takes, so that every photo of a set of any
size shows as much and has as many neighbours. Features are made up: places off by 0.3 pixels,
descriptors by a little noise, and one in five that no other photo has. Each number of photos runs
in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from gypsum.cameras import estimate_cameras, match_features
from gypsum.cameras.features import Features, features_path
from gypsum.scene.capture import Capture, PhotoFile

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

WIDTH, HEIGHT, FOCAL = 640, 480, 600.0
#: Photos abreast; they are taken in the order of a boustrophedon, row by row along the strip.
ABREAST = 6
#: Camera height over the ground, and from each photo to the next, in units of that height.
STEP = 0.28
RELIEF = 0.25
FEATURES = 500
STRANGERS = 125
#: Points for each photo's new ground, enough that FEATURES of them are in the picture.
POINTS = 110


def centers_of(photos: int) -> Float64:
    """(N, 3) where the cameras are."""
    row, place = np.divmod(np.arange(photos), ABREAST)
    across = np.where(row % 2 == 0, place, ABREAST - 1 - place)
    rng = np.random.default_rng(1)
    grid = np.stack([STEP * row, STEP * across, np.ones(photos)], axis=1)
    return np.asarray(grid + rng.normal(0, 0.03, (photos, 3)))


def rotations_of(photos: int) -> Float64:
    """(N, 3, 3) world to camera: downwards, each leaning another way by some degrees."""
    rng = np.random.default_rng(2)
    lean = rng.normal(0, 0.12, (photos, 2))
    z = np.c_[lean, -np.ones(photos)]
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    x = np.cross(z, [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=1)


def descriptors_of(count: int, seed: int) -> UInt8:
    """(count, 128) like RootSIFT's."""
    values = np.random.default_rng(seed).gamma(0.6, 1.0, (count, 128))
    roots = 512 * np.sqrt(values / values.sum(axis=1, keepdims=True))
    return np.asarray(np.clip(roots, 0, 255), np.uint8)


def make_set(photos: int, folder: Path) -> tuple[Capture, Float64]:
    """Photos (plain) and features in ``folder``, and where the cameras truly are."""
    centers, rotations = centers_of(photos), rotations_of(photos)
    rng = np.random.default_rng(3)
    count = POINTS * (photos + 4 * ABREAST)
    low, high = centers.min(axis=0) - 1, centers.max(axis=0) + 1
    ground = np.c_[rng.uniform(low[:2], high[:2], (count, 2)), rng.uniform(0, RELIEF, count)]
    described = descriptors_of(count, seed=4)
    for name in ("photos", "features"):
        (folder / name).mkdir(parents=True)
    files = []
    for i in range(photos):
        name = f"{i:04d}.png"
        camera = (ground - centers[i]) @ rotations[i].T
        xy = FOCAL * camera[:, :2] / camera[:, 2:] + (WIDTH / 2, HEIGHT / 2)
        shown = np.flatnonzero(((xy > 2) & (xy < (WIDTH - 2, HEIGHT - 2))).all(axis=1))
        shown = rng.permutation(shown)[:FEATURES]
        noisy = described[shown].astype(np.int64) + rng.integers(-4, 5, (len(shown), 128))
        places = np.r_[
            xy[shown] + rng.normal(0, 0.3, (len(shown), 2)),
            rng.uniform((0, 0), (WIDTH, HEIGHT), (STRANGERS, 2)),
        ]
        strange = descriptors_of(STRANGERS, seed=100 + i)
        order = rng.permutation(len(places))
        keypoints = np.c_[places, np.full(len(places), 2.0), np.zeros(len(places))][order]
        descriptors = np.concatenate([np.clip(noisy, 0, 255).astype(np.uint8), strange])[order]
        Features(keypoints.astype(np.float32), descriptors).save(
            features_path(folder / "features", name)
        )
        PIL.Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(folder / "photos" / name)
        files.append(
            PhotoFile(
                name=name, source=name, width=WIDTH, height=HEIGHT, focal_px=FOCAL,
                camera="camera", gps=None, time=None, sharpness=1.0, brightness=0.5, digest="",
            )
        )  # fmt: skip
    return Capture(tuple(files)), centers


def seconds() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(photos: int) -> dict[str, float]:
    """Matching and mapping of one set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture, centers = make_set(photos, folder)
        start = seconds()
        match_features(capture, folder / "features", folder / "matches")
        matched = seconds()
        found = estimate_cameras(capture, folder / "photos", folder / "matches", folder / "out")
        mapped = seconds()
    placed = {photo.name: photo.center for photo in found.model.photos.values()}
    rows = [i for i, photo in enumerate(capture.photos) if photo.name in placed]
    here = np.array([placed[capture.photos[i].name] for i in rows])
    return {
        "photos": photos,
        "matching_seconds_per_photo": (matched - start) / photos,
        "mapping_seconds_per_photo": (mapped - matched) / photos,
        "registered": len(rows),
        "largest_error_percent": 100 * float(errors(here, centers[rows]).max()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def errors(found: Float64, truth: Float64) -> Float64:
    """(N,) distances after the best similarity, as a share of the truth's radius."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    U, values, Vt = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.linalg.det(U @ Vt)])
    scale = (values * signs).sum() / (a**2).sum()
    distances = np.linalg.norm(scale * a @ ((U * signs) @ Vt).T - b, axis=1)
    return np.asarray(distances / np.sqrt((b**2).sum(axis=1).mean()))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[60, 120, 240, 480])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for photos in options.photos:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            row = pool.submit(measure, photos).result()
        rows.append(row)
        both = row["matching_seconds_per_photo"] + row["mapping_seconds_per_photo"]
        print(
            f"{photos:4} photos: {1000 * row['matching_seconds_per_photo']:.0f} +"
            f" {1000 * row['mapping_seconds_per_photo']:.0f} = {1000 * both:.0f} ms a photo,"
            f" {row['registered']} placed, largest error {row['largest_error_percent']:.3f} %,"
            f" peak {row['peak_bytes'] / 2**30:.2f} GiB",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
