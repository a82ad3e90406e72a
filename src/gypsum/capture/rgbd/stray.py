"""Stray Scanner (Stray Robots, iOS).

``odometry.csv`` has a line per frame: timestamp, frame, x, y, z, qx, qy, qz, qw (camera-to-world,
OpenCV camera axes, y up), in newer versions followed by fx, fy, cx, cy; ``camera_matrix.csv`` is
the colour camera's 3 x 3 matrix; ``depth/000000.png`` (16 bits, millimetres) and
``confidence/000000.png`` (0 to 2) are numbered like the frames of ``rgb.mp4``.
"""

from __future__ import annotations

from gypsum.capture.rgbd.found import (
    Y_UP,
    FoundCapture,
    FoundFrame,
    intrinsics,
    matrix,
    pose_of_quaternion,
)
from gypsum.capture.rgbd.tree import Tree
from gypsum.errors import InputError

NAME = "Stray Scanner"


def recognises(tree: Tree) -> bool:
    """Whether the folder is the app's."""
    return all(name in tree for name in ("odometry.csv", "camera_matrix.csv", "rgb.mp4"))


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    shared = matrix(tree.numbers("camera_matrix.csv", 3)[:3], 3, 3)
    if shared is None:
        raise InputError(f"{tree.told('camera_matrix.csv')} holds no 3 x 3 matrix.")
    depths = tree.stems("depth", (".png",))
    confidences = tree.stems("confidence", (".png",))
    frames = []
    for row in tree.numbers("odometry.csv", 9):
        number = int(row[1])
        name = f"{number:06d}"
        if name not in depths:
            continue
        frames.append(
            FoundFrame(
                name,
                tree.path(depths[name]),
                tree.path(confidences[name]) if name in confidences else None,
                clip_frame=number,
                K=intrinsics(*row[9:13]) if len(row) >= 13 else shared,
                pose=pose_of_quaternion(row[2:5], row[5:9]),
                time=row[0],
            )
        )
    return FoundCapture(NAME, tuple(frames), Y_UP, clip=tree.path("rgb.mp4"))
