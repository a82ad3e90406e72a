"""Texture: the photos painted onto the mesh, one atlas without visible seams."""

from gypsum.texture.bake import bake_texture
from gypsum.texture.facts import TextureFacts

__all__ = ["TextureFacts", "bake_texture"]
