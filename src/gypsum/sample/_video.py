"""A clip of the sculpture, filmed by hand while walking around it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gypsum.errors import ResourceError
from gypsum.sample import _camera, _render
from gypsum.sample._camera import SampleView
from gypsum.sample._cards import MarkerCard
from gypsum.scene import Progress

Float64 = NDArray[np.float64]

NAME = "video.mp4"
#: Frames a second: fewer than phones film, to be drawn in less time.
FRAME_RATE = 20
#: The walk: turns around the sculpture; how high the phone is held, first and last, degrees.
TURNS = 3.0
LOWEST, HIGHEST = 12.0, 55.0
DISTANCE = 0.48

#: A hand's sway and tremor: frequency in hertz, amplitude in degrees (each axis, its own phase).
SHAKE = ((0.6, 1.2), (1.7, 0.5), (4.3, 0.12), (8.5, 0.10))
#: Steps that jolt: how often a second, for how many seconds, at which frequency, how many degrees.
JOLTS, JOLT_LENGTH, JOLT_FREQUENCY, JOLT = 0.8, 0.12, 4.0, 1.6
#: How long a frame is exposed, seconds; the picture is a mean over so many moments of it.
EXPOSURE_TIME, MOMENTS = 1 / 50, 7
#: Blur below this many pixels is none.
_STILL = 0.5


def clip_views(seconds: float, width: int, height: int, seed: int) -> list[SampleView]:
    """Where the phone was in the middle of every frame, named as a scan names the frames."""
    hand = _Hand(seconds, width, height, seed)
    return [hand.view(number) for number in range(round(seconds * FRAME_RATE))]


def film(
    path: Path,
    seconds: float,
    width: int,
    height: int,
    seed: int,
    cards: tuple[MarkerCard, ...],
    threads: int,
    progress: Progress,
) -> None:
    """Write the clip, MPEG-4. Raises `ResourceError` when it can't be written."""
    count = round(seconds * FRAME_RATE)
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        writer = cv2.VideoWriter(
            str(temporary),
            cv2.CAP_FFMPEG,
            cv2.VideoWriter.fourcc(*"mp4v"),
            FRAME_RATE,
            (width, height),
        )
        if not writer.isOpened():
            raise ResourceError(f"{path} can't be written; check the folder and its free space.")
        for number, frame in enumerate(_frames(seconds, width, height, seed, cards, threads)):
            progress(number / count, f"filming frame {number + 1} of {count}")
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        if not _is_whole(temporary, count):
            raise ResourceError(
                f"{path} can't be written to its end; free some space on its disk and try again."
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _is_whole(path: Path, count: int) -> bool:
    """Whether a clip has all its frames, up to the last: its writer tells nothing of a full disk.

    The table of the frames is written last, and without it none can be read.
    """
    clip = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if round(clip.get(cv2.CAP_PROP_FRAME_COUNT)) != count:
            return False
        clip.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
        return bool(clip.grab())
    finally:
        clip.release()


def _frames(
    seconds: float,
    width: int,
    height: int,
    seed: int,
    cards: tuple[MarkerCard, ...],
    threads: int,
) -> Iterator[NDArray[np.uint8]]:
    hand = _Hand(seconds, width, height, seed)
    for number, view in enumerate(clip_views(seconds, width, height, seed)):
        radiance = _render.render_view(view, threads, cards).radiance
        yield _render.expose(
            hand.blurred(radiance, number),
            _render.EXPOSURE,
            full_well=8000.0,
            read_noise=5.0,
            seed=(seed * 100_003 + number) % 2**32,
            threads=threads,
        )


class _Hand:
    """Where the phone is and how it trembles."""

    def __init__(self, seconds: float, width: int, height: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 5])
        self._seconds, self._size = seconds, (width, height)
        self._K = _camera.intrinsics(width, height)
        self._phases = rng.uniform(0, 2 * math.pi, (len(SHAKE), 3))
        self._start = rng.uniform(0, 2 * math.pi)
        jolts = rng.poisson(JOLTS * seconds)
        self._jolts = rng.uniform(0, seconds, jolts)
        self._ways = rng.normal(0, math.radians(JOLT), (jolts, 3))

    def view(self, number: int) -> SampleView:
        """The camera in the middle of a frame."""
        time = (number + 0.5) / FRAME_RATE
        share = time / self._seconds
        turn = self._start + 2 * math.pi * TURNS * share
        lift = math.radians(LOWEST + (HIGHEST - LOWEST) * share)
        away = DISTANCE * (1 + 0.05 * math.sin(0.9 * time + self._start))
        offset = [
            math.sin(turn) * math.cos(lift), -math.cos(turn) * math.cos(lift), math.sin(lift)
        ]  # fmt: skip
        aim = np.array(_camera.AIM)
        center = aim + away * np.array(offset)
        R, _ = _camera.look_at(center, aim)
        R = self._shake(time).as_matrix() @ R
        width, height = self._size
        name = f"{Path(NAME).stem}_{number:06d}.jpg"
        return SampleView(name, width, height, self._K, R, -R @ center, _camera.K1)

    def blurred(self, radiance: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """A frame (H, W, 3) as it is while the phone turns during its exposure.

        Turning moves the whole picture by a homography; what walking moves meanwhile is far less.
        """
        middle = (number + 0.5) / FRAME_RATE
        now = self._shake(middle)
        moments = middle + EXPOSURE_TIME * (np.arange(MOMENTS) / (MOMENTS - 1) - 0.5)
        turns = [(self._shake(moment) * now.inv()).as_matrix() for moment in moments]
        if np.abs(turns[0] - turns[-1]).max() * self._K[0, 0] < _STILL:
            return radiance
        half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])  # OpenCV's pixels
        K = half @ self._K
        total = np.zeros_like(radiance)
        for turn in turns:
            total += cv2.warpPerspective(
                radiance,
                K @ turn @ np.linalg.inv(K),
                self._size,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        return total / np.float32(MOMENTS)

    def _shake(self, time: float) -> Rotation:
        waves = np.array([math.radians(a) for _, a in SHAKE])[:, None] * np.sin(
            2 * math.pi * time * np.array([f for f, _ in SHAKE])[:, None] + self._phases
        )
        since = time - self._jolts
        jolts = np.exp(-((since / JOLT_LENGTH) ** 2)) * np.sin(2 * math.pi * JOLT_FREQUENCY * since)
        return Rotation.from_rotvec(waves.sum(axis=0) + jolts @ self._ways)
