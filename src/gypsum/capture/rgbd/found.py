"""What an app's reader finds, before any picture is decoded; and how apps write poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

#: Camera axes of ARKit, OpenGL and Blender (y up, z backward) to OpenCV's.
FLIP = np.diag([1.0, -1.0, -1.0])
#: World axes with y up to those with z up.
Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
Z_UP = np.eye(3)
#: World axes with y down, as of a camera that is held upright, to those with z up.
Y_DOWN = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])

#: Levels of confidence: the number that means sure. ARKit counts 0, 1, 2.
ARKIT_SURE = 2


@dataclass(frozen=True)
class FoundFrame:
    """One moment, as files."""

    name: str
    depth: Path | None = None
    confidence: Path | None = None
    color: Path | None = None
    clip_frame: int | None = None
    """The number of its colour picture in the capture's clip, where that has them."""
    K: Float64 | None = None
    """(3, 3) intrinsics, pixels, the centre of the top-left pixel at (0.5, 0.5)."""
    size: tuple[int, int] | None = None
    """Width and height that ``K`` belongs to; None: the colour picture's, or else the map's."""
    pose: Float64 | None = None
    """(4, 4) camera-to-world, OpenCV camera axes, metres; None: unknown."""
    time: float = 0.0


@dataclass(frozen=True)
class FoundCapture:
    """All frames of a capture."""

    app: str
    frames: tuple[FoundFrame, ...]
    up: Float64
    """(3, 3) from its world axes to ours, z up."""
    gravity: bool = True
    """Whether that is sure; else only about."""
    depth_unit: float = 0.001
    """Metres of one step of its 16-bit depth maps."""
    sure: int = ARKIT_SURE
    """The confidence that counts whole."""
    depth_shape: tuple[int, int] | None = None
    """Rows and columns where depth maps are bare floats, compressed with LZFSE."""
    clip: Path | None = None


def matrix(values: Any, rows: int, columns: int) -> Float64 | None:
    """A finite matrix from nested or flat lists; None where it is none."""
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        return None
    if array.size != rows * columns or not np.all(np.isfinite(array)):
        return None
    return array.reshape(rows, columns)


def intrinsics(fx: float, fy: float, cx: float, cy: float) -> Float64:
    """(3, 3) from its four numbers."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def pose_of_quaternion(position: Sequence[float], xyzw: Sequence[float]) -> Float64 | None:
    """(4, 4) camera-to-world from a position and a quaternion; None where that is zero."""
    x, y, z, w = xyzw
    length = float(np.linalg.norm(xyzw))
    if not np.isfinite(length) or length < 1e-6:
        return None
    x, y, z, w = x / length, y / length, z / length, w / length
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose


def of_arkit(pose: Float64 | None) -> Float64 | None:
    """ARKit's camera-to-world with OpenCV's camera axes."""
    if pose is None:
        return None
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ FLIP
    return turned


def valid_pose(pose: Float64 | None) -> Float64 | None:
    """The pose with an exact rotation; None where it has none, or lies absurdly far away."""
    if pose is None or pose.shape != (4, 4) or not np.all(np.isfinite(pose)):
        return None
    u, scale, vt = np.linalg.svd(pose[:3, :3])
    rotation = u @ vt
    if np.abs(scale - 1).max() > 0.02 or np.linalg.det(rotation) < 0:
        return None
    if np.abs(pose[:3, 3]).max() > 1e5:
        return None
    exact = np.eye(4)
    exact[:3, :3], exact[:3, 3] = rotation, pose[:3, 3]
    return exact


def valid_intrinsics(K: Float64 | None) -> Float64 | None:
    """The intrinsics where they can be a camera's."""
    if K is None or K.shape != (3, 3) or not np.all(np.isfinite(K)):
        return None
    return K if 1 < K[0, 0] < 1e6 and 1 < K[1, 1] < 1e6 and np.abs(K[:2, 2]).max() < 1e6 else None
