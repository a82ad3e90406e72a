"""A model file that is being read, and the files that it may refer to."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.errors import InputError
from gypsum.formats import ktx2
from gypsum.formats.limits import MOST_BYTES, MOST_TEXELS

_PICTURES = ("JPEG", "PNG", "WEBP", "BMP", "TGA", "TIFF", "GIF")


def _ignore(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Source:
    """The file, and whom to tell what it lacks."""

    path: Path
    warn: Callable[[str], None] = _ignore
    _told: set[str] = field(default_factory=set)

    def read(self) -> bytes:
        """The whole file."""
        return _read(self.path)

    def open(self) -> BinaryIO:
        """The file, for reading it in pieces."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.path} can't be read: {error.strerror or error}.") from error

    def fail(self, reason: str) -> InputError:
        """An error about this file, to be raised."""
        return InputError(f"{self.path.name} {reason}.")

    def tell(self, text: str) -> None:
        """A warning about this file, once."""
        if text not in self._told:
            self._told.add(text)
            self.warn(f"{self.path.name} {text}.")

    def beside(self, name: str) -> Path | None:
        """The file that the model calls by this name: in its own folder or below, or nowhere.

        Programs like to note where a picture was on its author's machine; then the file of that
        name beside the model is meant.
        """
        folder = self.path.parent.resolve()
        pure = PurePosixPath(name.replace("\\", "/"))
        for candidate in (pure, PurePosixPath(pure.name)):
            try:
                found = (folder / candidate).resolve()
                if found.is_relative_to(folder) and found.is_file():
                    return found
            except (OSError, ValueError):  # a name that the system can't have
                continue
        return None

    def file_beside(self, name: str) -> bytes | None:
        """What is in the file of this name."""
        found = self.beside(name)
        return None if found is None else _read(found)

    def picture_beside(self, name: str, channel: int | None = None) -> NDArray[np.uint8] | None:
        """The texture of this name; None, and a warning, where there is none to be had."""
        data = self.file_beside(name)
        if data is None:
            self.tell(f"names the texture {_short(name)}, which is not beside it")
            return None
        return self.picture(data, name, channel)

    def picture(
        self, data: bytes, name: str, channel: int | None = None
    ) -> NDArray[np.uint8] | None:
        """A decoded picture (H, W, 3), or one of its channels (H, W)."""
        is_ktx2 = data.startswith(ktx2.IDENTIFIER)
        pixels = self._ktx2(data) if is_ktx2 else self._common(data, name)
        if pixels is None or channel is None:
            return pixels
        return np.ascontiguousarray(pixels[..., channel])

    def _ktx2(self, data: bytes) -> NDArray[np.uint8] | None:
        try:
            return ktx2.decode(data)
        except ktx2.KTX2Error as error:
            self.tell(f"has a texture that {error}; it is left out")
            return None

    def _common(self, data: bytes, name: str) -> NDArray[np.uint8] | None:
        """What Pillow reads."""
        try:
            with Image.open(io.BytesIO(data), formats=_PICTURES) as image:
                if image.width * image.height > MOST_TEXELS:
                    self.tell(f"has a texture of {image.width}x{image.height}, too large to read")
                    return None
                return np.array(image.convert("RGB"), np.uint8)
        # Pillow's decoders raise whatever they meet in a damaged file.
        except (Image.DecompressionBombError, OSError, ValueError, SyntaxError, EOFError,
                TypeError, IndexError, KeyError, OverflowError, MemoryError):  # fmt: skip
            self.tell(f"has a texture {_short(name)} that can't be read")
            return None


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path} has {size / 2**30:.1f} GiB; models of up to 4 GiB are read.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}.") from error


def _short(name: str) -> str:
    """A name from a file, fit to be printed."""
    shown = "".join(c if c.isprintable() else "?" for c in name)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
