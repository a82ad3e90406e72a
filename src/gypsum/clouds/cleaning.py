"""Points that lie on no surface, and the normals of those that do.

A stray is told by its neighbours: they are much further away than they are from each other (a local
form of the usual statistical outlier removal, Rusu et al. 2008, which takes one threshold for all
of a cloud although scans are denser near the scanner), or much further than any usual point's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gypsum.clouds.gathering import Gathered
from gypsum.clouds.orientation import orient
from gypsum.errors import ReconstructionError
from gypsum.native import _cloud
from gypsum.scene import PointCloud, Progress, no_progress

#: Neighbours that tell about a point.
NEIGHBOURS = 14
#: A stray's neighbours are this many times further away than their own ...
CONTRAST = 2.5
#: ... or this many times, and by so many robust standard deviations, further than usual.
FAR, DEVIATIONS = 5.0, 6.0
#: Vertical part of the normals of what is seen from the air, at least.
LYING = 0.3
#: A group of fewer points than this is no surface.
FEWEST = 30
#: The local resolution is the spacing, or this many times the noise where that is larger.
PER_NOISE = 1.5


@dataclass(frozen=True)
class Cleaned:
    """What is left, with normals and radii, and what was found out."""

    cloud: PointCloud
    removed: int
    """Strays."""
    spacing: float
    """Median distance between neighbouring points, metres."""
    noise: float
    """Median distance of points from the plane of their neighbours, metres."""
    oriented: str
    """How normals got their direction: scanners, or neighbours."""


def clean(
    gathered: Gathered,
    *,
    inside: bool = False,
    above: bool = False,
    threads: int = 0,
    progress: Progress = no_progress,
) -> Cleaned:
    """Strays removed, normals pointing to the side that was seen.

    Where files don't tell from where points were seen, ``inside`` says that it was from within a
    closed space, and ``above`` that it was from the air.
    """
    cloud, facing = gathered.cloud, gathered.facing
    progress(0.0, f"looking for strays among {len(cloud):,} points")
    distance, *_, contrast = _cloud.local_shape(cloud.points, NEIGHBOURS, threads)
    keep = ~_strays(distance, contrast)
    if keep.sum() < FEWEST:
        raise ReconstructionError(
            f"The file holds {len(cloud):,} different points, too few for a surface."
        )
    cloud, facing = cloud.select(keep), facing[keep]
    progress(0.5, "finding which way the surface faces")
    distance, normals, roughness, _ = _cloud.local_shape(cloud.points, NEIGHBOURS, threads)
    # On a surface with one point in a square of side s, k neighbours are 2 s / 3 sqrt(k / pi) away.
    spacing = distance * np.float32(1.5 * np.sqrt(np.pi / NEIGHBOURS))
    noise = float(np.median(roughness))
    seen = np.abs(facing).sum(axis=1) > 0
    if above:
        lying = ~seen & (np.abs(normals[:, 2]) > LYING)
        facing = np.where(lying[:, None], np.array([0, 0, 1], np.float32), facing)
    progress(0.7, "turning normals to the side that was seen")
    normals = orient(cloud.points, normals, facing, inside=inside, threads=threads)
    radii = np.maximum(spacing, np.float32(PER_NOISE * noise)).astype(np.float32)
    cleaned = replace(cloud, normals=normals, radii=np.maximum(radii, np.float32(1e-9)))
    return Cleaned(
        cleaned,
        int((~keep).sum()),
        float(np.median(spacing)),
        noise,
        "scanners" if seen.mean() > 0.5 else "neighbours",
    )


def _strays(distance: NDArray[np.float32], contrast: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) from the mean distance to the neighbours, and that in relation to theirs."""
    size = np.log(np.maximum(distance, 1e-12))
    middle = float(np.median(size))
    spread = 1.48 * float(np.median(np.abs(size - middle)))
    far = (size > middle + DEVIATIONS * spread) & (size > middle + np.log(FAR))
    return np.asarray((contrast > CONTRAST) | far)
