"""Every format of splats by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gypsum.formats.gltf import splats as gltf
from gypsum.formats.ply import splats as ply
from gypsum.formats.source import Source
from gypsum.formats.splats import ksplat, packed, sog, splat, spz
from gypsum.formats.splats.frames import from_world
from gypsum.formats.usd import splats as usd
from gypsum.scene import Splats


@dataclass(frozen=True)
class SplatFormat:
    """What splats can be written as."""

    name: str
    """What people call it."""
    suffix: str
    """With the dot."""
    description: str
    """One line on what is in it and who reads it."""
    up_axis: str
    """What points up in it: ``z``, ``y`` or ``y-down``."""
    encode: Callable[[Path, Splats], bytes]


_ALL = (
    SplatFormat(
        "PLY", ".ply", "everything, uncompressed; every program for splats", "z", ply.encode
    ),
    SplatFormat(
        "compressed PLY",
        ".compressed.ply",
        "a fourth of the size; SuperSplat, PlayCanvas, Spark",
        "y-down",
        packed.encode,
    ),
    SplatFormat("SPZ", ".spz", "a fifth of the size; phones, Spark, Cesium", "y", spz.encode),
    SplatFormat(
        "SOG", ".sog", "smallest; for the web: SuperSplat, PlayCanvas, Spark", "y-down", sog.encode
    ),
    SplatFormat(
        ".splat", ".splat", "without harmonics; the viewers of before", "y-down", splat.encode
    ),
    SplatFormat(
        "glTF binary", ".glb", "KHR_gaussian_splatting; Cesium and glTF viewers", "y", gltf.encode
    ),
    SplatFormat(
        "USDZ", ".usdz", "ParticleField3DGaussianSplat; OpenUSD, Omniverse", "y", usd.encode
    ),
)

SPLAT_FORMATS: dict[str, SplatFormat] = {known.suffix.removeprefix("."): known for known in _ALL}
"""Every format that splats can be written as, by the name that ``--format`` takes."""

SPLAT_READERS: dict[str, tuple[Callable[[Source], Splats], str]] = {
    ".ksplat": (ksplat.decode, "y-down"),
    ".sog": (sog.decode, "y-down"),
    ".splat": (splat.decode, "y-down"),
    ".spz": (spz.decode, "y"),
}
"""Readers of formats that hold nothing but splats, and what points up in most files."""

PLY_READERS: dict[str, tuple[Callable[[Source], Splats], str]] = {
    "packed_position": (packed.decode, "y-down"),
    "f_dc_0": (ply.decode, "z"),
}
"""The same for PLY files of splats, by a property that only these have."""


def encode(path: Path, splats: Splats, name: str) -> bytes:
    """The bytes of a file of splats, which are in the world frame (Z up, metres)."""
    known = SPLAT_FORMATS[name]
    return known.encode(path, from_world(splats, known.up_axis))
