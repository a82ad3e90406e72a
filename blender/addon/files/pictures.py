# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as numbers, decoded by Blender."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..splats import SplatError


def read_webp(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 4) from the top row down, to the last bit, also where alpha is zero."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.webp")
        path.write_bytes(data)
        return read_picture(path)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 4) of any file that Blender reads as bytes."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError:
        raise SplatError(f"{path.name} holds a picture that can't be read.") from None
    # Else colours are lost where alpha is zero.
    image.alpha_mode = "CHANNEL_PACKED"
    try:
        return pixels_of(image)
    finally:
        bpy.data.images.remove(image)


def pixels_of(image: bpy.types.Image) -> NDArray[np.uint8]:
    """(H, W, 4) of a picture of bytes, in its own colours."""
    width, height = image.size
    if not width * height:
        raise SplatError(f"{image.name} is a picture that can't be read.")
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    bytes_ = np.rint(values * 255).clip(0, 255).astype(np.uint8).reshape(height, width, -1)
    if bytes_.shape[2] < 4:
        bytes_ = np.dstack([bytes_, np.full((height, width, 4 - bytes_.shape[2]), 255, np.uint8)])
    return bytes_[::-1]
