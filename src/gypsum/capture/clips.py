"""Clips to frames, one after the other: decoded once, in order, never more than one held.

OpenCV's FFmpeg reads H.264, HEVC, VP8, VP9, MPEG-4 and Motion JPEG. It has no AV1; for that,
and for whatever else OpenCV can't decode, PyAV is asked where it is installed (``gypsum[video]``).
Both turn frames upright and convert them by the matrix that the stream names. OpenCV's also makes
ordinary pictures of high dynamic range, where all brighter than paper is white; PyAV gives the
values as coded, of which `hdr` makes better ones.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
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
    is_coded: bool
    """Whether frames of high dynamic range are as coded, so that `hdr.to_sdr` has to follow."""
    every: int
    """Of the clip's frames, the first, the ``every``-th after it and so on are given."""
    frames: Iterator[UInt8]
    """(height, width, 3) blue, green, red, until the end or until damage."""


@contextmanager
def opened_clip(
    path: Path, threads: int = 1, fastest: float = math.inf, *, is_hdr: bool = False
) -> Iterator[Clip]:
    """The clip, with its first frame decoded. Raises `UnusableError`.

    Where it has more than about ``fastest`` frames a second, only every second or n-th is given.
    Of high dynamic range (``is_hdr``), it is decoded by PyAV where that is installed.
    """
    if is_hdr and find_spec("av") is not None:
        yield _clip_of_pyav(path, False, fastest)
        return
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, max(1, threads)])
    try:
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4]
        expected = _expected(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate = _rate(capture.get(cv2.CAP_PROP_FPS))
        decodable = capture.isOpened() and code not in _AV1
        every = _every(rate, fastest)
        frames = _by_opencv(capture, every) if decodable else iter(())
        clip = _started(frames, expected, rate, every, is_coded=False)
        yield clip or _clip_of_pyav(path, code in _AV1, fastest)
    finally:
        capture.release()


def _started(
    frames: Iterator[UInt8], expected: int, rate: float, every: int, *, is_coded: bool
) -> Clip | None:
    first = next(frames, None)
    if first is None:
        return None
    height, width = first.shape[:2]
    if min(width, height) < limits.SIDE_MIN:
        raise UnusableError(
            f"is too small: {width} x {height} pixels, and {limits.SIDE_MIN} are needed each way"
        )
    same_size = (frame for frame in frames if frame.shape == first.shape)
    seconds = expected / rate if rate else 0.0
    return Clip(width, height, expected, seconds, is_coded, every, chain([first], same_size))


def _rate(told: float) -> float:
    """Frames a second; 0 where the header tells nothing that can be."""
    return told if math.isfinite(told) and 0 < told < limits.FRAMES_MAX else 0.0


def _every(rate: float, fastest: float) -> int:
    return max(1, round(rate / fastest))


def _expected(count: float) -> int:
    return int(count) if math.isfinite(count) and 0 < count < limits.FRAMES_MAX else 0


def _by_opencv(capture: Any, every: int) -> Iterator[UInt8]:
    for number in range(limits.FRAMES_MAX):
        try:
            if not capture.grab():
                return
            if number % every:  # It had to be decoded, but its colours need no conversion.
                continue
            done, picture = capture.retrieve()
        except cv2.error:
            return
        if not done:
            return
        yield picture


def _clip_of_pyav(path: Path, is_av1: bool, fastest: float) -> Clip:
    try:
        import av
    except ImportError:
        raise UnusableError(_NEEDS_PYAV if is_av1 else _UNDECODABLE) from None
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate = _rate(float(stream.average_rate or 0))
        promised = stream.frames or rate * (container.duration or 0) / av.time_base
        every = _every(rate, fastest)
        frames = _by_pyav(container, stream, every)
        clip = _started(frames, _expected(promised), rate, every, is_coded=True)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UnusableError(_UNDECODABLE) from error
    if clip is None:
        raise UnusableError(_UNDECODABLE)
    return clip


def _by_pyav(container: Any, stream: Any, every: int) -> Iterator[UInt8]:
    import av

    with container:
        frames = container.decode(stream)
        for number in range(limits.FRAMES_MAX):
            try:
                frame = next(frames)
            except (StopIteration, av.FFmpegError, ValueError):
                return
            if number % every:
                continue
            picture = frame.to_ndarray(format="bgr24")
            yield np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))
