"""Films as MP4 with VP9, which browsers play and which takes no licence."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ResourceError

UInt8 = NDArray[np.uint8]

#: The codec's name in the file.
_VP9 = "vp09"


class Film:
    """A film that grows picture by picture; it appears when it is finished."""

    def __init__(self, path: Path, width: int, height: int, frames_per_second: float) -> None:
        self._path = path
        self._unfinished = path.with_name(f".{path.stem}-{os.getpid()}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter.fourcc(*_VP9)
        # OpenCV opens no writer for sides that are odd: the codec shares colours between pixels.
        self._size = (width // 2 * 2, height // 2 * 2)
        self._writer = cv2.VideoWriter(
            str(self._unfinished), cv2.CAP_FFMPEG, code, frames_per_second, self._size
        )
        if not self._writer.isOpened():
            raise ResourceError(
                f"{path} can't be written: its folder takes no files, or OpenCV here has no VP9; "
                "write PNG pictures into a folder instead."
            )

    def __enter__(self) -> Film:
        return self

    def add(self, picture: UInt8) -> None:
        """Append a picture (height, width, 3), sRGB."""
        width, height = self._size
        self._writer.write(np.ascontiguousarray(picture[:height, :width, ::-1]))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.release()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink(missing_ok=True)
