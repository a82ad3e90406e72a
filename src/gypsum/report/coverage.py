"""From which sides a thing was photographed, and from which it hardly was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gypsum.scene import SparseModel

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

NEAR = 25.0
"""A photo shows well what faces it within this angle, degrees."""
ENOUGH = 2
"""With fewer photos near a direction it is weakly covered: depths need at least two."""
_AROUND = 0.6
"""Cameras that aim at their common middle within this cosine, on average, look at one thing."""
_LOWEST = np.radians(-15)
_SURROUNDED = 0.6
"""With this share of the directions around covered, the rest was meant to be covered too."""
_SECTORS = (
    "front", "front right", "right", "back right", "back", "back left", "left", "front left",
)  # fmt: skip
_LEVELS = {"low down": 16.0, "halfway up": 40.0}
_MOST = 5
"""Of eight sectors; more are not worth counting up."""
_TOP = "above"
_TOP_NEAR = 40.0
"""Straight above counts as seen within this angle: what is flat there is seen slanted as well."""

_FINE = 2
"""Drawn at this many times the size, then shrunk: lines without steps."""
_PAPER, _INK, _SOFT = (247, 246, 243), (60, 64, 70), (150, 148, 142)
_NONE, _WEAK, _GOOD = (238, 190, 170), (244, 226, 178), (201, 224, 203)
_FIRST, _LAST = (36, 92, 172), (228, 118, 38)


@dataclass(frozen=True)
class Coverage:
    """Where the cameras are, seen from what they look at."""

    directions: Float64
    """(N, 3) unit vectors towards the cameras, in the order of their names."""
    front: float
    """Azimuth of the first photo, radians: people often begin at the front."""

    def count(self, directions: Float64, near: float = NEAR) -> NDArray[np.int64]:
        """(M,) how many photos look from each direction (M, 3)."""
        cosine = directions @ self.directions.T
        counts: NDArray[np.int64] = (cosine >= np.cos(np.radians(near))).sum(axis=1)
        return counts

    @property
    def weak(self) -> tuple[str, ...]:
        """Directions that few photos look from, in words; none of a thing that was photographed
        from one side on purpose."""
        azimuths = self.front + np.arange(8) * np.pi / 4
        few = {
            level: self.count(_directions(azimuths, np.radians(elevation))) < ENOUGH
            for level, elevation in _LEVELS.items()
        }
        nowhere = np.all(list(few.values()), axis=0)
        if nowhere.mean() > 1 - _SURROUNDED:
            return ()
        found = [f"the {name}" for name, lacks in zip(_SECTORS, nowhere, strict=True) if lacks]
        for level, lacks in few.items():
            alone = lacks & ~nowhere
            if alone.sum() >= _MOST:
                found.append(f"most sides, {level}")
            else:
                names = [name for name, one in zip(_SECTORS, alone, strict=True) if one]
                found += [f"the {name}, {level}" for name in names]
        if self.count(np.array([[0.0, 0.0, 1.0]]), _TOP_NEAR)[0] < 1:
            found.append(_TOP)
        return tuple(found)


def find_coverage(model: SparseModel) -> Coverage | None:
    """The coverage of the one thing that all photos show; None when there is no such thing.

    Its middle is the point nearest to all optical axes.
    """
    photos = sorted(model.photos.values(), key=lambda photo: photo.name)
    if len(photos) < 3:
        return None
    centers = np.array([photo.center for photo in photos])
    views = np.array([photo.R[2] for photo in photos])
    across = np.eye(3) - views[:, :, None] * views[:, None, :]
    normal = across.sum(axis=0)
    if np.linalg.eigvalsh(normal)[0] < 0.02 * len(views):
        return None
    middle = np.linalg.solve(normal, np.einsum("nij,nj->i", across, centers))
    directions = centers - middle
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    if -(directions * views).sum(axis=1).mean() < _AROUND:
        return None
    front = float(np.arctan2(directions[0, 1], directions[0, 0]))
    return Coverage(directions, front)


def draw_coverage(coverage: Coverage, height: int = 520) -> UInt8:
    """Two charts side by side: directions seen from above, and unrolled as from the side."""
    side = height * _FINE
    chart = Image.new("RGB", (round(2.75 * side), side), _PAPER)
    _draw_disc(chart, coverage, side)
    _draw_panorama(chart, coverage, side, round(1.75 * side))
    return np.asarray(
        chart.resize((chart.width // _FINE, chart.height // _FINE), Image.Resampling.BOX)
    )


def _draw_disc(chart: Image.Image, coverage: Coverage, side: int) -> None:
    """Straight above is the middle, the horizon the rim; the front is at the bottom."""
    middle, radius = side / 2, 0.40 * side
    rows, columns = np.mgrid[:side, :side] + 0.5
    x, y = (columns - middle) / radius, (middle - rows) / radius
    distance = np.hypot(x, y)
    azimuth = coverage.front + np.pi / 2 + np.arctan2(y, x)
    elevation = np.pi / 2 * (1 - distance)
    pixels = np.array(chart)
    inside = distance <= 1
    pixels[:, :side][inside] = _colors(coverage, azimuth[inside], elevation[inside])
    chart.paste(Image.fromarray(pixels))
    draw = ImageDraw.Draw(chart)
    for degrees in (0, 30, 60):
        r = radius * (1 - degrees / 90)
        draw.ellipse([middle - r, middle - r, middle + r, middle + r], outline=_SOFT, width=_FINE)
    font = ImageFont.load_default(0.032 * side)
    for text, dx, dy in (("front", 0, 1), ("right", 1, 0), ("back", 0, -1), ("left", -1, 0)):
        place = middle + 1.12 * radius * dx, middle + 1.09 * radius * dy
        draw.text(place, text, fill=_INK, font=font, anchor="mm")
    for degrees in (30, 60):
        place = middle + 0.015 * side, middle - radius * (1 - degrees / 90)
        draw.text(place, f"{degrees}°", fill=_SOFT, font=font, anchor="lm")
    azimuths, elevations = _angles(coverage.directions)
    turned = azimuths - coverage.front - np.pi / 2
    reach = radius * (1 - np.clip(elevations, 0, None) / (np.pi / 2))
    places = np.stack([middle + reach * np.cos(turned), middle - reach * np.sin(turned)], axis=1)
    _draw_cameras(draw, places, 0.012 * side)


def _draw_panorama(chart: Image.Image, coverage: Coverage, side: int, width: int) -> None:
    """Azimuth to the right, from the back over the front to the back again; elevation upwards."""
    left, right = side + 0.10 * side, side + width - 0.06 * side
    top, bottom = 0.16 * side, 0.80 * side
    azimuths, elevations = _angles(coverage.directions)
    lowest, highest = min(_LOWEST, elevations.min() - np.radians(5)), np.pi / 2
    columns = np.arange(round(left), round(right))
    rows = np.arange(round(top), round(bottom))
    azimuth = coverage.front + np.pi * (2 * (columns - left) / (right - left) - 1)
    elevation = highest - (highest - lowest) * (rows - top) / (bottom - top)
    grid_a, grid_e = np.meshgrid(azimuth, elevation)
    colors = _colors(coverage, grid_a.ravel(), grid_e.ravel()).reshape(*grid_a.shape, 3)
    chart.paste(Image.fromarray(colors), (round(left), round(top)))
    draw = ImageDraw.Draw(chart)
    font = ImageFont.load_default(0.032 * side)

    def height_of(angle: Float64 | float) -> Float64:
        return np.asarray(top + (highest - angle) / (highest - lowest) * (bottom - top))

    for degrees in (0, 30, 60, 90):
        y = float(height_of(np.radians(degrees)))
        draw.line([left, y, right, y], fill=_SOFT, width=_FINE)
        draw.text((left - 0.015 * side, y), f"{degrees}°", fill=_SOFT, font=font, anchor="rm")
    for sector, text in enumerate(("back", "left", "front", "right", "back")):
        x = left + (right - left) * sector / 4
        draw.line([x, top, x, bottom], fill=_SOFT, width=_FINE)
        draw.text((x, bottom + 0.03 * side), text, fill=_INK, font=font, anchor="mt")
    turned = (azimuths - coverage.front + np.pi) % (2 * np.pi)
    places = np.stack([left + (right - left) * turned / (2 * np.pi), height_of(elevations)], axis=1)
    _draw_cameras(draw, places, 0.012 * side)
    x = left
    for color, text in (
        (_GOOD, f"{ENOUGH} or more photos within {NEAR:.0f}°"), (_WEAK, "one photo"),
        (_NONE, "no photo"),
    ):  # fmt: skip
        box = [x, 0.925 * side, x + 0.04 * side, 0.96 * side]
        draw.rectangle(box, fill=color, outline=_SOFT, width=_FINE)
        draw.text((x + 0.055 * side, 0.9425 * side), text, fill=_INK, font=font, anchor="lm")
        x += 0.11 * side + draw.textlength(text, font)


def _draw_cameras(draw: ImageDraw.ImageDraw, places: Float64, radius: float) -> None:
    for number, (x, y) in enumerate(places.tolist()):
        share = number / max(len(places) - 1, 1)
        color = tuple(round(a + share * (b - a)) for a, b in zip(_FIRST, _LAST, strict=True))
        box = [x - radius, y - radius, x + radius, y + radius]
        draw.ellipse(box, fill=color, outline=_PAPER, width=_FINE)


def _colors(coverage: Coverage, azimuth: Float64, elevation: Float64) -> UInt8:
    """(M, 3) colour of each direction by how many photos look from there."""
    counts = coverage.count(_directions(azimuth, elevation))
    palette = np.array([_NONE, _WEAK, _GOOD], np.uint8)
    return palette[np.where(counts >= ENOUGH, 2, np.minimum(counts, 1))]


def _directions(azimuth: Float64, elevation: Float64 | float) -> Float64:
    """(M, 3) unit vectors, Z up."""
    flat = np.cos(elevation)
    parts = [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation) + 0 * azimuth]
    return np.stack(parts, axis=1)


def _angles(directions: Float64) -> tuple[Float64, Float64]:
    """Azimuths and elevations (N,), radians."""
    return (
        np.arctan2(directions[:, 1], directions[:, 0]),
        np.arcsin(np.clip(directions[:, 2], -1, 1)),
    )
