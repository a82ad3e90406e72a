"""A capture with depth: frames that have a colour picture, a depth map, or both.

On disk it is a folder that people may write themselves (docs/lidar.md): ``frames.json``, and what
that names, usually ``photos/*.jpg``, ``depth/*.png`` (16 bits) and ``confidence/*.png``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FRAMES_FILE = "frames.json"
_VERSION = 1
#: What confidence pictures are scaled to.
FULL_CONFIDENCE = 255


@dataclass(frozen=True)
class RgbdFrame:
    """One moment of a capture.

    ``x_cam = R @ x_world + t``, OpenCV axes; pixels are COLMAP's: the centre of the top-left pixel
    is (0.5, 0.5). The depth map looks through the same lens as the picture, at its own size.
    """

    name: str
    width: int
    height: int
    """Of the colour picture; of the depth map where there is no picture."""
    K: Float64
    """(3, 3) intrinsics in pixels of that size."""
    R: Float64 | None
    """(3, 3) world-to-camera rotation; None: unknown."""
    t: Float64 | None
    """(3,) world-to-camera translation, metres."""
    color: Path | None = None
    depth: Path | None = None
    """16-bit picture; 0 is unknown."""
    confidence: Path | None = None
    """8-bit picture of the depth map's size, 255 where it is sure; None: sure everywhere."""
    depth_unit: float = 0.001
    """Metres of one step of the depth map."""
    time: float = 0.0
    """Seconds."""

    @property
    def center(self) -> Float64:
        """(3,) camera centre, world."""
        assert self.R is not None
        assert self.t is not None
        center: Float64 = -self.R.T @ self.t
        return center

    def posed(self, R: Float64, t: Float64) -> RgbdFrame:
        """The same frame with another pose."""
        return replace(self, R=R, t=t)

    def intrinsics(self, width: int, height: int) -> Float64:
        """(3, 3) for a picture or map of another size."""
        K = self.K.copy()
        K[0] *= width / self.width
        K[1] *= height / self.height
        return K

    def read_depth(self) -> Float32:
        """(h, w) metres along z, 0 where unknown."""
        assert self.depth is not None
        with Image.open(self.depth) as file:
            return (np.asarray(file).astype(np.float32) * np.float32(self.depth_unit)).astype(
                np.float32
            )

    def read_confidence(self, shape: tuple[int, int]) -> Float32:
        """(h, w) from 0 to 1."""
        if self.confidence is None:
            return np.ones(shape, np.float32)
        with Image.open(self.confidence) as file:
            grey = file.convert("L")
            if grey.size != (shape[1], shape[0]):
                grey = grey.resize((shape[1], shape[0]), Image.Resampling.NEAREST)
            return (np.asarray(grey) / FULL_CONFIDENCE).astype(np.float32)


def write_frames(folder: Path, frames: Sequence[RgbdFrame]) -> None:
    """Write ``FOLDER/frames.json``; pictures are named relative to the folder."""

    def named(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(folder).as_posix()

    items = [
        {
            "name": frame.name,
            "color": named(frame.color),
            "depth": named(frame.depth),
            "confidence": named(frame.confidence),
            "width": frame.width,
            "height": frame.height,
            "K": frame.K.tolist(),
            "R": None if frame.R is None else frame.R.tolist(),
            "t": None if frame.t is None else frame.t.tolist(),
            "time": frame.time,
        }
        for frame in frames
    ]
    unit = frames[0].depth_unit if frames else 0.001
    data = {"version": _VERSION, "up": "z", "depth_unit": unit, "frames": items}
    temporary = folder / f".{FRAMES_FILE}.part"
    temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
    temporary.replace(folder / FRAMES_FILE)


def read_frames(folder: Path) -> list[RgbdFrame]:
    """Read what :func:`write_frames` wrote."""
    data = json.loads((folder / FRAMES_FILE).read_text(encoding="utf-8"))
    return [_frame(folder, item, data["depth_unit"]) for item in data["frames"]]


def _frame(folder: Path, item: dict[str, Any], unit: float) -> RgbdFrame:
    def path(name: str) -> Path | None:
        return None if item[name] is None else folder / item[name]

    def array(name: str) -> Float64 | None:
        return None if item[name] is None else np.array(item[name], np.float64)

    return RgbdFrame(
        item["name"], item["width"], item["height"], np.array(item["K"], np.float64), array("R"),
        array("t"), path("color"), path("depth"), path("confidence"), unit, item["time"],
    )  # fmt: skip
