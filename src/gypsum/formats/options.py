"""How a model is written, where a format leaves a choice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gypsum.options import TextureFormat


class Compression(StrEnum):
    """Of a GLB's or glTF's triangles; viewers need to know it."""

    DRACO = "draco"
    """Smallest. KHR_draco_mesh_compression."""
    MESHOPT = "meshopt"
    """Fastest to decode. EXT_meshopt_compression over quantised vertices."""


@dataclass(frozen=True)
class WriteOptions:
    """What a writer may be asked for."""

    textures: TextureFormat = TextureFormat.AUTO
    compression: Compression | None = None


USUAL = WriteOptions()
