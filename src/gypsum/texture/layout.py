"""Where the charts lie in the texture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.native import _texture
from gypsum.texture.charts import Charts, plane_areas

FULL = 1.0
"""Texels for each photo pixel, along one side, that keep the photos' whole resolution."""
FINEST = 3.0
"""Texels for each photo pixel at most. Up to two keep detail that a viewer's bilinear filter and
oblique pieces would blur (0.1 dB on rendered test views); the rest would stay empty otherwise."""
FULLEST = 0.9
"""Square root of the share of the texture that charts may cover at best: the search begins here."""
USUAL_USE = 0.72
"""Share of the texture that charts usually cover."""
SHRINK = 0.99
"""Step of the search for the largest scale that fits."""
MOST_TRIES = 200
GRID = 1024
"""Charts are placed on a grid of this many cells across a page."""
PADDING = 1 / 1024
"""Room around each chart, share of the side. Two charts are twice this apart, and the rest of the
room is filled from around, so that mip-maps down to 512 texels mix no foreign colours."""


@dataclass(frozen=True)
class Layout:
    """Where the charts lie: on square pages, one below the other."""

    size: int
    """Texels along one side of a page."""
    pages: int
    padding: int
    """Texels around each chart that repeat its colours."""
    scale: float
    """Texels for each photo pixel."""
    uvs: NDArray[np.float32]
    """(T, 2) in texels, x right, y down from the first page's top-left corner."""
    page: NDArray[np.int32]
    """(C,) the page of each chart."""

    def texture_coordinates(self, charts: Charts) -> NDArray[np.float32]:
        """(T, 2) in [0, 1] on the chart's page, origin bottom-left."""
        top = self.page[charts.of_corner] * self.size
        across = self.uvs[:, 0] / self.size
        up = 1 - (self.uvs[:, 1] - top) / self.size
        coordinates: NDArray[np.float32] = np.clip(np.stack([across, up], 1), 0, 1)
        return coordinates.astype(np.float32)


def lay_out(charts: Charts, size: int, most_pages: int, threads: int) -> Layout:
    """Place all charts, as large as they fit but not larger than ``FINEST``.

    There are as many pages as keep the photos' whole resolution, but at most ``most_pages``.
    """
    total = float(plane_areas(charts.corners, charts.corner_faces).sum())
    pages = int(np.clip(np.ceil(total * FULL**2 / (USUAL_USE * size**2)), 1, most_pages))
    layout = _fit(charts, total, size, pages, threads)
    while layout.scale < FULL and pages < most_pages:
        pages += 1
        layout = _fit(charts, total, size, pages, threads)
    return layout


def _fit(charts: Charts, total: float, size: int, pages: int, threads: int) -> Layout:
    """The largest scale at which the charts fit on some pages."""
    padding = max(1, round(size * PADDING))
    start = min(FINEST, FULLEST * size * float(np.sqrt(pages / max(total, 1e-30))))
    scales = [start * SHRINK**step for step in range(MOST_TRIES)]
    # Several scales are tried at once; which one is taken doesn't depend on how many.
    with ThreadPoolExecutor(max_workers=threads) as workers:
        for some in (scales[i : i + threads] for i in range(0, len(scales), threads)):
            tried = workers.map(lambda s: _place(charts, s, size, pages, padding), some)
            for scale, found in zip(some, list(tried), strict=True):
                if found is not None:
                    return Layout(size, pages, padding, scale, *found)
    raise ReconstructionError(
        f"The {len(charts)} pieces of the texture don't fit into {size}x{size} texels; "
        "ask for a larger texture or fewer faces."
    )


def _place(
    charts: Charts, scale: float, size: int, pages: int, padding: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]] | None:
    """Texels (T, 2) and pages (C,) at one scale, or None when that doesn't fit."""
    scaled = charts.corners * scale
    chart = charts.of_corner
    low = np.full((len(charts), 2), np.inf)
    np.minimum.at(low, chart, scaled)
    local = (scaled - low[chart]).astype(np.float32)
    places = _texture.pack_charts(
        local[charts.corner_faces[charts.order]],
        charts.first,
        size,
        pages,
        max(1, size // GRID),
        padding,
    )
    if places is None:
        return None
    x, y, turns = places[chart].T
    u, v = local.T
    across = np.choose(turns, [u, -v, -u, v])
    down = np.choose(turns, [v, u, -v, -u])
    uvs = np.stack([x + across, y + down], axis=1).astype(np.float32)
    middle = np.zeros(len(charts), np.float32)
    middle[chart] = uvs[:, 1]
    return uvs, (middle // size).astype(np.int32)
