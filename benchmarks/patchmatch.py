"""Core-microseconds per pixel of the PatchMatch kernel, against its portable path in the same run.

``python benchmarks/patchmatch.py [--json FILE]``: 640 x 480 pixels, eight sources, one thread, the
sweeps before and after the planes have settled. The reference computes the same costs without AVX2.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.native._patchmatch import Matcher

WIDTH, HEIGHT, SOURCES = 640, 480, 8


def pattern(points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A texture without repetition on the plane z = 2 + 0.2 x, grey levels."""
    rng = np.random.default_rng(0)
    value = np.zeros(points.shape[:2])
    for frequency in (5, 12, 30, 70, 110):
        for _ in range(5):
            angle = rng.uniform(0, np.pi)
            wave = points[..., 0] * np.cos(angle) + points[..., 1] * np.sin(angle)
            value += np.sin(frequency * wave + rng.uniform(0, 7))
    return np.clip(128 + 20 * value, 0, 255).astype(np.uint8)


def photo(center: NDArray[np.float64]) -> NDArray[np.uint8]:
    """What a camera at ``center`` sees, looking along z."""
    x, y = np.meshgrid(
        (np.arange(WIDTH) + 0.5 - WIDTH / 2) / WIDTH, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / WIDTH
    )
    depth = (2 + 0.2 * center[0] - center[2]) / (1 - 0.2 * x)
    return pattern(np.stack([x * depth + center[0], y * depth + center[1]], -1))


def measure(portable: bool) -> dict[str, float]:
    """CPU microseconds per pixel: random start, and a sweep before and after the planes settle."""
    K = np.array([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1.0]])
    matcher = Matcher(
        photo(np.zeros(3)), [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], 0.3, 0.8, 1, 1, portable
    )
    for i in range(SOURCES):
        angle = 2 * np.pi * i / SOURCES
        center = 0.3 * np.array([np.cos(angle), np.sin(angle), 0])
        forward = np.column_stack([np.eye(3), K @ -center]).astype(np.float32)
        matcher.add_source(photo(center), forward)
    planes, cost = np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    chosen = np.zeros((HEIGHT, WIDTH), np.uint16)

    def seconds() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime

    result, start = {}, seconds()
    matcher.initialise(planes, cost, chosen)
    result["start"], start = seconds() - start, seconds()
    for sweep in range(5):
        matcher.sweep(planes, cost, chosen, sweep, 11, 2 * 0.6**sweep, 0.4 * 0.6**sweep, sweep < 3)
        result["first sweep" if sweep == 0 else "settled sweep"] = seconds() - start
        start = seconds()
    return {name: value / (WIDTH * HEIGHT) * 1e6 for name, value in result.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    fast, slow = measure(portable=False), measure(portable=True)
    for name in fast:
        print(
            f"{name:14} {fast[name]:6.2f} us/pixel, portable {slow[name]:6.2f}, "
            f"ratio {slow[name] / fast[name]:.1f}"
        )
    if arguments.json:
        record = {
            "machine": platform.processor() or platform.machine(),
            "fast": fast,
            "portable": slow,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
