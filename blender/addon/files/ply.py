# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY in the layout of Kerbl et al. 2023, which every program for splats reads.

A vertex is a Gaussian: ``f_dc`` are the constant harmonics, ``f_rest`` the others, all of red
before all of green and blue; opacities are logits, scales logarithms, ``rot`` is (w, x, y, z).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..splats import TERMS, Float32, SplatError, Splats

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1000

_PLACE = ("x", "y", "z")
_NORMAL = ("nx", "ny", "nz")
_CONSTANT = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALE = ("scale_0", "scale_1", "scale_2")
_TURN = ("rot_0", "rot_1", "rot_2", "rot_3")


def decode(path: Path) -> Splats:
    """The splats of a binary PLY."""
    with path.open("rb") as file:
        layout, count = _header(path, file)
        start = file.tell()
    names = layout.names or ()
    rests = sum(name.startswith("f_rest_") for name in names)
    wanted = {*_PLACE, *_CONSTANT, *_SCALE, *_TURN, "opacity", *_rests(rests)}
    if missing := sorted(wanted - set(names)):
        raise SplatError(f"{path.name} holds no splats: it has no {missing[0]}.")
    if 3 + rests not in [3 * terms for terms in TERMS]:
        raise SplatError(f"{path.name} has {rests} f_rest values; 0, 9, 24 or 45 make sense.")
    if path.stat().st_size < start + count * layout.itemsize:
        raise SplatError(f"{path.name} is cut off; write it again.")
    if count == 0:
        raise SplatError(f"{path.name} holds no splats.")
    rows = np.memmap(path, layout, "r", start, count)
    harmonics = np.empty((count, 1 + rests // 3, 3), np.float32)
    harmonics[:, 0] = _columns(rows, _CONSTANT)
    for index in range(rests):
        channel, term = divmod(index, rests // 3)
        harmonics[:, 1 + term, channel] = rows[f"f_rest_{index}"]
    return Splats(
        _columns(rows, _PLACE),
        _columns(rows, _SCALE),
        _columns(rows, _TURN),
        np.asarray(rows["opacity"], np.float32).copy(),
        harmonics,
    )


def encode(splats: Splats) -> bytes:
    """The file's bytes, with the normals of zero that old readers want."""
    rests = 3 * (splats.harmonics.shape[1] - 1)
    names = [*_PLACE, *_NORMAL, *_CONSTANT, *_rests(rests), "opacity", *_SCALE, *_TURN]
    rows = np.zeros((len(splats), len(names)), "<f4")
    rows[:, 0:3] = splats.means
    rows[:, 6:9] = splats.harmonics[:, 0]
    rows[:, 9 : 9 + rests] = splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(splats), rests)
    rows[:, 9 + rests] = splats.opacities
    rows[:, 10 + rests : 13 + rests] = splats.log_scales
    rows[:, 13 + rests :] = splats.quaternions
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}"]
    header += [f"property float {name}" for name in names] + ["end_header", ""]
    return "\n".join(header).encode() + rows.tobytes()


def _rests(count: int) -> list[str]:
    return [f"f_rest_{index}" for index in range(count)]


def _columns(rows: NDArray[np.void], names: tuple[str, ...]) -> Float32:
    """(N, len(names)) side by side."""
    result = np.empty((len(rows), len(names)), np.float32)
    for column, name in enumerate(names):
        result[:, column] = rows[name]
    return result


def _header(path: Path, file: BinaryIO) -> tuple[np.dtype[np.void], int]:
    """A vertex's layout and the number of vertices, which have to come first."""
    if file.readline(80).strip() != b"ply":
        raise SplatError(f"{path.name} is no PLY file.")
    order, count, element, fields = "", 0, "", []
    for _ in range(_LONGEST_HEADER):
        words = file.readline(1000).decode("ascii", "replace").split()
        match words:
            case ["end_header"]:
                break
            case ["format", name, *_]:
                order = _ORDERS.get(name, "")
            case ["element", name, number] if number.isdigit():
                if element == "" and name != "vertex":
                    raise SplatError(f"{path.name} holds no splats: vertices don't come first.")
                element, count = name, int(number) if name == "vertex" else count
            case ["property", kind, name] if element == "vertex" and kind in _TYPES:
                fields.append((name, order + _TYPES[kind]))
    else:
        raise SplatError(f"{path.name} has no end to its header; it is damaged.")
    if not order:
        raise SplatError(f"{path.name} is a PLY of text; only binary ones hold splats.")
    if len({name for name, _ in fields}) < len(fields):
        raise SplatError(f"{path.name} names a property twice; it is damaged.")
    return np.dtype(fields), count
