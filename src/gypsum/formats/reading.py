"""Reading a model from any of the known formats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from gypsum.errors import InputError
from gypsum.formats import fbx, gltf, obj, ply, stl, usd, xyz
from gypsum.formats.source import Source
from gypsum.scene import Mesh, PointCloud, TexturedMesh

Model = TexturedMesh | Mesh | PointCloud
"""What a file may hold; in the world frame (Z up, metres)."""

_OF_ONE_FRAME = {
    ".fbx": fbx.read,
    ".glb": gltf.read,
    ".gltf": gltf.read,
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

READABLE = tuple(sorted([*_OF_ONE_FRAME, *_OF_ANY_FRAME]))
"""Suffixes of files that are read."""

_DAMAGE = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError,
    ValueError, struct.error,
)  # fmt: skip
"""What a damaged file may cause that no reader foresaw."""


def read_model(
    path: Path, *, up_axis: str | None = None, warn: Callable[[str], None] | None = None
) -> Model:
    """Read a model into the world frame (Z up, metres).

    ``up_axis`` is ``y`` or ``z``, for files that don't say it; None takes what is usual. ``warn``
    hears what is left out, such as textures that are not there. Whatever the file holds, the only
    errors are :class:`InputError`.
    """
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise InputError(f"{path.name}: only {', '.join(READABLE)} are read.")
    source = Source(path) if warn is None else Source(path, warn)
    try:
        if suffix in _OF_ONE_FRAME:
            return _OF_ONE_FRAME[suffix](source)
        read, usual = _OF_ANY_FRAME[suffix]
        return read(source, up_axis or usual)
    except _DAMAGE as error:
        raise source.fail("is damaged, or not what its name says") from error
