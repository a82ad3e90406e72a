"""Reading a model from any of the known formats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from gypsum.errors import InputError
from gypsum.formats import clouds, fbx, gltf, obj, ply, stl, usd, xyz
from gypsum.formats.ply.read import property_names
from gypsum.formats.source import Source
from gypsum.formats.splats.files import PLY_READERS, SPLAT_READERS
from gypsum.formats.splats.frames import to_world
from gypsum.scene import Mesh, PointCloud, Splats, TexturedMesh

Model = TexturedMesh | Mesh | PointCloud
"""What a file may hold; in the world frame (Z up, metres)."""

Asset = Model | Splats
"""The same, and what only some programs take for a model."""

_OF_ONE_FRAME = {
    ".asc": clouds.read,
    ".csv": clouds.read,
    ".e57": clouds.read,
    ".fbx": fbx.read,
    ".glb": gltf.read,
    ".gltf": gltf.read,
    ".las": clouds.read,
    ".laz": clouds.read,
    ".pcd": clouds.read,
    ".pts": clouds.read,
    ".txt": clouds.read,
    ".usd": usd.read,
    ".usda": usd.read,
    ".usdc": usd.read,
    ".usdz": usd.read,
}
"""Readers of formats that say which axis is up."""

_OF_ANY_FRAME: dict[str, tuple[Callable[[Source, str], Model], str]] = {
    ".obj": (obj.read, "y"),
    ".ply": (ply.read, "z"),
    ".stl": (stl.read, "z"),
    ".xyz": (xyz.read, "z"),
}
"""Readers of formats that don't, and the axis that is up in most files."""

READABLE = tuple(sorted([*_OF_ONE_FRAME, *_OF_ANY_FRAME, *SPLAT_READERS]))
"""Suffixes of files that are read."""

_DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError, struct.error,
)  # fmt: skip
"""What a damaged file may cause that no reader foresaw."""


def read_model(
    path: Path, *, up_axis: str | None = None, warn: Callable[[str], None] | None = None
) -> Model:
    """Read a model into the world frame; see :func:`read_asset`."""
    asset = read_asset(path, up_axis=up_axis, warn=warn)
    if isinstance(asset, Splats):
        raise InputError(
            f"{path.name} holds Gaussian splats, where a surface or points are needed."
        )
    return asset


def read_splats(
    path: Path, *, up_axis: str | None = None, warn: Callable[[str], None] | None = None
) -> Splats:
    """Read splats of any format into the world frame; see :func:`read_asset`."""
    asset = read_asset(path, up_axis=up_axis, warn=warn)
    if not isinstance(asset, Splats):
        raise InputError(f"{path.name} holds no Gaussian splats.")
    return asset


def read_asset(
    path: Path, *, up_axis: str | None = None, warn: Callable[[str], None] | None = None
) -> Asset:
    """Read a model or splats into the world frame (Z up, metres).

    ``up_axis`` is ``y``, ``z`` or ``y-down``, for files that don't say it; None takes what is
    usual. ``warn`` hears what is left out, such as textures that are not there. Whatever the file
    holds, the only errors are :class:`InputError`.
    """
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise InputError(f"{path.name}: only {', '.join(READABLE)} are read.")
    source = Source(path) if warn is None else Source(path, warn)
    try:
        if suffix in _OF_ONE_FRAME:
            return _OF_ONE_FRAME[suffix](source)
        of_splats = _splat_reader(path)
        if of_splats is not None:
            decode, usual = of_splats
            return to_world(decode(source), up_axis or usual)
        read, usual = _OF_ANY_FRAME[suffix]
        return read(source, up_axis or usual)
    except _DAMAGE as error:
        raise source.fail("is damaged, or not what its name says") from error


def _splat_reader(path: Path) -> tuple[Callable[[Source], Splats], str] | None:
    """What reads this file, where it holds splats, and what is up in most such files."""
    suffix = path.suffix.lower()
    if suffix != ".ply" or not path.is_file():
        return SPLAT_READERS.get(suffix)
    names = property_names(path)
    return next((reader for name, reader in PLY_READERS.items() if name in names), None)
