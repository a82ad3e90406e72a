"""CPU time and peak memory of depth maps and fusion as the number of photos grows.

``python benchmarks/captures/growth.py WORKSPACE [--photos N ...] [--side PIXELS] [--memory SIZE]``:
WORKSPACE is a finished scan, or one made with ``--until dense``. Photos are taken evenly from all
around; each number runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np

from gypsum import dense
from gypsum.options import format_bytes, parse_bytes
from gypsum.scene import SparseModel

SOURCES = 8


def seconds() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(folder: str, photos: int, side: int, memory: int | None) -> dict[str, float]:
    """Depth maps and fusion of some photos of a dense workspace."""
    undistorted = Path(folder)
    model, views = SparseModel.read(undistorted / "sparse"), dense.read_views(undistorted)
    chosen = np.linspace(0, len(views) - 1, photos).round().astype(int)
    views = [views[i] for i in chosen]
    neighborhoods = dense.choose_neighbors(model, views, SOURCES)
    with tempfile.TemporaryDirectory() as out:
        start = seconds()
        dense.estimate_depth_maps(views, neighborhoods, Path(out), long_side=side, memory=memory)
        depth, depth_peak = seconds() - start, _peak()
        start = seconds()
        sources = [here.sources for here in neighborhoods]
        cloud = dense.fuse(views, sources, Path(out), memory=memory)
        fusion = seconds() - start
    pixels = sum(v.width * v.height for v in (view.limited(side) for view in views))
    return {
        "photos": photos,
        "depth_seconds": depth,
        "microseconds_per_pixel": depth / pixels * 1e6,
        "depth_peak_bytes": depth_peak,
        "fusion_seconds": fusion,
        "fusion_peak_bytes": _peak(),
        "points": len(cloud),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--photos", type=int, nargs="+", default=[10, 20, 40, 80])
    parser.add_argument("--side", type=int, default=1600, help="long side of the depth maps")
    parser.add_argument("--memory", type=parse_bytes, help="for example 2GiB")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    folder = str(options.workspace / "stages" / "undistort")
    results = []
    for photos in options.photos:
        # A fresh process each time: memory that was taken once stays in the peak.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            job = (folder, photos, options.side, options.memory)
            results.append(pool.apply(measure, job))
        r = results[-1]
        print(
            f"{photos:4} photos: depth {r['depth_seconds']:7.1f} s "
            f"({r['microseconds_per_pixel']:.1f} us/pixel), {format_bytes(r['depth_peak_bytes'])}; "
            f"fusion {r['fusion_seconds']:6.1f} s, {format_bytes(r['fusion_peak_bytes'])}, "
            f"{r['points']:,} points",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
