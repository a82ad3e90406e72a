"""KTX2 textures as KHR_texture_basisu wants them: UASTC blocks with mip levels, under Zstandard.

https://registry.khronos.org/KTX/specs/2.0/ktxspec.v2.html, the Khronos Data Format Specification,
and https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_texture_basisu
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.colors import to_linear, to_srgb
from gypsum.formats.limits import MOST_TEXELS
from gypsum.native import _uastc

UInt8 = NDArray[np.uint8]

IDENTIFIER = b"\xabKTX 20\xbb\r\n\x1a\n"
ZSTD_LEVEL = 12
"""A tenth smaller than the default level; blocks hardly shrink beyond."""

_ZSTD = 2
_MODEL_UASTC, _CHANNELS_RGB = 166, 0
_PRIMARIES_BT709, _LINEAR, _SRGB = 1, 1, 2
_HEADER = struct.Struct("<12s9I4I2Q")
_LEVEL = struct.Struct("<3Q")


class KTX2Error(Exception):
    """A KTX2 texture that can't be decoded; the message goes on after "has a texture that"."""


def encode(picture: UInt8, srgb: bool) -> bytes:
    """A KTX2 file of a picture (H, W) or (H, W, 3), colours (``srgb``) or numbers.

    Sides that are no multiples of four, which the extension forbids, are stretched to the next.
    """
    import zstandard

    threads = len(os.sched_getaffinity(0))
    levels = []
    for level in _mip_levels(_stretched(picture), srgb):
        blocks = _uastc.encode(level, threads).tobytes()
        levels.append((len(blocks), zstandard.compress(blocks, ZSTD_LEVEL)))
        if len(levels) == 1:
            height, width = level.shape[:2]
    return _container(width, height, levels, srgb)


def _stretched(picture: UInt8) -> UInt8:
    colors = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    height, width = (-(-side // 4) * 4 for side in colors.shape[:2])
    if (height, width) != colors.shape[:2]:
        colors = np.asarray(cv2.resize(colors, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(colors, np.uint8)


def _mip_levels(picture: UInt8, srgb: bool) -> Iterator[UInt8]:
    """The picture, and halves of halves down to one texel; colours are averaged as light."""
    yield picture
    linear, encoded = _light_tables() if srgb else (None, None)
    light = picture.astype(np.uint16) * 257 if linear is None else linear[picture]
    while max(light.shape[:2]) > 1:
        size = tuple(max(1, side // 2) for side in light.shape[1::-1])
        light = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        yield (
            np.asarray((light.astype(np.uint32) + 128) // 257, np.uint8)
            if encoded is None
            else encoded[light]
        )


def _light_tables() -> tuple[NDArray[np.uint16], UInt8]:
    """sRGB bytes as light in 16 bits, and back."""
    there = np.rint(to_linear(np.arange(256, dtype=np.uint8)) * 65535).astype(np.uint16)
    return there, to_srgb(np.arange(65536) / 65535)


def _container(width: int, height: int, levels: list[tuple[int, bytes]], srgb: bool) -> bytes:
    """The file; the smallest level comes first, so that a viewer can show it early."""
    descriptor = _descriptor(srgb)
    writer = b"KTXwriter\0Gypsum " + __version__.encode() + b"\0"
    values = struct.pack("<I", len(writer)) + writer + bytes(-len(writer) % 4)
    start = _HEADER.size + _LEVEL.size * len(levels)
    offset = start + len(descriptor) + len(values)
    index, content = [], []
    for size, packed in reversed(levels):
        index.append(_LEVEL.pack(offset, len(packed), size))
        content.append(packed)
        offset += len(packed)
    header = _HEADER.pack(
        IDENTIFIER, 0, 1, width, height, 0, 0, 1, len(levels), _ZSTD,
        start, len(descriptor), start + len(descriptor), len(values), 0, 0,
    )  # fmt: skip
    return b"".join([header, *reversed(index), descriptor, values, *content])


def _descriptor(srgb: bool) -> bytes:
    """What the blocks mean: opaque UASTC of 4 x 4 texels and 16 bytes."""
    block = struct.pack(
        "<IHHBBBB4B8BHBB4BII",
        0, 2, 40,
        _MODEL_UASTC, _PRIMARIES_BT709, _SRGB if srgb else _LINEAR, 0,
        3, 3, 0, 0,
        16, 0, 0, 0, 0, 0, 0, 0,
        0, 127, _CHANNELS_RGB,
        0, 0, 0, 0, 0, 0xFFFFFFFF,
    )  # fmt: skip
    return struct.pack("<I", 4 + len(block)) + block


def decode(data: bytes) -> UInt8:
    """The largest level (H, W, 3) of a Basis Universal texture, whatever its blocks."""
    try:
        import opengl_basisu
    except ImportError:
        raise KTX2Error(
            "is KTX2, for which there is no reader on this system; convert it to PNG first"
        ) from None
    width, height = _size(data)
    if width * height > MOST_TEXELS:
        raise KTX2Error(f"has {width}x{height} texels, too many to read")
    try:
        texture = opengl_basisu.open(data)
        if (texture.width, texture.height) != (width, height):
            raise KTX2Error("is damaged")
        pixels = texture.transcode(opengl_basisu.Target.RGBA8).data
    except (opengl_basisu.BasisuError, ValueError, IndexError, MemoryError) as error:
        raise KTX2Error("is damaged, or no Basis Universal texture") from error
    return np.ascontiguousarray(pixels[..., :3], np.uint8)


def _size(data: bytes) -> tuple[int, int]:
    if len(data) < _HEADER.size or not data.startswith(IDENTIFIER):
        raise KTX2Error("is damaged")
    width, height = struct.unpack_from("<2I", data, 20)
    return width, height
