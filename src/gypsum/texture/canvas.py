"""The texture under work: which face paints each texel, and the colours so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _texture
from gypsum.scene import Mesh
from gypsum.texture.charts import Charts
from gypsum.texture.layout import Layout


@dataclass(frozen=True)
class Canvas:
    """All pages, one below the other."""

    mesh: Mesh
    charts: Charts
    layout: Layout
    threads: int
    owners: NDArray[np.int32]
    """(P * S, S) the face that paints each texel; -2 - face in the padding, -1 where none does."""
    atlas: NDArray[np.int16]
    """(P * S, S, 3) sRGB-encoded in units of 1 / ``_texture.ONE``; may go below 0 and above 1."""

    @classmethod
    def empty(cls, mesh: Mesh, charts: Charts, layout: Layout, threads: int) -> Canvas:
        """A canvas without colours."""
        shared = np.bincount(charts.vertices)[charts.vertices] > 1
        border = np.logical_or(shared, _open_boundary(charts))
        owners = _texture.draw_owners(
            layout.uvs,
            charts.corner_faces,
            charts.order,
            charts.first,
            np.any(border[charts.corner_faces], axis=1),
            layout.size,
            layout.size * layout.pages,
            layout.padding,
            threads,
        )
        return cls(mesh, charts, layout, threads, owners, np.zeros((*owners.shape, 3), np.int16))

    def add(self, colors: NDArray[np.float32]) -> None:
        """Add to every texel the colour between its face's corners; ``colors`` (T, 3)."""
        _texture.add_colors(
            self.layout.uvs,
            self.charts.corner_faces,
            self.owners,
            np.ascontiguousarray(colors, np.float32),
            self.atlas,
            self.threads,
        )

    def sample(self, positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours (N, 3) at positions (N, 2), texels, bilinear."""
        return _texture.sample_atlas(self.atlas, np.ascontiguousarray(positions), self.threads)

    def finished(self) -> list[NDArray[np.uint8]]:
        """The pages (S, S, 3), sRGB; the canvas keeps what they round to."""
        pages = []
        for number in range(self.layout.pages):
            rows = slice(number * self.layout.size, (number + 1) * self.layout.size)
            page = _texture.finish_page(self.atlas[rows], self.owners[rows], self.threads)
            levels = np.round(np.arange(256) * (_texture.ONE / 255)).astype(np.int16)
            np.take(levels, page, out=self.atlas[rows])
            pages.append(page)
        return pages


def _open_boundary(charts: Charts) -> NDArray[np.bool_]:
    """(T,) corners on an edge that only one face of the chart has."""
    ends = np.sort(
        np.stack([charts.corner_faces, np.roll(charts.corner_faces, -1, axis=1)], axis=2), axis=2
    ).reshape(-1, 2)
    key = ends[:, 0].astype(np.int64) << 32 | ends[:, 1].astype(np.int64)
    _, index, counts = np.unique(key, return_index=True, return_counts=True)
    open_ = np.zeros(len(charts.corners), bool)
    open_[ends[index[counts == 1]]] = True
    return open_
