"""3D Scanner App (Laan Labs, iOS): "All Data" export.

``frame_00000.json`` per frame with ``intrinsics`` (nine, by rows, of the colour picture) and
``cameraPoseARFrame`` (sixteen, by rows, camera-to-world, ARKit axes); ``depth_00000.png`` (16 bits,
millimetres) and ``conf_00000.png`` (0 to 2) per frame; ``frame_00000.jpg`` for some or all. The
picture's size is not told where it is missing; ``projectionMatrix`` says it:
``intrinsics[0] = projectionMatrix[0] * width / 2``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gypsum.capture.rgbd.found import Y_UP, FoundCapture, FoundFrame, matrix, of_arkit
from gypsum.capture.rgbd.tree import Tree

NAME = "3D Scanner App"


def recognises(tree: Tree) -> bool:
    """Whether the folder is the app's."""
    return "frame_00000.json" in tree and bool(tree.named(r"depth_\d+\.png"))


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    frames = []
    for name in tree.named(r"frame_\d+\.json"):
        number = name[len("frame_") : -len(".json")]
        values = tree.json(name)
        K = matrix(values.get("intrinsics"), 3, 3)
        if K is None:
            continue
        picture, depth = f"frame_{number}.jpg", f"depth_{number}.png"
        confidence = f"conf_{number}.png"
        frames.append(
            FoundFrame(
                number,
                tree.path(depth) if depth in tree else None,
                tree.path(confidence) if confidence in tree else None,
                tree.path(picture) if picture in tree else None,
                K=K,
                size=_size(K, values),
                pose=of_arkit(matrix(values.get("cameraPoseARFrame"), 4, 4)),
                time=_number(values.get("time")),
            )
        )
    return FoundCapture(NAME, tuple(frames), Y_UP)


def _size(K: Any, values: dict[str, Any]) -> tuple[int, int] | None:
    projection = matrix(values.get("projectionMatrix"), 4, 4)
    if projection is None or min(projection[0, 0], projection[1, 1]) <= 0:
        return None
    size = 2 * K[0, 0] / projection[0, 0], 2 * K[1, 1] / projection[1, 1]
    return (round(size[0]), round(size[1])) if max(size) < 1e5 else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else 0.0
