"""PLY: clouds and meshes (Turk 1994), Z up, in the world's unit."""

from gypsum.formats.ply.read import read, read_cloud, read_mesh
from gypsum.formats.ply.write import model, write_cloud, write_mesh

__all__ = ["model", "read", "read_cloud", "read_mesh", "write_cloud", "write_mesh"]
