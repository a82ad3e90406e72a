"""The package: a zip archive without compression, whose files start at multiples of 64 bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

_ALIGNMENT = 64
"""So that files can be used in place, once the package is mapped into memory."""

_LOCAL_HEADER = 30
_PADDING_ID = 0x1986
_PADDING_HEADER = 4
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""A zip's first day: equal models make equal packages."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The package with these files, in their order; the first is the scene."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _LONG_AGO)
            used = buffer.tell() + _LOCAL_HEADER + len(name.encode()) + _PADDING_HEADER
            padding = -used % _ALIGNMENT
            info.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
            archive.writestr(info, content)
    return buffer.getvalue()
