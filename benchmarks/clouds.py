"""100 million points of a hall of 30 x 15 x 10 m with two rows of columns, as LAS 1.2 (2.6 GB).

    python benchmarks/clouds.py hall.las
    gypsum scan hall.las --mode lidar -q draft --memory 4GiB -o hall.glb

The report in ``hall.gypsum`` has each stage's processor time and memory.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

POINTS, BLOCK = 100_000_000, 2_000_000
SIZE = np.array([30.0, 15.0, 10.0])
ROW = np.dtype([("xyz", "<i4", 3), ("intensity", "<u2"), ("rest", "u1", 6), ("rgb", "<u2", 3)])


def main(path: Path) -> None:
    """Write the file."""
    rng = np.random.default_rng(0)
    table = np.zeros(BLOCK, ROW)
    places = hall(rng)
    whole = np.rint(places * 1000).astype(np.int32)
    table["rgb"] = ((np.sin(places * 2) + 1) * 100 + 30) * 256
    with path.open("wb") as file:
        file.write(header())
        for _ in range(POINTS // BLOCK):
            # Noise of 5 mm.
            table["xyz"] = whole + rng.integers(-8, 9, whole.shape, np.int32)
            file.write(table.tobytes())


def hall(rng: np.random.Generator) -> np.ndarray:
    """Points (N, 3) on walls, floor, ceiling and columns."""
    points = rng.random((BLOCK, 3)) * SIZE
    side = rng.integers(0, 6, BLOCK)
    for number in range(6):
        points[side == number, number // 2] = number % 2 * SIZE[number // 2]
    columns = rng.random(BLOCK) < 0.2
    count = int(columns.sum())
    turn = rng.random(count) * 2 * np.pi
    points[columns, 0] = rng.integers(1, 6, count) * 5 + 0.4 * np.cos(turn)
    points[columns, 1] = rng.choice([4.0, 11.0], count) + 0.4 * np.sin(turn)
    points[columns, 2] = rng.random(count) * SIZE[2]
    return points


def header() -> bytes:
    """LAS 1.2, point format 2, millimetres, on a map."""
    head = bytearray(227)
    struct.pack_into("<4s", head, 0, b"LASF")
    struct.pack_into("<BB", head, 24, 1, 2)
    struct.pack_into("<HII", head, 94, 227, 227, 0)
    struct.pack_into("<BHI", head, 104, 2, ROW.itemsize, POINTS)
    struct.pack_into("<6d", head, 131, 0.001, 0.001, 0.001, 500_000, 4_000_000, 0)
    return bytes(head)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
