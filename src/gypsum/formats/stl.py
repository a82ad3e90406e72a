"""Binary STL: the shape alone, Z up, in the world's unit (metres)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from gypsum._version import __version__
from gypsum.formats.options import WriteOptions
from gypsum.scene import TexturedMesh

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def stl(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:  # noqa: ARG001
    """An 80-byte header, the number of triangles, then 50 bytes for each."""
    triangles = np.zeros(len(model.mesh.faces), _TRIANGLE)
    triangles["normal"] = model.mesh.face_normals()
    triangles["corners"] = model.mesh.vertices[model.mesh.faces]
    # Must not begin with "solid", which marks the text form.
    header = f"Gypsum {__version__}; Z up, metres".encode().ljust(80)
    return {path: header + struct.pack("<I", len(triangles)) + triangles.tobytes()}
