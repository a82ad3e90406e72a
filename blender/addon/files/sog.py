# SPDX-License-Identifier: GPL-3.0-or-later
"""SOG, PlayCanvas's format for the web: a zip of pictures, some 15 bytes a splat. Version 2.

Each picture has a pixel for each splat, in lossless WebP: places in 16 bits of a logarithm,
rotations as the smallest three components in a byte each, sizes and colours as numbers of
codebooks. The harmonics that change with the view are those of the nearest in a palette.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..splats import TERMS, Float32, SplatError, Splats, unit
from .pictures import read_webp
from .spz import logits

Bytes = NDArray[np.uint8]

_IN_ROW = 64
"""Of the palette's entries."""
_LARGEST_PALETTE = 2**16
_CODES = 256
_FIRST_TAG = 252
"""A pixel's alpha, of a rotation whose w is largest; x, y and z follow."""
_LONGEST_META = 2**20
_MOST_BYTES = 2**29
_STEEPEST = 80
"""Of a place's logarithm; beyond, float32 ends."""


def decode(path: Path) -> Splats:
    """The splats of a zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(path, archive).splats()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError):
        raise SplatError(f"{path.name} is no SOG file, or is damaged.") from None
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        raise SplatError(f"{path.name} is of another kind of SOG than 2, or damaged.") from None


class _Archive:
    """What is in the zip."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self.meta: dict[str, Any] = json.loads(self._read("meta.json", _LONGEST_META))
        if self.meta["version"] != 2:
            raise SplatError(f"{path.name} is of another version of SOG than 2.")
        self.count = int(self.meta["count"])

    def splats(self) -> Splats:
        """All that the pictures hold."""
        colors = self._pixels(self.meta["sh0"]["files"][0])
        constant = self._book("sh0")[colors[:, None, :3]]
        return Splats(
            self._means(),
            self._book("scales")[self._pixels(self.meta["scales"]["files"][0])[:, :3]],
            _rotations(self._pixels(self.meta["quats"]["files"][0])),
            logits(colors[:, 3] / 255.0),
            np.concatenate([constant, self._rest()], axis=1),
        )

    def _read(self, name: str, most: int = _MOST_BYTES) -> bytes:
        entry = self._archive.getinfo(name)
        if entry.file_size > most or entry.flag_bits & 1:
            raise SplatError(f"{self._path.name} holds more than splats take; it is damaged.")
        return self._archive.read(entry)

    def _pixels(self, name: str) -> Bytes:
        """(N, 4) of a picture with a pixel for each splat."""
        pixels = read_webp(self._read(name)).reshape(-1, 4)
        if len(pixels) < self.count:
            raise SplatError(f"{self._path.name} has a picture that is too small; it is damaged.")
        return pixels[: self.count]

    def _book(self, name: str) -> Float32:
        """(256,)"""
        book = np.array(self.meta[name]["codebook"], np.float32)
        if book.shape != (_CODES,):
            raise SplatError(f"{self._path.name} has no codebook of 256 numbers; it is damaged.")
        return book

    def _means(self) -> Float32:
        """Two pictures of a byte for each coordinate: the lower ones and the upper ones."""
        entry = self.meta["means"]
        lower, upper = (self._pixels(name)[:, :3].astype(np.uint32) for name in entry["files"][:2])
        low, high = np.array(entry["mins"], float), np.array(entry["maxs"], float)
        logs = low + (upper << 8 | lower) / 65535.0 * (high - low)
        far = np.expm1(np.minimum(np.abs(logs), _STEEPEST))
        return np.asarray(np.sign(logs) * far, np.float32)

    def _rest(self) -> Float32:
        """(N, T - 1, 3) the harmonics that change with the direction."""
        entry = self.meta.get("shN")
        if not entry:
            return np.empty((self.count, 0, 3), np.float32)
        terms, entries = TERMS[int(entry["bands"])] - 1, int(entry["count"])
        sheet = read_webp(self._read(entry["files"][0]))
        if sheet.shape[1] != _IN_ROW * terms or not 0 < entries <= _LARGEST_PALETTE:
            raise SplatError(f"{self._path.name} has a palette of the wrong size; it is damaged.")
        palette = self._book("shN")[sheet[..., :3].reshape(-1, terms, 3)]
        labels = self._pixels(entry["files"][1])[:, :2].astype(np.int64)
        return palette[np.minimum(labels[:, 0] | labels[:, 1] << 8, entries - 1)]


def _rotations(pixels: Bytes) -> Float32:
    """(N, 4); the components but the largest, which is positive, and its number."""
    tags = pixels[:, 3].astype(np.int64) - _FIRST_TAG
    others = (pixels[:, :3] / 127.5 - 1) / np.sqrt(2)
    is_largest = np.arange(4) == tags[:, None]
    # A pixel without a number is no turn.
    is_largest[tags < 0, 0] = True
    whole = np.empty((len(pixels), 4))
    whole[~is_largest] = others.ravel()
    whole[is_largest] = np.sqrt(np.maximum(0, 1 - (others**2).sum(axis=1)))
    whole[tags < 0] = (1, 0, 0, 0)
    return unit(whole).astype(np.float32)
