"""Clips to frames, one after the other: decoded once, in order, never more than one held.

OpenCV's FFmpeg reads H.264, HEVC, VP8, VP9, MPEG-4 and Motion JPEG. It has no AV1; for that,
and for whatever else OpenCV can't decode, PyAV is asked where it is installed (``gypsum[video]``).
Both turn frames upright and convert them by the matrix that the stream names.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "protocol_whitelist;file"  # A clip names no others.
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.capture import limits
from gypsum.capture.unusable import UnusableError

UInt8 = NDArray[np.uint8]

_AV1 = (b"av01", b"AV01")
_UNDECODABLE = "is damaged, or of a kind that can't be decoded: save it as MP4 with H.264"
_NEEDS_PYAV = "is AV1 video, which needs PyAV: pip install 'gypsum[video]', or save it as H.264"


@dataclass(frozen=True)
class Clip:
    """An opened clip."""

    width: int
    height: int
    """Pixels of an upright frame."""
    expected: int
    """Frames by its header, which may be wrong; 0 where it doesn't tell."""
    seconds: float
    """By its header; 0 where it doesn't tell."""
    frames: Iterator[UInt8]
    """(height, width, 3) blue, green, red as coded, until the end or until damage."""


@contextmanager
def opened_clip(path: Path, threads: int = 1) -> Iterator[Clip]:
    """The clip, with its first frame decoded. Raises `UnusableError`."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, max(1, threads)])
    try:
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4]
        expected = _expected(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        frames = _by_opencv(capture) if capture.isOpened() and code not in _AV1 else iter(())
        clip = _started(frames, expected, capture.get(cv2.CAP_PROP_FPS))
        yield clip or _clip_of_pyav(path, code in _AV1)
    finally:
        capture.release()


def _started(frames: Iterator[UInt8], expected: int, rate: float) -> Clip | None:
    first = next(frames, None)
    if first is None:
        return None
    height, width = first.shape[:2]
    if min(width, height) < limits.SIDE_MIN:
        raise UnusableError(
            f"is too small: {width} x {height} pixels, and {limits.SIDE_MIN} are needed each way"
        )
    same_size = (frame for frame in frames if frame.shape == first.shape)
    seconds = expected / rate if math.isfinite(rate) and rate > 0 else 0.0
    return Clip(width, height, expected, seconds, chain([first], same_size))


def _expected(count: float) -> int:
    return int(count) if math.isfinite(count) and 0 < count < limits.FRAMES_MAX else 0


def _by_opencv(capture: Any) -> Iterator[UInt8]:
    for _ in range(limits.FRAMES_MAX):
        try:
            done, picture = capture.read()
        except cv2.error:
            return
        if not done:
            return
        yield picture


def _clip_of_pyav(path: Path, is_av1: bool) -> Clip:
    try:
        import av
    except ImportError:
        raise UnusableError(_NEEDS_PYAV if is_av1 else _UNDECODABLE) from None
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = float(stream.average_rate or 0)
        promised = stream.frames or rate * (container.duration or 0) / av.time_base
        clip = _started(_by_pyav(container, stream), _expected(promised), rate)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UnusableError(_UNDECODABLE) from error
    if clip is None:
        raise UnusableError(_UNDECODABLE)
    return clip


def _by_pyav(container: Any, stream: Any) -> Iterator[UInt8]:
    import av

    with container:
        frames = container.decode(stream)
        for _ in range(limits.FRAMES_MAX):
            try:
                frame = next(frames)
            except (StopIteration, av.FFmpegError, ValueError):
                return
            picture = frame.to_ndarray(format="bgr24")
            yield np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
