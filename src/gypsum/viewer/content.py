"""From any file that Gypsum reads to one of three that the page shows, Y up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gypsum.formats import Asset, Model, read_asset, write_model
from gypsum.formats.corners import y_up
from gypsum.formats.ply import write_cloud, write_splats
from gypsum.formats.splats.frames import from_world
from gypsum.scene import Mesh, PointCloud, Splats, TexturedMesh

MOST_POINTS = 4_000_000
"""A graphics card of a laptop still turns so many smoothly."""

_STRAY = 0.02
"""This share of points may be anywhere around what they show."""

_REACH = 1.6
"""Of a field of splats so many times the distance from its middle in which a half of them are: all
of an object, and of a scene the part that has the most detail."""


@dataclass(frozen=True)
class Shown:
    """What the page is told."""

    name: str
    kind: str
    """``splats``, ``mesh`` or ``points``."""
    text: str
    """How many there are, and how large it is."""
    content: str
    """Name of the file beside the page."""
    center: tuple[float, float, float]
    """Of what there is to see, Y up."""
    radius: float
    """Of a sphere around it that holds nearly all."""
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def prepare(path: Path, folder: Path, *, up_axis: str | None = None) -> tuple[Shown, Path]:
    """Read a model and leave in ``folder`` what the page loads.

    Args:
        path: a file of any format that is read.
        folder: an empty one.
        up_axis: which axis is up, for files that don't say it.

    Returns:
        What the page is told, and the file that it loads.
    """
    warnings: list[str] = []
    asset = read_asset(path, up_axis=up_axis, warn=warnings.append)
    kind, text, file = _write(asset, folder, warnings.append)
    center, radius = _bounds(asset)
    shown = Shown(path.name, kind, text, file.name, center, radius, tuple(warnings))
    return shown, file


def _write(asset: Asset, folder: Path, warn: Callable[[str], None]) -> tuple[str, str, Path]:
    if isinstance(asset, Splats):
        file = folder / "content.ply"
        write_splats(file, from_world(asset, "y"))
        return "splats", f"{len(asset):,} splats", file
    if isinstance(asset, PointCloud):
        count = len(asset.points)
        if count > MOST_POINTS:
            warn(f"Of {count:,} points {MOST_POINTS:,} are shown.")
            asset = asset.select(np.linspace(0, count - 1, MOST_POINTS).astype(np.int64))
        file = folder / "content.ply"
        turned = PointCloud(y_up(asset.points), y_up(asset.normals), asset.colors)
        write_cloud(file, turned)
        return "points", f"{count:,} points", file
    file = folder / "content.glb"
    write_model(file, asset, "glb")
    return "mesh", f"{len(_mesh(asset).faces):,} triangles", file


def _mesh(model: Model) -> Mesh:
    assert not isinstance(model, PointCloud)
    return model.mesh if isinstance(model, TexturedMesh) else model


def _bounds(asset: Asset) -> tuple[tuple[float, float, float], float]:
    """Middle, Y up, and radius of what there is to see."""
    if isinstance(asset, Splats):
        means = y_up(asset.means).astype(np.float64)
        middle = np.median(means, axis=0)
        radius = _REACH * float(np.median(np.linalg.norm(means - middle, axis=1)))
    else:
        is_cloud = isinstance(asset, PointCloud)
        points = asset.points if isinstance(asset, PointCloud) else _mesh(asset).vertices
        stray = _STRAY if is_cloud else 0.0
        low, high = np.quantile(y_up(points).astype(np.float64), [stray, 1 - stray], axis=0)
        middle, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    x, y, z = (float(value) for value in middle)
    return (x, y, z), max(radius, 1e-6)
