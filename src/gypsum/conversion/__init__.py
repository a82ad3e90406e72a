"""Conversion: what a finished model may be asked to go through on its way into another file."""

from gypsum.conversion.fields import inside, limited, pruned
from gypsum.conversion.placement import centered, scaled
from gypsum.conversion.reduction import recolored, reduce_faces, seams_bind
from gypsum.conversion.textures import shrink_textures
from gypsum.conversion.transfer import BAND, Frames, Sheet, bring_over, places_of
from gypsum.conversion.unwrapping import choose_directions, far_views

__all__ = [
    "BAND",
    "Frames",
    "Sheet",
    "bring_over",
    "centered",
    "choose_directions",
    "far_views",
    "inside",
    "limited",
    "places_of",
    "pruned",
    "recolored",
    "reduce_faces",
    "scaled",
    "seams_bind",
    "shrink_textures",
]
