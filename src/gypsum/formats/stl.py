"""STL: the shape alone, Z up, in the world's unit (metres); written in its binary form."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.assembly import Piece, assemble, turned
from gypsum.formats.options import WriteOptions
from gypsum.formats.source import Source
from gypsum.scene import Mesh, TexturedMesh

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 80

_VERTEX = re.compile(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)


def stl(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:  # noqa: ARG001
    """An 80-byte header, the number of triangles, then 50 bytes for each."""
    triangles = np.zeros(len(model.mesh.faces), _TRIANGLE)
    triangles["normal"] = model.mesh.face_normals()
    triangles["corners"] = model.mesh.vertices[model.mesh.faces]
    # Must not begin with "solid", which marks the text form.
    header = f"Gypsum {__version__}; Z up, metres".encode().ljust(_HEADER)
    return {path: header + struct.pack("<I", len(triangles)) + triangles.tobytes()}


def read(source: Source, up_axis: str = "z") -> Mesh | TexturedMesh:
    """Read either form; corners at the same place become one vertex."""
    data = source.read()
    corners = _binary(data)
    if corners is None:
        corners = _text(source, data)
    positions = np.ascontiguousarray(corners.reshape(-1, 3), np.float32)
    faces = np.arange(len(positions), dtype=np.int32).reshape(-1, 3)
    return assemble(source, [turned(Piece(positions, faces), up_axis)])


def _binary(data: bytes) -> NDArray[np.float32] | None:
    """Corners (F, 3, 3); None where the size says that this is no binary STL.

    The word at its beginning tells nothing: many writers of binary STL begin with "solid".
    """
    start = _HEADER + 4
    if len(data) < start:
        return None
    (count,) = struct.unpack_from("<I", data, _HEADER)
    if len(data) < start + count * _TRIANGLE.itemsize or (count == 0 and len(data) > start):
        return None
    if data[:5].lower() == b"solid" and len(data) != start + count * _TRIANGLE.itemsize:
        return None
    return np.frombuffer(data, _TRIANGLE, count, start)["corners"]


def _text(source: Source, data: bytes) -> NDArray[np.float32]:
    if data[:200].lstrip()[:5].lower() != b"solid":
        raise source.fail("is no STL file, or is cut off")
    found = _VERTEX.findall(data)
    if len(found) % 3:
        raise source.fail("is cut off within a triangle")
    try:
        return np.array(found, "S32").astype(np.float32).reshape(-1, 3, 3)
    except ValueError:
        raise source.fail("has a vertex that is no number; it is damaged") from None
