"""Screened Poisson surface reconstruction (Kazhdan and Hoppe 2013), as pycolmap brings it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from gypsum.errors import ReconstructionError
from gypsum.formats.ply import read_mesh, write_cloud
from gypsum.scene import Mesh, PointCloud

#: The cube that the octree divides is this much larger than the cloud's bounding box.
CUBE = 1.1
#: Depths beyond 13 would need more than 8 GiB; below 5 there is no shape left.
DEPTHS = (5, 13)


def octree_depth(extent: float, cell: float) -> int:
    """The depth at which leaves are as small as ``cell``, for a cloud this large along an axis."""
    if extent <= 0 or cell <= 0:
        return DEPTHS[0]
    return min(max(math.ceil(math.log2(CUBE * extent / cell)), DEPTHS[0]), DEPTHS[1])


def poisson(cloud: PointCloud, depth: int, point_weight: float = 1.0) -> Mesh:
    """The zero set of the indicator function that fits the oriented points best.

    It is closed: where there are no points it is a smooth guess, to be trimmed by the caller.
    """
    # pycolmap and Pillow each bring a zlib: Pillow's must be loaded first.
    import PIL.Image  # noqa: F401
    import pycolmap

    options = pycolmap.PoissonMeshingOptions()
    options.depth = depth
    options.point_weight = point_weight
    options.trim = 0.0
    options.color = False
    # With several threads the sums come in another order each time, and so do the vertices: the
    # same photos must give the same model. Its threads also wait by spinning: on a busy machine two
    # of them took ten times as long as one.
    options.num_threads = 1
    with tempfile.TemporaryDirectory(prefix="gypsum-poisson-") as folder:
        given, made = Path(folder) / "cloud.ply", Path(folder) / "mesh.ply"
        write_cloud(given, replace(cloud, radii=None, support=None))
        pycolmap.poisson_meshing(given, made, options)
        if not made.is_file():
            raise ReconstructionError(
                "No surface could be fitted to the points: there are too few of them, or memory or "
                "the temporary folder ran out."
            )
        mesh = read_mesh(made)
    return Mesh(mesh.vertices, np.ascontiguousarray(mesh.faces))
