"""Conversion: what a finished model may be asked to go through on its way into another file."""

from gypsum.conversion.placement import centered, scaled
from gypsum.conversion.reduction import recolored, reduce_faces, seams_bind
from gypsum.conversion.textures import shrink_textures
from gypsum.conversion.transfer import Frames, Sheet, bring_over
from gypsum.conversion.unwrapping import choose_directions, far_views

__all__ = [
    "Frames",
    "Sheet",
    "bring_over",
    "centered",
    "choose_directions",
    "far_views",
    "recolored",
    "reduce_faces",
    "scaled",
    "seams_bind",
    "shrink_textures",
]
