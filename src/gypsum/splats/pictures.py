"""Pictures of finished splats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Splats, View
from gypsum.splats.render import render

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

#: Where cameras leave a gap around the scene wider than this, a loop swings to and fro.
_GAP = np.radians(75)


def beside(splats: Splats, views: Sequence[View], extent: float, threads: int = 0) -> UInt8:
    """Photos, each beside the splats from its place, one below the other."""
    rows = []
    for view in views:
        drawn, _ = render(splats, view, extent=extent, threads=threads)
        rows.append(np.concatenate([view.read(), drawn], axis=1))
    width = min(row.shape[1] for row in rows)
    return np.concatenate([row[:, :width] for row in rows])


def loop(views: Sequence[View], frames: int, width: int, height: int) -> list[View]:
    """Views from ``frames`` places on a loop between the cameras, looking at what they look at."""
    target = looked_at(views)
    offsets = np.array([view.center for view in views]) - target
    azimuths = np.arctan2(offsets[:, 1], offsets[:, 0])
    distance = float(np.median(np.linalg.norm(offsets, axis=1)))
    rise = float(np.median(np.arcsin(offsets[:, 2] / np.linalg.norm(offsets, axis=1))))
    fields = [view.K[0, 0] / max(view.width, view.height) for view in views]
    focal = float(np.median(fields)) * max(width, height)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    made = []
    for azimuth in _azimuths(azimuths, frames):
        place = target + distance * np.array(
            [np.cos(azimuth) * np.cos(rise), np.sin(azimuth) * np.cos(rise), np.sin(rise)]
        )
        R = facing(target - place)
        made.append(replace(views[0], width=width, height=height, K=K, R=R, t=-R @ place))
    return made


def looked_at(views: Sequence[View]) -> Float64:
    """(3,) the point nearest to all optical axes."""
    A, b = np.zeros((3, 3)), np.zeros(3)
    for view in views:
        across = np.eye(3) - np.outer(view.direction, view.direction)
        A += across
        b += across @ view.center
    # Parallel axes meet nowhere: then a point in front of the cameras, held by a little weight.
    centers = np.array([view.center for view in views])
    ahead = np.mean([view.direction for view in views], axis=0)
    weight = 1e-3 * len(views)
    guess = centers.mean(0) + ahead * float(np.ptp(centers, axis=0).max())
    return np.asarray(np.linalg.solve(A + weight * np.eye(3), b + weight * guess))


def facing(direction: Float64) -> Float64:
    """World-to-camera rotation of a level camera that looks along a direction."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(z, (0.0, 0.0, 1.0))
    x /= max(float(np.linalg.norm(x)), 1e-9)
    return np.stack([x, np.cross(z, x), z])


def _azimuths(cameras: Float64, frames: int) -> Float64:
    """All around, or to and fro within what the cameras (N,) cover, radians."""
    ordered = np.sort(cameras % (2 * np.pi))
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(np.argmax(gaps))
    share = 2 * np.pi * np.arange(frames) / frames
    if gaps[widest] < _GAP:
        return np.asarray(cameras[0] + share)
    begin = ordered[(widest + 1) % len(ordered)]
    half = (2 * np.pi - gaps[widest]) / 2
    return np.asarray(begin + half + 0.9 * half * np.sin(share))
