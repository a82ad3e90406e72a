"""Points as text: XYZ, CSV, TXT, ASC, PTS, a point a line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.clouds.cloud_file import Chunk, CloudFile, color_bytes, finite
from gypsum.formats.source import Source

Float64 = NDArray[np.float64]

BLOCK = 16 * 2**20
"""Bytes of text that are read at a time."""
_LONGEST_LINE = 100_000
_LOOK = 200_000
"""Bytes from which columns without names are guessed."""

_SEPARATORS = bytes.maketrans(b",;\t", b"   ")

_NAMES = {
    "position": ["x y z", "easting northing height", "e n h"],
    "color": ["r g b", "red green blue", "rf gf bf", "r_ g_ b_"],
    "normal": ["nx ny nz", "normal_x normal_y normal_z", "normalx normaly normalz"],
    "intensity": ["intensity", "i", "reflectance", "scalar_intensity", "scalar_reflectance"],
    "class": ["classification", "class", "scalar_classification"],
}
"""What programs call their columns."""


class Columns:
    """Which columns of a table of numbers are what."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        known = {_plain(name): place for place, name in reversed([*enumerate(names)])}
        self.width = len(names)
        self.position = _places(known, _NAMES["position"])
        self.color = _places(known, _NAMES["color"])
        self.normal = _places(known, _NAMES["normal"])
        self.intensity = _places(known, _NAMES["intensity"])
        self.classes = _places(known, _NAMES["class"])

    @classmethod
    def guessed(cls, table: Float64) -> Columns:
        """From the numbers alone: x y z, then intensity, normals and colours in any usual order."""
        found = cls()
        found.width = width = table.shape[1]
        found.position = [0, 1, 2]
        if width >= 9:
            first = not _are_normals(table[:, 6:9])
            found.normal, found.color = ([3, 4, 5], [6, 7, 8]) if first else ([6, 7, 8], [3, 4, 5])
        elif width >= 6:
            # The last three: intensity may stand before colours.
            last = [width - 3, width - 2, width - 1]
            if _are_normals(table[:, last]):
                found.normal = last
            else:
                found.color = last
        if width in (4, 7):
            found.intensity = [3]
        return found

    def chunk(self, table: Float64, top: float | None) -> Chunk:
        """Points of rows; ``top`` is the brightest value of colours."""
        return finite(
            Chunk(
                np.ascontiguousarray(table[:, self.position]),
                None if not self.color else color_bytes([table[:, i] for i in self.color], top),
                None if not self.normal else np.nan_to_num(table[:, self.normal]).astype("f4"),
                None if not self.intensity else table[:, self.intensity[0]].astype(np.float32),
                None if not self.classes else _class_bytes(table[:, self.classes[0]]),
            )
        )

    def brightest(self, table: Float64) -> float | None:
        """The value that stands for full brightness, judged by some rows."""
        if not self.color:
            return None
        values = np.nan_to_num(table[:, self.color])
        top = values.max(initial=0)
        if top <= 1 and (values % 1).any():
            return 1.0
        return 255.0 if top <= 255 else 65535.0


def open_text(source: Source) -> CloudFile:
    """Columns by their names where a heading says them, else by what the numbers look like."""
    with source.open() as file:
        look = file.read(_LOOK)
    start, names = _heading(source, look)
    body = look[start:]
    if len(look) == _LOOK:
        body = body[: body.rfind(b"\n") + 1]
    table = parsed(source, body, None)
    columns = Columns(names)
    if len(columns.position) != 3 or columns.width != table.shape[1]:
        columns = Columns.guessed(table)
    top = columns.brightest(table)

    def chunks() -> Iterator[Chunk]:
        with source.open() as file:
            file.seek(start)
            for rows in tables(source, file, columns.width):
                yield columns.chunk(rows, top)

    return CloudFile(None, chunks)


def tables(
    source: Source, file: BinaryIO, width: int, most: int | None = None
) -> Iterator[Float64]:
    """The rest of a file in tables of ``width`` columns, of ``most`` rows in all."""
    rest, held = b"", 0
    while most is None or held < most:
        data = file.read(BLOCK)
        block, rest = rest + data, b""
        if data:
            end = block.rfind(b"\n") + 1
            if end == 0 and len(block) > _LONGEST_LINE:
                raise source.fail("has a line that is too long for points")
            block, rest = block[:end], block[end:]
        if most is not None:
            block = b"\n".join(block.split(b"\n", most - held)[: most - held])
        table = parsed(source, block, width)
        if len(table):
            held += len(table)
            yield table
        if not data:
            return


def parsed(source: Source, block: bytes, width: int | None) -> Float64:
    """The numbers (N, width) in whole lines of text; comments are left out."""
    if b"#" in block or b"//" in block:
        block = b"\n".join(
            line for line in block.splitlines() if not line.lstrip().startswith((b"#", b"//"))
        )
    block = block.translate(_SEPARATORS)
    lines = sum(1 for line in block.splitlines() if line and not line.isspace())
    if lines == 0:
        if width is None:
            raise source.fail("holds no points")
        return np.empty((0, width))
    with warnings.catch_warnings():
        # NumPy means to make this an error: words among the numbers.
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(block.decode("ascii", "replace"), np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise source.fail("has words where numbers should be") from None
    columns = len(numbers) // lines if width is None else width
    if columns < 3 or len(numbers) != columns * lines:
        raise source.fail("has lines of different lengths, or of fewer than three numbers")
    return numbers.reshape(lines, columns)


def _heading(source: Source, look: bytes) -> tuple[int, list[str]]:
    """Where the numbers begin, and the names in the last line before them."""
    at, names = 0, list[str]()
    while at < len(look):
        end = look.find(b"\n", at) + 1 or len(look)
        line = look[at:end].decode(errors="replace").strip()
        words = re.split(r"[\s,;]+", line.lstrip("#/").strip())
        if line and line[0] not in "#/" and _is_row(words):
            return at, names
        if words != [""] and not _is_count(words):
            names = [word.strip('"') for word in words]
        at = end
    raise source.fail("holds no points")


def _is_row(words: list[str]) -> bool:
    try:
        return len([float(word) for word in words if word]) >= 3
    except ValueError:
        return False


def _is_count(words: list[str]) -> bool:
    """Some programs begin with the number of points."""
    return len(words) == 1 and words[0].isdigit()


def _places(known: dict[str, int], groups: Sequence[str]) -> list[int]:
    for group in groups:
        if set(group.split()) <= set(known):
            return [known[name] for name in group.split()]
    return []


def _plain(name: str) -> str:
    return re.sub(r"\(.*|\[.*", "", name.strip().strip('"').lower())


def _class_bytes(values: Float64) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.nan_to_num(values), 0, 255), np.uint8)


def _are_normals(values: Float64) -> bool:
    length = np.linalg.norm(values, axis=1)
    return bool(((np.abs(length - 1) < 0.05) | (length == 0)).mean() > 0.9 and length.any())
