"""What baking a texture costs, part by part, on a ball in front of a ring of cameras.

The reference is Pillow decoding the same photos twice, which any texturing has to do.

    python benchmarks/texture.py [--faces 100000] [--photos 40] [--size 4096] [--smoothing]
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gypsum.scene import Mesh, View
from gypsum.texture import bake_texture

WIDTH, HEIGHT = 1280, 960


def ball(faces: int) -> Mesh:
    """A bumpy ball of about so many faces."""
    rings = max(4, round((faces / 4) ** 0.5))
    polar = np.linspace(0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    body = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1).reshape(-1, 3)
    body *= 0.5 + 0.02 * np.sin(9 * body[:, :1]) * np.sin(11 * body[:, 1:2])
    index = np.arange(len(body)).reshape(p.shape)
    right = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1], index[1:], right[1:], right[:-1]
    quads = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    return Mesh(body.astype(np.float32), np.concatenate(quads).astype(np.int32))


def cameras(folder: Path, count: int) -> list[View]:
    """Photos of noise at three scales, from all around."""
    rng = np.random.default_rng(0)
    views = []
    for number in range(count):
        noise = sum(
            np.asarray(
                Image.fromarray(rng.integers(0, 85, (HEIGHT // s, WIDTH // s, 3), np.uint8)).resize(
                    (WIDTH, HEIGHT), Image.Resampling.BICUBIC
                ),
                np.uint8,
            )
            for s in (1, 8, 64)
        )
        path = folder / f"{number:03}.jpg"
        Image.fromarray(np.asarray(noise, np.uint8)).save(path, quality=92)
        turn, lift = 2.4 * number, 0.9 * (number + 0.5) / count
        away = np.array([np.cos(turn) * np.cos(lift), np.sin(turn) * np.cos(lift), np.sin(lift)])
        forward = -away
        across = np.cross(forward, (0, 0, 1))
        across /= np.linalg.norm(across)
        R = np.stack([across, np.cross(forward, across), forward])
        K = np.array([[1300.0, 0, WIDTH / 2], [0, 1300, HEIGHT / 2], [0, 0, 1]])
        views.append(View(path.name, path, WIDTH, HEIGHT, K, R, -R @ (1.7 * away)))
    return views


def main() -> None:
    """Run and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--smoothing", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        views = cameras(Path(folder), asked.photos)
        mesh = ball(asked.faces)
        start = time.process_time()
        for view in views * 2:
            view.read()
        decoding = time.process_time() - start
        start, wall = time.process_time(), time.monotonic()
        _, facts = bake_texture(mesh, views, asked.size, smoothing=asked.smoothing)
        baked = time.process_time() - start
        wall = time.monotonic() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {
        **vars(asked),
        "cpu_seconds": round(baked, 1),
        "wall_seconds": round(wall, 1),
        "times_decoding": round(baked / decoding, 1),
        "peak_gib": round(peak / 2**30, 2),
        "texels_per_pixel": round(facts.texels_per_pixel, 2),
        "used": round(facts.atlas_use, 2),
        "parts": facts.seconds,
    }
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
