"""A texture atlas as a picture file."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.colors import plain_color
from gypsum.scene import TexturedMesh

JPEG_FROM = 2048
"""Textures with sides from here on are written as JPEG: as PNG a 4k atlas takes about 30 MB."""

JPEG_QUALITY = 93
"""With full colour resolution, the error stays below the noise of the photos."""


def only_texture(model: TexturedMesh) -> NDArray[np.uint8]:
    """The colours of a model of one material."""
    (material,) = model.materials
    if material.base_color is None:
        return plain_color(material).reshape(1, 1, 3)
    return material.base_color


@dataclass(frozen=True)
class TextureFile:
    """An encoded picture."""

    content: bytes
    mime_type: str
    suffix: str


def encode_texture(atlas: NDArray[np.uint8]) -> TextureFile:
    """PNG for small atlases, JPEG for large ones."""
    buffer, image = io.BytesIO(), Image.fromarray(atlas)
    if max(atlas.shape[:2]) >= JPEG_FROM:
        # Not with `optimize`: Pillow then fails where the result is larger than it expected.
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        return TextureFile(buffer.getvalue(), "image/jpeg", ".jpg")
    image.save(buffer, "PNG")
    return TextureFile(buffer.getvalue(), "image/png", ".png")


def companion(path: Path, ending: str) -> Path:
    """A file beside ``path`` named after it, in plain letters.

    Readers of OBJ and PLY trip over blanks, some of glTF over everything that a link must escape. A
    checksum keeps names apart that plain letters can't tell from each other.
    """
    plain = re.sub(r"[^\w.-]", "_", path.stem, flags=re.ASCII)
    if plain != path.stem:
        plain += f"-{zlib.crc32(path.stem.encode()):08x}"
    return path.with_name(plain + ending)


def texture_path(path: Path, texture: TextureFile) -> Path:
    """Where the texture of the model file ``path`` goes.

    Not ``stem.jpg``: that may well be a photo of the user's.
    """
    return companion(path, "_texture" + texture.suffix)
