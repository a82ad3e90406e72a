"""Maps of the ground for other programs: GeoTIFF, contour lines as DXF and GeoJSON, a picture."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.dxf import Drawing
from gypsum.formats.geotiff import encode_heights
from gypsum.scene import Place
from gypsum.terrain.contours import contour_lines
from gypsum.terrain.ground import HeightMap

Float64 = NDArray[np.float64]

INDEX = 5
"""Every so many contour lines one is drawn more strongly."""
_SUN = np.array([-1.0, 1.0, 1.2]) / np.linalg.norm([-1.0, 1.0, 1.2])
"""From where maps are lit: the upper left."""
_PICTURE_SIDE = 1600

Line = tuple[float, Float64]
"""A height and points (N, 2), both in the larger frame."""


def encode_map(found: HeightMap, place: Place) -> bytes:
    """A GeoTIFF in the larger frame, heights in its unit."""
    corner = place.full(np.array([[found.west, found.north, 0.0]]))[0]
    unit_x, unit_y, unit_z = place.metres
    heights = (found.heights.astype(np.float64) / unit_z + place.origin[2]).astype(np.float32)
    cell = (found.cell / unit_x, found.cell / unit_y)
    return encode_heights(heights, float(corner[0]), float(corner[1]), cell, place.crs)


def lines_of(found: HeightMap, place: Place, interval: float) -> list[Line]:
    """Contour lines in the larger frame, ``interval`` of its units apart."""
    heights = found.heights.astype(np.float64) / place.metres[2] + place.origin[2]
    low, high = np.nanmin(heights), np.nanmax(heights)
    lines = []
    for number in range(int(np.ceil(low / interval)), int(np.floor(high / interval)) + 1):
        for line in contour_lines(heights, number * interval):
            x = found.west + (line[:, 1] + 0.5) * found.cell
            y = found.north - (line[:, 0] + 0.5) * found.cell
            full = place.full(np.stack([x, y, np.zeros_like(x)], axis=1))
            lines.append((number * interval, full[:, :2]))
    return lines


def encode_contours(found: HeightMap, place: Place, interval: float) -> dict[str, bytes]:
    """The lines as DXF and GeoJSON, by the file's name."""
    lines = lines_of(found, place, interval)
    drawing = Drawing({"CONTOURS": 8, "CONTOURS_INDEX": 7})
    features = []
    for height, line in lines:
        index = round(height / interval) % INDEX == 0
        drawing.polyline("CONTOURS_INDEX" if index else "CONTOURS", line, height=height)
        geometry = {"type": "LineString", "coordinates": line.round(4).tolist()}
        properties = {"height": round(height, 6), "index": index}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    collection: dict[str, object] = {"type": "FeatureCollection", "features": features}
    if place.crs is not None and place.crs.epsg is not None:
        # RFC 7946 knows only WGS 84; programs still read this member of its forerunner.
        name = f"urn:ogc:def:crs:EPSG::{place.crs.epsg}"
        collection["crs"] = {"type": "name", "properties": {"name": name}}
    return {"contours.dxf": drawing.encoded(), "contours.geojson": json.dumps(collection).encode()}


def picture(found: HeightMap, interval: float) -> NDArray[np.uint8]:
    """A shaded relief (H, W, 3) with contour lines, ``interval`` metres apart; white beyond."""
    step = max(1, -(-max(found.heights.shape) // _PICTURE_SIDE))
    heights = found.heights[::step, ::step].astype(np.float64)
    known = np.isfinite(heights)
    filled = np.where(known, heights, np.nanmin(heights))
    rise_y, rise_x = np.gradient(filled, found.cell * step)
    normal = np.stack([-rise_x, rise_y, np.ones_like(rise_x)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    light = np.clip(normal @ _SUN, 0, 1)
    share = (filled - filled.min()) / max(np.ptp(filled), 1e-9)
    tint = np.stack([np.interp(share, (0, 0.5, 1), tone) for tone in _TINTS], axis=2)
    shown = tint * (0.35 + 0.75 * light[..., None])
    level = np.floor(filled / interval)
    line = (level != np.roll(level, 1, axis=0)) | (level != np.roll(level, 1, axis=1))
    line[0], line[:, 0] = False, False
    shown[line] *= 0.6
    shown[~known] = 255
    pixels: NDArray[np.uint8] = np.clip(shown, 0, 255).astype(np.uint8)
    # Small maps are shown larger.
    larger = max(1, 900 // max(pixels.shape[:2]))
    return np.repeat(np.repeat(pixels, larger, axis=0), larger, axis=1)


_TINTS = ((150, 225, 205), (180, 215, 170), (140, 160, 130))
"""Red, green and blue of low, middle and high ground."""
