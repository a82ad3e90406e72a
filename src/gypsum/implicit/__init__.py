"""Surfaces of plain, glossy and metallic things: a bound from silhouettes, a field within it."""

from gypsum.implicit.hull import Hull, carve
from gypsum.implicit.observation import Observation

__all__ = ["Hull", "Observation", "carve"]
