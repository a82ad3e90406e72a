"""A posed photo without lens distortion: what every stage after the cameras works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """One pinhole photo.

    Frames: world is right-handed, Z up. The camera frame is OpenCV's (x right, y down, z
    forward); ``x_cam = R @ x_world + t``. Pixels are COLMAP's: the centre of the top-left pixel is
    (0.5, 0.5).
    """

    name: str
    """The photo's name, equal to its name in the sparse model."""
    path: Path
    """The undistorted photo on disk."""
    width: int
    height: int
    K: Float64
    """(3, 3) intrinsics in pixels of this width and height."""
    R: Float64
    """(3, 3) world-to-camera rotation."""
    t: Float64
    """(3,) world-to-camera translation."""
    mask: Path | None = None
    """A grey picture of the photo's size, 255 on the object; None: every pixel counts."""

    @property
    def center(self) -> Float64:
        """(3,) camera centre, world."""
        center: Float64 = -self.R.T @ self.t
        return center

    @property
    def direction(self) -> Float64:
        """(3,) unit viewing direction, world."""
        direction: Float64 = self.R[2].copy()
        return direction

    def project(self, points: NDArray[np.floating]) -> tuple[Float64, Float64]:
        """World points (N, 3) to pixels (N, 2) and depths (N,); depth ≤ 0 is behind the camera."""
        camera = np.asarray(points, np.float64) @ self.R.T + self.t
        depth = camera[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = camera[:, :2] / depth[:, None]
        pixels = pixels * (self.K[0, 0], self.K[1, 1]) + (self.K[0, 2], self.K[1, 2])
        return pixels, depth

    def resized(self, width: int, height: int) -> View:
        """The same view with the intrinsics of another picture size; the file stays as it is."""
        K = self.K.copy()
        K[0] *= width / self.width
        K[1] *= height / self.height
        return replace(self, width=width, height=height, K=K)

    def limited(self, long_side: int) -> View:
        """The same view, shrunk so that its longer side is at most ``long_side`` pixels."""
        scale = min(1.0, long_side / max(self.width, self.height))
        return self.resized(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def read(self) -> UInt8:
        """The photo as (height, width, 3) sRGB, resampled to this view's size when it differs."""
        with Image.open(self.path) as file:
            image = file.convert("RGB")
            if image.size != (self.width, self.height):
                image = image.resize(
                    (self.width, self.height), Image.Resampling.BOX, reducing_gap=3
                )
            return np.asarray(image)

    def read_mask(self) -> NDArray[np.bool_] | None:
        """(height, width), true on the object, at this view's size; None: every pixel counts."""
        if self.mask is None:
            return None
        with Image.open(self.mask) as file:
            mask = file.convert("L")
            if mask.size != (self.width, self.height):
                mask = mask.resize((self.width, self.height), Image.Resampling.BOX)
            return np.asarray(mask) >= 128
