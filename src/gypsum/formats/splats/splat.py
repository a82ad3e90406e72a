"""``.splat``, the format of the first viewers: 32 bytes a splat, the same colour from all sides.

Place and size are floats, colour, opacity and rotation a byte for each number. Y is down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import (
    checked,
    constant_harmonics,
    logits,
    plain_colors,
    sigmoid,
    to_bytes,
    unit,
)
from gypsum.scene import Splats

_ROW = np.dtype([("place", "<f4", 3), ("size", "<f4", 3), ("color", "u1", 4), ("turn", "u1", 4)])

_SMALLEST = 1e-12


def encode(_: Path, splats: Splats) -> bytes:
    """The file's bytes; those that show most come first, for viewers that draw while they load."""
    opacity = sigmoid(splats.opacities)
    shown = splats.log_scales.astype(np.float64).sum(axis=1) + np.log(opacity)
    order = np.argsort(-shown, kind="stable")
    rows = np.empty(len(splats), _ROW)
    rows["place"] = splats.means
    rows["size"] = np.exp(splats.log_scales)
    rows["color"][:, :3] = to_bytes(plain_colors(splats))
    rows["color"][:, 3] = to_bytes(opacity)
    rows["turn"] = np.rint(np.clip(unit(splats.quaternions) * 128 + 128, 0, 255))
    return rows[order].tobytes()


def decode(source: Source) -> Splats:
    """The splats of such a file."""
    data = source.read()
    if len(data) == 0 or len(data) % _ROW.itemsize:
        raise source.fail("is no file of splats: its size is not a multiple of 32 bytes")
    rows = np.frombuffer(data, _ROW)
    turn = rows["turn"].astype(np.float64) - 128
    return checked(
        source,
        Splats(
            rows["place"].astype(np.float32),
            np.log(np.maximum(rows["size"], _SMALLEST)).astype(np.float32),
            unit(turn).astype(np.float32),
            logits(rows["color"][:, 3] / 255.0),
            constant_harmonics(rows["color"][:, :3] / 255.0)[:, None],
        ),
    )
