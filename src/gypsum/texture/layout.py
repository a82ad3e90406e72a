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
PLENTY = 1.5
"""Texels for each photo pixel beyond which a texture only gets larger. Up to here they keep detail
that a viewer's bilinear filter and oblique pieces would blur."""
SMALLEST_CHOSEN = 1024
"""Smallest side that is chosen in place of the one asked for."""
FULLEST = 0.9
"""Square root of the share of the texture that charts may cover at best: the search begins here."""
USUAL_USE = 0.72
"""Share of the texture that charts usually cover."""
COARSE_STEP, FINE_STEPS = 0.96, 4
"""The search for the largest scale that fits: steps down to the first that does, each then divided
into so many to come as close to the one before as possible."""
MOST_TRIES = 60
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


def lay_out(
    charts: Charts, size: int, most_pages: int, threads: int, spare: bool = False
) -> Layout:
    """Place all charts, as large as they fit.

    There are as many pages as keep the photos' whole resolution, but at most ``most_pages``.
    With ``spare`` the side is halved while that still gives ``PLENTY`` texels a photo pixel.
    """
    total = float(plane_areas(charts.corners, charts.corner_faces).sum())
    while spare and size >= 2 * SMALLEST_CHOSEN and _expected(total, size // 2) >= PLENTY:
        size //= 2
    pages = int(np.clip(np.ceil((FULL / _expected(total, size)) ** 2), 1, most_pages))
    layout = _fit(charts, total, size, pages, threads)
    while layout.scale < FULL and pages < most_pages:
        pages += 1
        layout = _fit(charts, total, size, pages, threads)
    return layout


def _expected(total: float, size: int) -> float:
    """Texels a photo pixel that one page is likely to have room for."""
    return size * float(np.sqrt(USUAL_USE / max(total, 1e-30)))


def _fit(charts: Charts, total: float, size: int, pages: int, threads: int) -> Layout:
    """The largest scale at which the charts fit on some pages."""
    padding = max(1, round(size * PADDING))
    start = FULLEST * size * float(np.sqrt(pages / max(total, 1e-30)))
    # Several scales are tried at once; which one is taken doesn't depend on how many.
    with ThreadPoolExecutor(max_workers=threads) as workers:

        def largest(scales: list[float]) -> tuple[int, Layout] | None:
            for begin in range(0, len(scales), threads):
                some = scales[begin : begin + threads]
                tried = workers.map(lambda s: _place(charts, s, size, pages, padding), some)
                for number, (scale, found) in enumerate(zip(some, list(tried), strict=True)):
                    if found is not None:
                        return begin + number, Layout(size, pages, padding, scale, *found)
            return None

        first = largest([start * COARSE_STEP**step for step in range(MOST_TRIES)])
        if first is not None:
            step, layout = first
            parts = [(step - part / FINE_STEPS) for part in range(FINE_STEPS - 1, 0, -1)]
            closer = largest([start * COARSE_STEP**part for part in parts]) if step else None
            return layout if closer is None else closer[1]
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
