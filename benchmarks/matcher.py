"""CPU seconds to match two photos, against NumPy with BLAS in the same run.

``python benchmarks/matcher.py [--features N] [--json FILE]``: mutual nearest neighbours and ratio
test between N and N descriptors, one thread, on every code path of this processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

# One thread, as the matcher runs; to be said before NumPy loads BLAS.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _match

RATIO = 0.8


def descriptors(count: int, seed: int) -> NDArray[np.uint8]:
    """Random RootSIFT-like descriptors."""
    values = np.random.default_rng(seed).gamma(0.6, 1.0, (count, 128))
    root = 512 * np.sqrt(values / values.sum(axis=1, keepdims=True))
    return np.clip(root, 0, 255).astype(np.uint8)


def with_blas(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """The same matching from one matrix product in single precision; how many matches."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    table = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * (x @ y.T)
    there, distinct = nearest(table)
    back, distinct_back = nearest(np.ascontiguousarray(table.T))
    return int(((back[there] == np.arange(len(a))) & distinct & distinct_back[there]).sum())


def nearest(table: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The nearest of each row, and whether it passes the ratio test."""
    rows = np.arange(len(table))
    first = table.argmin(axis=1)
    best = table[rows, first].copy()
    table[rows, first] = np.inf
    second = table.min(axis=1)
    table[rows, first] = best
    return first, best < RATIO**2 * second


def seconds(call: Callable[[], object], rounds: int = 3) -> float:
    """CPU seconds of the fastest of a few calls."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=8192, help="descriptors of each photo")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    a, b = descriptors(options.features, 0), descriptors(options.features, 1)
    reference = seconds(lambda: with_blas(a, b))
    figures = {"blas": reference}
    print(f"{'NumPy and BLAS':16} {1000 * reference:9.1f} ms a pair")
    for path in _match.paths():
        figures[path] = seconds(lambda path=path: _match.match_descriptors(a, b, RATIO, path))
        ratio = reference / figures[path]
        print(f"{path:16} {1000 * figures[path]:9.1f} ms a pair, {ratio:.1f} times the speed")
    if options.json:
        result = {
            "features": options.features,
            "cpu_seconds": figures,
            "machine": platform.machine(),
        }
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
