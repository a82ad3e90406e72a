"""Redwood and Open3D: a folder of colour pictures and one of depth maps, in the same order.

``color/``, ``image/`` or ``rgb/`` with JPEG or PNG, ``depth/`` with 16-bit PNG in millimetres;
``camera_intrinsic.json``, ``intrinsic.json`` or ``camera_primesense.json`` as Open3D writes it
(width, height and ``intrinsic_matrix`` by columns); ``*.log`` with poses, where there is one: a
line of three numbers, then four of camera-to-world, OpenCV axes, beginning at the first camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.capture.rgbd.found import Y_DOWN, FoundCapture, FoundFrame, intrinsics, matrix
from gypsum.capture.rgbd.tree import Tree

NAME = "Redwood and Open3D"
_COLOR = ("color", "image", "rgb")
_INTRINSICS = ("camera_intrinsic.json", "intrinsic.json", "camera_primesense.json")
#: PrimeSense's factory values, which Redwood's own scans were made with.
_PRIMESENSE = (525.0, 525.0, 319.5, 239.5)


def recognises(tree: Tree) -> bool:
    """Whether there are both folders."""
    return bool(tree.stems("depth", (".png",))) and _color(tree) is not None


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    folder = _color(tree)
    assert folder is not None
    colors = list(tree.stems(folder, (".jpg", ".jpeg", ".png")).values())
    depths = list(tree.stems("depth", (".png",)).values())
    K, size = _camera(tree)
    poses = _trajectory(tree)
    frames = [
        FoundFrame(
            f"{number:06d}",
            tree.path(depth),
            color=tree.path(color),
            K=K,
            size=size,
            pose=poses[number] if number < len(poses) else None,
            time=float(number),
        )
        for number, (color, depth) in enumerate(zip(colors, depths, strict=False))
    ]
    return FoundCapture(NAME, tuple(frames), Y_DOWN, gravity=False)


def _color(tree: Tree) -> str | None:
    suffixes = (".jpg", ".jpeg", ".png")
    return next((name for name in _COLOR if tree.stems(name, suffixes)), None)


def _camera(tree: Tree) -> tuple[NDArray[np.float64], tuple[int, int] | None]:
    K, size = intrinsics(*_PRIMESENSE), (640, 480)
    for name in _INTRINSICS:
        if name in tree:
            data = tree.json(name)
            by_columns = matrix(data.get("intrinsic_matrix"), 3, 3)
            width, height = data.get("width"), data.get("height")
            if by_columns is not None and isinstance(width, int) and isinstance(height, int):
                K, size = by_columns.T.copy(), (max(width, 1), max(height, 1))
                break
    K[:2, 2] += 0.5  # Open3D counts from the centre of the first pixel.
    return K, size


def _trajectory(tree: Tree) -> list[NDArray[np.float64]]:
    logs = tree.named(r"[^/]*\.log")
    if not logs:
        return []
    rows = tree.numbers(logs[0], 3)
    blocks = [rows[n + 1 : n + 5] for n in range(0, len(rows) - 4, 5)]
    poses = [matrix(block, 4, 4) for block in blocks]
    return (
        [] if any(pose is None for pose in poses) else [pose for pose in poses if pose is not None]
    )
