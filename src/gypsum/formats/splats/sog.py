"""SOG, PlayCanvas's format for the web: a zip of pictures, some 15 bytes a splat. Version 2.

Each picture has a pixel for each splat, in lossless WebP: places in 16 bits of a logarithm,
rotations as the smallest three components in a byte each, sizes and colours as numbers of
codebooks. The harmonics that change with the view are those of the nearest of at most 65,536 in a
palette. Y is down.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum._version import __version__
from gypsum.formats.source import Source
from gypsum.formats.splats import codebooks
from gypsum.formats.splats.quantities import (
    TERMS,
    Float64,
    check_count,
    checked,
    from_smallest_three,
    logits,
    morton_order,
    sigmoid,
    smallest_three,
    to_bytes,
    unit,
)
from gypsum.scene import Splats

Bytes = NDArray[np.uint8]
Json = dict[str, Any]

_META = "meta.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)

_IN_ROW = 64
"""Of the palette's entries."""
_LARGEST_PALETTE = 2**16

_FIRST_TAG = 252
"""A pixel's alpha, of a rotation whose w is largest; x, y and z follow."""

_LONGEST_META = 2**20


def encode(_: Path, splats: Splats) -> bytes:
    """The file's bytes; splats are in another order, by place."""
    splats = splats.select(morton_order(splats.means))
    pictures: dict[str, bytes] = {}
    meta: Json = {
        "version": 2,
        "asset": {"generator": f"Gypsum {__version__}"},
        "count": len(splats),
        "means": _write_means(splats, pictures),
        "scales": _write_codes("scales", splats.log_scales, None, pictures),
        "quats": _write_rotations(splats, pictures),
        "sh0": _write_codes("sh0", splats.harmonics[:, 0], sigmoid(splats.opacities), pictures),
    }
    if splats.degree:
        meta["shN"] = _write_palette(splats, pictures)
    text = json.dumps(meta, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {_META: text, **pictures}.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return buffer.getvalue()


def _write_means(splats: Splats, pictures: dict[str, bytes]) -> Json:
    """Two pictures of a byte for each coordinate: the lower ones and the upper ones."""
    means = splats.means.astype(np.float64)
    logs = np.sign(means) * np.log1p(np.abs(means))
    low, high = logs.min(axis=0), logs.max(axis=0)
    whole = to_bytes((logs - low) / np.maximum(high - low, 1e-12), 65535)
    files = ["means_l.webp", "means_u.webp"]
    for name, part in zip(files, (whole & 255, whole >> 8), strict=True):
        pictures[name] = _picture(part.astype(np.uint8))
    return {"mins": low.tolist(), "maxs": high.tolist(), "files": files}


def _write_rotations(splats: Splats, pictures: dict[str, bytes]) -> Json:
    largest, others = smallest_three(unit(splats.quaternions))
    pixels = np.c_[to_bytes(others / 2 + 0.5), _FIRST_TAG + largest]
    pictures["quats.webp"] = _picture(pixels.astype(np.uint8))
    return {"files": ["quats.webp"]}


def _write_codes(
    name: str, values: NDArray[np.float32], alpha: Float64 | None, pictures: dict[str, bytes]
) -> Json:
    """Numbers of a codebook in red, green and blue."""
    book, codes = codebooks.scalar(values)
    pixels = codes if alpha is None else np.c_[codes, to_bytes(alpha)].astype(np.uint8)
    pictures[f"{name}.webp"] = _picture(pixels)
    return {"codebook": book.tolist(), "files": [f"{name}.webp"]}


def _write_palette(splats: Splats, pictures: dict[str, bytes]) -> Json:
    """The palette, a row of pixels for each entry, and each splat's number in it."""
    rest = splats.harmonics[:, 1:]
    terms = rest.shape[1]
    centres, labels = codebooks.vector(rest.reshape(len(splats), -1), _palette_size(len(splats)))
    book, codes = codebooks.scalar(centres)
    rows = -(-len(centres) // _IN_ROW)
    sheet = np.zeros((rows * _IN_ROW, terms, 3), np.uint8)
    sheet[: len(centres)] = codes.reshape(-1, terms, 3)
    files = ["shN_centroids.webp", "shN_labels.webp"]
    pictures[files[0]] = _lossless(sheet.reshape(rows, _IN_ROW * terms, 3))
    pixels = np.c_[labels & 255, labels >> 8, np.zeros_like(labels)].astype(np.uint8)
    pictures[files[1]] = _picture(pixels)
    return {
        "count": len(centres),
        "bands": splats.degree,
        "codebook": book.tolist(),
        "files": files,
    }


def _palette_size(count: int) -> int:
    """At most an eighth of the splats, as a power of two: more cost bytes and show little."""
    return int(min(_LARGEST_PALETTE, max(1024, 2 ** int(np.log2(count) - 3))))


def _picture(pixels: Bytes) -> bytes:
    """(N, 3 or 4) as a picture about as wide as high, with sides that are multiples of four."""
    width = int(np.ceil(np.sqrt(len(pixels)) / 4)) * 4
    height = -(-len(pixels) // width // 4) * 4
    sheet = np.zeros((width * height, pixels.shape[1]), np.uint8)
    sheet[: len(pixels)] = pixels
    return _lossless(sheet.reshape(height, width, -1))


def _lossless(pixels: Bytes) -> bytes:
    buffer = io.BytesIO()
    # Colours where alpha is zero are kept, too.
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, exact=True, quality=60, method=4)
    return buffer.getvalue()


def decode(source: Source) -> Splats:
    """The splats of a zip."""
    size = len(source.read())
    try:
        with zipfile.ZipFile(source.path) as archive:
            return _read(_Archive(source, archive, size))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError):
        raise source.fail("is no SOG file, or is damaged") from None


class _Archive:
    """What is in the zip, no larger than its splats can take."""

    def __init__(self, source: Source, archive: zipfile.ZipFile, size: int) -> None:
        self.source, self._archive = source, archive
        self.meta: Json = json.loads(self._read(_META, _LONGEST_META))
        if self.meta.get("version") != 2:
            raise source.fail("is of another version of SOG than 2, which is not known here")
        self.count = int(self.meta["count"])
        check_count(source, self.count, size)
        self._size = size

    def _read(self, name: str, most: int) -> bytes:
        try:
            entry = self._archive.getinfo(name)
        except KeyError:
            raise self.source.fail(f"lacks {name[:60]!r}; it is damaged") from None
        if entry.file_size > most or entry.flag_bits & 1:
            raise self.source.fail("holds more than its splats take; it is damaged")
        return self._archive.read(entry)

    def pixels(self, name: str, channels: int) -> Bytes:
        """(N, channels) of a picture with a pixel for each splat."""
        return self.sheet(name, channels, self.count).reshape(-1, channels)[: self.count]

    def sheet(self, name: str, channels: int, least: int) -> Bytes:
        """(H, W, channels) a picture of at least so many pixels, and not of many more."""
        data = self._read(name, self._size)
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            pixels = image.width * image.height
            if pixels < least or pixels > 4 * least + 2**16:
                raise self.source.fail(f"has a picture {name[:60]!r} of the wrong size")
            return np.array(image.convert("RGBA"), np.uint8)[..., :channels]


def _read(archive: _Archive) -> Splats:
    meta = archive.meta
    quats = archive.pixels(meta["quats"]["files"][0], 4)
    colors = archive.pixels(meta["sh0"]["files"][0], 4)
    sizes = archive.pixels(meta["scales"]["files"][0], 3)
    constant = _book(archive, "sh0")[colors[:, None, :3]]
    return checked(
        archive.source,
        Splats(
            _means(archive),
            _book(archive, "scales")[sizes],
            _rotations(quats),
            logits(colors[:, 3] / 255.0),
            np.concatenate([constant, _rest(archive)], axis=1),
        ),
    )


def _means(archive: _Archive) -> NDArray[np.float32]:
    entry = archive.meta["means"]
    lower, upper = (archive.pixels(name, 3).astype(np.uint32) for name in entry["files"][:2])
    low, high = np.array(entry["mins"], float), np.array(entry["maxs"], float)
    logs = low + (upper << 8 | lower) / 65535.0 * (high - low)
    return np.asarray(np.sign(logs) * np.expm1(np.minimum(np.abs(logs), 80)), np.float32)


def _rotations(pixels: Bytes) -> NDArray[np.float32]:
    tags = pixels[:, 3].astype(np.int64) - _FIRST_TAG
    turned = from_smallest_three(np.maximum(tags, 0), pixels[:, :3] / 127.5 - 1)
    turned[tags < 0] = (1, 0, 0, 0)
    return turned


def _book(archive: _Archive, name: str) -> NDArray[np.float32]:
    book = np.array(archive.meta[name]["codebook"], np.float32)
    if book.shape != (codebooks.CODES,):
        raise archive.source.fail("has a codebook of another length than 256; it is damaged")
    return book


def _rest(archive: _Archive) -> NDArray[np.float32]:
    """(N, T - 1, 3) the harmonics that change with the direction."""
    entry = archive.meta.get("shN")
    if not entry:
        return np.empty((archive.count, 0, 3), np.float32)
    degree, entries = int(entry["bands"]), int(entry["count"])
    if not 1 <= degree <= 3 or not 0 < entries <= _LARGEST_PALETTE:
        raise archive.source.fail("has a palette that makes no sense; it is damaged")
    terms = TERMS[degree] - 1
    sheet = archive.sheet(entry["files"][0], 3, entries * terms)
    if sheet.shape[1] != _IN_ROW * terms:
        raise archive.source.fail("has a palette of the wrong width; it is damaged")
    palette = _book(archive, "shN")[sheet.reshape(-1, terms, 3)]
    labels = archive.pixels(entry["files"][1], 2).astype(np.int64)
    return np.asarray(palette[np.minimum(labels[:, 0] | labels[:, 1] << 8, entries - 1)])
