# SPDX-License-Identifier: GPL-3.0-or-later
"""``.splat``, the format of the first viewers: 32 bytes a splat, the same colour from all sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..splats import SH_C0, SplatError, Splats, unit
from .spz import logits

_ROW = np.dtype([("place", "<f4", 3), ("size", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)])

_SMALLEST = 1e-12


def decode(path: Path) -> Splats:
    """The splats of such a file."""
    data = path.read_bytes()
    if len(data) == 0 or len(data) % _ROW.itemsize:
        raise SplatError(f"{path.name} holds no splats: its size is no multiple of 32 bytes.")
    rows = np.frombuffer(data, _ROW)
    constant = (rows["color"][:, None, :3] / 255.0 - 0.5) / SH_C0
    return Splats(
        rows["place"].astype(np.float32),
        np.log(np.maximum(rows["size"], _SMALLEST)).astype(np.float32),
        unit(rows["turn"].astype(np.float64) - 128).astype(np.float32),
        logits(rows["color"][:, 3] / 255.0),
        constant.astype(np.float32),
    )
