"""What decoding processes make of clips: some of their frames, stored as photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.capture import limits
from gypsum.capture.choosing import Candidate, choose_frames
from gypsum.capture.clips import Clip, opened_clip
from gypsum.capture.container import ColorTags, read_color_tags
from gypsum.capture.decode import JPEG_QUALITY, decode_small
from gypsum.capture.exif import Exif
from gypsum.capture.hdr import to_sdr
from gypsum.capture.measure import WORKING_SIDE, measure
from gypsum.capture.prepare import stored_anew
from gypsum.capture.prepared import Prepared, frame_path
from gypsum.capture.unusable import StorageError, UnusableError

UInt8 = NDArray[np.uint8]

_JPEG = (
    *(cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
)
"""Colours at half the resolution: clips have them so, and it halves the time of storing."""


@dataclass(frozen=True)
class Frames:
    """What was taken from a clip."""

    chosen: list[tuple[int, Prepared]]
    """Numbers in the clip, from 0, in order; see `frame_path` for the pictures."""
    decoded: int
    """Frames that could be decoded."""
    promised: int
    """Frames by the clip's header; 0 where it doesn't tell."""


def prepare_frames(
    path: Path, target: Path, most: int, threads: int, seen: Callable[[float], None]
) -> Frames:
    """Choose at most ``most`` frames of a clip and store them beside ``target``.

    ``seen`` is called after every step with the share that is done. Raises `UnusableError`.
    """
    tags = read_color_tags(path)
    with opened_clip(path, threads, limits.FRAME_RATE_MAX, is_hdr=tags.is_hdr) as clip:
        store = _FrameStore(target, tags if clip.is_coded else ColorTags())
        frames = _reported(clip, seen)
        chosen, decoded = choose_frames(frames, most, store.add, store.drop, clip.every)
    if len(chosen) < limits.CLIP_FRAMES_MIN:
        for candidate in chosen:
            store.drop(candidate)
        raise UnusableError(
            f"is too short: it has only {decoded} frames"
            if decoded < limits.CLIP_LENGTH_MIN
            else "shows no depth: film while you walk around the object, close enough to see detail"
        )
    taken = []
    for candidate in chosen:
        taken.append((candidate.number, store.finish(candidate)))
        seen(1.0)
    return Frames(taken, decoded, clip.expected)


def clip_seconds(path: Path) -> float:
    """How long a clip is by its header, 0 where it doesn't tell. Raises `UnusableError`."""
    with opened_clip(path) as clip:
        return clip.seconds


def _reported(clip: Clip, seen: Callable[[float], None]) -> Iterator[UInt8]:
    for number, frame in enumerate(clip.frames, 1):
        yield frame
        seen(min(1.0, number * clip.every / clip.expected) if clip.expected else 0.0)


class _FrameStore:
    """Frames on disk. Many are dropped again, so little is done to each at first."""

    def __init__(self, target: Path, tags: ColorTags) -> None:
        self._target, self._tags = target, tags

    def add(self, candidate: Candidate, frame: UInt8) -> None:
        """Store a frame (H, W, 3; blue, green, red). Raises `StorageError`."""
        _, content = cv2.imencode(".jpg", frame, _JPEG)
        try:
            self._place(candidate).write_bytes(content.tobytes())
        except OSError as error:
            raise StorageError(error.strerror or str(error)) from error

    def drop(self, candidate: Candidate) -> None:
        """It is not taken after all."""
        self._place(candidate).unlink()

    def finish(self, candidate: Candidate) -> Prepared:
        """Make a stored frame an ordinary photo."""
        place = self._place(candidate)
        with Image.open(place, formats=("JPEG",)) as image:
            size = image.size
            if self._tags.is_hdr:
                coded = np.asarray(image.convert("RGB"))
                return stored_anew(Image.fromarray(to_sdr(coded, self._tags)), Exif(), place)
            return Prepared(*size, Exif(), measure(decode_small(image, WORKING_SIDE)), ".jpg")

    def _place(self, candidate: Candidate) -> Path:
        return frame_path(self._target, candidate.number)
