"""Record3D (iOS): ``.r3d`` files, which are zips.

``metadata`` is JSON: ``K`` (nine, by columns) of the colour picture, ``w`` and ``h`` of it, ``dw``
and ``dh`` of the depth maps, ``poses`` (qx, qy, qz, qw, x, y, z: camera-to-world, ARKit axes), and
``perFrameIntrinsicCoeffs`` (fx, fy, cx, cy) in newer files. ``rgbd/0.jpg``, ``rgbd/0.depth``
(32-bit floats in metres, compressed with LZFSE) and ``rgbd/0.conf`` (bytes, 0 to 2, the same) per
frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gypsum.capture.rgbd.found import (
    Y_UP,
    FoundCapture,
    FoundFrame,
    intrinsics,
    matrix,
    of_arkit,
    pose_of_quaternion,
)
from gypsum.capture.rgbd.tree import Tree
from gypsum.errors import InputError

NAME = "Record3D"
_SIDE_MAX = 4096


def recognises(tree: Tree) -> bool:
    """Whether the folder is the app's."""
    return "metadata" in tree and bool(tree.named(r"rgbd/\d+\.depth"))


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    data = tree.json("metadata")
    shared = matrix(data.get("K"), 3, 3)
    rows, columns = data.get("dh"), data.get("dw")
    if not isinstance(rows, int) or not isinstance(columns, int) or not _sides(rows, columns):
        raise InputError(
            f"{tree.told('metadata')} does not tell the size of its depth maps; export the capture "
            "again with a newer Record3D."
        )
    frames = []
    for name in tree.named(r"rgbd/\d+\.depth"):
        number = int(name[len("rgbd/") : -len(".depth")])
        picture, confidence = f"rgbd/{number}.jpg", f"rgbd/{number}.conf"
        frames.append(
            FoundFrame(
                f"{number:06d}",
                tree.path(name),
                tree.path(confidence) if confidence in tree else None,
                tree.path(picture) if picture in tree else None,
                K=_camera(data, number, shared),
                size=_size(data),
                pose=of_arkit(_pose(data, number)),
                time=float(number),
            )
        )
    return FoundCapture(NAME, tuple(frames), Y_UP, depth_shape=(rows, columns))


def _sides(rows: int, columns: int) -> bool:
    return 8 <= min(rows, columns) <= max(rows, columns) <= _SIDE_MAX


def _size(data: dict[str, Any]) -> tuple[int, int] | None:
    width, height = data.get("w"), data.get("h")
    if not isinstance(width, int) or not isinstance(height, int) or not _sides(height, width):
        return None
    return width, height


def _camera(data: dict[str, Any], number: int, shared: Any) -> Any:
    each = data.get("perFrameIntrinsicCoeffs")
    if isinstance(each, list) and number < len(each):
        four = matrix(each[number], 1, 4)
        if four is not None:
            return intrinsics(*four[0])
    return None if shared is None else shared.T


def _pose(data: dict[str, Any], number: int) -> Any:
    poses = data.get("poses")
    if not isinstance(poses, list) or number >= len(poses):
        return None
    seven = matrix(poses[number], 1, 7)
    if seven is None:
        return None
    values = [float(value) for value in np.asarray(seven[0])]
    return pose_of_quaternion(values[4:], values[:4])
