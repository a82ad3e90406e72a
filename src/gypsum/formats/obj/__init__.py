"""Wavefront OBJ with its material file: Y up, as Blender and most other readers take it."""

from gypsum.formats.obj.read import read
from gypsum.formats.obj.write import obj

__all__ = ["obj", "read"]
