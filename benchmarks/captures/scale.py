"""How far the scale is off on the sample with its two markers, by what is known.

Usage: python benchmarks/captures/scale.py FOLDER

FOLDER gets the sample and its workspace. Prints the error of the cameras' spread against the
truth, and the standard error that the report gives.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import gypsum
from gypsum.sample import CARDS, make_sample
from gypsum.scene import SparseModel


def spread(centers: list[np.ndarray]) -> float:
    """Root mean square distance from the middle."""
    return float(np.linalg.norm(np.std(np.array(centers), axis=0)))


def main(folder: Path) -> None:
    """Make the sample, scan it with each kind of known length, and print a table."""
    if not (folder / "sample" / "truth" / "markers.json").exists():
        make_sample(folder / "sample", marker=True)
    truth = json.loads((folder / "sample" / "truth" / "cameras.json").read_text())["photos"]
    apart = float(np.linalg.norm(CARDS[0].corners.mean(axis=0) - CARDS[1].corners.mean(axis=0)))
    known: dict[str, dict[str, Any]] = {
        "--marker-size 5cm": {"marker_size": "5cm"},
        f"--distance 0 1 {apart:.6f}": {"distance": ("0", "1", apart)},
    }
    for name, options in known.items():
        # One workspace: only the cameras are found again.
        workspace = folder / "sample.gypsum"
        gypsum.scan(folder / "sample" / "photos", workspace=workspace, until="cameras", **options)
        model = SparseModel.read(workspace / "sparse")
        found = [photo.center for photo in model.photos.values()]
        exact = [
            -np.array(truth[photo.name]["R"]).T @ truth[photo.name]["t"]
            for photo in model.photos.values()
        ]
        frame = json.loads((workspace / "report.json").read_text())["frame"]
        off = spread(found) / spread(exact) - 1
        print(f"{name:28} {100 * off:+.4f} %, reported ± {100 * frame['scale_error']:.4f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
