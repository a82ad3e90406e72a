"""Photos beside what was made of them: the model from the same place, and depth maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.report.framing import Focus
from gypsum.report.render import Eye, Renderer
from gypsum.scene import View

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_TILE = 640
"""Long side of one picture of the comparison, pixels."""
_GAP = 12
_PAPER = 247
_LARGEST_DIFFERENCE = 64
"""Difference in sRGB steps that is shown brightest."""


@dataclass(frozen=True)
class Comparison:
    """Rows of photo, model and difference."""

    picture: UInt8
    agreement_db: float | None
    """Mean PSNR over the photos where the model covers them; None where it covers nothing."""


def spread(views: Sequence[View], focus: Focus, count: int) -> list[View]:
    """``count`` views that show the focus from places far apart, in the order given."""
    places = np.array([view.center for view in views]) - focus.center
    sides = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    chosen = [0]
    while len(chosen) < min(count, len(views)):
        nearest = np.linalg.norm(sides[:, None] - sides[chosen], axis=2).min(axis=1)
        chosen.append(int(np.argmax(nearest)))
    return [views[index] for index in sorted(chosen)]


def compare(renderer: Renderer, views: Sequence[View]) -> Comparison:
    """Each view's photo, the model from the same place, and the difference of both."""
    rows, agreements = [], []
    for view in views:
        small = view.limited(_TILE)
        photo, model = small.read(), renderer.render(Eye.of(small))
        shown = model[..., 3:] > 127
        difference = np.abs(photo.astype(np.int16) - model[..., :3]) * shown
        if shown.any():
            squared = (difference[shown[..., 0]].astype(np.float64) ** 2).mean()
            agreements.append(10 * np.log10(255**2 / max(squared, 1e-9)))
        paper = np.full_like(photo, _PAPER)
        rows.append([photo, np.where(shown, model[..., :3], paper), _heat(difference, shown)])
    agreement = float(np.mean(agreements)) if agreements else None
    return Comparison(_sheet(rows), agreement)


def show_depth(views: Sequence[View], maps: Mapping[str, Float32]) -> UInt8:
    """The views' photos above their depth maps (H, W), 0 where unknown."""
    photos, depths = [], []
    for view in views:
        small = view.limited(_TILE)
        photos.append(small.read())
        depth = cv2.resize(
            maps[view.name], (small.width, small.height), interpolation=cv2.INTER_NEAREST
        )
        depths.append(_colored(np.asarray(depth, np.float32)))
    return _sheet([photos, depths])


def _heat(difference: NDArray[np.int16], shown: NDArray[np.bool_]) -> UInt8:
    """Difference (H, W, 3) as black through red and yellow to white; paper where none."""
    largest = difference.max(axis=2).astype(np.float32) / _LARGEST_DIFFERENCE
    heat = cv2.applyColorMap(np.uint8(255 * np.clip(largest, 0, 1)), cv2.COLORMAP_INFERNO)
    return np.where(shown, heat[..., ::-1], _PAPER).astype(np.uint8)


def _colored(depth: Float32) -> UInt8:
    """Near red, far blue, evenly in inverse depth as the eye judges distance; black unknown."""
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    inverse = np.where(known, 1 / np.where(known, depth, 1), 0)
    far, near = np.percentile(inverse[known], [2, 98])
    share = np.clip((inverse - far) / max(near - far, 1e-12), 0, 1)
    colors = cv2.applyColorMap(np.uint8(20 + 215 * share), cv2.COLORMAP_TURBO)
    return np.where(known[..., None], colors[..., ::-1], 0).astype(np.uint8)


def _sheet(rows: Sequence[Sequence[UInt8]]) -> UInt8:
    """Pictures in rows and columns with gaps; smaller ones are centred in their cell."""
    height = max(picture.shape[0] for row in rows for picture in row)
    width = max(picture.shape[1] for row in rows for picture in row)
    columns = max(len(row) for row in rows)
    shape = (len(rows) * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top = i * (height + _GAP) + (height - picture.shape[0]) // 2
            left = j * (width + _GAP) + (width - picture.shape[1]) // 2
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
