"""What a capture is about, and where to look at it from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.sampling import blend, draw_on_surface
from gypsum.report.render import Ball, Eye, Renderer
from gypsum.scene import Mesh, View

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FIELD = np.radians(28)
"""Field of view of pictures: a portrait lens."""

FRONT, ABOVE = float(np.radians(-60.0)), float(np.radians(30.0))
"""Azimuth and elevation from which to show what no photo tells how to look at."""

_SAMPLES = 20_000
_SMALL = 200
"""Long side of the depth pictures that tell what each photo sees, pixels."""
_CENTRAL = 0.2
"""Standard deviation, as a share of a photo's side, of where one keeps what one wants to show."""
_SEEN_OFTEN = 0.3
"""What is in the middle of this many photos belongs to the focus; 1 is the most for any point."""
_GROUND_SHARE = 0.05
"""A low, level layer with this share of the focus's area is the ground it stands on."""
_BELOW_SHARE = 0.03
"""With this share of the focus's area right below it, a level layer is a step of the thing."""
_DROP = 0.1
"""So much deeper, of the height of what stands on it, is well below a layer."""
_STANDING_SHARE = 0.04
"""With this share of the area above the ground, the focus is what stands there."""
_MANY_VIEWS = 60


@dataclass(frozen=True)
class Focus:
    """What the cameras look at, and from which sides."""

    points: Float32
    """(N, 3) places on the surface there, world."""
    center: Float64
    """(3,) world."""
    radius: float
    first: float
    """Azimuth of the first photo, radians: people often begin at the front."""
    middle: float
    """Middle of the azimuths that were photographed."""
    span: float
    """Range of azimuths that were photographed; 2π when they go all around."""
    elevation: float
    """Typical elevation of the cameras over the centre, radians."""

    @property
    def ball(self) -> Ball:
        """What to draw: the focus with some of its surroundings."""
        return Ball(self.center, 1.5 * self.radius)

    @property
    def all_around(self) -> bool:
        """Whether the photos surround it."""
        return self.span >= 2 * np.pi

    def orbit(self, azimuth: float, width: int, height: int, elevation: float | None = None) -> Eye:
        """A picture from ``azimuth`` that holds the whole focus."""
        distance = self.radius / np.sin(FIELD / 2)
        up = self.elevation if elevation is None else elevation
        return Eye.looking(
            self.center + distance * direction(azimuth, up), self.center, width, height, FIELD
        )

    def portrait(self, width: int, height: int) -> Eye:
        """The one picture to show: from the front, a little from above, filled by the focus."""
        azimuth = self.first if self.all_around else self.middle + min(0.4, self.span / 4)
        eye = self.orbit(azimuth, width, height, elevation=min(self.elevation, np.radians(28)))
        return eye.filled_by(self.points, 0.85)


def direction(azimuth: float, elevation: float) -> Float64:
    """(3,) unit vector, Z up."""
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


def find_focus(mesh: Mesh, views: Sequence[View], renderer: Renderer) -> Focus:
    """The part of the mesh that most photos have near their middle; all where there are none."""
    points = _often_seen(mesh, views[:: max(1, len(views) // _MANY_VIEWS)], renderer)
    low, high = np.percentile(points, [1, 99], axis=0)
    center = np.asarray((low + high) / 2, np.float64)
    radius = float(np.percentile(np.linalg.norm(points - center, axis=1), 99))
    if not views:
        return Focus(points, center, radius, FRONT, FRONT, 2 * np.pi, ABOVE)
    places = np.array([view.center for view in views]) - center
    azimuths = np.arctan2(places[:, 1], places[:, 0])
    elevations = np.arctan2(places[:, 2], np.hypot(places[:, 0], places[:, 1]))
    middle, span = _covered(azimuths)
    elevation = float(np.clip(np.median(elevations), np.radians(8), np.radians(50)))
    return Focus(points, center, radius, float(azimuths[0]), middle, span, elevation)


def _often_seen(mesh: Mesh, views: Sequence[View], renderer: Renderer) -> Float32:
    """Places (N, 3) on the surface that are near the middle of many photos."""
    face, weights = draw_on_surface(mesh.vertices[mesh.faces], _SAMPLES)
    points = blend(weights, mesh.vertices[mesh.faces[face]])
    if not views:
        return points
    seen = np.zeros(len(points))
    for view in views:
        seen += _prominence(points, view.limited(_SMALL), renderer)
    often = seen >= _SEEN_OFTEN * seen.max(initial=0)
    if often.sum() < 100:
        return points
    level = mesh.face_normals()[face, 2] > 0.9
    ground = _ground(points[often, 2], level[often])
    standing = often & (points[:, 2] > ground)
    if not np.isfinite(ground) or standing.sum() < _STANDING_SHARE * often.sum():
        return np.asarray(points[often])
    below = _below(points, points[standing], ground)
    if below.sum() > _BELOW_SHARE * often.sum():
        return np.asarray(points[often | below])
    # What stands on the ground reaches down to it, though its lowest part is rarely seen.
    feet = points[standing][::4] * (1, 1, 0) + (0, 0, ground)
    return np.vstack([points[standing], feet]).astype(np.float32)


def _below(points: Float32, standing: Float32, ground: float) -> NDArray[np.bool_]:
    """(N,) which points are well below a level layer, and under what stands on it."""
    middle = standing[:, :2].mean(0)
    reach = np.percentile(np.linalg.norm(standing[:, :2] - middle, axis=1), 99)
    under = np.linalg.norm(points[:, :2] - middle, axis=1) < 1.5 * reach
    return np.asarray(under & (points[:, 2] < ground - _DROP * np.ptp(standing[:, 2])))


def _prominence(points: Float32, view: View, renderer: Renderer) -> Float64:
    """How near to the photo's middle it shows each point (N, 3): 1 there, 0 where hidden."""
    pixels, depth = view.project(points)
    offset = (pixels / (view.width, view.height) - 0.5) / _CENTRAL
    shown = (depth > 0) & (np.abs(offset) < 0.5 / _CENTRAL).all(axis=1)
    x, y = pixels[shown].astype(np.int64).T
    surface = renderer.depth(Eye.of(view))[y, x]
    # Generous, as a pixel of these small pictures may span some depth.
    shown[shown] = (surface > 0) & (depth[shown] < 1.02 * surface)
    prominence = np.zeros(len(points))
    prominence[shown] = np.exp(-0.5 * (offset[shown] ** 2).sum(axis=1))
    return prominence


def _ground(height: Float32, level: NDArray[np.bool_]) -> float:
    """Just above the largest low, level layer; -inf without one.

    ``height`` (N,) of what is in focus, and whether the surface is ``level`` there (N,).
    """
    low, high = np.percentile(height, [1, 99])
    counts, edges = np.histogram(height[level], bins=30, range=(low, high))
    most = int(np.argmax(counts[: len(counts) // 2]))
    if counts[most] < _GROUND_SHARE * len(height):
        return -np.inf
    return float(edges[most + 1] + (high - low) / 60)


def _covered(azimuths: Float64) -> tuple[float, float]:
    """Middle and size of the smallest range that holds all azimuths; 2π when no gap is large."""
    ordered = np.sort(azimuths % (2 * np.pi))
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    gap = float(gaps[widest])
    if gap < np.radians(100):
        return float(azimuths[0]), 2 * np.pi
    middle = ordered[widest] + gap / 2 + np.pi
    return float(middle % (2 * np.pi)), 2 * np.pi - gap
