"""Captures in which the sculpture itself is moved: on a turntable, or laid on its back.

Cameras are truly placed against the sculpture, so all photos show one surface in one frame; the
table then moves against it. The room's light stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gypsum.sample import _camera, _render
from gypsum.sample._camera import SampleView
from gypsum.sample._cards import MarkerCard
from gypsum.sample._render import Finish, Rendering

Float64 = NDArray[np.float64]

#: Heights of the tripod: elevation in degrees, distance in metres, share of the photos.
TRIPOD = ((14.0, 0.50, 0.40), (33.0, 0.49, 0.35), (54.0, 0.48, 0.25))
#: How far the sculpture leans back to lie, radians: its belly is up, and its foot can be seen.
LEANT = math.radians(90.0)
#: Folders of a flip capture's sets.
SETS = ("standing", "lying")


@dataclass(frozen=True)
class Pose:
    """Where the sculpture is: p_table = turn p + push."""

    turn: Float64
    """(3, 3) rotation."""
    push: Float64
    """(3,) metres."""

    def seen_from(self, view: SampleView) -> SampleView:
        """A camera at the table as the sculpture has it: in the sculpture's own frame."""
        return replace(view, R=view.R @ self.turn, t=view.t + view.R @ self.push)


def standing(angle: float = 0.0) -> Pose:
    """Upright, turned counter-clockwise seen from above, radians."""
    c, s = math.cos(angle), math.sin(angle)
    return Pose(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.zeros(3))


def lying(vertices: NDArray[np.float32]) -> Pose:
    """On its back in the middle of the table; ``vertices`` (N, 3) are the sculpture's."""
    c, s = math.cos(LEANT), math.sin(LEANT)
    turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    placed = vertices @ turn.T
    low, high = placed.min(axis=0), placed.max(axis=0)
    return Pose(turn, -np.array([*(low + high)[:2] / 2, low[2]], np.float64))


def turntable(count: int, width: int, height: int) -> list[tuple[SampleView, Pose]]:
    """``count`` photos from a tripod at three heights, the sculpture turned a step before each."""
    K = _camera.intrinsics(width, height)
    stops = np.round(np.cumsum([0.0] + [share for *_, share in TRIPOD]) * count).astype(int)
    shots = []
    for ring, (elevation, distance, _) in enumerate(TRIPOD):
        lift = math.radians(elevation)
        offset = distance * np.array([0.0, -math.cos(lift), math.sin(lift)])
        R, t = _camera.look_at(np.array(_camera.AIM) + offset, np.array(_camera.AIM))
        for number in range(stops[ring], stops[ring + 1]):
            steps = stops[ring + 1] - stops[ring]
            # Half a step between the heights, so that the photos are spread evenly.
            angle = 2 * math.pi * (number - stops[ring] + ring / 2) / steps
            view = SampleView(f"{number + 1:04d}.jpg", width, height, K, R, t, _camera.K1)
            shots.append((view, standing(angle)))
    return shots


def flip(
    count: int, width: int, height: int, seed: int, vertices: NDArray[np.float32]
) -> list[tuple[SampleView, Pose, str]]:
    """Half of ``count`` photos of the sculpture as it stands, then half as it lies, each with the
    folder of its set."""
    shots: list[tuple[SampleView, Pose, str]] = []
    for number, (name, pose) in enumerate(zip(SETS, (standing(), lying(vertices)), strict=True)):
        first = len(shots)
        photos = count - count // 2 if number == 0 else count // 2
        for view in _camera.hand_held_views(photos, width, height, seed + number):
            named = replace(view, name=f"{first + int(view.name[:4]):04d}.jpg")
            shots.append((named, pose, name))
    return shots


def draw(
    view: SampleView,
    pose: Pose,
    threads: int = 0,
    cards: Sequence[MarkerCard] = (),
    finish: Finish = Finish.POSED,
) -> Rendering:
    """What a camera at the table sees of the moved sculpture, which casts no shade on the table.

    The sculpture is drawn from where it has the camera, the table from where the camera is.
    """
    table = _render.render_view(view, threads, cards, Finish.HIDDEN)
    turn = np.ascontiguousarray(pose.turn)
    moved = _render.render_view(pose.seen_from(view), threads, cards, finish, turn)
    mask = moved.mask
    normal = moved.normal @ pose.turn.T.astype(np.float32)
    return Rendering(
        rgb=np.where(mask[..., None], moved.rgb, table.rgb),
        radiance=np.where(mask[..., None], moved.radiance, table.radiance),
        depth=np.where(mask, moved.depth, table.depth),
        normal=np.where(mask[..., None], normal, table.normal),
        mask=mask,
    )
