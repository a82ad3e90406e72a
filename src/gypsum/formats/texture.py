"""Textures as picture files."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats import ktx2
from gypsum.options import TextureFormat
from gypsum.scene import Material, TexturedMesh

JPEG_FROM = 2048
"""Textures with sides from here on are written as JPEG: as PNG a 4k atlas takes about 30 MB."""

JPEG_QUALITY = 93
"""With full colour resolution, the error stays below the noise of the photos."""

WEBP_QUALITY = 90
"""Looks like JPEG at ``JPEG_QUALITY``; WebP always halves the resolution of colours."""

WEBP_LARGEST = 16383
"""Pixels along a side."""

MAPS = ("base_color", "normal", "occlusion", "roughness")
"""The textures of a :class:`Material`."""


@dataclass(frozen=True)
class TextureFile:
    """An encoded picture."""

    content: bytes
    mime_type: str
    suffix: str


def encode_texture(
    pixels: NDArray[np.uint8], wanted: TextureFormat = TextureFormat.AUTO, srgb: bool = True
) -> TextureFile:
    """A picture file of an array (H, W) or (H, W, 3); ``srgb``: of colours rather than numbers."""
    if wanted is TextureFormat.KTX2:
        return TextureFile(ktx2.encode(pixels, srgb), "image/ktx2", ".ktx2")
    buffer, image = io.BytesIO(), Image.fromarray(pixels)
    match _choose(pixels, wanted):
        case TextureFormat.JPEG:
            # Not with `optimize`: Pillow then fails where the result is larger than it expected.
            image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
            return TextureFile(buffer.getvalue(), "image/jpeg", ".jpg")
        case TextureFormat.WEBP:
            image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=4)
            return TextureFile(buffer.getvalue(), "image/webp", ".webp")
        case _:
            image.save(buffer, "PNG")
            return TextureFile(buffer.getvalue(), "image/png", ".png")


def _choose(pixels: NDArray[np.uint8], wanted: TextureFormat) -> TextureFormat:
    side = max(pixels.shape[:2])
    if wanted is TextureFormat.AUTO or (wanted is TextureFormat.WEBP and side > WEBP_LARGEST):
        return TextureFormat.JPEG if side >= JPEG_FROM else TextureFormat.PNG
    return wanted


def widely_read(wanted: TextureFormat) -> TextureFormat:
    """What is meant in formats whose readers take nothing but PNG and JPEG."""
    gltf_only = (TextureFormat.WEBP, TextureFormat.KTX2)
    return TextureFormat.AUTO if wanted in gltf_only else wanted


def encode_maps(material: Material, wanted: TextureFormat) -> dict[str, TextureFile]:
    """A picture file for every texture of a material, by the texture's name."""
    held = {name: getattr(material, name) for name in MAPS}
    return {
        name: encode_texture(pixels, wanted) for name, pixels in held.items() if pixels is not None
    }


def encode_beside(
    path: Path, model: TexturedMesh, wanted: TextureFormat
) -> tuple[list[dict[str, Path]], dict[Path, bytes]]:
    """The texture files to lie beside the model file ``path``: paths by material, and contents.

    Pictures are named after the model, with the material's number where there are several.
    """
    paths: list[dict[str, Path]] = []
    files: dict[Path, bytes] = {}
    for number, material in enumerate(model.materials, start=1):
        which = f"_{number}" if len(model.materials) > 1 else ""
        encoded = encode_maps(material, wanted)
        named = {
            name: texture_path(path, which + _ENDING[name] + texture.suffix)
            for name, texture in encoded.items()
        }
        files |= {named[name]: texture.content for name, texture in encoded.items()}
        paths.append(named)
    return paths, files


_ENDING = {name: "" if name == "base_color" else f"_{name}" for name in MAPS}


def companion(path: Path, ending: str) -> Path:
    """A file beside ``path`` named after it, in plain letters.

    Readers of OBJ and PLY trip over blanks, some of glTF over everything that a link must escape. A
    checksum keeps names apart that plain letters can't tell from each other.
    """
    plain = re.sub(r"[^\w.-]", "_", path.stem, flags=re.ASCII)
    if plain != path.stem:
        plain += f"-{zlib.crc32(path.stem.encode()):08x}"
    return path.with_name(plain + ending)


def texture_path(path: Path, ending: str) -> Path:
    """Where a texture of the model file ``path`` goes.

    Not ``stem.jpg``: that may well be a photo of the user's.
    """
    return companion(path, "_texture" + ending)


def plain_names(materials: tuple[Material, ...]) -> list[str]:
    """Names for materials that every format takes: letters, digits and underscores, all different.

    USD allows nothing else, and OBJ ends a name at a blank.
    """
    names: list[str] = []
    for material in materials:
        name = re.sub(r"\W", "_", material.name, flags=re.ASCII) or "material"
        name = f"_{name}" if name[0].isdigit() else name
        unique, number = name, 2
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names
