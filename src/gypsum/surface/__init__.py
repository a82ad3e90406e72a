"""From a fused cloud to a clean mesh of the asked size."""

from gypsum.surface.reconstruct import SurfaceOptions, reconstruct_surface
from gypsum.surface.refinement import RefineOptions, refine
from gypsum.surface.region import Region, choose_region
from gypsum.surface.simplification import simplify

__all__ = [
    "RefineOptions",
    "Region",
    "SurfaceOptions",
    "choose_region",
    "reconstruct_surface",
    "refine",
    "simplify",
]
