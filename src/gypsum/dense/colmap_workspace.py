"""COLMAP's dense workspace: undistorted photos with poses, depth and normal maps, settings.

``FOLDER/images/NAME``, ``FOLDER/sparse/*.bin``, ``FOLDER/stereo/{depth,normal}_maps/NAME.KIND.bin``
and ``FOLDER/stereo/{patch-match,fusion}.cfg``, as ``colmap image_undistorter`` lays them out, so
COLMAP's ``patch_match_stereo``, ``stereo_fusion`` and meshers can take over at either side. Our own
``FOLDER/box.json`` says which part of the world was measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Box, SparseModel, View

Float32 = NDArray[np.float32]


def read_views(folder: Path) -> list[View]:
    """The posed, undistorted photos of a dense workspace, in the order of their names."""
    model = SparseModel.read(folder / "sparse")
    views = []
    for photo in sorted(model.photos.values(), key=lambda p: p.name):
        camera = model.camera_of(photo)
        views.append(
            View(
                photo.name,
                folder / "images" / photo.name,
                camera.width,
                camera.height,
                camera.K,
                photo.R,
                photo.t,
            )
        )
    return views


def map_path(folder: Path, what: str, name: str, kind: str = "geometric") -> Path:
    """Where the ``what`` ("depth" or "normal") map of a photo is kept."""
    return folder / "stereo" / f"{what}_maps" / f"{name}.{kind}.bin"


def write_map(path: Path, values: Float32) -> None:
    """Write (H, W) or (H, W, C) as COLMAP's array: a text header, then a plane per channel."""
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    channels, height, width = planes.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(f"{width}&{height}&{channels}&".encode())
        file.write(np.ascontiguousarray(planes, "<f4").tobytes())


def read_map(path: Path) -> Float32:
    """Read COLMAP's array: (H, W), or (H, W, C) when it has several channels."""
    data = path.read_bytes()
    parts = data[:64].split(b"&", 3)
    width, height, channels = (int(p) for p in parts[:3])
    start = sum(len(p) + 1 for p in parts[:3])
    planes = np.frombuffer(data, "<f4", width * height * channels, start)
    planes = planes.reshape(channels, height, width)
    if channels == 1:
        return np.array(planes[0], np.float32)
    values: Float32 = np.ascontiguousarray(np.moveaxis(planes, 0, 2), np.float32)
    return values


def write_settings(folder: Path, sources: Mapping[str, Sequence[str]]) -> None:
    """Write ``patch-match.cfg`` (which photos each is matched against) and ``fusion.cfg``."""
    stereo = folder / "stereo"
    stereo.mkdir(parents=True, exist_ok=True)
    with atomic_write(stereo / "patch-match.cfg") as file:
        for name, others in sources.items():
            file.write(f"{name}\n{', '.join(others)}\n".encode())
    with atomic_write(stereo / "fusion.cfg") as file:
        file.write("".join(f"{name}\n" for name in sources).encode())


def box_path(folder: Path) -> Path:
    """Where the box is kept."""
    return folder / "box.json"


def write_box(folder: Path, box: Box | None) -> None:
    """Keep the box that was measured; None: everything."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(box_path(folder)) as file:
        file.write(json.dumps(None if box is None else box.as_json()).encode())


def read_box(folder: Path) -> Box | None:
    """The box that was measured; None: everything."""
    path = box_path(folder)
    values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return None if values is None else Box.from_json(values)
