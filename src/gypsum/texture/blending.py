"""Several photos mixed at every place of the surface, for ``smoothing``.

In two bands, after Burt, Adelson 1983, "A Multiresolution Spline with Application to Image
Mosaics", and Baumberg 2002, "Blending Images for Texturing 3D Models": what is coarse is the mean
of all photos that show a place, so that light and reflections pass smoothly from one to the next;
what is fine comes from the few best, so that it stays sharp where photos don't fit to a pixel. The
coarse band lives on the mesh's vertices, where no background can leak into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gypsum.formats.colors import srgb_encoded
from gypsum.scene import Mesh
from gypsum.texture.candidates import Candidates
from gypsum.texture.topology import vertex_average

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

RAMP = 4
"""Rings of vertices over which a photo fades in from the border of what it shows."""
COARSE = 6
"""Rings over which colours are averaged for the coarse band."""
DETAIL_POWER = 4.0
"""How much more the best photos count for the fine band than for the coarse one."""
NEGLIGIBLE = 0.02
"""Shares of the fine band below this are not worth painting."""


@dataclass(frozen=True)
class Part:
    """What one photo gives to the mix."""

    view: int
    weights: Float32
    """(V,) its share of the fine band at every vertex; all photos' shares sum to one."""
    offsets: Float32
    """(V, 3) from its own coarse colours to those of the mix, sRGB-encoded."""


@dataclass(frozen=True)
class _Look:
    """One photo's coarse look at the vertices that it shows."""

    vertices: Int32
    """(N,)"""
    weights: Float32
    """(N,) quality, faded towards the border; zero for vertices only partly in sight."""
    spare: Float32
    """(N,) quality for vertices that no photo shows all around."""
    colors: Float32
    """(N, 3) sRGB-encoded, exposure equalised."""


class Mix:
    """Shares of the photos in the mix; built once, handed out photo by photo."""

    def __init__(self, mesh: Mesh, candidates: Candidates, gains: NDArray[np.float64]) -> None:
        count = len(mesh.vertices)
        self._count = count
        self._looks = dict(_looks(mesh, candidates, gains))
        total, best = np.zeros(count), np.zeros(count)
        for look in self._looks.values():
            total[look.vertices] += look.weights
        self._bare = total == 0
        coarse, total = np.zeros((count, 3)), np.zeros(count)
        for look in self._looks.values():
            weight = self._weights(look)
            total[look.vertices] += weight
            coarse[look.vertices] += weight[:, None] * look.colors
            best[look.vertices] = np.maximum(best[look.vertices], weight)
        self._coarse = (coarse / np.maximum(total, 1e-12)[:, None]).astype(np.float32)
        self._best = np.maximum(best, 1e-12)
        self._detail = np.zeros(count)
        for look in self._looks.values():
            self._detail[look.vertices] += self._peaked(look)

    @property
    def views(self) -> list[int]:
        """The photos that take part, in the order in which they are handed out."""
        return list(self._looks)

    def __iter__(self) -> Iterator[Part]:
        for view, look in self._looks.items():
            share = self._peaked(look)
            weights = np.zeros(self._count, np.float32)
            weights[look.vertices] = share / self._detail[look.vertices]
            offsets = np.zeros((self._count, 3), np.float32)
            offsets[look.vertices] = self._coarse[look.vertices] - look.colors
            yield Part(view, weights, offsets)

    def _weights(self, look: _Look) -> Float32:
        weights: Float32 = np.where(self._bare[look.vertices], look.spare, look.weights)
        return weights

    def _peaked(self, look: _Look) -> NDArray[np.float64]:
        """Weights of the fine band (N,), the best photo's is one."""
        share = (self._weights(look) / self._best[look.vertices]) ** DETAIL_POWER
        return np.where(share > NEGLIGIBLE, share - NEGLIGIBLE, 0) / (1 - NEGLIGIBLE)


def _looks(
    mesh: Mesh, candidates: Candidates, gains: NDArray[np.float64]
) -> Iterator[tuple[int, _Look]]:
    count = len(mesh.vertices)
    around = np.bincount(mesh.faces.ravel(), minlength=count)
    average = vertex_average(mesh)
    faces = candidates.faces
    best = np.zeros(len(mesh.faces), np.float32)
    np.maximum.at(best, faces, candidates.scores)
    quality = candidates.scores / best[faces]
    order = np.argsort(candidates.views, kind="stable")
    views, starts = np.unique(candidates.views[order], return_index=True)
    for view, mine in zip(views, np.split(order, starts[1:]), strict=True):
        colors = srgb_encoded(candidates.colors[mine] * gains[view]).astype(np.float32)
        yield (
            int(view),
            _look(mesh.faces[faces[mine]], quality[mine], colors, around, average),
        )


def _look(
    faces: Int32,
    quality: Float32,
    colors: Float32,
    around: NDArray[np.int64],
    average: sparse.csr_array,
) -> _Look:
    """``faces`` (M, 3), quality (M,) and colours (M, 3) of what one photo shows."""
    count = len(around)
    corners = faces.ravel()
    shown = np.bincount(corners, minlength=count)
    sums = np.bincount(corners, np.repeat(quality, 3), count)
    mean = sums / np.maximum(around, 1)
    faded = np.where(shown == around, mean, 0)
    for _ in range(RAMP):
        faded = np.minimum(faded, average @ faded)
    # The coarse band: a mean over some rings of what this photo shows, and only of that.
    weight = sums.copy()
    tinted = np.stack(
        [np.bincount(corners, np.repeat(quality * colors[:, c], 3), count) for c in range(3)], 1
    )
    seen = np.flatnonzero(shown)
    rows = average[seen][:, seen]
    weight, tinted = weight[seen], tinted[seen]
    for _ in range(COARSE):
        weight, tinted = rows @ weight, rows @ tinted
    return _Look(
        seen.astype(np.int32),
        faded[seen].astype(np.float32),
        mean[seen].astype(np.float32),
        (tinted / np.maximum(weight, 1e-12)[:, None]).astype(np.float32),
    )
