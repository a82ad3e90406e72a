"""Paths of a camera: around something, between the places of photos, and through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from gypsum.scene import Splats, View
from gypsum.splats.pictures import facing

Float64 = NDArray[np.float64]

#: Field of view over the shorter side where no photo tells it, radians.
FIELD = np.radians(45)
#: How much of that a subject fills.
_FILLED = 0.75
#: A subject is what lies within so many times the usual distance from its middle; rounds in which
#: that is found, and the share of it that a ball around it holds.
_APART, _ROUNDS, _HELD = 2.0, 10, 0.95
#: Gaussians that are nearly transparent are no part of it.
_SEEN = 0.1
#: The share of Gaussians that are small: those of the subject.
_FINE = 0.5
#: What is further from the middle than so many radii of the subject is not drawn from around it.
_ROOM = 2.0
#: Rings of views around something, by their height, degrees, and views of each.
_RINGS = ((-8.0, 16), (15.0, 16), (40.0, 12), (65.0, 6))


@dataclass(frozen=True)
class Subject:
    """A ball around what is looked at."""

    center: Float64
    """(3,) world."""
    radius: float


def subject_of_points(points: NDArray[np.floating]) -> Subject:
    """The ball around points (N, 3) that lie together, without what is far away from most."""
    points = np.asarray(points, np.float64)
    for _ in range(_ROUNDS):
        center = np.median(points, axis=0)
        distance = np.linalg.norm(points - center, axis=1)
        near = distance <= _APART * np.median(distance)
        if near.all():
            break
        points = points[near]
    center = np.median(points, axis=0)
    distance = np.linalg.norm(points - center, axis=1)
    return Subject(center, max(float(np.quantile(distance, _HELD)), 1e-6))


def subject_of_splats(splats: Splats) -> Subject:
    """The ball around what splats show in most detail.

    Walls and skies are made of large Gaussians; where photos were about something, many small ones
    lie together.
    """
    size = splats.log_scales.max(axis=1)
    opaque = splats.opacities > np.log(_SEEN / (1 - _SEEN))
    fine = opaque & (size <= np.quantile(size, _FINE))
    return subject_of_points(splats.means[fine] if fine.any() else splats.means)


def around(splats: Splats, subject: Subject) -> Splats:
    """The splats near the subject, without what would stand before it from further away."""
    distance = np.linalg.norm(splats.means - subject.center, axis=1)
    return splats.select(distance < _ROOM * subject.radius)


def turntable(
    subject: Subject, frames: int, width: int, height: int, elevation: float = 15.0
) -> list[View]:
    """Once around the subject at a height, degrees; the last frame is one step before the first."""
    steps = 2 * np.pi * np.arange(frames) / frames
    return [_from_around(subject, float(step), elevation, width, height) for step in steps]


def orbit(subject: Subject, width: int, height: int) -> list[View]:
    """Views from all around, at several heights: as many as a mesh needs."""
    views: list[View] = []
    for elevation, count in _RINGS:
        # Rings begin beside each other, so that views of two are not one above the other.
        turns = 2 * np.pi * (np.arange(count) + len(views) % 3 / 3) / count
        views += [_from_around(subject, float(a), elevation, width, height) for a in turns]
    return [replace(view, name=f"{number:03d}.png") for number, view in enumerate(views)]


def fly_through(views: Sequence[View], frames: int, width: int, height: int) -> list[View]:
    """From the first to the last view by way of all others, without a jerk.

    Of many views some are left out: those between tell no more than that hands are unsteady.
    """
    keys = [views[i] for i in _spaced(len(views), max(2, frames // 8))]
    if len(keys) < 2:
        return [_as_large(views[0], width, height)] * frames
    centers = np.array([view.center for view in keys])
    # Time goes by the way between them, and a little by the turn alone.
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    times = np.concatenate([[0.0], np.cumsum(steps + 1e-3 * max(float(steps.max()), 1e-9) + 1e-12)])
    at = np.linspace(0, times[-1], frames)
    places = CubicSpline(times, centers)(at)
    turns = RotationSpline(times, Rotation.from_matrix(np.array([view.R for view in keys])))(at)
    model = _as_large(keys[0], width, height)
    return [
        replace(model, R=R, t=-R @ place)
        for R, place in zip(turns.as_matrix(), places, strict=True)
    ]


def _spaced(count: int, most: int) -> list[int]:
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _as_large(view: View, width: int, height: int) -> View:
    """The same camera for a picture of another shape: what it saw is all in it."""
    scale = min(width / view.width, height / view.height)
    focal = float(np.sqrt(view.K[0, 0] * view.K[1, 1])) * scale
    return replace(view, width=width, height=height, K=_pinhole(focal, width, height))


def _from_around(
    subject: Subject, azimuth: float, elevation: float, width: int, height: int
) -> View:
    rise = np.radians(elevation)
    direction = np.array(
        [np.cos(azimuth) * np.cos(rise), np.sin(azimuth) * np.cos(rise), np.sin(rise)]
    )
    distance = subject.radius / (_FILLED * np.sin(FIELD / 2))
    focal = min(width, height) / 2 / np.tan(FIELD / 2)
    R = facing(-direction)
    place = subject.center + distance * direction
    return View("", Path(), width, height, _pinhole(focal, width, height), R, -R @ place)


def _pinhole(focal: float, width: int, height: int) -> Float64:
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
