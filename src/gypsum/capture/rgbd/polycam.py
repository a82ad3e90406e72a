"""Polycam (iOS): "raw data" export.

``keyframes/images/*.jpg``, ``keyframes/depth/*.png`` (16 bits, millimetres),
``keyframes/confidence/*.png`` (0 to 255) and ``keyframes/cameras/*.json`` with fx, fy, cx, cy,
width, height and t_00 to t_23, camera-to-world with ARKit's camera axes, y up. Where the app
corrected poses and pictures, they are in ``corrected_cameras`` and ``corrected_images``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gypsum.capture.rgbd.found import Y_UP, FoundCapture, FoundFrame, intrinsics, matrix, of_arkit
from gypsum.capture.rgbd.tree import Tree

NAME = "Polycam"
_FULL = 255


def recognises(tree: Tree) -> bool:
    """Whether the folder is the app's."""
    return bool(tree.named(r"keyframes/cameras/\d+\.json")) and bool(
        tree.named(r"keyframes/depth/\d+\.png")
    )


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    corrected = tree.stems("keyframes/corrected_cameras", (".json",))
    cameras = tree.stems("keyframes/cameras", (".json",)) | corrected
    images = tree.stems("keyframes/images", (".jpg", ".jpeg")) | tree.stems(
        "keyframes/corrected_images", (".jpg", ".jpeg")
    )
    depths = tree.stems("keyframes/depth", (".png",))
    confidences = tree.stems("keyframes/confidence", (".png",))
    frames = []
    for name, file in cameras.items():
        values = tree.json(file)
        four = matrix([values.get(key) for key in ("fx", "fy", "cx", "cy")], 1, 4)
        if four is None:
            continue
        width, height = values.get("width"), values.get("height")
        known = isinstance(width, int | float) and isinstance(height, int | float)
        frames.append(
            FoundFrame(
                name,
                tree.path(depths[name]) if name in depths else None,
                tree.path(confidences[name]) if name in confidences else None,
                tree.path(images[name]) if name in images else None,
                K=intrinsics(*four[0]),
                size=(int(width), int(height)) if known else None,  # type: ignore[arg-type]
                pose=of_arkit(_pose(values)),
            )
        )
    return FoundCapture(NAME, tuple(frames), Y_UP, sure=_FULL)


def _pose(values: dict[str, Any]) -> Any:
    rows = matrix([[values.get(f"t_{i}{j}") for j in range(4)] for i in range(3)], 3, 4)
    return None if rows is None else np.vstack([rows, [0, 0, 0, 1]])
