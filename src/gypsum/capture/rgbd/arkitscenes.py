"""ARKitScenes (Apple's data set, raw part).

``lowres_wide/ID_TIME.png``, ``lowres_depth/ID_TIME.png`` (16 bits, millimetres),
``confidence/ID_TIME.png`` (0 to 2), ``lowres_wide_intrinsics/ID_TIME.pincam`` (width, height, fx,
fy, cx, cy) and ``lowres_wide.traj``: lines of time, rotation vector and translation,
world-to-camera, OpenCV camera axes, z up.
"""

from __future__ import annotations

import bisect

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.capture.rgbd.found import Z_UP, FoundCapture, FoundFrame, intrinsics
from gypsum.capture.rgbd.tree import Tree

NAME = "ARKitScenes"
_NEAR = 0.06
"""Seconds between a picture and its pose at most."""


def recognises(tree: Tree) -> bool:
    """Whether the folder is of the data set."""
    return "lowres_wide.traj" in tree and bool(tree.named(r"lowres_depth/.*\.png"))


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    rows = sorted(tree.numbers("lowres_wide.traj", 7))
    times = [row[0] for row in rows]
    depths = tree.stems("lowres_depth", (".png",))
    confidences = tree.stems("confidence", (".png",))
    images = tree.stems("lowres_wide", (".png",))
    cameras = tree.stems("lowres_wide_intrinsics", (".pincam",))
    frames = []
    for name, depth in depths.items():
        numbers = tree.numbers(cameras[name], 6) if name in cameras else []
        time = _time(name)
        if not numbers or time is None:
            continue
        width, height, *four = numbers[0][:6]
        frames.append(
            FoundFrame(
                name,
                tree.path(depth),
                tree.path(confidences[name]) if name in confidences else None,
                tree.path(images[name]) if name in images else None,
                K=intrinsics(*four),
                size=(int(width), int(height)) if min(width, height) >= 1 else None,
                pose=_pose(rows, times, time),
                time=time,
            )
        )
    return FoundCapture(NAME, tuple(frames), Z_UP)


def _time(name: str) -> float | None:
    try:
        return float(name.rsplit("_", 1)[-1])
    except ValueError:
        return None


def _pose(rows: list[list[float]], times: list[float], time: float) -> NDArray[np.float64] | None:
    after = bisect.bisect_left(times, time)
    near = [n for n in (after - 1, after) if 0 <= n < len(times) and abs(times[n] - time) < _NEAR]
    if not near:
        return None
    row = rows[min(near, key=lambda n: abs(times[n] - time))]
    rotation, _ = cv2.Rodrigues(np.array(row[1:4]))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, -rotation.T @ row[4:7]
    return pose
