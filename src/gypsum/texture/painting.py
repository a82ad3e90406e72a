"""Photos onto the canvas, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import srgb_decoded, srgb_encoded
from gypsum.native import _texture
from gypsum.scene import Progress, View
from gypsum.texture.blending import Mix, Part
from gypsum.texture.canvas import Canvas
from gypsum.texture.labelling import UNSEEN
from gypsum.texture.photos import stream

MOST_SAMPLES = 8
"""Sub-samples of a texel along one side, when photos are finer than the texture."""
CURVE_ENTRIES = 4096


def paint(
    canvas: Canvas,
    views: Sequence[View],
    gains: NDArray[np.float64],
    mix: Mix | None,
    progress: Progress,
) -> list[int]:
    """Paint all charts: each from its own photo or, with ``mix``, from all photos.

    ``gains`` (V, 3) equalise the photos. Returns the views used.
    """
    charts = canvas.charts
    samples = min(MOST_SAMPLES, round(1 / canvas.layout.scale))
    used = np.unique(charts.views[charts.views != UNSEEN])
    work = _mixed(canvas, mix) if mix else ((int(v), np.flatnonzero(charts.views == v), None)
                                            for v in used)  # fmt: skip
    numbers = list(mix.views) if mix else [int(v) for v in used]
    pictures = stream([views[number] for number in numbers])
    for done, ((number, chosen, part), (view, picture)) in enumerate(
        zip(work, pictures, strict=True)
    ):
        progress(done / len(numbers), "painting the texture")
        K = view.K
        points = canvas.mesh.vertices.astype(np.float64) @ view.R.T + view.t
        _texture.paint_charts(
            canvas.layout.uvs,
            charts.corner_faces,
            charts.order,
            charts.first,
            chosen,
            canvas.owners,
            canvas.mesh.faces,
            points.astype(np.float32),
            (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])),
            picture,
            gain_curves(gains[number]),
            None if part is None else part.weights,
            None if part is None else part.offsets,
            samples,
            canvas.layout.padding,
            canvas.atlas,
            canvas.threads,
        )
    return numbers


def _mixed(canvas: Canvas, mix: Mix) -> Iterator[tuple[int, NDArray[np.int64], Part]]:
    """The charts that each photo of the mix takes part in."""
    charts = canvas.charts
    for part in mix:
        faces = part.weights[canvas.mesh.faces].any(axis=1)
        chosen = np.unique(charts.of_face[faces]).astype(np.int64)
        yield part.view, chosen[charts.views[chosen] != UNSEEN], part


def gain_curves(gains: NDArray[np.floating]) -> NDArray[np.float32]:
    """(3, 4096) sRGB-encoded colour to itself for linear gains (3,); the atlas may hold > 1.

    Gains act on linear light. What follows, seams and mixing, is in sRGB-encoded colour, where
    equal steps look equally large: an additive correction in linear light would crush the shadows
    beside a bright seam.
    """
    positions = srgb_decoded(np.linspace(0, 1, CURVE_ENTRIES))
    curves = srgb_encoded(positions[None, :] * gains[:, None].astype(np.float64))
    return np.ascontiguousarray(curves, np.float32)
