"""Pictures of the sculpture with what is known about every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from gypsum.native import _sample
from gypsum.sample._camera import SampleView
from gypsum.sample._cards import MarkerCard
from gypsum.scene import Mesh

#: Triangles' size at 1024 pixels: about one and a half pixels. Smaller pictures get larger ones.
FINEST_CELL = 0.0009
COARSEST_CELL = 0.0025
#: Lit sculptures kept in memory, about 40 MB each at the finest.
KEPT_SCENES = 2
#: Corners of the round table's outline.
TABLE_CORNERS = 256

#: Gain at which the sculpture is well exposed.
EXPOSURE = 0.62
#: Labels of a picture's pixels.
BACKGROUND, OBJECT, TABLE = 0, 1, 2


class Finish(IntEnum):
    """What the sculpture is made of; the renderer's numbers."""

    PAINTED = 0
    PLAIN = 1
    """Bare plaster, without any detail to match."""
    MIRROR = 2
    """Chrome: it shows the table and the room."""
    HIDDEN = 3
    """Not there: the table alone."""
    POSED = 4
    """Painted, without the table, turned in a soft light that stays."""


@dataclass(frozen=True)
class Rendering:
    """A picture and its truth, all of the view's size; a distorted view has distorted truth."""

    rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB, without noise or vignetting."""
    radiance: NDArray[np.float32]
    """(H, W, 3) linear light, before the sensor."""
    depth: NDArray[np.float32]
    """(H, W) distance along the optical axis at the pixel's centre, metres; 0 where nothing is."""
    normal: NDArray[np.float32]
    """(H, W, 3) unit surface normal, world frame; 0 where nothing is."""
    mask: NDArray[np.bool_]
    """(H, W) true on the sculpture; the table has depth, but is not in the mask."""


_scenes: dict[float, _sample.Scene] = {}


def scene_for(width: int, height: int, threads: int = 0) -> _sample.Scene:
    """The lit sculpture, as fine as pictures of this size can show; kept for the next call."""
    wanted = FINEST_CELL * 1024 / max(width, height, 1)
    cell = round(min(max(wanted, FINEST_CELL), COARSEST_CELL), 5)
    if cell not in _scenes:
        while len(_scenes) >= KEPT_SCENES:
            del _scenes[next(iter(_scenes))]
        _scenes[cell] = _sample.Scene(cell, threads)
    return _scenes[cell]


def render_view(
    view: SampleView,
    threads: int = 0,
    cards: Sequence[MarkerCard] = (),
    finish: Finish = Finish.PAINTED,
    turn: NDArray[np.float64] | None = None,
) -> Rendering:
    """Draw a view, with cards on the table; ``turn`` (3, 3) from a posed sculpture to the room.

    The surface drawn is exactly ``sculpture_mesh(view.width, view.height)``.
    """
    radiance, depth, normal, label = scene_for(view.width, view.height, threads).render(
        view.width,
        view.height,
        np.ascontiguousarray(view.K, np.float64),
        np.ascontiguousarray(view.R, np.float64),
        np.ascontiguousarray(view.t, np.float64),
        view.k1,
        True,
        threads,
        [card.drawn() for card in cards],
        int(finish),
        turn,
    )
    rgb = expose(radiance, threads=threads)
    return Rendering(rgb, radiance, depth, normal, label == OBJECT)


def expose(
    radiance: NDArray[np.float32],
    exposure: float = EXPOSURE,
    vignetting: float = 0.0,
    full_well: float = 0.0,
    read_noise: float = 0.0,
    seed: int = 0,
    threads: int = 0,
) -> NDArray[np.uint8]:
    """What a sensor makes of linear radiance (H, W, 3): an sRGB photo (H, W, 3).

    ``vignetting`` is the share of light lost in the corners; ``full_well`` (electrons at white, 0
    for none) and ``read_noise`` (electrons) set the noise, which ``seed`` and place decide.
    """
    return _sample.expose(radiance, exposure, vignetting, full_well, read_noise, seed, threads)


def sculpture_mesh(width: int = 1024, height: int = 768, threads: int = 0) -> Mesh:
    """The true, closed surface that pictures of this size show, metres, Z up."""
    scene = scene_for(width, height, threads)
    return Mesh(scene.vertices, scene.faces)


def table_mesh() -> Mesh:
    """The table's top, a disc at z = 0, metres."""
    turn = 2 * np.pi * np.arange(TABLE_CORNERS) / TABLE_CORNERS
    rim = np.stack([np.cos(turn), np.sin(turn), np.zeros(TABLE_CORNERS)], 1) * _sample.TABLE_RADIUS
    vertices = np.concatenate([np.zeros((1, 3)), rim]).astype(np.float32)
    corner = np.arange(TABLE_CORNERS)
    faces = np.stack([0 * corner, 1 + corner, 1 + (corner + 1) % TABLE_CORNERS], 1)
    return Mesh(vertices, faces.astype(np.int32))
