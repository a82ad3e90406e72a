"""XYZ: a text file of coloured, oriented points, one a line: x y z nx ny nz red green blue."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import colors_at, vertex_colors
from gypsum.formats.corners import unit_normals, z_up
from gypsum.formats.limits import MOST_ELEMENTS
from gypsum.formats.options import WriteOptions
from gypsum.formats.sampling import blend, draw_on_surface
from gypsum.formats.source import Source
from gypsum.scene import Place, PointCloud, TexturedMesh

POINTS = 200_000
"""Enough for a dense look; about 12 MB of text."""


def xyz(
    path: Path,
    model: TexturedMesh | PointCloud,
    options: WriteOptions,  # noqa: ARG001
) -> dict[Path, bytes]:
    """A cloud's points; of a mesh the vertices, and points spread evenly over it; Z up, metres."""
    cloud = model if isinstance(model, PointCloud) else surface_points(model, POINTS)
    place = cloud.place
    points = cloud.points if place is None else place.full(cloud.points)
    table = np.hstack([points, cloud.normals, cloud.colors])
    # Of a larger frame, a tenth of a millimetre; of degrees as much.
    digits = ["%.7g"] * 3 if place is None else [_digits(metres) for metres in place.metres]
    buffer = io.BytesIO()
    np.savetxt(buffer, table, " ".join(digits) + " %.4f %.4f %.4f %d %d %d")
    return {path: buffer.getvalue()}


def _digits(metres: float) -> str:
    return f"%.{max(0, 4 + round(np.log10(metres)))}f"


def surface_points(model: TexturedMesh, count: int) -> PointCloud:
    """All vertices, then points drawn uniformly from the surface up to ``count`` in all."""
    mesh = model.mesh
    normals = unit_normals(mesh)
    extra = max(0, count - len(mesh.vertices))
    face, weights = draw_on_surface(mesh.vertices[mesh.faces], extra)
    blended = blend(weights, normals[mesh.faces[face]])
    length = np.linalg.norm(blended, axis=1, keepdims=True)
    # Opposite normals may cancel out at a fold: any of the three will do there.
    drawn = np.where(
        length > 1e-6, blended / np.maximum(length, 1e-6), normals[mesh.faces[face, 0]]
    )
    return PointCloud(
        np.vstack([mesh.vertices, blend(weights, mesh.vertices[mesh.faces[face]])]),
        np.vstack([normals, drawn.astype(np.float32)]),
        np.vstack([vertex_colors(model), colors_at(model, face, weights)]),
    )


def read(source: Source, up_axis: str = "z") -> PointCloud:
    """Read points with, where they are there, normals and colours, in either order.

    Blanks, commas or semicolons between numbers; lines that are no numbers at the beginning, and
    comments, are left out. Further columns are left out too.
    """
    table = _table(source)
    exact, place = table[:, :3], Place()
    if up_axis == "z" and np.isfinite(exact).all():
        place = Place.around(exact.min(axis=0), exact.max(axis=0))
    points = np.ascontiguousarray(place.local(exact), np.float32)
    normals = np.zeros_like(points)
    colors = np.full(points.shape, _GRAY, np.uint8)
    if table.shape[1] >= 9:
        first, second = table[:, 3:6], table[:, 6:9]
        first, second = (second, first) if _are_normals(second) else (first, second)
        normals, colors = first.astype(np.float32), _as_colors(second)
    elif table.shape[1] >= 6:
        # The last three: intensity may stand before colours.
        rest = table[:, -3:]
        if _are_normals(rest):
            normals = rest.astype(np.float32)
        else:
            colors = _as_colors(rest)
    if not np.isfinite(points).all():
        raise source.fail("has positions that are no numbers; it is damaged")
    if up_axis == "y":
        points, normals = z_up(points), z_up(normals)
    normals = np.nan_to_num(normals)
    return PointCloud(points, normals, colors, place=None if place.trivial else place)


_GRAY = 190
"""Of points without a colour."""


def _table(source: Source) -> NDArray[np.float64]:
    text = source.read().decode(errors="replace").replace(",", " ").replace(";", " ")
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] not in "#/"]
    while lines and not _is_row(lines[0]):
        lines.pop(0)
    if not lines:
        raise source.fail("holds no points")
    try:
        table = np.loadtxt(lines, ndmin=2, comments=None, max_rows=MOST_ELEMENTS)
    except ValueError:
        raise source.fail("has lines of different lengths or words among its numbers") from None
    return np.asarray(table)


def _is_row(line: str) -> bool:
    """Whether a line is a point; a heading or a count of points is not."""
    words = line.split()
    try:
        return len([float(word) for word in words]) >= 3
    except ValueError:
        return False


def _are_normals(values: NDArray[np.float64]) -> bool:
    length = np.linalg.norm(values, axis=1)
    return bool(((np.abs(length - 1) < 0.05) | (length == 0)).mean() > 0.9 and length.any())


def _as_colors(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """sRGB bytes; fractions of one where nothing is above one."""
    values = np.nan_to_num(values)
    scale = 255 if values.max() <= 1 and (values % 1).any() else 1
    return np.asarray(np.clip(np.rint(values * scale), 0, 255), np.uint8)
