"""How well the masks of a finished scan overlap with true ones: single, agreed, without ground.

    python benchmarks/captures/masks.py WORKSPACE TRUTH

``WORKSPACE`` is that of a scan with ``--mask auto``; ``TRUTH`` a folder of masks named like the
photos (``IMG_1.png`` for ``IMG_1.jpg``). Prints intersection over union, mean and worst, over the
photos that were placed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.dense import undistort_masks
from gypsum.scene import SparseModel

Bool = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("truth", type=Path)
    given = parser.parse_args()
    stages = given.workspace / "stages"
    model = SparseModel.read(stages / "cameras" / "sparse")
    names = [photo.name for photo in model.photos.values()]
    with tempfile.TemporaryDirectory() as folder:
        truth = Path(folder)
        (truth / "photos").mkdir()
        for name in names:
            mask = given.truth / f"{Path(name).stem}.png"
            if mask.exists():
                Image.fromarray(_read(mask).astype(np.uint8) * 255).save(
                    truth / "photos" / f"{name}.png"
                )
        undistort_masks(model, truth / "photos", truth / "undistorted")
        agreed, cleared = stages / "object" / "masks", stages / "ground" / "masks"
        _show("single", stages / "masks" / "masks", truth / "photos", names)
        _show("agreed", agreed, truth / "undistorted", names)
        _show("cleared", cleared, truth / "undistorted", names)


def _show(what: str, masks: Path, truth: Path, names: list[str]) -> None:
    pairs = [(masks / f"{name}.png", truth / f"{name}.png") for name in names]
    found = [_overlap(_read(a), _read(b)) for a, b in pairs if a.exists() and b.exists()]
    figures = f"{np.mean(found):.3f} (worst {min(found):.3f})" if found else "none"
    print(f"{what:8} {figures} over {len(found)} photos")


def _read(path: Path) -> Bool:
    with Image.open(path) as file:
        return np.asarray(file.convert("L")) >= 128


def _overlap(a: Bool, b: Bool) -> float:
    """Intersection over union."""
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a | b)))


if __name__ == "__main__":
    main()
