"""PLY: clouds, meshes (Turk 1994) and Gaussian splats, Z up, in the world's unit."""

from gypsum.formats.ply.read import read, read_cloud, read_mesh
from gypsum.formats.ply.splats import read_splats, write_splats
from gypsum.formats.ply.write import model, write_cloud, write_mesh

__all__ = [
    "model",
    "read",
    "read_cloud",
    "read_mesh",
    "read_splats",
    "write_cloud",
    "write_mesh",
    "write_splats",
]
