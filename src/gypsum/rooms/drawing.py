"""Plans with dimensions, as SVG for looking at and as DXF for drawing on."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.dxf import Drawing
from gypsum.rooms.outline import Plan, Room

Float64 = NDArray[np.float64]
_Pixels = Callable[[Float64], tuple[float, float]]
"""Where in a picture a point (2,) lies."""

PIXELS = 100.0
"""Of the picture for a metre, up to ``WIDEST``."""
WIDEST = 1400.0
MARGIN = 0.9
"""Metres around the rooms, for dimensions."""
AWAY = 0.35
"""Metres from a wall to its dimension."""
TEXT = 0.16
"""Height of texts, metres on the ground."""
LEAST = 0.15
"""Shorter walls, metres, go without a dimension."""


def encode_svg(plan: Plan) -> bytes:
    """A picture with lengths, areas and heights."""
    low = np.min([room.corners.min(axis=0) for room in plan.rooms], axis=0) - MARGIN
    high = np.max([room.corners.max(axis=0) for room in plan.rooms], axis=0) + MARGIN
    size = high - low
    scale = min(PIXELS, WIDEST / float(size.max()))

    def at(point: Float64) -> tuple[float, float]:
        return float((point[0] - low[0]) * scale), float((high[1] - point[1]) * scale)

    width, height = size * scale
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.1f} {height:.1f}" '
        f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" '
        f'text-anchor="middle" font-size="{TEXT * scale:.1f}">',
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="#fff"/>',
    ]
    for room in plan.rooms:
        corners = " ".join("{:.2f},{:.2f}".format(*at(corner)) for corner in room.corners)
        parts.append(
            f'<polygon points="{corners}" fill="#f3efe6" stroke="#222" '
            f'stroke-width="{0.06 * scale:.1f}" stroke-linejoin="miter"/>'
        )
        for start, end, outwards in _dimensions(room):
            parts += _svg_dimension(at, start, end, outwards)
        x, y = at(room.center)
        for line, words in enumerate(_words(plan, room)):
            below = (line - 0.2) * 1.35 * TEXT * scale
            parts.append(
                f'<text x="{x:.1f}" y="{y + below:.1f}" fill="#222">{escape(words)}</text>'
            )
    parts.append(_scale_bar(float(width), float(height), scale))
    return "\n".join([*parts, "</svg>", ""]).encode()


def encode_dxf(plan: Plan) -> bytes:
    """A drawing in metres, with layers for walls, dimensions and texts."""
    drawing = Drawing({"WALLS": 7, "DIMENSIONS": 5, "TEXTS": 3})
    for room in plan.rooms:
        drawing.polyline("WALLS", room.corners, closed=True)
        for start, end, outwards in _dimensions(room):
            shift = AWAY * outwards
            drawing.line("DIMENSIONS", start + shift, end + shift)
            for corner in (start, end):
                drawing.line("DIMENSIONS", corner + 0.2 * shift, corner + 1.2 * shift)
            place = (start + end) / 2 + shift + 0.7 * TEXT * outwards
            length = float(np.linalg.norm(end - start))
            drawing.text("DIMENSIONS", place, TEXT, f"{length:.2f}", _angle(start, end))
        for line, words in enumerate(_words(plan, room)):
            below = np.array([0.0, -1.35 * TEXT * line])
            drawing.text("TEXTS", room.center + below, TEXT, words)
    return drawing.encoded()


def _words(plan: Plan, room: Room) -> list[str]:
    what = "Height" if plan.has_ceiling else "Walls seen up to"
    return [f"{room.area:.2f} m²", f"{what} {room.height:.2f} m"]


def _dimensions(room: Room) -> list[tuple[Float64, Float64, Float64]]:
    """Where each wall begins and ends, and its outward direction."""
    found = []
    for start, end in zip(room.corners, np.roll(room.corners, -1, axis=0), strict=True):
        along = end - start
        length = float(np.linalg.norm(along))
        if length >= LEAST:
            # The inside is on the left of walls that run counter-clockwise.
            found.append((start, end, np.array([along[1], -along[0]]) / length))
    return found


def _angle(start: Float64, end: Float64) -> float:
    """Of a text along a wall, degrees, so that it can be read from below or from the right."""
    degrees = float(np.degrees(np.arctan2(end[1] - start[1], end[0] - start[0])))
    turned = (degrees + 90) % 180 - 90
    return 90.0 if turned <= -89.9 else turned


def _svg_dimension(at: _Pixels, start: Float64, end: Float64, outwards: Float64) -> list[str]:
    shift = AWAY * outwards
    (x1, y1), (x2, y2) = at(start + shift), at(end + shift)
    thin = 'stroke="#36c" stroke-width="1"'
    parts = [f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {thin}/>']
    for corner in (start, end):
        (u1, v1), (u2, v2) = at(corner + 0.2 * shift), at(corner + 1.2 * shift)
        parts.append(f'<line x1="{u1:.1f}" y1="{v1:.1f}" x2="{u2:.1f}" y2="{v2:.1f}" {thin}/>')
    x, y = at((start + end) / 2 + shift + 0.7 * TEXT * outwards)
    length = float(np.linalg.norm(end - start))
    angle = -_angle(start, end)
    parts.append(
        f'<text transform="translate({x:.1f} {y:.1f}) rotate({angle:.1f})" fill="#36c" '
        f'dominant-baseline="middle">{length:.2f} m</text>'
    )
    return parts


def _scale_bar(width: float, height: float, scale: float) -> str:
    x, y = width - 0.25 * scale, height - 0.2 * scale
    return (
        f'<path d="M{x - scale:.1f} {y:.1f}H{x:.1f}" stroke="#222" stroke-width="3"/>'
        f'<text x="{x - scale / 2:.1f}" y="{y - 6:.1f}" fill="#222">1 m</text>'
    )
