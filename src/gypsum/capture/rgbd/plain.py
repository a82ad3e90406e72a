"""The plain folder that anybody can write: ``frames.json`` and the pictures that it names.

docs/lidar.md describes it. It is also what Gypsum itself keeps of every capture with depth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gypsum.capture.rgbd.found import Y_DOWN, Y_UP, Z_UP, FoundCapture, FoundFrame, matrix
from gypsum.capture.rgbd.tree import Tree
from gypsum.errors import InputError

NAME = "frames.json"
_UP = {"z": Z_UP, "y": Y_UP, "-y": Y_DOWN}
_FULL = 255


def recognises(tree: Tree) -> bool:
    """Whether the folder has the file."""
    return NAME in tree


def read(tree: Tree) -> FoundCapture:
    """All its frames."""
    data = tree.json(NAME)
    items, up = data.get("frames"), data.get("up", "z")
    unit = data.get("depth_unit", 0.001)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f'{tree.told(NAME)} has no list of objects "frames"; see docs/lidar.md.')
    if up not in _UP:
        raise InputError(f'{tree.told(NAME)}: "up" is one of z, y and -y, not {up!r}.')
    if not isinstance(unit, int | float) or not 1e-6 <= unit <= 1:
        raise InputError(f'{tree.told(NAME)}: "depth_unit" is metres a step, such as 0.001.')
    frames = tuple(_frame(tree, item, number) for number, item in enumerate(items))
    return FoundCapture(NAME, frames, _UP[up], depth_unit=float(unit), sure=_FULL)


def _frame(tree: Tree, item: dict[str, Any], number: int) -> FoundFrame:
    width, height = item.get("width"), item.get("height")
    known = isinstance(width, int) and isinstance(height, int) and min(width, height) > 0
    time = item.get("time", 0.0)
    return FoundFrame(
        str(item.get("name", f"{number:05d}")),
        _path(tree, item, "depth", number),
        _path(tree, item, "confidence", number),
        _path(tree, item, "color", number),
        K=matrix(item.get("K"), 3, 3),
        size=(int(width), int(height)) if known else None,  # type: ignore[arg-type]
        pose=_pose(item),
        time=float(time) if isinstance(time, int | float) else 0.0,
    )


def _pose(item: dict[str, Any]) -> Any:
    rotation, translation = matrix(item.get("R"), 3, 3), matrix(item.get("t"), 3, 1)
    if rotation is None or translation is None:
        return matrix(item.get("camera_to_world"), 4, 4)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.T, (-rotation.T @ translation)[:, 0]
    return pose


def _path(tree: Tree, item: dict[str, Any], what: str, number: int) -> Path | None:
    name = item.get(what)
    if name is None:
        return None
    if not isinstance(name, str) or name not in tree:
        raise InputError(
            f"{tree.told(NAME)}: frame {number} names {name!r} as its {what}, which is no file of "
            "the folder."
        )
    return tree.path(name)
