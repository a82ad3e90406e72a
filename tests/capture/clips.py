"""Clips made on the fly: a camera that moves past a picture with depth."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

WIDTH, HEIGHT = 320, 240


def picture(width: int, height: int, seed: int) -> UInt8:
    """(H, W, 3) blobs of all sizes."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for scale in (4, 8, 16, 32):
        small = rng.uniform(0, 1, (height // scale + 2, width // scale + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    spread = (total - total.min()) / (total.max() - total.min())
    return (255 * spread).astype(np.uint8)


def walk(count: int, speed: float = 2.0, seed: int = 0) -> list[UInt8]:
    """Frames of a camera that moves sideways: three layers move by 1, 2 and 3 x ``speed``."""
    wide = int(WIDTH + 3 * abs(speed) * count) + 8
    layers = [picture(wide, HEIGHT, seed + i) for i in range(3)]
    rng = np.random.default_rng(seed + 9)
    holes = [cv2.resize(rng.uniform(0, 1, (6, wide // 40)), (wide, HEIGHT)) for _ in range(3)]
    frames = []
    for number in range(count):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for depth, (layer, hole) in enumerate(zip(layers, holes, strict=True)):
            shift = np.array([[1, 0, -(depth + 1) * speed * number], [0, 1, 0]], np.float32)
            moved = cv2.warpAffine(layer, shift, (WIDTH, HEIGHT))
            shown = cv2.warpAffine(hole, shift, (WIDTH, HEIGHT)) > 0.5
            frame[shown | (depth == 0)] = moved[shown | (depth == 0)]
        frames.append(frame)
    return frames


@contextmanager
def same_priority() -> Iterator[None]:
    """Whatever becomes of it meanwhile, the thread is scheduled afterwards as it was before.

    SVT-AV1 as root makes its caller a real-time thread (SCHED_FIFO, 99), and all processes that the
    tests start later with it. Then two libraries that wait for their own threads by spinning stop
    a machine of two cores for good.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def encode(
    path: Path,
    frames: Sequence[UInt8],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    colors: tuple[int, int, int] | None = None,
    options: dict[str, str] | None = None,
    rate: int = 30,
) -> Path:
    """Write RGB frames; ``colors`` are primaries, transfer and matrix of ITU-T H.273."""
    with same_priority(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if colors is not None:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = colors
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in frames:
            coded = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(coded))
        container.mux(stream.encode())
    return path
