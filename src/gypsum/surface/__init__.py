"""From a fused cloud to a clean mesh of the asked size."""

from gypsum.surface.reconstruct import SurfaceOptions, reconstruct_surface
from gypsum.surface.refinement import RefineOptions, refine
from gypsum.surface.region import choose_region, subject_box
from gypsum.surface.simplification import simplify
from gypsum.surface.volume import TsdfVolume

__all__ = [
    "RefineOptions",
    "SurfaceOptions",
    "TsdfVolume",
    "choose_region",
    "reconstruct_surface",
    "refine",
    "simplify",
    "subject_box",
]
