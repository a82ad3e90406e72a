"""Which parts of a fitted surface photos shaped, and which only their surroundings did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.report import pictures
from gypsum.report.framing import find_focus
from gypsum.report.render import Eye, Renderer, Shading, on_backdrop
from gypsum.scene import Mesh, View

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_SIDES, _SIDE = 4, 480
_SURE, _DOUBTFUL = np.array([222.0, 218, 210]), np.array([222.0, 96, 52])
#: Brightness of what is seen edge-on, of that which faces the picture.
_EDGE = 0.45


def draw_evidence(
    folder: Path, mesh: Mesh, evidence: Float32, limit: float, views: Sequence[View], threads: int
) -> None:
    """Draw ``mesh`` from four sides, orange where ``evidence`` (V,) is below ``limit``."""
    share = np.clip(evidence / limit, 0, 1)[:, None]
    colors = (share * _SURE + (1 - share) * _DOUBTFUL).astype(np.uint8)
    renderer = Renderer(Mesh(mesh.vertices, mesh.faces, colors), threads)
    focus = find_focus(mesh, views, renderer)
    strip = []
    for number in range(_SIDES):
        eye = focus.orbit(focus.first + 2 * np.pi * number / _SIDES, _SIDE, _SIDE)
        strip.append(on_backdrop(_shaded(renderer.render(eye), renderer, eye)))
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / pictures.EVIDENCE.file) as file:
        Image.fromarray(np.concatenate(strip, axis=1)).save(file, "PNG")


def _shaded(picture: UInt8, renderer: Renderer, eye: Eye) -> UInt8:
    """The picture (h, w, 4), darker where the surface turns away."""
    facing = renderer.render(eye, Shading.NORMALS)[..., 2].astype(np.float32) / 127.5 - 1
    light = _EDGE + (1 - _EDGE) * np.clip(facing, 0, 1)
    shaded = picture.copy()
    shaded[..., :3] = np.clip(picture[..., :3] * light[..., None], 0, 255).astype(np.uint8)
    return shaded
