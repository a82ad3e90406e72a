"""What each format of splats costs and loses: size, time, and PSNR of pictures against the PLY's.

python benchmarks/captures/splat_formats.py garden.ply
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gypsum.formats import SPLAT_FORMATS, read_splats, write_asset
from gypsum.scene import Splats, View
from gypsum.splats import render

WIDTH, HEIGHT, VIEWS = 640, 480, 4


def views(splats: Splats) -> list[View]:
    """A ring around the middle, a little above it."""
    middle = np.median(splats.means, axis=0)
    radius = 2.5 * float(np.median(np.linalg.norm(splats.means - middle, axis=1)))
    K = np.array([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1.0]])
    made = []
    for number in range(VIEWS):
        angle = 2 * np.pi * (number + 0.3) / VIEWS
        place = middle + radius * np.array([np.cos(angle), np.sin(angle), 0.4])
        z = (middle - place) / np.linalg.norm(middle - place)
        x = np.cross(z, (0, 0, 1))
        x /= np.linalg.norm(x)
        R = np.stack([x, np.cross(z, x), z])
        made.append(View(f"{number}", Path(), WIDTH, HEIGHT, K, R, -R @ place))
    return made


def main(path: Path) -> None:
    """Print a table."""
    truth = read_splats(path)
    seen = views(truth)
    expected = [render(truth, view)[0].astype(float) for view in seen]
    print(f"{len(truth):,} splats of degree {truth.degree}")
    with tempfile.TemporaryDirectory() as folder:
        for name in SPLAT_FORMATS:
            file = Path(folder) / f"a.{name}"
            began = time.process_time()
            write_asset(file, truth, name)
            written = time.process_time()
            again = read_splats(file)
            read = time.process_time()
            drawn = [render(again, view)[0].astype(float) for view in seen]
            error = np.mean([(a - b) ** 2 for a, b in zip(drawn, expected, strict=True)])
            psnr = 10 * np.log10(255**2 / max(float(error), 1e-9))
            size = file.stat().st_size
            print(
                f"{name:15} {size / 2**20:7.2f} MiB {size / len(truth):6.1f} B/splat "
                f"write {written - began:5.2f} s read {read - written:5.2f} s {psnr:6.1f} dB"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
