"""Conversion: what a finished model may be asked to go through on its way into another file."""

from gypsum.conversion.placement import centered, scaled
from gypsum.conversion.reduction import reduce_faces
from gypsum.conversion.textures import shrink_textures

__all__ = ["centered", "reduce_faces", "scaled", "shrink_textures"]
