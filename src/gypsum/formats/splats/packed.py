"""Compressed PLY, PlayCanvas's format: 16 bytes a splat and one for each harmonic.

Splats are in chunks of 256 with bounds of their places, sizes and colours, between which a splat's
are in 11, 10 and 11 bits (colours: 8); rotations are the smallest three components in 10 bits each.
Y is down, as in the photos that most trainers begin with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.ply.read import read_elements
from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import (
    Float64,
    check_count,
    checked,
    constant_harmonics,
    from_smallest_three,
    logits,
    morton_order,
    plain_colors,
    sigmoid,
    smallest_three,
    to_bytes,
    unit,
)
from gypsum.scene import Splats

CHUNK = 256
"""Splats that share their bounds."""

SPAN = 8.0
"""Harmonics of -4 to 4 are kept."""

_BOUNDS = "min_{0}x min_{0}y min_{0}z max_{0}x max_{0}y max_{0}z"
_PLACE, _SIZE = _BOUNDS.format("").split(), _BOUNDS.format("scale_").split()
_COLOR = ["min_r", "min_g", "min_b", "max_r", "max_g", "max_b"]
_PACKED = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]

_LARGEST_LOG_SCALE = 20.0

Words = NDArray[np.uint32]


def encode(_: Path, splats: Splats) -> bytes:
    """The file's bytes; splats are in another order, by place."""
    splats = splats.select(morton_order(splats.means))
    sizes = np.clip(splats.log_scales, -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE)
    bounds, packed = [], []
    for values in (splats.means, sizes, plain_colors(splats).astype(np.float32)):
        low, high = _chunk_bounds(values)
        bounds += [low, high]
        packed.append(_between(values, low, high))
    places, scales, colors = packed
    words = np.empty((len(splats), 4), "<u4")
    words[:, 0], words[:, 2] = _pack_111011(places), _pack_111011(scales)
    words[:, 1] = _pack_rotations(unit(splats.quaternions))
    opacity = to_bytes(sigmoid(splats.opacities))
    red, green, blue = to_bytes(colors).T
    words[:, 3] = (red << 24) | (green << 16) | (blue << 8) | opacity
    rest = splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(splats), -1)
    # Cells of equal width; the outer two are read as their ends.
    cells = np.clip(np.floor((rest / SPAN + 0.5) * 256), 0, 255).astype(np.uint8)
    header = _header(len(bounds[0]), len(splats), rest.shape[1])
    chunks = np.concatenate(bounds, axis=1).astype("<f4")
    return b"".join([header, chunks.tobytes(), words.tobytes(), cells.tobytes()])


def _header(chunks: int, splats: int, rest: int) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0", "comment Gypsum", f"element chunk {chunks}"]
    lines += [f"property float {name}" for name in [*_PLACE, *_SIZE, *_COLOR]]
    lines += [f"element vertex {splats}", *(f"property uint {name}" for name in _PACKED)]
    if rest:
        lines += [f"element sh {splats}"]
        lines += [f"property uchar f_rest_{number}" for number in range(rest)]
    return "\n".join([*lines, "end_header", ""]).encode()


def _chunk_bounds(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(C, 3) smallest and largest values of each chunk."""
    starts = np.arange(0, len(values), CHUNK)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def _between(
    values: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> Float64:
    """(N, 3) where each is between its chunk's bounds, 0 to 1."""
    chunk = np.arange(len(values)) // CHUNK
    span = (high.astype(np.float64) - low)[chunk]
    return np.where(span > 0, (values - low[chunk]) / np.where(span > 0, span, 1), 0.0)


def _pack_111011(fractions: Float64) -> Words:
    wide, narrow = to_bytes(fractions, 2047), to_bytes(fractions[:, 1], 1023)
    return np.asarray((wide[:, 0] << 21) | (narrow << 11) | wide[:, 2], np.uint32)


def _pack_rotations(units: Float64) -> Words:
    largest, others = smallest_three(units)
    first, second, third = to_bytes(others / 2 + 0.5, 1023).T
    packed = (largest.astype(np.uint32) << 30) | (first << 20) | (second << 10) | third
    return np.asarray(packed, np.uint32)


def decode(source: Source) -> Splats:
    """The splats of such a file, also of the older kind whose chunks have no bounds of colours."""
    elements = read_elements(source)
    chunks, vertices = elements.get("chunk", {}), elements.get("vertex", {})
    if not set(_PLACE + _SIZE) <= set(chunks) or not set(_PACKED) <= set(vertices):
        raise source.fail("is no compressed PLY of splats")
    position, rotation, scale, color = (vertices[name].astype(np.uint32) for name in _PACKED)
    count = len(position)
    check_count(source, count, count)
    if len(chunks["min_x"]) * CHUNK < count:
        raise source.fail("has splats without bounds; it is damaged")
    shown = (color[:, None] >> np.array([24, 16, 8], np.uint32) & 255) / 255.0
    if set(_COLOR) <= set(chunks):
        shown = _spread(shown, chunks, _COLOR)
    constant = constant_harmonics(shown)[:, None]
    return checked(
        source,
        Splats(
            _spread(_unpack_111011(position), chunks, _PLACE).astype(np.float32),
            _spread(_unpack_111011(scale), chunks, _SIZE).astype(np.float32),
            _unpack_rotations(rotation),
            logits((color & 255) / 255.0),
            np.concatenate([constant, _rest(source, elements.get("sh", {}), count)], axis=1),
        ),
    )


def _unpack_111011(words: Words) -> Float64:
    parts = words[:, None] >> np.array([21, 11, 0], np.uint32)
    most = np.array([2047, 1023, 2047], np.uint32)
    return np.asarray((parts & most) / most)


def _unpack_rotations(words: Words) -> NDArray[np.float32]:
    small = (words[:, None] >> np.array([20, 10, 0], np.uint32) & 1023) / 1023.0
    return from_smallest_three(words >> 30, small * 2 - 1)


def _spread(fractions: Float64, chunks: dict[str, NDArray[Any]], names: list[str]) -> Float64:
    """From between a chunk's bounds to where they are."""
    low, high = (
        np.stack([chunks[name] for name in part], axis=1).astype(np.float64)
        for part in (names[:3], names[3:])
    )
    chunk = np.arange(len(fractions)) // CHUNK
    return low[chunk] + fractions * (high - low)[chunk]


def _rest(source: Source, columns: dict[str, NDArray[Any]], count: int) -> NDArray[np.float32]:
    """(N, T - 1, 3) the harmonics that change with the direction."""
    number = len(columns)
    if number not in (0, 9, 24, 45):
        raise source.fail(f"has {number} harmonics a splat; 0, 9, 24 or 45 make sense")
    if number == 0:
        return np.empty((count, 0, 3), np.float32)
    held = [columns.get(f"f_rest_{index}") for index in range(number)]
    if any(column is None or len(column) != count for column in held):
        raise source.fail("has splats without harmonics; it is damaged")
    cells = np.stack([np.asarray(column) for column in held], axis=1).astype(np.float32)
    middle = np.where(cells == 0, 0, np.where(cells == 255, 1, (cells + 0.5) / 256))
    values = (middle - 0.5) * SPAN
    return values.reshape(count, 3, -1).transpose(0, 2, 1).astype(np.float32)
