"""Captures as they should not be: the same sculpture, photographed with a mistake.

They show what ``gypsum check`` finds, and hold it to that in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from gypsum.options import Fault
from gypsum.sample import _camera, _posed, _render
from gypsum.sample._camera import SampleView
from gypsum.sample._cards import MarkerCard
from gypsum.sample._posed import Pose
from gypsum.sample._render import Finish, Rendering

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: Photos of a capture with too few of them: about 120 degrees from one to the next.
FEW = 8
#: Arc that photos from one side only are taken in, radians.
ONE_SIDE = math.radians(90.0)
#: Stops by which photos are too dark or too bright.
TOO_DARK, TOO_BRIGHT = -5.0, 3.0
#: Of so many photos all but the last are blurred.
BLURRED_OF = 3
#: How far the camera shakes while the shutter is open, as a share of the photo's longer side.
SHAKE = 0.014
#: Longer side of photos with too few pixels.
SMALL_SIDE = 320
#: How the sculpture is moved half-way: turned around the vertical, radians, and pushed, metres.
TURNED, PUSHED = math.radians(30.0), (0.03, 0.015)
#: How far it goes astray when it moves before every photo: standard deviations of the same.
ASTRAY_TURN, ASTRAY_PUSH = math.radians(12.0), 0.012
#: Focus on what is behind: the blur circle of what is near, as a share of the photo's longer side,
#: and where it is sharp, as a multiple of the sculpture's distance.
CIRCLE, FOCUS = 0.016, 1.35


@dataclass(frozen=True)
class Shot:
    """One photo: where from, and what is wrong with it."""

    view: SampleView
    gain: float = 1.0
    finish: Finish = Finish.PAINTED
    pose: Pose | None = None
    """Where the sculpture was moved to; None: it stands on its place."""
    shake: float | None = None
    """Direction of the camera's shake, radians in the picture; None for a steady hand."""
    behind: bool = False
    """Whether it is focused on what is behind the sculpture."""
    folder: str = ""
    """Of the photo, among the photos."""

    @property
    def path(self) -> str:
        """Of the photo's file, among the photos."""
        return f"{self.folder}/{self.view.name}" if self.folder else self.view.name


def plan_shots(fault: Fault | None, count: int, width: int, height: int, seed: int) -> list[Shot]:
    """``count`` photos with a fault; fewer of them where that is the fault."""
    if fault is Fault.FEW:
        count = min(count, FEW)
    if fault is Fault.SMALL:
        scale = min(1.0, SMALL_SIDE / max(width, height))
        width, height = round(width * scale), round(height * scale)
    arc = ONE_SIDE if fault is Fault.ONE_SIDED else 2 * math.pi
    places = math.ceil(count / 2) if fault is Fault.DUPLICATES else count
    views = _camera.hand_held_views(places, width, height, seed, arc=arc)
    if fault is Fault.DUPLICATES:
        names = [f"{n + 1:04d}.jpg" for n in range(count)]
        views = [replace(views[n // 2], name=name) for n, name in enumerate(names)]
    return [_with_fault(Shot(view), fault, n, count, seed) for n, view in enumerate(views)]


def _with_fault(shot: Shot, fault: Fault | None, number: int, count: int, seed: int) -> Shot:
    match fault:
        case Fault.DARK:
            return replace(shot, gain=2.0**TOO_DARK)
        case Fault.BURNT:
            return replace(shot, gain=2.0**TOO_BRIGHT)
        case Fault.PLAIN:
            return replace(shot, finish=Finish.PLAIN)
        case Fault.MIRROR:
            return replace(shot, finish=Finish.MIRROR)
        case Fault.MOVED:
            pose = Pose(_posed.standing(TURNED).turn, np.array([*PUSHED, 0.0]))
            return replace(shot, pose=pose) if number >= count // 2 else shot
        case Fault.MOVING:
            rng = np.random.default_rng([seed, 6, number])
            turn = _posed.standing(rng.normal(0, ASTRAY_TURN)).turn
            return replace(shot, pose=Pose(turn, np.array([*rng.normal(0, ASTRAY_PUSH, 2), 0.0])))
        case Fault.UNFOCUSED:
            return replace(shot, behind=True)
        case Fault.BLURRED if (number + 1) % BLURRED_OF:
            direction = np.random.default_rng([seed, 4, number]).uniform(0, math.pi)
            return replace(shot, shake=float(direction))
        case _:
            return shot


def take(shot: Shot, threads: int = 0, cards: Sequence[MarkerCard] = ()) -> Rendering:
    """What the camera sees of a shot, before the sensor."""
    if shot.pose is None:
        picture = _render.render_view(shot.view, threads, cards, shot.finish)
    else:
        picture = _posed.draw(shot.view, shot.pose, threads, cards, shot.finish)
    if shot.shake is not None:
        picture = replace(picture, radiance=_shaken(picture.radiance, shot.shake))
    if shot.behind:
        picture = replace(picture, radiance=_unfocused(picture))
    return picture


def _unfocused(picture: Rendering) -> Float32:
    """The light (H, W, 3) of a picture that is sharp behind the sculpture only.

    A lens makes a circle of every point, which grows with the difference of the inverse distances
    to it and to where it is sharp. Layers of like circles are drawn over each other from behind.
    """
    near = float(np.median(picture.depth[picture.mask]))
    inverse = np.where(picture.depth > 0, 1 / np.maximum(picture.depth, 1e-6), 0)
    sharp = 1 / (FOCUS * near)
    side = max(picture.depth.shape)
    circles = CIRCLE * side * np.clip((inverse - sharp) / (1 / near - sharp), 0, 2)
    layers = np.round(circles / 2).astype(int)
    light = picture.radiance.copy()
    for layer in range(1, int(layers.max()) + 1):
        # What is nearer belongs to the layer as well, so that no sharp rim shines through.
        own = (layers >= layer).astype(np.float32)
        disk = _disk(layer)
        cover, own_light = (
            cv2.filter2D(values, -1, disk, borderType=cv2.BORDER_REPLICATE)
            for values in (own, picture.radiance * own[..., None])
        )
        light = own_light + (1 - cover[..., None]) * light
    return np.asarray(light, np.float32)


def _disk(radius: int) -> Float32:
    """A circle of a lens, sum one."""
    steps = np.arange(-radius, radius + 1)
    inside = (steps[:, None] ** 2 + steps**2 <= (radius + 0.25) ** 2).astype(np.float32)
    return np.asarray(inside / inside.sum(), np.float32)


def _shaken(radiance: Float32, direction: float) -> Float32:
    """Light (H, W, 3) gathered while the picture moves along a straight line."""
    length = SHAKE * max(radiance.shape[:2])
    half = math.ceil(length / 2)
    steps = np.linspace(-length / 2, length / 2, 8 * half + 1)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for step in steps:
        x, y = half + step * math.cos(direction), half + step * math.sin(direction)
        column, row = min(int(x), 2 * half - 1), min(int(y), 2 * half - 1)
        u, v = x - column, y - row
        kernel[row : row + 2, column : column + 2] += np.outer([1 - v, v], [1 - u, u])
    kernel /= kernel.sum()
    shaken: Float32 = convolve(radiance, kernel[..., None], mode="nearest")
    return shaken
