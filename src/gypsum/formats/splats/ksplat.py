"""KSPLAT, the format of GaussianSplats3D, read only. Y is down.

A header of 4096 bytes, one of 1024 for each section, then the sections: of compressed ones first
the middles of buckets, from which places are measured in 16 bits, then the splats, a row each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import (
    TERMS,
    check_count,
    checked,
    constant_harmonics,
    logits,
    unit,
)
from gypsum.scene import Splats

_HEADER, _SECTION_HEADER = 4096, 1024
_MOST_SECTIONS = 4096
_SMALLEST = 1e-12

_KINDS = (("<f4", "<f4", "<f4"), ("<u2", "<f2", "<f2"), ("<u2", "<f2", "u1"))
"""Of places, of sizes and rotations, and of harmonics, at each level of compression."""

_BANDS = ((0, 3), (3, 8), (8, 15))
"""Terms of the degrees 1 to 3 among those that change with the direction."""


@dataclass(frozen=True)
class _File:
    source: Source
    data: bytes
    level: int
    low: float
    """What a harmonic's byte of 0 stands for."""
    high: float


def decode(source: Source) -> Splats:
    """The splats of all sections."""
    data = source.read()
    if len(data) < _HEADER:
        raise source.fail("is no KSPLAT file, or is cut off")
    major, minor = data[0], data[1]
    sections = int(np.frombuffer(data, "<u4", 1, 4)[0])
    level = int(np.frombuffer(data, "<u2", 1, 20)[0])
    low, high = np.frombuffer(data, "<f4", 2, 36)
    if (major, level < len(_KINDS)) != (0, True) or minor < 1:
        raise source.fail("is no KSPLAT file, or of a version that is not known here")
    if not 0 < sections <= _MOST_SECTIONS or _HEADER + sections * _SECTION_HEADER > len(data):
        raise source.fail("is no KSPLAT file, or is cut off")
    file = _File(source, data, level, float(low) or -1.5, float(high) or 1.5)
    found, at = [], _HEADER + sections * _SECTION_HEADER
    for number in range(sections):
        splats, at = _section(file, _HEADER + number * _SECTION_HEADER, at)
        found += [] if splats is None else [splats]
    if not found:
        raise source.fail("holds no splats")
    terms = min(splats.harmonics.shape[1] for splats in found)
    return checked(
        source,
        Splats(
            np.concatenate([splats.means for splats in found]),
            np.concatenate([splats.log_scales for splats in found]),
            np.concatenate([splats.quaternions for splats in found]),
            np.concatenate([splats.opacities for splats in found]),
            np.concatenate([splats.harmonics[:, :terms] for splats in found]),
        ),
    )


def _section(file: _File, header: int, at: int) -> tuple[Splats | None, int]:
    """A section's splats, and where the next section begins."""
    count, most, capacity, buckets = (int(v) for v in np.frombuffer(file.data, "<u4", 4, header))
    block = float(np.frombuffer(file.data, "<f4", 1, header + 16)[0])
    stored = int(np.frombuffer(file.data, "<u2", 1, header + 20)[0])
    steps = int(np.frombuffer(file.data, "<u4", 1, header + 24)[0]) or 32767
    full, partial = (int(v) for v in np.frombuffer(file.data, "<u4", 2, header + 32))
    degree = int(np.frombuffer(file.data, "<u2", 1, header + 40)[0])
    if degree > 3 or count > most:
        raise file.source.fail("has a section that makes no sense; it is damaged")
    row = _row(file.level, 3 * (TERMS[degree] - 1))
    rows_at = at + 4 * partial + stored * buckets
    end = rows_at + row.itemsize * most
    if end > len(file.data):
        raise file.source.fail("is cut off; write it again")
    if count == 0:
        return None, end
    check_count(file.source, count, len(file.data))
    rows = np.frombuffer(file.data, row, count, rows_at)
    means = rows["place"].astype(np.float32)
    if file.level:
        if stored < 12:
            raise file.source.fail("has a section that makes no sense; it is damaged")
        sizes = np.frombuffer(file.data, "<u4", partial, at).astype(np.int64)
        owner = _owners(file, count, capacity, full, sizes, buckets)
        middles = np.ndarray((buckets, 3), "<f4", file.data, at + 4 * partial, (stored, 4))
        means = ((rows["place"] - float(steps)) * (block / 2 / steps) + middles[owner]).astype(
            np.float32
        )
    harmonics = [constant_harmonics(rows["color"][:, :3] / 255.0)[:, None], _rest(file, rows)]
    return Splats(
        means,
        np.log(np.maximum(rows["size"].astype(np.float32), _SMALLEST)),
        unit(rows["turn"]).astype(np.float32),
        logits(rows["color"][:, 3] / 255.0),
        np.concatenate(harmonics, axis=1).astype(np.float32),
    ), end


def _row(level: int, harmonics: int) -> np.dtype[np.void]:
    place, size, rest = _KINDS[level]
    return np.dtype(
        [
            ("place", place, 3),
            ("size", size, 3),
            ("turn", size, 4),
            ("color", "u1", 4),
            ("rest", rest, (harmonics,)),
        ]
    )


def _owners(
    file: _File, count: int, capacity: int, full: int, sizes: NDArray[np.int64], buckets: int
) -> NDArray[np.int64]:
    """(N,) the bucket of each splat: the full ones first, then others of so many splats each."""
    behind = np.arange(min(count, full * capacity)) // max(capacity, 1)
    left = count - len(behind)
    ends = np.cumsum(sizes)
    rest = full + np.searchsorted(ends, np.arange(left), side="right")
    owner = np.concatenate([behind, rest])
    if len(owner) and owner.max() >= buckets:
        raise file.source.fail("has splats without a bucket; it is damaged")
    return owner


def _rest(file: _File, rows: NDArray[np.void]) -> NDArray[np.float32]:
    """(N, T - 1, 3): in the file all of red, green and blue of a degree before the next degree."""
    values = rows["rest"].astype(np.float32)
    if file.level == 2:
        values = (file.low + values / 255 * (file.high - file.low)).astype(np.float32)
    parts = []
    for first, last in _BANDS:
        if 3 * last <= values.shape[1]:
            band = values[:, 3 * first : 3 * last]
            parts.append(band.reshape(len(rows), 3, -1).transpose(0, 2, 1))
    if not parts:
        return np.empty((len(rows), 0, 3), np.float32)
    return np.concatenate(parts, axis=1)
