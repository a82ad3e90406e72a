"""Terrain: the bare ground, and maps of it."""

from gypsum.terrain.contours import contour_lines, interval_for
from gypsum.terrain.ground import HeightMap, height_map
from gypsum.terrain.maps import encode_contours, encode_map, picture

__all__ = [
    "HeightMap",
    "contour_lines",
    "encode_contours",
    "encode_map",
    "height_map",
    "interval_for",
    "picture",
]
