"""Surfaces of plain, glossy and metallic things: a bound from silhouettes, a field within it."""

from gypsum.implicit.field import Drawn, Field
from gypsum.implicit.fit import fit
from gypsum.implicit.hull import Hull, carve
from gypsum.implicit.observation import Observation
from gypsum.implicit.settings import ImplicitSettings, Level

__all__ = [
    "Drawn",
    "Field",
    "Hull",
    "ImplicitSettings",
    "Level",
    "Observation",
    "carve",
    "fit",
]
