"""From a fused cloud to a clean mesh of the asked size."""

from gypsum.surface.reconstruct import SurfaceOptions, reconstruct_surface
from gypsum.surface.refinement import RefineOptions, refine
from gypsum.surface.region import choose_region, subject_box
from gypsum.surface.simplification import simplify

__all__ = [
    "RefineOptions",
    "SurfaceOptions",
    "choose_region",
    "reconstruct_surface",
    "refine",
    "simplify",
    "subject_box",
]
