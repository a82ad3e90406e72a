"""Milliseconds of a training step of splats, by kernel, on every code path of this processor.

``python benchmarks/splats.py [--threads N] [--json FILE]``: Gaussians in front of a camera, as many
as in the middle of a training, degree 3. The reference is the portable path in the same run.

Times are processor time of the thread that calls, which does its part of what is shared and all of
what is not, and does not spin while it waits: what a step takes where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Before OpenMP is loaded.
os.environ["OMP_WAIT_POLICY"] = "passive"

from gypsum.native import _splats
from gypsum.scene import Splats, View
from gypsum.splats import TrainOptions
from gypsum.splats.photos import TrainingPhoto
from gypsum.splats.state import State
from gypsum.splats.train import Trainer

#: Gaussians, width, height, size of the Gaussians.
CASES = ((50_000, 640, 480, 0.012), (14_000, 192, 128, 0.02))
ROUNDS = 9


def gaussians(count: int, size: float) -> NDArray[np.float32]:
    """Rows (count, 59) in a box around the origin, opaque and transparent ones."""
    rng = np.random.default_rng(0)
    rows = np.zeros((count, _splats.ROW), np.float32)
    rows[:, :3] = rng.uniform((-1.1, -0.85, -0.5), (1.1, 0.85, 0.5), (count, 3))
    rows[:, 3:6] = np.log(size) + rng.normal(0, 0.5, (count, 3))
    rows[:, 6:10] = rng.normal(size=(count, 4))
    rows[:, 10] = rng.normal(0, 2, count)
    rows[:, 11:14] = rng.normal(0.5, 1, (count, 3))
    return rows


def step(
    count: int, width: int, height: int, size: float, threads: int, portable: bool
) -> dict[str, Callable[[], object]]:
    """The kernels of one step, to be called in this order."""
    rows = gaussians(count, size)
    K = np.array([[1.1 * width, 0, width / 2], [0, 1.1 * width, height / 2], [0, 0, 1]])
    pose = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.4]])
    rasterizer = _splats.Rasterizer(1 / 255, 1e-4, 0.01, 0.3, threads, portable)
    comparer = _splats.Comparer(0.2, threads, portable)
    color, derivative = (np.empty((3, height, width), np.float32) for _ in range(2))
    transmittance, error = (np.empty((height, width), np.float32) for _ in range(2))
    photo = np.random.default_rng(1).integers(0, 255, (height, width, 3)).astype(np.uint8)
    black, exposure = np.zeros(3, np.float32), np.eye(3, 4, dtype=np.float32)
    by_rows, first, second = (np.zeros_like(rows) for _ in range(3))
    errors, seen = np.zeros(count, np.float32), np.zeros(count, np.uint8)
    rates = np.full(_splats.ROW, 1e-9, np.float32)
    return {
        "draw": lambda: rasterizer.draw(rows, 3, K, pose, black, color, transmittance),
        "compare": lambda: comparer.compare(
            color, photo, None, black, exposure, derivative, error, np.empty((3, 4))
        ),
        "pull": lambda: rasterizer.pull(rows, color, derivative, error, by_rows, errors, seen),
        "adam": lambda: _splats.adam(
            rows, first, second, by_rows, seen, rates, 59, 1, threads=threads, portable=portable
        ),
    }


class OnePhoto:
    """A cache of a single photo of noise, as the trainer reads it."""

    def __init__(self, width: int, height: int) -> None:
        pixels = np.random.default_rng(1).integers(0, 255, (height, width, 3)).astype(np.uint8)
        K = np.array([[1.1 * width, 0, width / 2], [0, 1.1 * width, height / 2], [0, 0, 1]])
        view = View("", Path(), width, height, K, np.eye(3), np.array([0, 0, 2.4]))
        self._photo = TrainingPhoto(view, pixels, None)

    def get(self, _number: int, _level: int) -> TrainingPhoto:
        """The photo, whichever is asked for."""
        return self._photo


def whole_step(
    count: int, width: int, height: int, size: float, threads: int
) -> Callable[[], object]:
    """A step of a training as it is, at 60 % of it, when all harmonics are trained."""
    splats = Splats.from_rows(gaussians(count, size), 3)
    state = State.begin(splats, 1, 0)
    state.iteration = 6 * 10**5
    options = TrainOptions(count, 10**6, threads=threads)
    return Trainer(state, OnePhoto(width, height), [0], 1.0, options).step  # type: ignore[arg-type]


def milliseconds(kernels: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Processor time of this thread in each kernel, the median of some rounds after the first."""
    rounds: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(1 + ROUNDS):
        for name, kernel in kernels.items():
            began = time.thread_time()
            kernel()
            rounds[name].append(1000 * (time.thread_time() - began))
    typical = {name: float(np.median(took[1:])) for name, took in rounds.items()}
    return {**typical, "kernels": sum(ms for name, ms in typical.items() if name != "whole")}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0, help="0 takes all cores")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    for count, width, height, size in CASES:
        for path, portable in (("best", False), ("portable", True)):
            kernels = step(count, width, height, size, arguments.threads, portable)
            if not portable:
                # All that a step does: the kernels and what is between them.
                kernels["whole"] = whole_step(count, width, height, size, arguments.threads)
            found = milliseconds(kernels)
            what = f"{count:,} at {width}x{height}, {path} path"
            print(f"{what:36}", "  ".join(f"{name} {ms:6.1f}" for name, ms in found.items()), "ms")
            results.append({"case": what, **found})
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": platform.processor(), "results": results}, indent=1)
        )


if __name__ == "__main__":
    main()
