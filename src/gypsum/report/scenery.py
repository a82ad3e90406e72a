"""A picture of the cameras around what they photographed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gypsum.report.render import Eye
from gypsum.scene import PointCloud, SparseModel

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

_POINTS = 250_000
"""More would not show."""
_FINE = 2
"""Drawn at this many times the size, then shrunk: lines without steps."""
_PAPER = (247, 246, 243)
_GRID = (224, 222, 216)
_COLORS = np.array([[36, 92, 172], [150, 62, 138], [228, 118, 38]])
"""Of the first, the middle and the last photo."""


def draw_cameras(
    cloud: PointCloud, model: SparseModel, center: Float64, radius: float, side: int = 800
) -> UInt8:
    """Two pictures in one (side, 2 · side, 3): from the side and above, and from the top.

    ``center`` (3,) and ``radius`` say what the cameras look at.
    """
    photos = sorted(model.photos.values(), key=lambda photo: photo.name)
    places = np.array([photo.center for photo in photos])
    reach = float(np.percentile(np.linalg.norm(places - center, axis=1), 95)) + 0.25 * radius
    size = 0.13 * float(np.median(np.linalg.norm(places - center, axis=1)))
    near = np.linalg.norm(cloud.points - center, axis=1) < max(1.15 * reach, 1.5 * radius)
    cloud = cloud.select(near)
    cloud = cloud.select(np.arange(len(cloud))[:: max(1, len(cloud) // _POINTS)])
    frusta = [_frustum(model, index, size) for index in (photo.id for photo in photos)]
    floor = _floor(cloud, center, radius)
    panels = [
        _panel(eye, cloud, frusta, _grid(center, floor, reach))
        for eye in _eyes(center, floor, places, max(reach, radius), side * _FINE)
    ]
    picture = Image.fromarray(np.concatenate(panels, axis=1))
    shrunk = picture.resize((2 * side, side), Image.Resampling.BOX)
    return np.asarray(shrunk)


def _eyes(
    center: Float64, floor: float, places: Float64, reach: float, side: int
) -> tuple[Eye, Eye]:
    """One from behind the cameras' middle, raised; one straight from the top."""
    mean = places.mean(axis=0) - center
    azimuth = float(np.arctan2(mean[1], mean[0])) + 0.5
    above = np.radians(28)
    toward = np.array(
        [np.cos(azimuth) * np.cos(above), np.sin(azimuth) * np.cos(above), np.sin(above)]
    )
    middle = np.array([center[0], center[1], (floor + max(places[:, 2].max(), center[2])) / 2])
    field = np.radians(30)
    distance = 1.12 * reach / np.sin(field / 2)
    slanted = Eye.looking(middle + distance * toward, middle, side, side, field)
    top = Eye.looking(middle + np.array([0, 0, distance]), middle, side, side, field)
    shown = np.vstack([places, _ring(center, floor, 0.6 * reach)])
    return slanted.filled_by(shown, 0.86), top.filled_by(shown, 0.86)


def _ring(center: Float64, floor: float, radius: float) -> Float64:
    """Points (N, 3) around the focus on the ground, to be in the picture."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    flat = center[:2] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.column_stack([flat, np.full(len(flat), floor)])


def _floor(cloud: PointCloud, center: Float64, radius: float) -> float:
    """Height of the lowest surface around the focus."""
    heights = cloud.points[np.linalg.norm(cloud.points - center, axis=1) < 1.5 * radius, 2]
    return float(np.percentile(heights, 2)) if len(heights) else float(center[2] - radius)


def _grid(center: Float64, floor: float, reach: float) -> list[Float64]:
    """Lines (2, 3) on the ground, at round distances."""
    step = _round_number(reach / 4)
    reach = step * np.ceil(1.1 * reach / step)
    x0, y0 = np.round(center[:2] / step) * step
    lines = []
    for offset in np.arange(-reach, reach + step / 2, step):
        lines.append(np.array([[x0 + offset, y0 - reach, floor], [x0 + offset, y0 + reach, floor]]))
        lines.append(np.array([[x0 - reach, y0 + offset, floor], [x0 + reach, y0 + offset, floor]]))
    return lines


def _round_number(value: float) -> float:
    """1, 2 or 5 times a power of ten, at most ``value``."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(digit for digit in (1, 2, 5) if digit * power <= value * 1.0001))


def _frustum(model: SparseModel, photo_id: int, size: float) -> Float64:
    """Centre, four corners of the picture, and a mark above its upper edge: (6, 3), world."""
    photo = model.photos[photo_id]
    camera = model.camera_of(photo)
    w, h = camera.width, camera.height
    pixels = np.array([[0, 0], [w, 0], [w, h], [0, h], [w / 2, -0.22 * h]], np.float64)
    K = camera.K
    rays = np.column_stack(
        [(pixels[:, 0] - K[0, 2]) / K[0, 0], (pixels[:, 1] - K[1, 2]) / K[1, 1], np.ones(5)]
    )
    # As deep as makes all pictures equally large, whatever the focal length.
    rays *= size * K[0, 0] / max(w, h)
    return np.vstack([photo.center, (rays - photo.t) @ photo.R])


def _panel(
    eye: Eye, cloud: PointCloud, frusta: Sequence[Float64], grid: Sequence[Float64]
) -> UInt8:
    """One picture (side, side, 3)."""
    image = Image.new("RGB", (eye.width, eye.height), _PAPER)
    draw = ImageDraw.Draw(image, "RGBA")
    for line in grid:
        ends, depth = eye.project(line)
        if (depth > 0).all():
            draw.line([tuple(end) for end in ends.tolist()], fill=_GRID, width=_FINE)
    picture = _splat(np.array(image), eye, cloud)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    # The farthest first, so that near cameras cover far ones.
    depths = [float(eye.project(frustum[:1])[1][0]) for frustum in frusta]
    for index in np.argsort(depths)[::-1]:
        _draw_frustum(draw, eye, frusta[index], _color(index / max(len(frusta) - 1, 1)))
    return np.asarray(image)


def _color(share: float) -> tuple[int, ...]:
    """Of a photo ``share`` (0 to 1) of the way from the first to the last."""
    stops = np.linspace(0, 1, len(_COLORS))
    return tuple(round(float(np.interp(share, stops, _COLORS[:, i]))) for i in range(3))


def _draw_frustum(
    draw: ImageDraw.ImageDraw, eye: Eye, frustum: Float64, color: tuple[int, ...]
) -> None:
    pixels, depth = eye.project(frustum)
    if not (depth > 0).all():
        return
    apex, *corners, mark = [tuple(pixel) for pixel in pixels.tolist()]
    draw.polygon(corners, fill=(*color, 60))
    draw.polygon([corners[0], corners[1], mark], fill=(*color, 255))
    width = _FINE + 1
    for corner in corners:
        draw.line([apex, corner], fill=(*color, 255), width=width)
    draw.line([*corners, corners[0]], fill=(*color, 255), width=width, joint="curve")


def _splat(picture: UInt8, eye: Eye, cloud: PointCloud) -> UInt8:
    """The picture with the points drawn over it, near ones over far ones."""
    pixels, depth = eye.project(cloud.points)
    order = np.argsort(depth)[::-1]
    order = order[depth[order] > 0]
    x, y = np.floor(pixels[order]).astype(np.int64).T
    # Sparse clouds get larger dots, so that surfaces still look like surfaces.
    size = int(np.clip(np.rint(_FINE * np.sqrt(_POINTS / max(len(cloud), 1))), _FINE, 3 * _FINE))
    dots = [(dx, dy) for dy in range(size) for dx in range(size)]
    column = np.stack([x + dx for dx, _ in dots], axis=1).ravel()
    row = np.stack([y + dy for _, dy in dots], axis=1).ravel()
    colors = np.repeat(cloud.colors[order], len(dots), axis=0)
    inside = (column >= 0) & (column < eye.width) & (row >= 0) & (row < eye.height)
    # Of several points on a pixel, NumPy keeps the last: the nearest.
    picture[row[inside], column[inside]] = colors[inside]
    return picture
